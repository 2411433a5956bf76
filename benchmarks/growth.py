"""How the cost of the compiled density grows, beside the least that its arithmetic can cost.

Every size is a process of its own, `python growth.py`, so that its peak memory is its own.

The floor is the operations of the matrix products, forwards and backwards, at the speed of a
large float32 product on this core, the faster of MKL's and oneDNN's, plus the time of as many
tanh as the network has units, at that of the faster of torch's and the workflow's tanh on a vector
that stays in the cache. Nothing that has to be done can be left out of either, so the floor can be
neared but not passed.
"""

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import problems
import torch
from measure import Row, compared, interleaved, loop, row

from bnnflow.density import native

AXES = {
    "points": (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000),
    "entries": (17, 142, 1_022, 5_182, 20_162, 50_174),
    "depth": (1, 2, 5, 10, 20),
    "chains": (1, 4, 16, 64, 256, 1_024),
}
# Hidden widths of networks with so many entries, the noise's one included.
ENTRIES = {17: (5,)} | {w * (w + 4) + 2: (w, w) for w in (10, 30, 70, 140, 222)}
# Of tables evaluated in blocks and whole: hidden widths, inputs, rows and chains.
TABLES = [
    (hidden, inputs, rows, chains)
    for hidden in ((16, 16), (64, 64))
    for inputs in (5, 50)
    for rows in (10_000, 100_000, 1_000_000)
    for chains in (1, 8)
]
QUICK = {"points": (1_000, 10_000), "entries": (17, 142), "depth": (1, 3), "chains": (1, 4)}

TIME = "value and gradient"
FOUND = (
    (TIME, "µs"),
    ("peak memory of a call", "MB"),
    ("peak memory of the process", "MB"),
    ("first call, compiling", "s"),
)

# The slope over points is fitted from here on, where the cost of a call itself is small.
LARGE = 10_000


def growth(quick: bool) -> list[Row]:
    """Value and gradient against points, entries, depth and chains: time, floor, memory."""
    core = speed()
    rows = of_core("growth", core)
    for axis, sizes in (QUICK if quick else AXES).items():
        for size in sizes:
            hidden, points, chains = _size(axis, size)
            least = chains * floor([1, *hidden, 1], points, core)
            rows.append(row("growth", axis, TIME, "floor", least * 1e6, "µs", size))
            rows += [
                row("growth", axis, what, "compiled", found, unit, size)
                for (what, unit), found in zip(FOUND, _child(axis, size, quick), strict=True)
            ]
    return [*rows, _slope(rows)]


def blocks(quick: bool) -> list[Row]:
    """Value and gradient of large tables, in blocks of rows and whole: processor time, memory."""
    found = []
    for hidden, inputs, rows, chains in TABLES[:2] if quick else TABLES:
        widths = ",".join(map(str, hidden))
        ways = _process(widths, str(inputs), str(rows), str(chains), "quick" if quick else "full")
        name = f"{inputs} inputs, {', '.join(map(str, hidden))}, {chains} chains"
        times = {who: np.array(way["seconds"]) / chains for who, way in ways.items()}
        found += compared("blocks", name, "per chain", times, "whole", rows)
        for (what, unit), entry in zip(FOUND[1:], ("call", "process", "first"), strict=True):
            found += [
                row("blocks", name, what, who, way[entry], unit, rows) for who, way in ways.items()
            ]
    return found


def _size(axis: str, size: int) -> tuple[tuple[int, ...], int, int]:
    """Hidden widths, points and chains of a size on an axis."""
    match axis:
        case "points":
            return (5,), size, 1
        case "entries":
            return ENTRIES[size], 1_000, 1
        case "depth":
            return (10,) * size, 1_000, 1
    return (5,), 1_000, size


def floor(widths: Sequence[int], points: int, speed: dict[str, float]) -> float:
    """Seconds that the arithmetic of one value and gradient takes at least.

    Args:
        widths: of all layers, inputs and outputs included.
        points: rows of data.
        speed: of the core, as `speed` finds it.
    """
    weights = [a * b for a, b in pairwise(widths)]
    # Each product once forwards, and twice backwards but for the inputs' gradient.
    flops = 2 * points * (3 * sum(weights) - weights[0])
    return flops / speed["flops"] + points * sum(widths[1:-1]) * speed["tanh"]


