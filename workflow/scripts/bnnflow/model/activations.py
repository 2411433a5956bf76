"""Functions between the layers of a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# Of torch.nn.functional.
ACTIVATIONS = ("tanh", "relu", "leaky_relu", "sigmoid", "silu")


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """The function of that name, elementwise.

    Raises:
        ValueError: if it is none of ACTIVATIONS.
    """
    from torch.nn import functional

    if name not in ACTIVATIONS:
        raise ValueError(f"the activation is {name!r}, not one of {', '.join(ACTIVATIONS)}")
    return getattr(functional, name)
