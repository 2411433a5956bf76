"""What jobs ask of a cluster: memory and time, from the size of what they do.

Bounds rather than estimates: a job that asks for too little is killed, one that asks for too much
waits a little longer. The constants are measured (benchmarks/README.md, on one core with AVX-512),
and work is given SAFETY times as long.
"""

from collections.abc import Sequence

from ..methods.running.method import METHODS
from ..model.size import Size

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
# Rows that are traced at most, and numbers of their widest tensor, as density/blocks.py cuts tables
# for the processor; and bytes by observation and unit of the data themselves.
ROWS, WIDEST, DATUM = 4096, 2**19, 40

# Of a prediction by draw, input and output: bytes, seconds; and seconds by draw, input and number.
MIXTURE_SIZE, MIXTURE_TIME, FORWARD = 40, 0.2e-6, 1e-9

# Seconds of a figure.
FIGURE = 2


def fit_needs(size: Size, points: int, inference: dict, engine: str) -> dict[str, int]:
    """Memory and time of a job that infers: a chain, or starts that are fitted together.

    Args:
        size: of the model.
        points: number of observations.
        inference, engine: as in the config. `auto` is taken to compile.

    Returns:
        `mem_mb` in MB, `runtime` in minutes: the resources of Snakemake.
    """
    compiled = engine != "pyro"
    on_gpu = inference["device"] == "cuda"
    call = CALL if compiled else LAYER * size.layers
    # The prior, the likelihood, guide and optimizer are as much as five layers.
    launches = LAUNCH * (size.layers + 4) if on_gpu else 0
    method = METHODS.made(inference)
    by_row = ARITHMETIC * size.numbers
    gradient = by_row * method.rows_of_step(points) + call
    work = method.work(size.numbers, gradient, compiled)
    # The widest tensor has at least the mean of the layers' units by row.
    block = max(ROWS, WIDEST * (size.layers + 1) // size.units)
    traced = points if on_gpu else min(points, block)
    activations = ACTIVATION * traced * size.units
    memory = work.together * (activations + COVARIANCE_SIZE * work.covariance)
    memory += DATUM * points * size.units + 16 * method.draws * size.numbers
    seconds = work.steps * (work.together * work.seconds + launches)
    seconds += by_row * points * method.draws  # whose densities are of all rows
    return _asked(FIT + CUDA * on_gpu, memory, seconds)


def prediction_needs(size: Size, draws: int, points: int) -> dict[str, int]:
    """Memory and time of a fit's predictions.

    Args:
        size: of the model.
        draws: of all chains.
        points: inputs, those of the grid and the held-out ones.

    Returns:
        As of a fit.
    """
    memory = MIXTURE_SIZE * draws * points * size.outputs + 16 * draws * size.numbers
    each = MIXTURE_TIME * size.outputs + FORWARD * size.numbers
    return _asked(PREDICTION, memory, draws * points * each)


def prior_needs(sizes: Sequence[Size], draws: int, points: int) -> dict[str, int]:
    """Memory and time of drawing what priors of several fits mean.

    Args:
        sizes: of the model of each fit.
        draws: from each prior.
        points: inputs.

    Returns:
        As of a fit.
    """
    memory = max(MIXTURE_SIZE * points * own.outputs + 16 * own.numbers for own in sizes)
    seconds = sum(
        FIGURE
        + draws * LAYER * own.layers
        + draws * points * (MIXTURE_TIME * own.outputs + FORWARD * own.numbers)
        for own in sizes
    )
    return _asked(PREDICTION, draws * memory, seconds)


def _asked(base: int, memory: float, seconds: float) -> dict[str, int]:
    """In hundreds of MB and whole minutes, up."""
    hundreds = -int(-(base + memory / 1e6) // 100)
    return {"mem_mb": 100 * hundreds, "runtime": START - int(-SAFETY * seconds // 60)}
