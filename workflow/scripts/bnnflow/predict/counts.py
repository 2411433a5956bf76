"""The predictive distribution of counts."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ..model.components import Counts
from . import differences
from .mixture import CHUNK_QUANTILES, Mixture

# Counts up to here are summed over, and beyond integrated: whole numbers lie close together there.
SUMMED = 64

# Quantiles up to here are found by adding up probabilities, which are exact but for ROUNDING.
ADDED, ROUNDING = 1000, 1e-9


@dataclass(frozen=True)
class Counted(Mixture):
    """A mixture of distributions of counts over posterior draws, at n points."""

    components: Counts

    def quantiles(self, levels: Tensor) -> Tensor:
        """The least counts (q, n) below or at which there are probabilities (q,)."""
        points = max(1, CHUNK_QUANTILES // self.draws)
        parts = [part.least(levels, part.averaged)[0] for part in self.parts(points)]
        return torch.cat(parts, dim=1)

    def quantile_replicates(self, levels: Tensor) -> Tensor:
        """Replicates (replicate, q, n) of quantiles; of large ones to first order."""
        return self.least(levels, self.replicates)

    def averaged(self, values: Tensor) -> Tensor:
        """Over draws, of values (draws, n): (1, n)."""
        return self._average(values)[None]

    def least(self, levels: Tensor, averaged: Callable[[Tensor], Tensor]) -> Tensor:
        """Counts (replicate, q, n): small ones by adding probabilities up, others by `crossings`.

        Args:
            levels: probabilities (q,).
            averaged: `averaged` or `replicates` of this.
        """
        own, at = self.components.double(), levels.double()[:, None] - ROUNDING
        probability = own.log_density(torch.zeros(own.shape[1])).exp()
        reached = averaged(probability)
        found = torch.full((len(reached), len(at), own.shape[1]), torch.nan, dtype=torch.double)
        for count in range(ADDED):
            found[found.isnan() & (reached[:, None] >= at)] = count
            if not found.isnan().any():
                break
            probability = own.following(probability, count)
            reached = reached + averaged(probability)
        if (far := found.isnan().any(0).any(0)).any():
            rest = self.at(far)
            crossings = rest.crossings(levels)
            several = rest.moved(crossings) if len(reached) > 1 else crossings[None]
            found[..., far] = _reached(several).double()
        return found.to(self.components.mean)

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
        few = self.thinned(differences.DRAWS)
        most = few.components.ends[1].ceil()
        found = differences.of_sum(few.below, most.clamp(max=SUMMED))
        if (most <= SUMMED).all():
            return found
        ends = few.crossings(differences.levels()).clamp(min=SUMMED + 0.5)
        return found + differences.of_integral(few.below, ends)


def _reached(crossings: Tensor) -> Tensor:
    """The counts whose probability of less or the same reaches what that of less does there."""
    return (crossings.ceil() - 1).clamp(min=0)
