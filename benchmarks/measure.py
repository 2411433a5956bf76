"""Time, repeated: ways of doing the same thing take turns, so that noise comes to all of them."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from unittest.mock import patch

import numpy as np

Trial = Callable[[], float]


@dataclass(frozen=True)
class Row:
    """A measured quantity over its repeats.

    Attributes:
        section, network, measure, who: what was measured, on what, of whom.
        at: the number of chains, points, and so on, where there is one.
        median, low, high: of the repeats, low and high the smallest and largest.
        unit: of these three.
        repeats: how many there were.
    """

    section: str
    network: str
    measure: str
    who: str
    at: float | None
    median: float
    low: float
    high: float
    unit: str
    repeats: int


def row(
    section: str,
    network: str,
    measure: str,
    who: str,
    values: float | Sequence[float] | np.ndarray,
    unit: str,
    at: float | None = None,
) -> Row:
    """The row of a quantity whose repeats have these values."""
    v = np.atleast_1d(np.asarray(values, dtype=float))
    spread = float(np.median(v)), float(v.min()), float(v.max())
    return Row(section, network, measure, who, at, *spread, unit, v.size)


def compared(
    section: str,
    network: str,
    measure: str,
    seconds: Mapping[str, np.ndarray],
    base: str,
    at: float | None = None,
) -> list[Row]:
    """Rows of the times of several ways, in microseconds, and of their ratios to one of them.

    A ratio's spread is that of the ratios within each round, which share the machine's noise.
    """
    times = [row(section, network, measure, who, s * 1e6, "µs", at) for who, s in seconds.items()]
    ratios = [
        row(section, network, measure, f"{who} / {base}", s / seconds[base], "x", at)
        for who, s in seconds.items()
        if who != base
    ]
    return times + ratios


def loop(
    call: Callable[[], object], seconds: float, clock: Callable[[], float] = time.perf_counter
) -> Trial:
    """A trial of about so many seconds: the time of one call, from a loop of as many as fit."""
    call()
    count, spent = 1, 0.0
    while (spent := _spent(call, count, clock)) < seconds / 10:
        count *= 4
    count = max(1, round(count * seconds / spent))
    return lambda: _spent(call, count, clock) / count


def interleaved(trials: Mapping[str, Trial], repeats: int) -> dict[str, np.ndarray]:
    """Results (repeats,) of every trial, after one that is thrown away: A B C A B C and so on."""
    for trial in trials.values():
        trial()
    rounds = [[trial() for trial in trials.values()] for _ in range(repeats)]
    return dict(zip(trials, np.array(rounds).T, strict=True))


def over(function: Callable[..., object], arguments: Sequence) -> Callable[[], object]:
    """Calls of a function at one argument after the other, again and again."""
    turns = cycle(arguments)
    return lambda: function(next(turns))


@contextlib.contextmanager
def stopwatch(module, clock: Callable[[], float] = time.perf_counter) -> Iterator[list[float]]:
    """Seconds of the loops that a module of the package times for its log: the work alone."""
    seconds: list[float] = []
    original = module.timed

    @contextlib.contextmanager
    def timed(*loop):
        with original(*loop) as report:
            begin = clock()
            yield report
            seconds.append(clock() - begin)

    with patch.object(module, "timed", timed):
        yield seconds


def _spent(call: Callable[[], object], count: int, clock: Callable[[], float]) -> float:
    begin = clock()
    for _ in range(count):
        call()
    return clock() - begin
