"""The No-U-Turn sampler (Hoffman and Gelman, 2014, arXiv:1111.4246): Pyro's own, and nutpie."""

import ctypes
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from unittest.mock import patch

import numpy as np
import pyro
import torch
from pyro.infer import NUTS
from pyro.infer.autoguide import initialization
from pyro.infer.mcmc import hmc as pyro_hmc
from pyro.infer.mcmc import nuts as pyro_nuts
from pyro.infer.mcmc.util import initialize_model
from torch import Tensor

from ..density.log_density import LogDensity
from ..jobs import log, timed
from .checkpoints import Checkpoint, Progress, followed

Arrays = dict[str, np.ndarray]
Position = dict[str, Tensor]

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
    pyro.set_rng_seed(seed)
    try:
        found, _, _, _ = initialize_model(density.model, density.data, init_strategy=INITS[init])
    except ValueError as error:
        others = " or ".join(name for name in INITS if name != init)
        raise ValueError(
            f"the chain finds no point of finite log density to start from (init: {init}); try"
            f" init: {others}, and look for data or a prior that the model cannot take. {error}"
        ) from error
    start = density.flattened(found).to(density.dtype)
    density.value_and_grad(start)  # compiles, so that the sampler's time is its own
    if sampler == "nutpie":
        if settings["warmup"] < 1:
            raise ValueError("nutpie needs a warmup of at least 1")
        if checkpoint is not None:
            log.info("nutpie keeps no state on the way: stopped, this chain begins anew")
        vectors, stats = _nutpie(density, start, seed=seed, **settings)
    else:
        facts = settings | {"init": init, "seed": seed}
        with followed(checkpoint, density, facts) as progress:
            vectors, stats = _pyro(density, start, progress, **settings)
    # The last doubling, which a turn or a divergence may have cut short, counts as one.
    stats["tree_depth"] = np.ceil(np.log2(stats["n_steps"] + 1)).astype(int)
    values = density.constrained(density.unflattened(vectors))
    return {name: value.numpy() for name, value in values.items()}, stats


def _pyro(
    density: LogDensity,
    start: Tensor,
    progress: Progress,
    *,
    warmup: int,
    draws: int,
    target_accept: float,
    max_tree_depth: int,
    mass_matrix: str,
) -> tuple[Tensor, Arrays]:
    potential = _Potential(density)
    kernel = _Kernel(
        potential_fn=potential,
        target_accept_prob=target_accept,
        max_tree_depth=max_tree_depth,
        full_mass=mass_matrix == "dense",
    )
    # What Pyro's sampler would validate is its own coin.
    with pyro.validation_enabled(False), potential.in_place_of_autograd():
        return _chain(kernel, potential, progress, {"z": start}, warmup, draws)


def _chain(
    kernel: "_Kernel",
    potential: "_Potential",
    progress: Progress,
    position: Position,
    warmup: int,
    draws: int,
) -> tuple[Tensor, Arrays]:
    kernel.initial_params = position
    kernel.setup(warmup)
    vectors = position["z"].new_empty(draws, len(position["z"]))
    stats = {name: torch.empty(draws, dtype=kind) for name, kind in STATISTICS.items()}
    kept = {"vectors": vectors} | stats
    if saved := progress.saved():
        _restore(kernel, saved)
        for name, values in kept.items():
            values[: len(saved[name])] = saved[name]

    def keep(iteration: int) -> None:
        if progress.due():
            sofar = {name: values[: max(0, iteration - warmup)] for name, values in kept.items()}
            progress.save(iteration, _state(kernel) | sofar)

    done = progress.done()
    with timed("warm-up", warmup, min(done, warmup)) as report:
        for step in range(done + 1, warmup + 1):
            position = kernel.sample(position)
            report(step, **_shown(kernel))
            keep(step)

    done = max(0, done - warmup)
    with timed("draws", draws, done) as report:
        for step in range(done + 1, draws + 1):
            calls, accepted = potential.calls, (step - 1) * kernel._mean_accept_prob
            position = kernel.sample(position)
            vectors[step - 1] = position["z"]
            row = {
                "lp": -float(kernel._potential_energy_last),
                # Pyro keeps only the mean over the draws so far.
                "acceptance_rate": step * kernel._mean_accept_prob - accepted,
                "step_size": float(kernel.step_size),
                "n_steps": potential.calls - calls,
                "energy": kernel.energy,
                "diverging": step - 1 in kernel.diagnostics()["divergences"],
            }
            for name, value in row.items():
                stats[name][step - 1] = value
            report(step, **_shown(kernel))
            keep(warmup + step)
    return vectors, {name: values.numpy() for name, values in stats.items()}


