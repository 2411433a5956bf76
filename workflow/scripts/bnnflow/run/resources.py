"""What jobs ask of a cluster: memory and time, from the size of what they do.

Bounds rather than estimates: a job that asks for too little is killed, one that asks for too much
waits a little longer. The constants are measured (benchmarks/README.md, on one core with AVX-512),
and work is given SAFETY times as long.
"""

import os
from itertools import pairwise
from pathlib import Path

from ..methods.running.method import METHODS

SAFETY = 3

# Minutes for everything but the work: Python and torch from a slow disk, the compiler, the wait
# for another job that compiles the same.
START = 10

# MB. At its highest, while C++ is compiled, a fit has 983; predictions of few draws have 350. The
# two processes of Snakemake in a job of a cluster are 340 more.
# A fit on a GPU loads CUDA's libraries too; that is a guess, as no GPU was there to measure.
FIT, PREDICTION, CUDA = 2000, 1000, 4000

# Seconds of a value and gradient: of the call, by observation and parameter, and of Pyro by layer.
CALL, ARITHMETIC, LAYER = 20e-6, 0.6e-9, 1e-3
# And on a GPU, for all starts of a job together, by layer: some fifty kernels; a guess too.
LAUNCH = 0.2e-3

# Bytes by number of a covariance.
COVARIANCE_SIZE = 100

# Bytes by observation and unit, while the model is traced.
ACTIVATION = 100

# Of a prediction by draw and input: bytes, seconds, and seconds by parameter too.
MIXTURE_SIZE, MIXTURE_TIME, FORWARD = 40, 0.2e-6, 1e-9

# Seconds of a figure.
FIGURE = 2


# Of a table: bytes of a first line, letters of a value, and rows and columns where nobody knows.
LINE, LETTERS, UNKNOWN = 1 << 20, 6, (10_000, 20)


def fit_needs(widths: list[int], points: int, inference: dict, engine: str) -> dict[str, int]:
    """Memory and time of a job that infers: a chain, or starts that are fitted together.

    Args:
        widths: of the network's layers, inputs and outputs included.
        points: number of observations.
        inference, engine: as in the config. `auto` is taken to compile.

    Returns:
        `mem_mb` in MB, `runtime` in minutes: the resources of Snakemake.
    """
    size = count_parameters(widths)
    compiled = engine != "pyro"
    on_gpu = inference["device"] == "cuda"
    call = CALL if compiled else LAYER * (len(widths) - 1)
    # The prior, the likelihood, guide and optimizer are as much as five layers.
    launches = LAUNCH * (len(widths) + 3) if on_gpu else 0
    gradient = ARITHMETIC * points * size + call
    method = METHODS.made(inference)
    work = method.work(size, gradient, compiled)
    activations = ACTIVATION * points * sum(widths)
    memory = work.together * (activations + COVARIANCE_SIZE * work.covariance)
    seconds = work.steps * (work.together * work.seconds + launches)
    return _asked(FIT + CUDA * on_gpu, memory + 16 * method.draws * size, seconds)


def prediction_needs(widths: list[int], draws: int, points: int) -> dict[str, int]:
    """Memory and time of a fit's predictions.

    Args:
        widths: of the network's layers, inputs and outputs included.
        draws: of all chains.
        points: inputs, those of the grid and the held-out ones.

    Returns:
        As of a fit.
    """
    size = count_parameters(widths)
    memory = MIXTURE_SIZE * draws * points + 16 * draws * size
    return _asked(PREDICTION, memory, draws * points * (MIXTURE_TIME + FORWARD * size))


def prior_needs(networks: list[list[int]], draws: int, points: int) -> dict[str, int]:
    """Memory and time of drawing what priors of several fits mean.

    Args:
        networks: widths of the layers of each fit.
        draws: from each prior.
        points: inputs.

    Returns:
        As of a fit.
    """
    sizes = list(map(count_parameters, networks))
    memory = MIXTURE_SIZE * draws * points + 16 * draws * max(sizes)
    seconds = sum(
        FIGURE + draws * (LAYER * len(widths) + points * (MIXTURE_TIME + FORWARD * size))
        for widths, size in zip(networks, sizes, strict=True)
    )
    return _asked(PREDICTION, memory, seconds)


def count_parameters(widths: list[int]) -> int:
    """Number of a network's random variables: weights, biases and sigma."""
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(widths)) + 1


def of_table(path: str | Path) -> tuple[int, int]:
    """About how many rows and columns a table has, by its size and its first line.

    Of a table that is not there yet, or not text, a guess.
    """
    try:
        with Path(path).open("rb") as file:
            first = file.readline(LINE)
            size = os.fstat(file.fileno()).st_size
    except OSError:
        return UNKNOWN
    columns = 1 + max(first.count(mark) for mark in b",;\t|")
    return max(1, size // (LETTERS * columns)), columns


def _asked(base: int, memory: float, seconds: float) -> dict[str, int]:
    """In hundreds of MB and whole minutes, up."""
    hundreds = -int(-(base + memory / 1e6) // 100)
    return {"mem_mb": 100 * hundreds, "runtime": START - int(-SAFETY * seconds // 60)}
