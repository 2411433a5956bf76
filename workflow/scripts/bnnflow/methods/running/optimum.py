"""Optima of a log density, of many starts at once, by Adam."""

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Generator, Tensor

from ...density.log_density import LogDensity

# Adam's, by default in PyTorch as in its paper (Kingma and Ba, 2015, arXiv:1412.6980).
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8

# Of the first step; a cosine takes the rate to zero.
RATE = 0.01


class Step(Protocol):
    """One step of Adam for all starts, up the log density."""

    def __call__(self, adam: Tensor, factors: Tensor) -> tuple[Tensor, Tensor]:
        """The next state, and the log density in nats before the step.

        Args:
            adam: of every start where it is and Adam's first and second moments,
                (starts, 3, n).
            factors: the learning rate over the first moment's bias, and the root of the second's.

        Returns:
            As given (starts, 3, n), and (starts,).
        """


def begun(density: LogDensity, streams: Sequence[Generator]) -> Tensor:
    """States before the first step, (starts, 3, n).

    Weights are normal with the standard deviation 1 / √inputs of their layer, so that a layer's
    outputs are as large as its inputs (LeCun et al., 1998, Efficient BackProp); all else is 0.
    """

    def start(stream: Generator) -> Tensor:
        values = {site.name: torch.zeros(site.shape, dtype=density.dtype) for site in density.sites}
        for value in values.values():
            if value.dim() > 1:
                value.normal_(std=value.shape[-1] ** -0.5, generator=stream)
        return density.flattened(values)

    starts = torch.stack(list(map(start, streams)))
    return torch.stack([starts, torch.zeros_like(starts), torch.zeros_like(starts)], 1)


def factors(steps: int) -> Tensor:
    """Of every step, (steps, 2), as `Step` takes them."""
    return torch.tensor(
        [
            (
                RATE * (1 + math.cos(math.pi * number / steps)) / 2 / (1 - BETA1 ** (number + 1)),
                math.sqrt(1 - BETA2 ** (number + 1)),
            )
            for number in range(steps)
        ]
    )


def step(density: LogDensity, adam: Tensor) -> Step:
    """A step for as many starts as the state has, compiled where that is possible."""

    def one(adam: Tensor, factors: Tensor, *data: Tensor) -> tuple[Tensor, Tensor]:
        grad, value = torch.func.grad_and_value(density.log_prob)(adam[0], *data)
        return climbed(adam, grad, factors), value.to(adam.dtype)

    def by_pyro(adam: Tensor, factors: Tensor) -> tuple[Tensor, Tensor]:
        value, grad = density.value_and_grad(adam[:, 0])
        return climbed(adam, grad, factors), value

    return density.compiled(one, adam, adam.new_ones(2), mapped=1) or by_pyro


def climbed(adam: Tensor, grad: Tensor, factors: Tensor) -> Tensor:
    """The state (..., 3, n) after a step, by a gradient (..., n)."""
    place, first, second = adam.unbind(-2)
    first = BETA1 * first + (1 - BETA1) * grad
    second = BETA2 * second + (1 - BETA2) * grad**2
    rate, root = factors.unbind()
    place = place + rate * first / (second.sqrt() / root + EPSILON)
    return torch.stack([place, first, second], -2)
