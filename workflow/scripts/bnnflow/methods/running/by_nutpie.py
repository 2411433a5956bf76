"""A chain of nutpie's NUTS, in Rust, on a log density."""

import ctypes
import os
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from ...density.log_density import LogDensity
from ...jobs import timed

# Names the folder of the user's cache.
CACHE = "XDG_CACHE_HOME"


def chain(
    density: LogDensity,
    start: Tensor,
    *,
    warmup: int,
    draws: int,
    target_accept: float,
    max_tree_depth: int,
    mass_matrix: str,
    seed: int,
) -> tuple[Tensor, dict[str, np.ndarray]]:
    """A chain, of settings as `nuts.sample_chain` takes them.

    Returns:
        Vectors (draws, n) and statistics, each (draws,).

    Raises:
        KeyboardInterrupt: if nutpie has been interrupted, which itself ends as if it were done.
    """
    nutpie = _nutpie()
    from nutpie.compiled_pyfunc import from_pyfunc

    with timed("warm-up and draws", warmup + draws) as report:
        steps = iter(range(1, warmup + draws + 1))

        def expanded(position: np.ndarray) -> dict[str, np.ndarray]:
            # nutpie asks once an iteration, and perhaps for the starting point.
            if step := next(steps, None):
                report(step)
            return {"z": position}

        trace = nutpie.sample(
            from_pyfunc(
                density.size,
                partial(float64_function, density),
                lambda *_: expanded,
                [np.dtype(np.float64)],
                [(density.size,)],
                ["z"],
                make_initial_point_fn=lambda _: start.double().numpy(),
            ),
            tune=warmup,
            draws=draws,
            chains=1,
            cores=1,
            seed=seed,
            target_accept=target_accept,
            maxdepth=max_tree_depth,
            low_rank_modified_mass_matrix=mass_matrix == "low_rank",
            save_warmup=False,
            progress_bar=False,
        )
    names = {
        "lp": "logp",
        "acceptance_rate": "mean_tree_accept",
        "step_size": "step_size",
        "n_steps": "n_steps",
        "energy": "energy",
        "diverging": "diverging",
    }
    stats = {name: trace.sample_stats[theirs].values[0] for name, theirs in names.items()}
    vectors = torch.tensor(trace.posterior["z"].values[0], dtype=start.dtype)
    if len(vectors) < draws:
        raise KeyboardInterrupt
    return vectors, stats


def float64_function(density: LogDensity) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Value and gradient as nutpie wants them: of and as double precision arrays.

    To be called in one thread, which need not be Python's own.
    """
    vector = torch.empty(density.size, dtype=density.dtype)
    entries = vector.numpy()
    called = False

    def value_and_grad(position: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal called
        if not called:
            # Otherwise Python makes and drops its state of nutpie's thread at every call, which
            # takes as long as the gradient does.
            ctypes.pythonapi.PyGILState_Ensure()
            called = True
        entries[:] = position
        value, grad = density.value_and_grad(vector)
        return value.item(), grad.numpy().astype(np.float64)

    return value_and_grad


def _nutpie() -> ModuleType:
    """nutpie, which loads ArviZ, which keeps in the user's cache when it has last warned."""
    with warnings.catch_warnings():
        # ArviZ announces its next version once a day.
        warnings.simplefilter("ignore", FutureWarning)
        try:
            import nutpie
        except OSError:  # a user whose cache cannot be written, as in some containers
            before = os.environ.get(CACHE)
            with tempfile.TemporaryDirectory() as folder:
                os.environ[CACHE] = folder
                import nutpie
            os.environ.pop(CACHE)
            os.environ |= {CACHE: before} if before else {}
    return nutpie
