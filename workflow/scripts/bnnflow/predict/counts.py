"""The predictive distribution of counts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Self

import torch
from torch import Generator, Tensor

from ..model.components import Counts
from . import differences
from .mixture import Mixture

# Numbers of counts, 0, 1, …, whose probabilities are added up together, each from the one before.
# The first of them is by the formula: products of ratios stay nothing where the first factor is too
# small for numbers. Larger counts are integrated over, as they lie close together.
BLOCKS = (32,) * 8 + (256,) * 15

# Sums of probabilities are exact but for this.
ROUNDING = 1e-9

# Draws and points that are worked on together.
TOGETHER = 2**14


@dataclass(frozen=True)
class Counted(Mixture):
    """A mixture of distributions of counts over posterior draws, at n points."""

    components: Counts

    def quantiles(self, levels: Tensor) -> Tensor:
        """The least counts (q, n) below or at which there are probabilities (q,)."""
        return self._by_parts(lambda part: part.least(levels, part.averaged))[0]

    def quantile_replicates(self, levels: Tensor) -> Tensor:
        """Replicates (replicate, q, n) of quantiles; of large ones to first order."""
        return self._by_parts(lambda part: part.least(levels, part.replicates))

    def averaged(self, values: Tensor) -> Tensor:
        """Over draws, of values (draws, n): (1, n)."""
        return self._average(values)[None]

    def at_most(self, averaged: Callable[[Tensor], Tensor]) -> Iterator[Tensor]:
        """Probabilities (replicate, block, n) of at most 0, 1, …, by BLOCKS.

        Args:
            averaged: `averaged` or `replicates` of this.
        """
        own, reached = self.components.double(), torch.zeros(1, 1, 1, dtype=torch.double)
        for last, size in zip(accumulate(BLOCKS), BLOCKS, strict=True):
            first = torch.full(own.shape[1:], last - size, dtype=torch.double)
            block = [own.log_density(first).exp()]
            for count in range(last - size, last - 1):
                block.append(own.following(block[-1], count))
            found = averaged(torch.cat(block, 1)).unflatten(1, (size, -1))
            reached = reached[:, -1:] + found.cumsum(1)
            yield reached

    def least(self, levels: Tensor, averaged: Callable[[Tensor], Tensor]) -> Tensor:
        """Counts (replicate, q, n): small ones by adding probabilities up, others by `crossings`.

        Args:
            levels: probabilities (q,).
            averaged: `averaged` or `replicates` of this.
        """
        at, found = levels.double()[:, None, None] - ROUNDING, 0
        for reached in self.at_most(averaged):
            found = found + (reached[:, None] < at).sum(2)
            far = (reached[:, -1] < at.max()).any(0)
            if not far.any():
                break
        found = found.to(self.components.mean)
        if far.any():
            rest = self.at(far)
            crossings = rest.crossings(levels)
            several = rest.moved(crossings) if len(found) > 1 else crossings[None]
            found[..., far] = _reached(several).to(found)
        return found

    def pit(self, y: Tensor, stream: Generator) -> Tensor:
        """Replicates (replicate, n), spread evenly from less than y (n,) to y or less.

        Czado, Gneiting and Held, 2009, doi:10.1111/j.1541-0420.2009.01191.x.
        """
        less, most = self.below(y), self.below(y + 1)
        return less + (most - less) * torch.rand(len(y), generator=stream, dtype=torch.double)

    def untied(self, values: Tensor, stream: Generator) -> Tensor:
        """Counts (..., n) with a part of 1 besides."""
        return values + torch.rand(values.shape, generator=stream, dtype=torch.double)

    def half_differences(self) -> Tensor:
        """Replicates (replicate, n) of E|Y - Y'| / 2, as for the ranked probability score."""
        return self.thinned(differences.DRAWS)._by_parts(Counted.of_sum)

    def of_sum(self) -> Tensor:
        """Half differences as the sum of F (1 - F), F the probability of at most 0, 1, …"""
        total: Tensor | float = 0.0
        for reached in self.at_most(self.replicates):
            total = total + (reached * (1 - reached)).sum(1)
            if (reached[:, -1] > 1 - ROUNDING).all():
                return total
        ends = differences.spaced(self.below, self.mean(), self.stddev(), self.components.ends)
        return total + differences.of_integral(self.below, ends.clamp(min=sum(BLOCKS) + 0.5))

    def _by_parts(self, find: Callable[[Self], Tensor]) -> Tensor:
        """What is found (..., n) of parts with points whose counts are about alike."""
        order = self.components.ends[1].argsort()
        parts = self.at(order).parts(max(1, TOGETHER // self.draws))
        return torch.cat([find(part) for part in parts], -1)[..., order.argsort()]


def _reached(crossings: Tensor) -> Tensor:
    """The counts whose probability of less or the same reaches what that of less does there."""
    return (crossings.ceil() - 1).clamp(min=0)
