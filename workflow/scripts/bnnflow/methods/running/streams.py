"""Where streams of random numbers are, as a checkpoint keeps it."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor


def states_of(streams: Sequence[Generator]) -> Tensor:
    """Of every stream, (streams, bytes)."""
    return torch.stack([stream.get_state() for stream in streams])


def restore(streams: Sequence[Generator], states: Tensor) -> None:
    """Move streams to states, (streams, bytes)."""
    for stream, state in zip(streams, states, strict=True):
        stream.set_state(state.clone())  # torch takes a row of a tensor for its first
