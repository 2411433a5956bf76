"""All that is private to Pyro, or to the distributions below it, and read or patched here.

Nothing else in this package may: what a new version of Pyro breaks, it breaks in this file.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from functools import cache
from inspect import isclass
from operator import attrgetter
from unittest.mock import patch

import numpy as np
import pyro
import torch
from pyro import poutine
from pyro.infer import NUTS, autoguide
from pyro.infer.autoguide import AutoContinuous
from pyro.infer.mcmc import hmc as pyro_hmc
from pyro.infer.mcmc import nuts as pyro_nuts
from pyro.poutine.util import prune_subsample_sites, site_is_subsample
from torch import Generator, Tensor
from torch.distributions import (
    Distribution,
    lowrank_multivariate_normal,
    multivariate_normal,
    normal,
)

Position = dict[str, Tensor]
ValueAndGrad = Callable[[Tensor], tuple[Tensor, Tensor]]


@contextmanager
def without_validation() -> Iterator[None]:
    """Pyro and torch without the checks of values, which a trace cannot follow."""
    with pyro.validation_enabled(False), patch.object(Distribution, "_validate_sample"):
        yield


@contextmanager
def drawing_from(stream: Generator) -> Iterator[None]:
    """The stream as torch's global one, from which Pyro draws; the other stays where it is."""
    state = stream.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(state)
            try:
                yield
            finally:
                state = torch.get_rng_state()
    finally:
        stream.set_state(state)  # which may be torch's own


def stochastic_nodes(trace: poutine.Trace) -> dict[str, dict]:
    """The sites of a run of a model that are neither observed nor the plates of one.

    Raises:
        ValueError: if a plate takes random subsamples.
    """
    for name, node in trace.nodes.items():
        if site_is_subsample(node) and node["fn"].subsample_size not in (None, node["fn"].size):
            raise ValueError(
                f"the plate {name} takes random subsamples, of which there is no one density"
            )
    return dict(prune_subsample_sites(trace).iter_stochastic_nodes())


@cache
def guides() -> dict[str, type[AutoContinuous]]:
    """By name Pyro's guides that a model alone determines, with a posterior to draw from."""
    kinds = {k for k in vars(autoguide).values() if isclass(k) and issubclass(k, AutoContinuous)}
    others = {AutoContinuous, autoguide.AutoLaplaceApproximation, autoguide.AutoNormalizingFlow}
    return {kind.__name__: kind for kind in kinds - others}


def guide_at_start(
    kind: type[AutoContinuous], model: Callable, data: tuple[Tensor, ...], stream: Generator
) -> AutoContinuous:
    """A guide at its start, drawn from the stream as Pyro's SVI draws it before its first step."""
    guide = kind(model)
    with drawing_from(stream):
        guide._setup_prototype(*data)
    return guide


def guide_parameters(guide: AutoContinuous) -> dict[str, Tensor]:
    """The parameters of a guide within their constraints, as Pyro's parameter store names them."""
    names = (name.removesuffix("_unconstrained") for name, _ in guide.named_parameters())
    return {f"{type(guide).__name__}.{name}": attrgetter(name)(guide).detach() for name in names}


@contextmanager
def standard_normal(source: Callable[..., Tensor]) -> Iterator[None]:
    """torch's normal distributions with a source of noise in place of the random stream.

    Args:
        source: takes shape, type and device.
    """
    with ExitStack() as stack:
        for module in (normal, multivariate_normal, lowrank_multivariate_normal):
            stack.enter_context(patch.object(module, "_standard_normal", source))
        yield


@dataclass(frozen=True)
class NutsState:
    """All by which an iteration of Pyro's sampler depends on those before, n entries a position.

    Attributes:
        position, potential, grad: where the chain is, (n,); minus the log density there in nats,
            (); and its gradient (n,).
        inverse_mass: the estimated variances (n,), or covariance (n, n).
        iteration, accepted, acceptance: how many iterations are done; how many proposals were
            accepted, and with which mean probability, since the warm-up began or ended.
        step_size, window: of the adaptation, the leapfrog step and the number of the window.
        centre, times, average, average_grad: of the dual averaging of the step size.
        count, mean, squares: of the positions in this window, for the next inverse mass.
        stream: of random numbers.
    """

    position: Tensor
    potential: Tensor
    grad: Tensor
    inverse_mass: Tensor
    iteration: Tensor
    accepted: Tensor
    acceptance: Tensor
    step_size: Tensor
    window: Tensor
    centre: Tensor
    times: Tensor
    average: Tensor
    average_grad: Tensor
    count: Tensor
    mean: Tensor
    squares: Tensor
    stream: Tensor


