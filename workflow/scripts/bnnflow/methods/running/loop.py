"""The loop over a method's steps, with its progress, its checkpoints and its end: all in here."""

import math
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from ...density.log_density import LogDensity
from ...jobs import log, tenth, timed
from .checkpoints import Checkpoint, Kept

# A frozen dataclass, all of whose fields are tensors.
State = TypeVar("State")
Rows = dict[str, Tensor]

# After which a run keeps its state before it ends.
STOPS = signal.SIGTERM, signal.SIGINT

# What writing may take of a run's time.
SHARE = 0.01

# Seconds of steps that a method takes in one call, in which no signal is answered.
PACE = 0.1


class Steps(Protocol[State]):
    """What the loop runs: a start, and a step from one state to the next.

    A state holds all by which what follows depends on what was: the streams of random numbers too.
    It is what a checkpoint keeps; a run that goes on from it ends with the bytes of one that was
    never stopped, however many steps a call has taken. Many chains or starts are one state, whose
    tensors have a row for each.

    Attributes:
        density: of the posterior.
        facts: what determines the run besides the density, tensors or of types that JSON has.
        phases: how many steps there are of each kind, in order, such as warm-up and draws.
        stride: the steps of a call are so many or a multiple, but for the last of a phase; more
            than 1 where a call of compiled code takes many.
    """

    density: LogDensity
    facts: Iterable[object]
    phases: Mapping[str, int]
    stride: int

    def init(self) -> State:
        """The state before the first step; whatever must be compiled is compiled then."""

    def step(self, state: State, numbers: range) -> tuple[State, Rows]:
        """Take the steps of these numbers, from 0 and through all phases, but of one phase only.

        Returns:
            The state after them; and what each step leaves behind, by name a tensor (steps, ...),
            or nothing where they only prepare, as a warm-up does. Of all states that are handed
            out, none may change afterwards.
        """

    def shown(self, state: State, rows: Rows) -> dict[str, float]:
        """Numbers after a call of `step` that are worth a look, for the log."""


def run(method: Steps[State], checkpoint: Checkpoint | None = None) -> tuple[State, Rows]:
    """Take all steps of a method.

    While there is a checkpoint, SIGTERM, which schedulers send some seconds before they kill, and
    SIGINT, which Ctrl-C sends, wait for the call of a step to end; the state is then written, and
    the run stopped.

    Args:
        method: what to run.
        checkpoint: where the state is kept; from one that an earlier call has left, the run goes
            on.

    Returns:
        The last state, and what all steps have left behind, by name a tensor (steps, ...).

    Raises:
        SystemExit: if SIGTERM or SIGINT has come, and there is a checkpoint to go on from.
    """
    state = method.init()
    with _keeper(method, checkpoint) as keeper:
        state, rows, done = keeper.resumed(state)
        begin = 0
        for name, count in method.phases.items():
            before = min(max(0, done - begin), count)
            with timed(name, count, before) as report:
                for numbers in _calls(before, count, method.stride):
                    shifted = range(begin + numbers.start, begin + numbers.stop)
                    state, new = method.step(state, shifted)
                    rows.append(new)
                    report(numbers.stop, **method.shown(state, new))
                    if keeper.due():
                        rows = [_joined(rows)]
                        keeper.save(shifted.stop, state, rows[0])
            begin += count
    return state, _joined(rows)


def _calls(done: int, count: int, stride: int) -> Iterator[range]:
    """The steps of a phase that each call takes: as many as PACE allows, up to the next tenth."""
    together = stride
    while done < count:
        mark = min(count, (done // tenth(count) + 1) * tenth(count))
        wanted = min(done + together, mark)
        end = min(count, -(-wanted // stride) * stride)
        begin = time.monotonic()
        yield range(done, end)
        took = time.monotonic() - begin
        fitting = int(PACE * (end - done) / took) if took else math.inf
        together, done = max(1, min(2 * together, fitting)), end


def _joined(rows: list[Rows]) -> Rows:
    left = [part for part in rows if part]
    return {name: torch.cat([part[name] for part in left]) for name in (left[0] if left else ())}


@contextmanager
def _keeper(method: Steps, checkpoint: Checkpoint | None) -> Iterator["_Keeper"]:
    """Who keeps the state of a run; within, signals to stop are the keeper's."""
    kept = checkpoint and Kept(checkpoint, method.density, method.facts)
    keeper = _Keeper(kept)
    # Other threads than the first cannot set handlers.
    if kept is None or threading.current_thread() is not threading.main_thread():
        yield keeper
        return
    others = {number: signal.getsignal(number) for number in STOPS}
    for number, other in others.items():
        if other != signal.SIG_IGN:
            signal.signal(number, keeper.terminate)
    try:
        yield keeper
    finally:
        for number, other in others.items():
            signal.signal(number, other)


class _Keeper:
    """Decides when the state of a run is written; never, where nothing is kept."""

    def __init__(self, kept: Kept | None):
        self._kept = kept
        self._signal: int | None = None
        self._next = time.monotonic() + kept.checkpoint.seconds if kept else math.inf

    def resumed(self, begun: State) -> tuple[State, list[Rows], int]:
        """Where a run is to go on: its state, what was left behind so far, and steps done."""
        saved = self._kept.read() if self._kept else {}
        if not saved:
            return begun, [], 0
        state, rows = (
            {name.removeprefix(part): value for name, value in saved.items() if part in name}
            for part in ("state/", "rows/")
        )
        return replace(begun, **state), [rows], int(saved["step"])

    def due(self) -> bool:
        """Whether it is time to save."""
        return self._signal is not None or time.monotonic() >= self._next

    def save(self, step: int, state: State, rows: Rows) -> None:
        """Write a state after so many steps; stop, if a signal has come.

        Raises:
            SystemExit: if one has, after writing.
        """
        if self._kept is None:
            return
        begin = time.monotonic()
        values = {field.name: getattr(state, field.name) for field in fields(state)}
        tensors = {f"state/{name}": value.cpu().contiguous() for name, value in values.items()}
        tensors |= {f"rows/{name}": value for name, value in rows.items()}
        written = self._kept.write(tensors | {"step": torch.tensor(step)})
        if self._signal is not None:
            name = signal.Signals(self._signal).name
            path = self._kept.checkpoint.path
            keeps = f"{path} keeps its state, and the same command goes on from it"
            lost = "its state could not be written, and the same command begins anew"
            log.error("stopped by %s after step %d; %s", name, step, keeps if written else lost)
            raise SystemExit(128 + self._signal)
        end = time.monotonic()
        self._next = end + max(self._kept.checkpoint.seconds, (end - begin) / SHARE)

    def terminate(self, number: int, _: object) -> None:
        """Stop at the next occasion to save, which is now; a handler of signals."""
        self._signal = number