def speed() -> dict[str, float]:
    """Operations a second of a large product, and seconds of one tanh, on this core."""
    a, b = torch.randn(512, 512), torch.randn(512, 512)
    x = torch.randn(2**13)
    product = native.compiled(lambda a, b: (a @ b,), a, b)
    tanh = native.compiled(lambda x: (torch.tanh(x),), x)
    times = interleaved(
        {
            "MKL": loop(lambda: a @ b, 0.02),
            "oneDNN": loop(lambda: product(a, b), 0.02),
            "torch": loop(lambda: torch.tanh(x), 0.02),
            "compiled": loop(lambda: tanh(x), 0.02),
        },
        25,
    )
    fastest = {name: seconds.min() for name, seconds in times.items()}
    return {
        "flops": 2 * 512**3 / min(fastest["MKL"], fastest["oneDNN"]),
        "tanh": min(fastest["torch"], fastest["compiled"]) / len(x),
    }


def of_core(section: str, speed: dict[str, float]) -> list[Row]:
    """Rows of the core's speed."""
    found = (
        ("matrix product", speed["flops"] / 1e9, "GFLOP/s"),
        ("tanh", speed["tanh"] * 1e9, "ns"),
    )
    return [row(section, "", "speed of the core", *entry) for entry in found]


def _slope(rows: list[Row]) -> Row:
    """Of the logarithm of the time over that of the points: 1 is linear."""
    picked = [
        (r.at, r.median)
        for r in rows
        if (r.network, r.measure, r.who) == ("points", TIME, "compiled")
    ]
    large = [pair for pair in picked if pair[0] >= LARGE]
    points, times = np.log(large if len(large) > 1 else picked).T
    slope = np.polyfit(points, times, 1)[0]
    return row("growth", "points", "log-log slope of time", "compiled", slope, "")


def _child(axis: str, size: int, quick: bool) -> list:
    """What is measured of one size, in a process of its own that finds nothing compiled."""
    found = _process(axis, str(size), "quick" if quick else "full")
    times = np.array(found["seconds"]) * 1e6
    return [times, *(found[entry] for entry in ("call", "process", "first"))]


def _process(*arguments: str):
    command = [sys.executable, __file__, *arguments]
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"BNNFLOW_CACHE": cache}
        done = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
    return json.loads(done.stdout)


def _measured(axis: str, size: int, quick: bool) -> dict:
    """Seconds of a call, peak memory of one, that of the process, and seconds of the first call."""
    repeats, seconds = (3, 0.05) if quick else (7, 0.3)
    hidden, points, chains = _size(axis, size)
    problem = problems.enlarged(hidden, points)
    call, found = _first(problem, _argument(problem, chains), by_rows=True)
    times = interleaved({"call": loop(call, seconds)}, repeats)["call"]
    return found | {"seconds": list(times)}


def _of_table(
    hidden: tuple[int, ...], inputs: int, rows: int, chains: int, quick: bool
) -> dict[str, dict]:
    """The same of a table in blocks and whole, by the processor's time, in turns."""
    repeats, seconds = (3, 0.01) if quick else (15, 0.05)
    problem = problems.tabular(hidden, inputs, rows)
    argument = _argument(problem, chains)
    # Blocks first, because what a process had at most stays.
    ways = {who: _first(problem, argument, by_rows=who == "blocks") for who in ("blocks", "whole")}
    trials = {who: loop(call, seconds, time.process_time) for who, (call, _) in ways.items()}
    times = interleaved(trials, repeats)
    return {who: found | {"seconds": list(times[who])} for who, (_, found) in ways.items()}


def _argument(problem: problems.Problem, chains: int) -> torch.Tensor:
    vectors = problem.vectors(chains)
    return vectors if chains > 1 else vectors[0]


def _first(
    problem: problems.Problem, argument: torch.Tensor, by_rows: bool
) -> tuple[Callable[[], object], dict]:
    """A call of the density, with its memory, that of the process, and seconds of the first."""
    begin = time.perf_counter()
    density = problem.density(by_rows=by_rows)
    density.value_and_grad(argument)  # traces and compiles
    first = time.perf_counter() - begin
    process = _memory("VmHWM")
    # What tracing has left free goes back to the system, so that a call has to ask for its own.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_bytes(b"5")  # the peak starts anew
    before = _memory("VmRSS")
    density.value_and_grad(argument)
    found = {"call": _memory("VmHWM") - before, "process": process, "first": first}
    return lambda: density.value_and_grad(argument), found


def _memory(entry: str) -> float:
    """Resident megabytes of this process, now (VmRSS) or at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(entry))


if __name__ == "__main__":
    *what, how = sys.argv[1:]
    torch.set_num_threads(1)
    if len(what) == 2:
        result = _measured(what[0], int(what[1]), how == "quick")
    else:
        widths, inputs, rows, chains = what
        hidden = tuple(map(int, widths.split(",")))
        result = _of_table(hidden, int(inputs), int(rows), int(chains), how == "quick")
    print(json.dumps(result))
