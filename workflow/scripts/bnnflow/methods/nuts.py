"""The No-U-Turn sampler (Hoffman and Gelman, 2014, arXiv:1111.4246): Pyro's own, and nutpie."""

import ctypes
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from pyro.infer.autoguide import initialization
from pyro.infer.mcmc.util import initialize_model
from torch import Generator, Tensor

from ..density.log_density import LogDensity
from ..density.pyro_private import Nuts, NutsState, drawing_from
from ..jobs import log, timed
from . import loop
from .checkpoints import Checkpoint

Arrays = dict[str, np.ndarray]

# Of a draw of Pyro's sampler, as ArviZ names them.
STATISTICS = {
    "lp": torch.float64,
    "acceptance_rate": torch.float64,
    "step_size": torch.float64,
    "n_steps": torch.int64,
    "energy": torch.float64,
    "diverging": torch.bool,
}

INITS = {
    "uniform": initialization.init_to_uniform,
    "median": initialization.init_to_median,
    "prior": initialization.init_to_sample,
}


def sample_chain(
    density: LogDensity,
    *,
    sampler: str,
    init: str,
    seed: int,
    checkpoint: Checkpoint | None = None,
    **settings,
) -> tuple[Arrays, Arrays]:
    """Run one chain of NUTS.

    Args:
        density: of the posterior.
        sampler: "pyro" or "nutpie".
        init: where the chain starts: "uniform" in (-2, 2) in unconstrained space, or the "median"
            of draws from the prior, or a draw from the "prior".
        seed: of the whole chain, its starting point included.
        checkpoint: where Pyro's sampler keeps its state, warm-up included; with one that an
            earlier call has left, the chain goes on from there and ends with the same bytes as
            one that was never stopped. nutpie does not give its state away: its chain begins anew.
        settings: warmup, iterations that adapt step size and mass matrix; draws, iterations
            kept; target_accept, the mean acceptance probability that the step size is adapted
            to; max_tree_depth, the limit on the doublings of a trajectory; mass_matrix,
            "diagonal", or "dense" for Pyro, or "low_rank" for nutpie.

    Returns:
        Draws: for every site, in the model's order, an array (draws, ...) in constrained space.
        Statistics: for each an array (draws,), named as ArviZ names them.

    Raises:
        ValueError: if no starting point of finite density is found, or for nutpie without warmup.
        NotCompiledError: if the density's engine `compiled`, or its GPU, is not possible.
        KeyboardInterrupt: if nutpie has been interrupted, which itself ends as if it were done.
        SystemExit: if SIGTERM or SIGINT has come, and there is a checkpoint to go on from.
    """
    stream = Generator().manual_seed(seed)
    start = _start(density, init, stream)
    density.value_and_grad(start)  # compiles, so that the sampler's time is its own
    if sampler == "nutpie":
        if settings["warmup"] < 1:
            raise ValueError("nutpie needs a warmup of at least 1")
        if checkpoint is not None:
            log.info("nutpie keeps no state on the way: stopped, this chain begins anew")
        vectors, stats = _nutpie(density, start, seed=seed, **settings)
    else:
        method = ByPyro(density, start, stream, [settings, init, seed], **settings)
        _, rows = loop.run(method, checkpoint)
        vectors = rows["vector"]
        stats = {name: rows[name].numpy() for name in STATISTICS}
    # The last doubling, which a turn or a divergence may have cut short, counts as one.
    stats["tree_depth"] = np.ceil(np.log2(stats["n_steps"] + 1)).astype(int)
    values = density.constrained(density.unflattened(vectors))
    return {name: value.numpy() for name, value in values.items()}, stats


def _start(density: LogDensity, init: str, stream: Generator) -> Tensor:
    with drawing_from(stream):
        try:
            found, *_ = initialize_model(density.model, density.data, init_strategy=INITS[init])
        except ValueError as error:
            others = " or ".join(name for name in INITS if name != init)
            raise ValueError(
                "the chain finds no point of finite log density to start from"
                f" (init: {init}); try init: {others}, and look for data or a prior that the"
                f" model cannot take. {error}"
            ) from error
    return density.flattened(found).to(density.dtype)


class ByPyro:
    """A chain of Pyro's sampler, as the loop runs it.

    Args:
        density: of the posterior.
        start: where the chain starts, (n,).
        stream: of random numbers.
        facts: what determines the chain besides the density.
        warmup, draws, target_accept, max_tree_depth, mass_matrix: as for `sample_chain`.
    """

    stride = 1

    def __init__(
        self,
        density: LogDensity,
        start: Tensor,
        stream: Generator,
        facts: list,
        *,
        warmup: int,
        draws: int,
        target_accept: float,
        max_tree_depth: int,
        mass_matrix: str,
    ):
        self.density, self.facts = density, facts
        self.phases = {"warm-up": warmup, "draws": draws}
        self._start, self._stream = start, stream
        self._sampler = Nuts(
            density.value_and_grad,
            warmup=warmup,
            target_accept=target_accept,
            max_tree_depth=max_tree_depth,
            dense=mass_matrix == "dense",
        )

    def init(self) -> NutsState:
        """As for any method."""
        return self._sampler.begun(self._start, self._stream)

    def step(self, state: NutsState, numbers: range) -> tuple[NutsState, loop.Rows]:
        """As for any method; leaves vectors (draws, n) and STATISTICS (draws,)."""
        state, found = self._sampler.iterated(state, len(numbers))
        if numbers.start < self.phases["warm-up"]:
            return state, {}
        rows = {name: torch.tensor(found[name], dtype=kind) for name, kind in STATISTICS.items()}
        return state, rows | {"vector": torch.stack(found["vector"])}

    def shown(self, state: NutsState, rows: loop.Rows) -> dict[str, float]:
        """As for any method."""
        return {"step size": float(state.step_size), "acceptance": float(state.acceptance)}


def _nutpie(
    density: LogDensity,
    start: Tensor,
    *,
    warmup: int,
    draws: int,
    target_accept: float,
    max_tree_depth: int,
    mass_matrix: str,
    seed: int,
) -> tuple[Tensor, Arrays]:
    import nutpie
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
