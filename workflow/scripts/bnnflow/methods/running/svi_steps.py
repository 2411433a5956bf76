"""Steps of variational inference: one compiled call for all starts, or Pyro's own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyro
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO
from pyro.infer.autoguide import AutoContinuous
from torch import Generator, Tensor, nn
from torch.func import functional_call, grad_and_value
from torch.optim.adam import adam as adam_step

from ...density import native
from ...density.log_density import LogDensity
from ...density.native import Function
from ...density.pyro_private import drawing_from, standard_normal
from .adam import BETA1, BETA2, EPSILON, at_rest, factors, stepped
from .batches import Batches
from .loop import Rows
from .streams import restore, states_of


class _Starts:
    """Starts of one guide, fitted side by side, as the loop runs them.

    Args:
        density: of the posterior.
        guides: one for every start, at its start.
        streams: of random numbers, one for every start.
        rates: of learning, for every step.
        observations: how many the data are, for the log.
        facts: what determines the fit besides the density.
        batches: rows of every step, of every start; none where steps take all rows.
    """

    stride = 1

    def __init__(
        self,
        density: LogDensity,
        guides: list[AutoContinuous],
        streams: Sequence[Generator],
        rates: list[float],
        observations: int,
        facts: list,
        batches: list[Batches],
    ):
        self.density, self.facts = density, facts
        self.phases = {"svi": len(rates)}
        self._guides, self._streams, self._rates = guides, streams, rates
        self._observations, self._batches = observations, batches

    def shown(self, _, rows: Rows) -> dict[str, float]:
        """The bound of the best start; rows are the losses (steps, starts)."""
        last = rows["loss"][-1]
        best = last[last.isfinite()].min().item() if last.isfinite().any() else math.nan
        return {"ELBO per point": -best / self._observations}


@dataclass(frozen=True)
class CompiledState:
    """Of several starts with p parameters each.

    Attributes:
        adam: (starts, 3, p), the guides' parameters without constraints, then Adam's first and
            second moments.
        streams: (starts, bytes), of random numbers.
    """

    adam: Tensor
    streams: Tensor


class Compiled(_Starts):
    """All starts in one compiled call a step.

    Args:
        step: of `compiled_step`.
        starts: as for any.
    """

    def __init__(self, step: Function, *starts):
        super().__init__(*starts)
        self._step = step

    def init(self) -> CompiledState:
        """As for any method."""
        adam = _at_rest(self._guides)
        shapes = _noise_shapes(self._guides[0])
        ends = np.cumsum([0, *map(math.prod, shapes)])
        self._noise = adam.new_empty(len(adam), ends[-1])
        self._normal = [
            (row[begin:end], adam.new_zeros(end - begin), adam.new_ones(end - begin), stream)
            for row, stream in zip(self._noise, self._streams, strict=True)
            for begin, end in pairwise(ends)
        ]
        self._factors = factors(self._rates, adam)
        return CompiledState(adam, states_of(self._streams))

    def step(self, state: CompiledState, numbers: range) -> tuple[CompiledState, Rows]:
        """As for any method; leaves losses (steps, starts)."""
        # What has once not been finite stays so, in Adam's moments too.
        if not state.adam.isfinite().flatten(1).all(1).any():
            return state, {
                "loss": self._noise.new_full((len(numbers), len(self._guides)), math.nan)
            }
        adam, losses = state.adam, []
        restore(self._streams, state.streams)
        for number in numbers:
            for out, zeros, ones, stream in self._normal:
                torch.normal(zeros, ones, generator=stream, out=out)
            rows = [torch.stack([b.rows(number) for b in self._batches])] if self._batches else []
            adam, loss = self._step(adam, self._noise, self._factors[number], *rows)
            losses.append(loss)
        return CompiledState(adam, states_of(self._streams)), {"loss": torch.stack(losses).cpu()}

    def finish(self, state: CompiledState) -> None:
        """Give guides and streams what the last state has."""
        restore(self._streams, state.streams)
        for guide, (parameters, _, _) in zip(self._guides, state.adam.cpu(), strict=True):
            nn.utils.vector_to_parameters(parameters, guide.parameters())


@dataclass(frozen=True)
class PyroState:
    """Of several starts with p parameters each, their next step prepared.

    The first evaluation also makes parameters, and at random, so that a state has its results.

    Attributes:
        adam: (starts, 4, p), the parameters without constraints, Adam's moments, and the gradient
            of the loss that the next step takes.
        loss: (starts,), that loss in nats, in double precision; not finite from where a start has
            diverged.
        streams: (starts, bytes), of random numbers.
    """

    adam: Tensor
    loss: Tensor
    streams: Tensor


class ByPyro(_Starts):
    """One start after another, by Pyro's own estimate of the bound and torch's Adam."""

    def init(self) -> PyroState:
        """As for any method."""
        self._scopes, self._learnt, self._moments, self._elbo = [], [], [], Trace_ELBO()
        losses = []
        for start, stream in enumerate(self._streams):
            with pyro.get_param_store().scope() as scope, drawing_from(stream):
                with poutine.trace(param_only=True) as used:
                    losses.append(self._evaluated(start, 0))
                values = (site["value"].unconstrained() for site in used.trace.nodes.values())
                # Each once: some have two names.
                learnt = [value for value in dict.fromkeys(values) if value.grad is not None]
            self._scopes.append(scope)
            self._learnt.append(learnt)
            self._moments.append([[torch.zeros_like(value) for value in learnt] for _ in range(2)])
        return self._state(losses)

    def step(self, state: PyroState, numbers: range) -> tuple[PyroState, Rows]:
        """As for any method; leaves losses (steps, starts), in double precision."""
        losses = np.full((len(self._guides), len(numbers)), np.nan)
        self._restore(state)
        ahead = []
        for start, loss in enumerate(state.loss.tolist()):
            scope = self._scopes[start]
            with pyro.get_param_store().scope(scope), drawing_from(self._streams[start]):
                ahead.append(self._steps(start, loss, numbers, losses[start]))
        return self._state(ahead), {"loss": torch.from_numpy(losses.T)}

    def finish(self, state: PyroState) -> None:
        """Give guides and streams what the last state has."""
        self._restore(state)

    def _steps(self, start: int, loss: float, numbers: range, losses: np.ndarray) -> float:
        """Steps of one start, whose losses are noted; returns the loss of the step after them."""
        for row, number in enumerate(numbers):
            losses[row] = loss
            if not math.isfinite(loss):
                return math.nan
            self._step(start, number)
            loss = math.nan
            if number + 1 < len(self._rates):
                try:
                    loss = self._evaluated(start, number + 1)
                # After steps, a draw that is not finite, or a matrix without factors.
                except (ValueError, torch.linalg.LinAlgError):
                    return math.nan
        return loss

    @torch.no_grad
    def _step(self, start: int, number: int) -> None:
        # By torch's function, because torch.optim.Adam takes a second to import.
        learnt, grads = self._learnt[start], [value.grad for value in self._learnt[start]]
        done = [torch.tensor(float(number)) for _ in learnt]
        fixed = {"beta1": BETA1, "beta2": BETA2, "eps": EPSILON, "weight_decay": 0}
        fixed |= {"amsgrad": False, "maximize": False}
        adam_step(learnt, grads, *self._moments[start], [], done, lr=self._rates[number], **fixed)
        for grad in grads:
            grad.zero_()

    def _evaluated(self, start: int, number: int) -> float:
        """The loss before a step of a start; its gradients are added up where they are learnt."""
        density, guide, loss = self.density, self._guides[start], 0.0
        parts = density.parts
        if self._batches:
            parts = [density.sampled(self._batches[start].rows(number))]
        noise = torch.get_rng_state()
        for part in parts:
            torch.set_rng_state(noise)  # one draw from the guide, of which each part has a share
            scaled = poutine.scale(guide, scale=density.scaled(1.0, *part))
            loss += self._elbo.loss_and_grads(density.of_part, scaled, *part)
        return loss

    def _state(self, losses: list[float]) -> PyroState:
        adams = torch.stack(list(map(_as_rows, self._learnt, self._moments)))
        return PyroState(adams, torch.tensor(losses, dtype=torch.float64), states_of(self._streams))

    def _restore(self, state: PyroState) -> None:
        """Let Adam, guides and streams be as in a state."""
        restore(self._streams, state.streams)
        for start, (learnt, rows) in enumerate(zip(self._learnt, state.adam, strict=True)):
            parts = rows.split([value.numel() for value in learnt], dim=1)
            moments = []
            for value, part in zip(learnt, parts, strict=True):
                new, first, second, grad = (row.reshape(value.shape).clone() for row in part)
                value.data.copy_(new)
                value.grad = grad
                moments.append((first, second))
            self._moments[start] = [list(each) for each in zip(*moments, strict=True)]


def _as_rows(learnt: list[Tensor], moments: list[list[Tensor]]) -> Tensor:
    """Values, both moments and gradients of all that a start learns, (4, values)."""
    rows = learnt, *moments, [value.grad for value in learnt]
    return torch.stack([nn.utils.parameters_to_vector(row) for row in rows]).detach()


def compiled_step(
    guides: list[AutoContinuous], density: LogDensity, size: int = 0
) -> Function | None:
    """One step of all starts: states, standard normal noise and factors to states and losses.

    A state (3, parameters) has the guide's parameters without constraints, then Adam's first and
    second moments. The factors are the learning rate over the first moment's bias, and the root
    of the second's. Where a step takes a batch of some size, the numbers of its rows, (starts,
    size), are a last argument.
    """
    if density.engine == "pyro":
        return None
    guide, shapes = guides[0], _noise_shapes(guides[0])
    names, values = zip(*guide.named_parameters(), strict=True)
    sizes, forms = [v.numel() for v in values], [v.shape for v in values]
    posterior = _Posterior(guide)

    def loss(parameters: Tensor, noise: Tensor, *part: Tensor) -> Tensor:
        parts = zip(names, parameters.split(sizes), forms, strict=True)
        given = {f"guide.{name}": part.reshape(form) for name, part, form in parts}
        q = functional_call(posterior, given, ())
        parts = noise.split([math.prod(shape) for shape in shapes])
        eps = iter([part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)])
        with standard_normal(lambda *_, **__: next(eps)):
            vector = q.rsample()
        return density.scaled(q.log_prob(vector), *part) - density.log_prob(vector, *part)

    def gradient(parameters: Tensor, noise: Tensor, *part: Tensor) -> tuple[Tensor, Tensor]:
        return grad_and_value(loss)(parameters, noise, *part)

    def step(state: Tensor, noise: Tensor, factor: Tensor, *part: Tensor) -> tuple[Tensor, Tensor]:
        grad, value = gradient(state[0], noise, *part)
        return stepped(state, grad, factor), value

    def moved(state: Tensor, grad: Tensor, factor: Tensor) -> tuple[Tensor]:
        return (stepped(state, grad, factor),)

    state = _at_rest(guides)
    noise = state.new_zeros(len(guides), sum(map(math.prod, shapes)))
    factor = state.new_ones(2)
    if size:
        run = density.compiled_sample(step, state, noise, factor.repeat(len(guides), 1), size=size)
        return run and (
            lambda state, noise, factor, rows: run(rows, state, noise, factor.repeat(len(state), 1))
        )
    if len(density.parts) == 1:
        return density.compiled(step, state, noise, factor, mapped=2)
    # Gradients add up over blocks, steps do not.
    gradients = density.compiled(gradient, state[:, 0].contiguous(), noise, mapped=2)
    steps = gradients and native.compiled(moved, state, state[:, 0].contiguous(), factor, mapped=2)

    def by_blocks(state: Tensor, noise: Tensor, factor: Tensor) -> tuple[Tensor, Tensor]:
        grads, losses = gradients(state[:, 0].contiguous(), noise)
        return *steps(state, grads, factor), losses

    return gradients and by_blocks


def _at_rest(guides: list[AutoContinuous]) -> Tensor:
    parameters = [nn.utils.parameters_to_vector(guide.parameters()) for guide in guides]
    return at_rest(torch.stack(parameters)).detach()


class _Posterior(nn.Module):
    def __init__(self, guide: AutoContinuous):
        super().__init__()
        self.guide = guide

    def forward(self) -> torch.distributions.Distribution:
        return self.guide.get_posterior()


def _noise_shapes(guide: AutoContinuous) -> list[torch.Size]:
    """Shapes of the standard normal draws that a draw from the guide is made of, in order."""
    shapes = []

    def recorded(shape, dtype, device):
        shapes.append(torch.Size(shape))
        return torch.zeros(shape, dtype=dtype, device=device)

    with standard_normal(recorded):
        guide.get_posterior().rsample()
    return shapes
