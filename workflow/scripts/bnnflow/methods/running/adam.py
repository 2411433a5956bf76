"""Steps of Adam (Kingma and Ba, 2015, arXiv:1412.6980), of one place or of many at once."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

# By default in PyTorch as in the paper.
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def at_rest(places: Tensor) -> Tensor:
    """States (..., 3, n) before the first step, of places (..., n)."""
    return torch.stack([places, places * 0, places * 0], -2)


def factors(rates: Sequence[float], like: Tensor) -> Tensor:
    """Of every step, (steps, 2), as `stepped` takes them; of a tensor's type, and beside it."""
    return like.new_tensor(
        [
            (rate / (1 - BETA1**number), math.sqrt(1 - BETA2**number))
            for number, rate in enumerate(rates, start=1)
        ]
    )


def stepped(state: Tensor, grad: Tensor, factors: Tensor) -> Tensor:
    """The state after a step down a gradient.

    Args:
        state: the place, and the first and second moments of gradients, (..., 3, n).
        grad: (..., n).
        factors: the learning rate over the first moment's bias, and the root of the second's, (2,).
    """
    place, first, second = state.unbind(-2)
    first = BETA1 * first + (1 - BETA1) * grad
    second = BETA2 * second + (1 - BETA2) * grad**2
    rate, root = factors.unbind()
    place = place - rate * first / (second.sqrt() / root + EPSILON)
    return torch.stack([place, first, second], -2)
