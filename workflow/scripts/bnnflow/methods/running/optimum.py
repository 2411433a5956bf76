"""Optima of a log density, of many starts at once, by Adam."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ...density.log_density import LogDensity
from ...density.native import Function
from . import loop
from .adam import at_rest, factors, stepped
from .checkpoints import Checkpoint

# Of the first step; a cosine takes the rate to zero.
RATE = 0.01


def begun(density: LogDensity, streams: Sequence[Generator], scale: float = 1.0) -> Tensor:
    """Adam's states before the first step, (starts, 3, n).

    Weights are normal with the standard deviation scale / √inputs of their layer, so that with 1 a
    layer's outputs are as large as its inputs (LeCun et al., 1998, Efficient BackProp); all else
    is 0.
    """

    def start(stream: Generator) -> Tensor:
        values = {site.name: torch.zeros(site.shape, dtype=density.dtype) for site in density.sites}
        for value in values.values():
            if value.dim() > 1:
                value.normal_(std=scale * value.shape[-1] ** -0.5, generator=stream)
        return density.flattened(values)

    return at_rest(torch.stack(list(map(start, streams))))


def rates(steps: int) -> list[float]:
    """Of learning, for every step."""
    return [RATE * (1 + math.cos(math.pi * number / steps)) / 2 for number in range(steps)]


def step(density: LogDensity, states: Tensor) -> Function:
    """A step of Adam up the log density, of as many starts as there are states.

    Returns:
        A function of states (starts, 3, n) and Adam's factors (2,), which gives the next states.
    """

    def climbed(value_and_grad: Function, state: Tensor, factors: Tensor) -> tuple[Tensor]:
        _, grad = value_and_grad(state[..., 0, :])
        return (stepped(state, -grad, factors),)

    return density.around(climbed, states, states.new_ones(2), mapped=1)


@dataclass(frozen=True)
class State:
    """Of several starts.

    Attributes:
        adam: (starts, 3, n).
    """

    adam: Tensor


class Climb:
    """Starts on their way up, as the loop runs them.

    Args:
        density: of the posterior.
        streams: of random numbers, one for every start.
        steps: of Adam.
        scale: of the starts, as `begun` has it.
    """

    stride = 1

    def __init__(self, density: LogDensity, streams: Sequence[Generator], steps: int, scale: float):
        self.density, self.phases = density, {"optimum": steps}
        self._streams, self._scale = streams, scale
        self.facts = [steps, scale, *(stream.get_state() for stream in streams)]

    def init(self) -> State:
        """As for any method."""
        states = begun(self.density, self._streams, self._scale)
        self._factors = factors(rates(self.phases["optimum"]), states)
        self._step = step(self.density, states)
        return State(states)

    def step(self, state: State, numbers: range) -> tuple[State, loop.Rows]:
        """As for any method; leaves nothing."""
        states = state.adam
        for factor in self._factors[numbers.start : numbers.stop]:
            (states,) = self._step(states, factor)
        return State(states), {}

    def shown(self, state: State, rows: loop.Rows) -> dict[str, float]:
        """As for any method: nothing."""
        return {}


def optima(
    density: LogDensity,
    streams: Sequence[Generator],
    steps: int,
    scale: float = 1.0,
    *,
    checkpoint: Checkpoint | None = None,
) -> Tensor:
    """Where so many steps lead, (starts, n).

    Args:
        density: of the posterior.
        streams: of random numbers, one for every start.
        steps: of Adam.
        scale: of the starts, as `begun` has it.
        checkpoint: where the state is kept; from one that an earlier call has left, the search
            goes on.

    Raises:
        FloatingPointError: if a start has gone where the log density is not finite.
        NotCompiledError: if the density's engine `compiled`, or its GPU, is not possible.
        SystemExit: if SIGTERM or SIGINT has come, and there is a checkpoint to go on from.
    """
    state, _ = loop.run(Climb(density, streams, steps, scale), checkpoint)
    if not (whole := state.adam.isfinite().flatten(1).all(1)).all():
        lost = ", ".join(map(str, (~whole).nonzero()[:, 0].tolist()))
        raise FloatingPointError(
            f"the log density is not finite where these starts of the job have gone: {lost}; look"
            " for data or a prior that the model cannot take"
        )
    return state.adam[:, 0].contiguous()
