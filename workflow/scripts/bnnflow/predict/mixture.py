"""The predictive distribution: a mixture of what a likelihood says at weighted posterior draws."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Generator, Tensor

from ..model.components import Components

# Groups of draws, each of which is left out once for the Monte Carlo error.
GROUPS = 10

# Pairs of draws from which their mean difference is estimated, where all would be too many.
PAIRS = 20_000

# Of many components, so few are enough to begin with.
THIN = 16

# Numbers that are worked on together: of scores, and of quantiles.
CHUNK, CHUNK_QUANTILES = 2**19, 2**17


@dataclass(frozen=True)
class Mixture:
    """A mixture of distributions over posterior draws, at n points.

    A draw of weight 2/3 counts as much as two of weight 1/3, and one of weight 0 for nothing. What
    the components are is known to them alone; their means are the latent function.

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
    def of(cls, components: Components, weights: Tensor) -> "Mixture":
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

    def parts(self, points: int) -> list["Mixture"]:
        """The same at so many points each."""
        return [replace(self, components=part) for part in self.components.parts(points)]

    def at(self, points: Tensor | slice) -> "Mixture":
        """The same at some points, by their places."""
        return replace(self, components=self.components.at(points))

    @property
    def draws(self) -> int:
        """Number of components at a point."""
        return self.components.shape[0]

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
        """By Newton's method kept between bounds.

        Args:
            levels: probabilities (q,).

        Returns:
            Tensor (q, n) at which the mixture's probability is within 1e-6 of the level, as long
            as single precision can tell the components from points.
        """
        if self.draws >= 64 * THIN and self.weights is None:
            thinned = self.components.of_draws(slice(None, None, THIN))
            start = Mixture(thinned).quantiles(levels)
        else:
            centre = self._average(self.components.mean)
            start = centre + self.stddev() * torch.special.ndtri(levels)[:, None]
        points = max(1, CHUNK_QUANTILES // self.draws)
        starts = start.to(self.components.mean).split(points, 1)
        return torch.cat(
            [
                torch.stack([part.quantile(*each) for each in zip(begin, levels, strict=True)])
                for part, begin in zip(self.parts(points), starts, strict=True)
            ],
            dim=1,
        )

    def quantile(self, start: Tensor, level: Tensor) -> Tensor:
        """That of one level, from a start (n,): (n,)."""
        low, high = self.components.ends
        averages = self.components.averaged(self._average)
        t = start.clamp(low, high)
        for _ in range(60):
            below, density = averages(t)
            excess = below - level
            if torch.all(excess.abs() < 1e-6):
                break
            low, high = torch.where(excess < 0, t, low), torch.where(excess < 0, high, t)
            # Newton's step where it stays between the bounds, their middle elsewhere.
            newton = t - excess / density()
            t = torch.where((low < newton) & (newton < high), newton, (low + high) / 2).float()
        return t

    def function_quantiles(self, levels: Tensor) -> Tensor:
        """Of the components' means: (q, n).

        Between the values of equal weights they are interpolated; of others, the least value is
        taken below or at which there is so much weight.
        """
        means = self.components.mean
        if self.weights is None:
            # As torch.quantile does it, but NumPy sorts in a tenth of the time.
            ordered = torch.from_numpy(np.sort(means.T.contiguous().numpy(), axis=1))
            ranks = levels.to(ordered) * (self.draws - 1)
            below = ranks.long()
            return torch.lerp(ordered[:, below], ordered[:, ranks.ceil().long()], ranks - below).T
        ordered, order = means.sort(0)
        # As much is rounded.
        below = self.weights[order].cumsum(0) + 1e-12
        places = (below < levels[:, None, None]).sum(1).clamp(max=self.draws - 1)
        return ordered.gather(0, places)

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

    def moments(self) -> dict[str, Tensor]:
        """Replicates (replicate, n) of mean, stddev, and function_stddev, of components' means."""
        means = self.components.mean
        centre = self._average(means)
        off, square = self._replicates(means - centre), self._replicates((means - centre).square())
        function = (square - off.square()).clamp(min=0)
        return {
            "mean": centre + off,
            "stddev": (function + self._replicates(self.components.variance())).sqrt(),
            "function_stddev": function.sqrt(),
        }

    def log_density(self, y: Tensor) -> Tensor:
        """Replicates (replicate, n) of the log density at y (n,), in nats, however small."""
        values = self.components.log_density(y)
        if self.weights is not None:
            values = values + self.weights.log()[:, None]
        parts = torch.stack([values[group].logsumexp(0) for group in self._groups])
        keep = [torch.arange(len(parts)) != group for group in range(len(parts))]
        kept = [slice(None), *(keep if len(parts) > 1 else [])]
        return torch.stack([parts[k].logsumexp(0) - self._weight[k].sum().log() for k in kept])

    def below(self, y: Tensor) -> Tensor:
        """Replicates (replicate, n) of the probability of less than y (n,)."""
        return self._replicates(self.components.below(y))

    def crps(self, y: Tensor) -> Tensor:
        """Replicates (replicate, n) of the continuous ranked probability score of y (n,).

        E|Y - y| - E|Y - Y'| / 2 (Gneiting and Raftery, 2007, doi:10.1198/016214506000001437), with
        the second term from all pairs, or from so many for every draw that they are PAIRS.
        """
        pairs = self._replicates(self._difference())
        # Of a sum over pairs, a group's draws are left out twice.
        return self._replicates(self.components.distance(y)) - (2 * pairs - pairs[0]) / 2

    def quantile_replicates(self, quantiles: Tensor) -> Tensor:
        """Replicates (replicate, q, n) of quantiles (q, n), to first order in what is left out."""
        low, high = self.components.ends
        moved = []
        for quantile in quantiles:
            below = self.below(quantile)
            density = self._average(self.components.density(quantile))
            # Between components far apart there is none.
            density = density.clamp(min=torch.finfo(density.dtype).tiny)
            moved.append((quantile - (below - below[0]) / density).clamp(low, high))
        return torch.stack(moved, dim=1)

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

    def _replicates(self, values: Tensor) -> Tensor:
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

    @cached_property
    def _function_variance(self) -> Tensor:
        """Of the components' means: (n,), in double precision."""
        means = self.components.mean.double()
        if self.weights is None:
            return means.var(0, correction=0)
        return self._average((means - self._average(means)).square())

    def _difference(self) -> Tensor:
        """Means of |Y - Y'| by the draw of Y, which may be that of Y' too: (draws, n)."""
        count, components = self.draws, self.components
        number = math.ceil(PAIRS / count)
        if number < count // 2:
            # Half of them, because a lag and what is left of the whole make the same pairs.
            lags = ((torch.arange(number) + 0.5) * (count / 2 / number)).round().long().tolist()
        else:
            lags = list(range(1, count))
        others, own = torch.zeros_like(components.mean), components.spread()
        if self.weights is None:
            for lag in lags:
                pair = components.apart(lag)
                others += (pair + pair.roll(-lag, 0)) / 2
            return own / count + others * (1 - 1 / count) / max(1, len(lags))
        weights = self.weights[:, None].to(others)
        seen = torch.zeros_like(weights)
        for lag in lags:
            pair, before, after = components.apart(lag), weights.roll(lag, 0), weights.roll(-lag, 0)
            others += (before * pair + after * pair.roll(-lag, 0)) / 2
            seen += (before + after) / 2
        return weights * own + (1 - weights) * others / seen.clamp(min=torch.finfo(seen.dtype).tiny)

    def _drawn(self, probability: Tensor) -> Tensor:
        """Places of the draws below whose ends of weight are these: (k,)."""
        ends = self.weights.cumsum(0)
        return torch.searchsorted(ends, probability, right=True).clamp(max=self.draws - 1)
