"""The predictive distribution of counts."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ..model.components import Counts
from . import differences
from .mixture import Mixture

# Counts up to here are summed over, and beyond integrated: whole numbers lie close together there.
SUMMED = 64


@dataclass(frozen=True)
class Counted(Mixture):
    """A mixture of distributions of counts over posterior draws, at n points."""

    components: Counts

    def quantiles(self, levels: Tensor) -> Tensor:
        """The least counts (q, n) below or at which there are probabilities (q,)."""
        return _reached(self.crossings(levels))

    def quantile_replicates(self, levels: Tensor) -> Tensor:
        """Replicates (replicate, q, n) of quantiles, to first order in what is left out."""
        return _reached(self.moved(self.crossings(levels)))

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