def _changing(kernel: "_Kernel") -> dict[str, tuple[object, tuple[str, ...]]]:
    """Numbers and tensors by which one iteration of Pyro's sampler depends on those before."""
    adapter = kernel._adapter
    (covariance,) = adapter.mass_matrix_adapter._adapt_scheme.values()
    averages = ("prox_center", "_t", "_x_avg", "_g_avg")
    return {
        "kernel": (kernel, ("_t", "_accept_cnt", "_mean_accept_prob")),
        "adapter": (adapter, ("step_size", "_current_window")),
        "averages": (adapter._step_size_adapt_scheme, averages),
        "covariance": (covariance, ("n_samples", "_mean", "_m2")),
    }


def _state(kernel: "_Kernel") -> Position:
    """The state of Pyro's sampler between two iterations, torch's random stream included."""
    position, potential, grads = kernel._fetch_from_cache()
    (inverse_mass,) = kernel.inverse_mass_matrix.values()
    state = {"z": position["z"], "potential": potential, "grad": grads["z"]}
    state["inverse_mass"] = inverse_mass
    for part, (owner, names) in _changing(kernel).items():
        for name in names:
            value = getattr(owner, name)
            # A number keeps its double precision.
            state[f"{part}.{name}"] = value if isinstance(value, Tensor) else np.array(value)
    state = {name: torch.as_tensor(value).clone() for name, value in state.items()}
    return state | {"stream": torch.get_rng_state()}


def _restore(kernel: "_Kernel", state: Position) -> None:
    """Set the state of Pyro's sampler, which has been set up with the same settings."""
    kernel._cache({"z": state["z"]}, state["potential"], {"z": state["grad"]})
    (names,) = kernel.inverse_mass_matrix
    kernel.mass_matrix_adapter.inverse_mass_matrix = {names: state["inverse_mass"]}
    for part, (owner, names) in _changing(kernel).items():
        for name in names:
            value = state[f"{part}.{name}"]
            setattr(owner, name, value if value.dim() else value.item())
    torch.set_rng_state(state["stream"])


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


class _Potential:
    """Minus the log density, which has its own gradient; counts its evaluations.

    Pyro's sampler differentiates a potential in two functions, for which this has others.
    """

    def __init__(self, density: LogDensity):
        self.density, self.calls = density, 0

    def __call__(self, position: Position) -> Tensor:
        return self.gradient(self, position)[1]

    @contextmanager
    def in_place_of_autograd(self) -> Iterator[None]:
        """Pyro's sampler with the functions below."""
        with ExitStack() as stack:
            for module in (pyro_hmc, pyro_nuts):
                stack.enter_context(patch.object(module, "potential_grad", self.gradient))
                stack.enter_context(patch.object(module, "velocity_verlet", self.leapfrog))
            yield

    def gradient(self, _, position: Position) -> tuple[Position, Tensor]:
        """`pyro.ops.integrator.potential_grad` of it."""
        self.calls += 1
        value, grad = self.density.value_and_grad(position["z"])
        return {"z": -grad}, -value

    def leapfrog(
        self,
        position: Position,
        momentum: Position,
        _,
        kinetic_grad: Callable[[Position], Position],
        step_size: float,
        num_steps: int = 1,
        z_grads: Position | None = None,
    ) -> tuple[Position, Position, Position, Tensor]:
        """`pyro.ops.integrator.velocity_verlet` of it."""
        z, r, step = position["z"], momentum["z"], float(step_size)
        grads = z_grads or self.gradient(self, position)[0]
        for _ in range(num_steps):
            r = torch.sub(r, grads["z"], alpha=step / 2)
            z = torch.add(z, kinetic_grad({"z": r})["z"], alpha=step)
            grads, energy = self.gradient(self, {"z": z})
            r = torch.sub(r, grads["z"], alpha=step / 2)
        return {"z": z}, {"z": r}, grads, energy


class _Kernel(NUTS):
    """Keeps the energy of a trajectory, potential and kinetic, in nats."""

    energy = math.nan

    def _sample_r(self, name: str):
        scaled, unscaled = super()._sample_r(name)
        _, potential, _ = self._fetch_from_cache()
        if potential is not None:
            self.energy = float(potential + self._kinetic_energy(unscaled))
        return scaled, unscaled


def _shown(kernel: NUTS) -> dict[str, float]:
    return {"step size": float(kernel.step_size), "acceptance": kernel._mean_accept_prob}
