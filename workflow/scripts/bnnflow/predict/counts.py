"""The predictive distribution of counts."""

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
        return torch.cat([part.least(levels) for part in self.parts(points)], dim=1)

    def quantile_replicates(self, levels: Tensor) -> Tensor:
        """Replicates (replicate, q, n) of quantiles, to first order in what is left out."""
        found = _reached(self.moved(self.crossings(levels)))
        found[0] = self.quantiles(levels)
        return found

    def least(self, levels: Tensor) -> Tensor:
        """Counts (q, n): small ones by adding probabilities up, others by `crossings`."""
        own, levels = self.components.double(), levels.double()
        probability = own.log_density(torch.zeros(own.shape[1])).exp()
        reached = self._average(probability)
        found = torch.full((len(levels), own.shape[1]), torch.nan, dtype=torch.double)
        for count in range(ADDED):
            found[found.isnan() & (reached >= levels[:, None] - ROUNDING)] = count
            if not found.isnan().any():
                break
            probability = own.following(probability, count)
            reached = reached + self._average(probability)
        if (far := found.isnan().any(0)).any():
            found[:, far] = _reached(self.at(far).crossings(levels)).double()
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