class PyroNuts:
    """Pyro's sampler on a flat vector, with its state in the open.

    Args:
        value_and_grad: of the log density, in nats.
        warmup: iterations that adapt.
        target_accept: mean acceptance probability that the step size is adapted to.
        max_tree_depth: limit on the doublings of a trajectory.
        dense: whether the mass matrix is.
    """

    def __init__(
        self,
        value_and_grad: ValueAndGrad,
        *,
        warmup: int,
        target_accept: float,
        max_tree_depth: int,
        dense: bool,
    ):
        self._potential = _Potential(value_and_grad)
        self._kernel = _Kernel(
            potential_fn=self._potential,
            target_accept_prob=target_accept,
            max_tree_depth=max_tree_depth,
            full_mass=dense,
        )
        self._warmup = warmup
        self._now: NutsState | None = None

    def begun(self, start: Tensor, stream: Generator) -> NutsState:
        """The state before the first iteration, at a vector (n,); sets the sampler up."""
        self._kernel.initial_params = {"z": start}
        with self._at_work(stream):
            self._kernel.setup(self._warmup)
        self._now = self._state(stream)
        return self._now

    def iterated(self, state: NutsState, times: int) -> tuple[NutsState, dict[str, list]]:
        """So many iterations from a state, after `begun` has set the sampler up.

        Returns:
            The state after them, and for each: the vector (n,), `lp`, `acceptance_rate`,
            `step_size`, `n_steps`, `energy` (potential and kinetic at the trajectory's beginning)
            and whether it is `diverging`, energies in nats. During the warm-up the rates are
            means, and nothing diverges.
        """
        kernel, rows = self._kernel, []
        # Which takes the factors of a dense mass matrix.
        if state is not self._now:
            self._restore(state)
        stream = Generator().set_state(state.stream.clone())
        with self._at_work(stream):
            for _ in range(times):
                calls = self._potential.calls
                draw = max(0, kernel._t - self._warmup)
                accepted = draw * kernel._mean_accept_prob
                vector = kernel.sample({"z": state.position})["z"]
                row = {
                    "vector": vector,
                    "lp": -float(kernel._potential_energy_last),
                    # Pyro keeps only the mean over the draws so far.
                    "acceptance_rate": (draw + 1) * kernel._mean_accept_prob - accepted,
                    "step_size": float(kernel.step_size),
                    "n_steps": self._potential.calls - calls,
                    "energy": kernel.energy,
                    "diverging": draw in kernel._divergences[-1:],
                }
                rows.append(row)
        self._now = self._state(stream)
        return self._now, {name: [row[name] for row in rows] for name in rows[0]}

    @contextmanager
    def _at_work(self, stream: Generator) -> Iterator[None]:
        # What Pyro's sampler would validate is its own coin.
        with (
            drawing_from(stream),
            pyro.validation_enabled(False),
            self._potential.in_place_of_autograd(),
        ):
            yield

    def _owners(self) -> dict[str, tuple[object, str]]:
        """Where Pyro keeps the numbers of a state."""
        kernel, adapter = self._kernel, self._kernel._adapter
        (covariance,) = adapter.mass_matrix_adapter._adapt_scheme.values()
        averages = adapter._step_size_adapt_scheme
        return {
            "iteration": (kernel, "_t"),
            "accepted": (kernel, "_accept_cnt"),
            "acceptance": (kernel, "_mean_accept_prob"),
            "step_size": (adapter, "step_size"),
            "window": (adapter, "_current_window"),
            "centre": (averages, "prox_center"),
            "times": (averages, "_t"),
            "average": (averages, "_x_avg"),
            "average_grad": (averages, "_g_avg"),
            "count": (covariance, "n_samples"),
            "mean": (covariance, "_mean"),
            "squares": (covariance, "_m2"),
        }

    def _state(self, stream: Generator) -> NutsState:
        position, potential, grads = self._kernel._fetch_from_cache()
        (inverse_mass,) = self._kernel.inverse_mass_matrix.values()
        values = {name: getattr(*place) for name, place in self._owners().items()}
        # A number keeps its double precision.
        values = {
            name: value if isinstance(value, Tensor) else np.array(value)
            for name, value in values.items()
        }
        values |= {"position": position["z"], "potential": potential, "grad": grads["z"]}
        values |= {"inverse_mass": inverse_mass, "stream": stream.get_state()}
        # Copies, for Pyro changes some in place.
        return NutsState(**{name: torch.as_tensor(v).clone() for name, v in values.items()})

    def _restore(self, state: NutsState) -> None:
        kernel = self._kernel
        values = {field.name: getattr(state, field.name).clone() for field in fields(state)}
        kernel._cache({"z": values["position"]}, values["potential"], {"z": values["grad"]})
        (names,) = kernel.inverse_mass_matrix
        kernel.mass_matrix_adapter.inverse_mass_matrix = {names: values["inverse_mass"]}
        for name, (owner, attribute) in self._owners().items():
            value = values[name]
            setattr(owner, attribute, value if value.dim() else value.item())


class _Potential:
    """Minus the log density, which has its own gradient; counts its evaluations.

    Pyro's sampler differentiates a potential in two functions, for which this has others.
    """

    def __init__(self, value_and_grad: ValueAndGrad):
        self.value_and_grad, self.calls = value_and_grad, 0

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
        value, grad = self.value_and_grad(position["z"])
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
