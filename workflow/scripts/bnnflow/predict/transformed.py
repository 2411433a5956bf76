"""Targets that are transformed before a network sees them: predictions in their own units."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Generator, Tensor

from ..files.columns import Column
from ..model.components import Average, Averaged, Numbers
from .mixture import Mixture
from .weighted import CHUNK

# By transform: what a network sees of numbers, the numbers, and log derivatives of the former. The
# root of a negative number is that of its size, and negative, so that it is what every z is the
# root of.
FORWARD = {
    "log": lambda y: y.clamp(min=0).log(),
    "log1p": lambda y: y.clamp(min=-1).log1p(),
    "sqrt": lambda y: y.sign() * y.abs().sqrt(),
}
BACK = {"log": torch.exp, "log1p": torch.expm1, "sqrt": lambda z: z * z.abs()}
LOG_SLOPE = {
    "log": lambda y: -y.log(),
    "log1p": lambda y: -y.log1p(),
    "sqrt": lambda y: -math.log(2) - y.abs().log() / 2,
}

# Standard deviations about the mean of a component over which moments are integrated, in equal
# steps; and nodes of Gauss and Legendre's rule.
REACH, STEPS, NODES = 8.0, 32, 40


@dataclass(frozen=True)
class Transformed(Numbers):
    """Distributions of a target whose transform has components that are known.

    Moments are integrals over the density of the components: sums over equal steps, which of
    normal distributions are exact to all digits of single precision (Trefethen and Weideman, 2014,
    doi:10.1137/130932132).

    Attributes:
        mean, spread: means and variances in the target's units, (draws, n).
        inner: of the target as the network sees it.
        column: how the target is encoded.
    """

    spread: Tensor
    inner: Numbers
    column: Column

    @classmethod
    def of(cls, inner: Numbers, column: Column) -> Self:
        """Those of such components."""
        points = max(1, CHUNK // inner.shape[0])
        moments = (_moments(part, column) for part in inner.parts(points))
        mean, spread = (torch.cat(parts, 1).float() for parts in zip(*moments, strict=True))
        return cls(mean, spread, inner, column)

    def parts(self, points: int) -> list["Transformed"]:
        """The same at so many points each."""
        own = (self.mean.split(points, 1), self.spread.split(points, 1), self.inner.parts(points))
        return [Transformed(*part, self.column) for part in zip(*own, strict=True)]

    def of_draws(self, draws: Tensor | slice) -> "Transformed":
        """Those of some draws, by their places."""
        own = self.mean[draws], self.spread[draws], self.inner.of_draws(draws)
        return Transformed(*own, self.column)

    def at(self, points: Tensor | slice) -> "Transformed":
        """Those at some points, by their places."""
        own = self.mean[:, points], self.spread[:, points], self.inner.at(points)
        return Transformed(*own, self.column)

    def double(self) -> "Transformed":
        """The same in double precision."""
        own = self.mean.double(), self.spread.double(), self.inner.double()
        return Transformed(*own, self.column)

    def wrong(self) -> Tensor:
        """Draws at which one of them is no distribution: (draws,)."""
        finite = self.mean.isfinite() & self.spread.isfinite()
        return self.inner.wrong() | ~finite.all(1)

    def variance(self) -> Tensor:
        """(draws, n)."""
        return self.spread

    def log_density(self, y: Tensor) -> Tensor:
        """At observations (n,), in double precision: (draws, n)."""
        return self.inner.log_density(self._seen(y)) + self._log_slope(y)

    def below(self, t: Tensor) -> Tensor:
        """Probability of less than t (n,): (draws, n)."""
        return self.inner.below(self._seen(t))

    def standardized(self, y: Tensor) -> Tensor:
        """Residuals of y (n,) over their scale, as the network sees the target: (draws, n)."""
        return self.inner.standardized(self._seen(y))

    def density(self, t: Tensor) -> Tensor:
        """At t (n,): (draws, n)."""
        return self.inner.density(self._seen(t)) * self._log_slope(t).exp().to(self.mean)

    def averaged(self, average: Average) -> Averaged:
        """Averages (n,) of `below` and `density` at many t."""
        return lambda t: (average(self.below(t)), lambda: average(self.density(t)))

    @property
    def ends(self) -> tuple[Tensor, Tensor]:
        """Between these (n,) lies all of their probability that numbers can tell from 1."""
        low, high = (in_own_units(end, self.column) for end in self.inner.ends)
        return low, high

    def distance(self, y: Tensor) -> Tensor:
        """Means of |X - y|, y (n,): (draws, n).

        They are E X - y, and twice the integral up to y of the probability of less.
        """
        stddev = self.inner.variance().sqrt()
        low, high = self.inner.mean - REACH * stddev, self.inner.mean + REACH * stddev
        end = self._seen(y).maximum(low).minimum(high)
        under = torch.zeros_like(self.mean, dtype=torch.double)
        for node, weight in zip(*np.polynomial.legendre.leggauss(NODES), strict=True):
            z = torch.lerp(low, end, (node + 1) / 2)
            slope = (-self._log_slope(in_own_units(z.double(), self.column))).exp()
            under += weight / 2 * (end - low) * self.inner.below(z) * slope
        beyond = (y - in_own_units(high.double(), self.column)).clamp(min=0)
        return (self.mean - y + 2 * (under + beyond)).to(self.mean.dtype)

    def sample(self, stream: Generator) -> Tensor:
        """One value of each, in double precision: (draws, n)."""
        return in_own_units(self.inner.sample(stream), self.column)

    def _seen(self, y: Tensor) -> Tensor:
        z = FORWARD[self.column.transform](y.double())
        return ((z - self.column.centre) / self.column.scale).to(self.inner.mean)

    def _log_slope(self, y: Tensor) -> Tensor:
        """The logarithm of how much z grows with y, in double precision."""
        return LOG_SLOPE[self.column.transform](y.double()) - math.log(self.column.scale)


@dataclass(frozen=True)
class TransformedMixture(Mixture):
    """A mixture in the units of a target that is transformed before a network sees the target.

    Quantiles are those of the mixture as the network sees the target, taken back.
    """

    components: Transformed

    @classmethod
    def around(cls, mixture: Mixture, column: Column) -> Self:
        """That of a mixture as the network sees the target."""
        return cls(Transformed.of(mixture.components, column), mixture.weights)

    def crossings(self, levels: Tensor) -> Tensor:
        """Where `below` rises to levels (q,): (q, n)."""
        return in_own_units(self._inner.crossings(levels).double(), self.components.column)

    def quantile_replicates(self, levels: Tensor) -> Tensor:
        """Replicates (replicate, q, n) of quantiles, to first order in what is left out."""
        found = self._inner.quantile_replicates(levels)
        return in_own_units(found.double(), self.components.column)

    @property
    def _inner(self) -> Mixture:
        return Mixture(self.components.inner, self.weights)


def in_own_units(z: Tensor, column: Column) -> Tensor:
    """Numbers of a transformed target, from what a network sees of them."""
    return BACK[column.transform](z * column.scale + column.centre)


def _moments(inner: Numbers, column: Column) -> tuple[Tensor, Tensor]:
    """Means and variances (draws, n) in the target's units."""
    stddev = inner.variance().sqrt()
    # About the middle, so that few digits are lost.
    middle = in_own_units(inner.mean.double(), column)
    mass, first, second = (torch.zeros_like(middle) for _ in range(3))
    for u in torch.linspace(-REACH, REACH, STEPS + 1).tolist():
        z = inner.mean + u * stddev
        weight = (inner.density(z) * stddev).double()
        away = in_own_units(z.double(), column) - middle
        mass += weight
        first += weight * away
        second += weight * away.square()
    off = first / mass
    return middle + off, (second / mass - off.square()).clamp(min=0)
