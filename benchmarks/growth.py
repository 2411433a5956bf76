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
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import problems
import torch
from measure import Row, interleaved, loop, row

from bnnflow.density import native

AXES = {
    "points": (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000),
    "width": (5, 10, 20, 50, 100, 200, 500),
    "depth": (1, 2, 5, 10, 20),
    "chains": (1, 4, 16, 64, 256),
}
QUICK = {"points": (1_000, 10_000), "width": (5, 50), "depth": (1, 3), "chains": (1, 4)}

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
    """Value and gradient against points, width, depth and chains: time, floor, memory."""
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


def _size(axis: str, size: int) -> tuple[tuple[int, ...], int, int]:
    """Hidden widths, points and chains of a size on an axis."""
    return {
        "points": ((5,), size, 1),
        "width": ((size,), 1_000, 1),
        "depth": ((10,) * size, 1_000, 1),
        "chains": ((5,), 1_000, size),
    }[axis]


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
    command = [sys.executable, __file__, axis, str(size), "quick" if quick else "full"]
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"BNNFLOW_CACHE": cache}
        done = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
    return json.loads(done.stdout)


def _measured(axis: str, size: int, quick: bool) -> list:
    """Times of a call, peak memory of one, that of the process, and seconds of the first call."""
    repeats, seconds = (3, 0.05) if quick else (7, 0.3)
    hidden, points, chains = _size(axis, size)
    problem = problems.enlarged(hidden, points)
    density = problem.density()
    vectors = problem.vectors(chains)
    argument = vectors if chains > 1 else vectors[0]

    begin = time.perf_counter()
    density.value_and_grad(argument)  # traces and compiles
    first = time.perf_counter() - begin
    process = _memory("VmHWM")
    # What tracing has left free goes back to the system, so that a call has to ask for its own.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_bytes(b"5")  # the peak starts anew
    before = _memory("VmRSS")
    density.value_and_grad(argument)
    memory = _memory("VmHWM") - before
    trial = loop(lambda: density.value_and_grad(argument), seconds)
    times = interleaved({"call": trial}, repeats)["call"]
    return [list(times * 1e6), memory, process, first]


def _memory(entry: str) -> float:
    """Resident megabytes of this process, now (VmRSS) or at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(entry))


if __name__ == "__main__":
    axis, size, how = sys.argv[1:]
    torch.set_num_threads(1)
    print(json.dumps(_measured(axis, int(size), how == "quick")))
