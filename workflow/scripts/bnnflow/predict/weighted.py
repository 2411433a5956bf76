"""Distributions at weighted posterior draws, and averages over the draws with their chance."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch
from torch import Generator, Tensor

from ..model.components import Components

# Groups of draws, each of which is left out once for the Monte Carlo error.
GROUPS = 10

# Numbers that are worked on together.
CHUNK = 2**19


@dataclass(frozen=True)
class Weighted:
    """Distributions over posterior draws, at n points.

    A draw of weight 2/3 counts as much as two of weight 1/3, and one of weight 0 for nothing.

    Where methods speak of replicates, the first is of all draws, and the others are without each of
    up to ten groups of successive draws, of about equal weight. From these the jackknife has the
    Monte Carlo error (Efron and Stein, 1981, doi:10.1214/aos/1176345462). A single draw has no
    others.

    Attributes:
        components: of one family, at every draw and point.
        weights: of the draws (draws,), summing to 1; none where all are equal.
    """

    components: Components
    weights: Tensor | None = None

    @classmethod
    def of(cls, components: Components, weights: Tensor) -> Self:
        """One whose weights may be nothing, equal, or have any sum.

        Raises:
            ValueError: if the weights are not of these draws, negative, not finite or all nothing.
        """
        weights = weights.double()
        fits = weights.shape == components.shape[:1] and weights.isfinite().all()
        if not fits or (weights < 0).any() or weights.sum() <= 0:
            raise ValueError("the weights are not those of the draws")
        equal = (weights == weights[0]).all()
        return cls(components, None if equal else weights / weights.sum())

    def parts(self, points: int) -> list[Self]:
        """The same at so many points each."""
        return [replace(self, components=part) for part in self.components.parts(points)]

    def at(self, points: Tensor | slice) -> Self:
        """The same at some points, by their places."""
        return replace(self, components=self.components.at(points))

    @property
    def draws(self) -> int:
        """Number of components at a point."""
        return self.components.shape[0]

    def evenly(self, count: int) -> Tensor:
        """Places of so many draws, spread evenly over their weight, or of all: (count,)."""
        if self.weights is None:
            return torch.linspace(0, self.draws - 1, min(count, self.draws)).round().long()
        return self._drawn((torch.arange(count).double() + 0.5) / count)

    def samples(self, count: int, stream: Generator) -> Iterator[Tensor]:
        """Values, each of all points at one draw, and draws as often as their weights are.

        Args:
            count: number of values of a point.
            stream: of random numbers.

        Yields:
            Tensors (count, some), of one part of the points after another.
        """
        if self.weights is None:
            draws = torch.arange(count) * self.draws // count
        else:
            draws = self._drawn(torch.arange(count).double() / count)
        for part in self.components.parts(max(1, CHUNK // count)):
            yield part.of_draws(draws).sample(stream)

    def log_density(self, y: Tensor) -> Tensor:
        """Replicates (replicate, n) of the log density at y (n,), in nats, however small."""
        return self.log_average(self.components.log_density(y))

    def log_average(self, values: Tensor) -> Tensor:
        """Replicates (replicate, n) of the log average of densities, from their logs (draws, n)."""
        if self.weights is not None:
            values = values + self.weights.log()[:, None]
        parts = torch.stack([values[group].logsumexp(0) for group in self._groups])
        keep = [torch.arange(len(parts)) != group for group in range(len(parts))]
        kept = [slice(None), *(keep if len(parts) > 1 else [])]
        return torch.stack([parts[k].logsumexp(0) - self._weight[k].sum().log() for k in kept])

    def thinned(self, count: int) -> Self:
        """The same of at most so many draws, spread evenly, if as many groups are left."""
        if self.draws <= count or len(self._groups) < GROUPS:
            return self
        return type(self)(self.components.of_draws(self.evenly(count)))

    @cached_property
    def _groups(self) -> list[slice]:
        """Successive draws of about equal weight, which is not nothing."""
        if self.weights is None:
            sizes = [len(part) for part in torch.arange(self.draws).tensor_split(GROUPS)]
            ends = torch.tensor(sizes).cumsum(0).tolist()
        else:
            middle = self.weights.cumsum(0) - self.weights / 2
            ends = torch.searchsorted(middle, torch.arange(1, GROUPS + 1).double() / GROUPS)
            ends = ends.tolist()
        groups = map(slice, [0, *ends[:-1]], ends)
        return [group for group in groups if self._holds(group)]

    def _holds(self, group: slice) -> bool:
        if self.weights is None:
            return group.start < group.stop
        return bool(self.weights[group].sum() > 0)

    @cached_property
    def _weight(self) -> Tensor:
        """Of every group: (groups,); where all are equal, the number of its draws."""
        if self.weights is None:
            return torch.tensor([group.stop - group.start for group in self._groups])
        return torch.stack([self.weights[group].sum() for group in self._groups])

    def replicates(self, values: Tensor) -> Tensor:
        """Of the average over draws of values (draws, n): (replicate, n)."""
        if self.weights is None:
            sums = torch.stack([values[group].sum(0, dtype=torch.double) for group in self._groups])
        else:
            groups = self._groups
            sums = torch.stack([self.weights[g] @ values[g].double() for g in groups])
        weight = self._weight[:, None]
        whole = (sums.sum(0) / weight.sum())[None]
        if len(sums) == 1:
            return whole
        return torch.cat([whole, (sums.sum(0) - sums) / (weight.sum() - weight)])

    def _average(self, values: Tensor) -> Tensor:
        """Over draws, of values (draws, n): (n,)."""
        return values.mean(0) if self.weights is None else self.weights.to(values) @ values

    def quantiles_of(self, values: Tensor, levels: Tensor) -> Tensor:
        """Over draws, of values (draws, n): (q, n).

        Between the values of equal weights they are interpolated; of others, the least value is
        taken below or at which there is so much weight.
        """
        if self.weights is None:
            # As torch.quantile does it, but NumPy sorts in a tenth of the time.
            ordered = torch.from_numpy(np.sort(values.T.contiguous().numpy(), axis=1))
            ranks = levels.to(ordered) * (self.draws - 1)
            below = ranks.long()
            return torch.lerp(ordered[:, below], ordered[:, ranks.ceil().long()], ranks - below).T
        ordered, order = values.sort(0)
        # As much is rounded.
        below = self.weights[order].cumsum(0) + 1e-12
        places = (below < levels[:, None, None]).sum(1).clamp(max=self.draws - 1)
        return ordered.gather(0, places)

    def _drawn(self, probability: Tensor) -> Tensor:
        """Places of the draws below whose ends of weight are these: (k,)."""
        ends = self.weights.cumsum(0)
        return torch.searchsorted(ends, probability, right=True).clamp(max=self.draws - 1)
