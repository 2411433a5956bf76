"""The predictive distribution: a mixture of what a likelihood says at weighted posterior draws."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Generator, Tensor

from ..model.components import Numbers, Paired
from . import differences
from .weighted import Weighted

# Of many components, so few are enough to begin with.
THIN = 16

# Numbers that are worked on together, of quantiles.
CHUNK_QUANTILES = 2**17


@dataclass(frozen=True)
class Mixture(Weighted):
    """A mixture of distributions of a number over posterior draws, at n points.

    What the components are is known to them alone; their means are the latent function.
    """

    components: Numbers

    def mean(self) -> Tensor:
        """(n,), in double precision."""
        if self.weights is None:
            return self.components.mean.mean(0, dtype=torch.double)
        return self.weights @ self.components.mean.double()

    def stddev(self) -> Tensor:
        """(n,), in double precision, by the law of total variance."""
        within = self._average(self.components.double().variance())
        return (within + self._function_variance).sqrt()

    def function_stddev(self) -> Tensor:
        """Of the components' means: (n,), in double precision."""
        return self._function_variance.sqrt()

    def quantiles(self, levels: Tensor) -> Tensor:
        """Quantiles (q, n) of probabilities (q,), as exact as `crossings`."""
        return self.crossings(levels)

    def crossings(self, levels: Tensor) -> Tensor:
        """Where `below` rises to levels, by Newton's method kept between bounds.

        Args:
            levels: probabilities (q,).

        Returns:
            Tensor (q, n) at which the mixture's probability is within 1e-6 of the level, as long
            as single precision can tell the components from points.
        """
        if self.draws >= 64 * THIN and self.weights is None:
            thinned = self.components.of_draws(slice(None, None, THIN))
            start = Mixture(thinned).crossings(levels)
        else:
            centre = self._average(self.components.mean)
            start = centre + self.stddev() * torch.special.ndtri(levels)[:, None]
        points = max(1, CHUNK_QUANTILES // self.draws)
        starts = start.to(self.components.mean).split(points, 1)
        return torch.cat(
            [
                torch.stack([part.crossing(*each) for each in zip(begin, levels, strict=True)])
                for part, begin in zip(self.parts(points), starts, strict=True)
            ],
            dim=1,
        )

    def crossing(self, start: Tensor, level: Tensor) -> Tensor:
        """That of one level, from a start (n,): (n,)."""
        low, high = self.components.ends
        averages = self.components.averaged(self._average)
        t = start.clamp(low, high)
        for _ in range(60):
            below, density = averages(t)
            excess = below - level
            found = excess.abs() < 1e-6
            if found.all():
                break
            low, high = torch.where(excess < 0, t, low), torch.where(excess < 0, high, t)
            # Newton's step where it stays between the bounds, their middle elsewhere.
            newton = t - excess / density()
            moved = torch.where((low < newton) & (newton < high), newton, (low + high) / 2)
            # A step that rounding makes none is not one to the middle.
            t = torch.where(found, t, moved).float()
        return t

    def function_quantiles(self, levels: Tensor) -> Tensor:
        """Of the components' means: (q, n)."""
        return self.quantiles_of(self.components.mean, levels)

    def moments(self) -> dict[str, Tensor]:
        """Replicates (replicate, n) of mean, stddev, and function_stddev, of components' means."""
        means = self.components.mean
        centre = self._average(means)
        off, square = self.replicates(means - centre), self.replicates((means - centre).square())
        function = (square - off.square()).clamp(min=0)
        return {
            "mean": centre + off,
            "stddev": (function + self.replicates(self.components.variance())).sqrt(),
            "function_stddev": function.sqrt(),
        }

    def pit(self, y: Tensor, stream: Generator) -> Tensor:
        """Replicates (replicate, n) of the probability transform of y (n,), uniform if right.

        Args:
            y: observations (n,).
            stream: of random numbers, for distributions that are discrete.
        """
        return self.below(y)

    def untied(self, values: Tensor, stream: Generator) -> Tensor:
        """Values (..., n), no two of which are equal unless by rounding.

        Args:
            values: that the mixture may take.
            stream: of random numbers, for distributions that are discrete.
        """
        return values

    def below(self, y: Tensor) -> Tensor:
        """Replicates (replicate, n) of the probability of less than y (n,)."""
        return self.replicates(self.components.below(y))

    def crps(self, y: Tensor) -> Tensor:
        """Replicates (replicate, n) of the continuous ranked probability score of y (n,).

        E|Y - y| - E|Y - Y'| / 2 (Gneiting and Raftery, 2007, doi:10.1198/016214506000001437).
        """
        return self.replicates(self.components.distance(y)) - self.half_differences()

    def half_differences(self) -> Tensor:
        """Replicates (replicate, n) of E|Y - Y'| / 2, Y' independent of Y."""
        if isinstance(self.components, Paired):
            return differences.of_pairs(self)
        few = self.thinned(differences.DRAWS)
        return differences.of_integral(few.below, few.crossings(differences.levels()))

    def quantile_replicates(self, levels: Tensor) -> Tensor:
        """Replicates (replicate, q, n) of quantiles, to first order in what is left out."""
        return self.moved(self.crossings(levels))

    def moved(self, crossings: Tensor) -> Tensor:
        """Replicates (replicate, q, n) of crossings (q, n), to first order in what is left out."""
        low, high = self.components.ends
        moved = []
        for quantile in crossings:
            below = self.below(quantile)
            density = self._average(self.components.density(quantile))
            # Between components far apart there is none.
            density = density.clamp(min=torch.finfo(density.dtype).tiny)
            moved.append((quantile - (below - below[0]) / density).clamp(low, high))
        return torch.stack(moved, dim=1)

    @cached_property
    def _function_variance(self) -> Tensor:
        """Of the components' means: (n,), in double precision."""
        means = self.components.mean.double()
        if self.weights is None:
            return means.var(0, correction=0)
        return self._average((means - self._average(means)).square())
