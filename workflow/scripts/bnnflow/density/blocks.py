"""Rows of a large table in blocks: where, of how many rows, and the density of such a part.

A block's numbers stay in a core's own cache, so that blocks are faster than the whole table from
some thousand rows on; and the memory of a gradient does not grow with the table.
"""

import math
from collections.abc import Callable

import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ..files.parameters import PRIOR
from . import structure
from .native import Function
from .products import CACHE

# Data of a part of the rows, then the weights of its rows (rows,), and the part's share of what is
# no observation, ().
Part = tuple[Tensor, ...]

# Rows of a block at least, for the sake of the cost of a call; a multiple of STEP, as vector
# instructions like it.
FEWEST, STEP = 1024, 16

# A table of fewer blocks is evaluated whole, which costs about the same.
PAYING = 4

# Rows that are tried to see how many numbers a row needs: a prime, as no width is.
TRIED = 1021


class Shared(Messenger):
    """Sample statements of a part of the rows.

    Args:
        weights: of the observations, (rows,), rows being their last dimension.
        share: of all other sites, ().
    """

    def __init__(self, weights: Tensor, share: Tensor):
        super().__init__()
        self.weights, self.share = weights, share

    def _pyro_sample(self, message: dict) -> None:
        is_data = message["is_observed"] and structure.role(message) != PRIOR
        factor = self.weights if is_data else self.share
        message["scale"] = message["scale"] * factor


def check(trace: poutine.Trace, rows: int) -> None:
    """That the rows of the data are the last dimension of every observation.

    Raises:
        ValueError: if they are not.
    """
    for name in structure.observed(trace):
        shape = tuple(trace.nodes[name]["fn"].batch_shape)
        if shape[-1:] != (rows,):
            raise ValueError(
                f"the site {name} has the batch {shape}, whose last dimension is not that of the"
                f" {rows} rows of the data"
            )


def in_blocks(model: Callable, data: tuple[Tensor, ...]) -> list[tuple[Tensor, ...]]:
    """All rows of the data, in blocks of equal size but for the last; whole where that costs less.

    Args:
        model: of any number of rows.
        data: with all rows.
    """
    rows = len(data[0])
    if rows < PAYING * FEWEST:
        return [data]
    with _Largest(TRIED) as largest:
        structure.run_of(model, tuple(value[:TRIED] for value in data))
    most = max(FEWEST, CACHE * TRIED // largest.numbers)
    if rows < PAYING * most:
        return [data]
    size = math.ceil(rows / math.ceil(rows / most) / STEP) * STEP
    # Copies only of data that do not lie row by row.
    return list(zip(*(value.contiguous().split(size) for value in data), strict=True))


def padded(pieces: list[tuple[Tensor, ...]], dtype: torch.dtype) -> list[Part]:
    """Blocks of all rows as parts of one size, whose densities add up to that of the data.

    The last is filled up with copies of its last row, of the weight 0. A row of zeros might have
    no density, and nothing times infinity is not nothing.
    """
    size, last = len(pieces[0][0]), pieces[-1]
    share, weights = torch.tensor(1 / len(pieces), dtype=dtype), torch.ones(size, dtype=dtype)
    rows = torch.arange(size)
    inside = rows < len(last[0])
    full = [value[rows.clamp(max=len(value) - 1)] for value in last]
    parts = [(*piece, weights, share) for piece in pieces[:-1]]
    return [*parts, (*full, inside.to(dtype), share)]


def summed(run: Function, parts: list[Part]) -> Function:
    """A function of a part, after other arguments, as the sum over all parts, in double precision.

    Args:
        run: returns tensors, which nobody else has.
        parts: of the data.
    """
    first, *others = parts

    def total(*values: Tensor) -> tuple[Tensor, ...]:
        results = run(*values, *first)
        sums = [result.double() for result in results]
        for part in others:
            for known, new in zip(sums, run(*values, *part), strict=True):
                known += new
        return tuple(known.to(result.dtype) for known, result in zip(sums, results, strict=True))

    return total


def sampled(data: tuple[Tensor, ...], numbers: Tensor, dtype: torch.dtype) -> Part:
    """Rows of these numbers, (size,) or (..., size), as an estimate of all of the data.

    Of a random subset of the rows, its density and gradient are without bias.
    """
    size = numbers.shape[-1]
    weights = torch.full((size,), len(data[0]) / size, dtype=dtype)
    return *(value[numbers] for value in data), weights, torch.ones((), dtype=dtype)


class _Largest(TorchDispatchMode):
    """Numbers of the largest tensor that is made within and has a dimension of so many rows."""

    def __init__(self, rows: int):
        super().__init__()
        self._rows, self.numbers = rows, rows

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and self._rows in result.shape:
            self.numbers = max(self.numbers, result.numel())
        return result
