"""Optima of a log density, of many starts at once, by Adam."""

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from ...density.log_density import LogDensity
from ...density.native import Function
from .adam import at_rest, stepped

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
