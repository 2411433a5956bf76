"""A distribution by some of its quantiles."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ...model.components import Average, Averaged, Numbers

# Probabilities of the quantiles.
LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)

# Probability beyond the ends to either side.
BEYOND = 1e-8


@dataclass(frozen=True)
class Quantiled(Numbers):
    """Distributions that are uniform between their quantiles and exponential beyond them.

    Attributes:
        mean: (draws, n).
        knots: quantiles of LEVELS, each above the one before, (draws, n, levels).
        tails: means of the lower and the upper tail's distance from the outer quantiles,
            (draws, n, 2).
    """

    knots: Tensor
    tails: Tensor

    @classmethod
    def of(cls, knots: Tensor, tails: Tensor) -> Quantiled:
        """With the mean that quantiles and tails have."""
        own = cls(knots[..., 0], knots, tails)
        return cls(own.over_parts(own.centres), knots, tails)

    def wrong(self) -> Tensor:
        """Draws at which one of them is no distribution: (draws,)."""
        finite = self.knots.isfinite().all(-1) & self.tails.isfinite().all(-1)
        proper = (self.knots.diff() > 0).all(-1) & (self.tails > 0).all(-1)
        return ~(finite & proper).all(1)

    def variance(self) -> Tensor:
        """(draws, n)."""
        away = self.centres - self.mean[..., None]
        low, high = self.tails.split(1, -1)
        within = torch.cat([low.square(), self.knots.diff().square() / 12, high.square()], -1)
        return self.over_parts(away.square() + within)

    def log_density(self, y: Tensor) -> Tensor:
        """At observations (n,), in double precision: (draws, n)."""
        y, knots, tails = y.double()[..., None], self.knots.double(), self.tails.double()
        inside = self._steps.log() - knots.diff().log()
        place = (knots <= y).sum(-1, keepdim=True) - 1
        within = inside.gather(-1, place.clamp(0, inside.shape[-1] - 1))
        below, above = (knots[..., :1] - y) / tails[..., :1], (y - knots[..., -1:]) / tails[..., 1:]
        outer = torch.tensor(LEVELS[0]).double().log()
        found = within.where(below <= 0, outer - tails[..., :1].log() - below)
        return found.where(above <= 0, outer - tails[..., 1:].log() - above)[..., 0]

    def below(self, t: Tensor) -> Tensor:
        """Probability of less than t (n,): (draws, n)."""
        shares = ((t[..., None] - self.knots[..., :-1]) / self.knots.diff()).clamp(0, 1)
        under, over = self.knots[..., 0] - t, t - self.knots[..., -1]
        low, high = (
            LEVELS[0] * (-away.clamp(min=0) / tail).exp()
            for away, tail in zip((under, over), self.tails.unbind(-1), strict=True)
        )
        inside = (shares * self._steps.to(shares)).sum(-1)
        return low + inside + (LEVELS[0] - high)

    def density(self, t: Tensor) -> Tensor:
        """At t (n,): (draws, n)."""
        return self.log_density(t).exp().to(self.mean.dtype)

    def averaged(self, average: Average) -> Averaged:
        """Averages (n,) of `below` and `density` at many t."""
        return lambda t: (average(self.below(t)), lambda: average(self.density(t)))

    @property
    def ends(self) -> tuple[Tensor, Tensor]:
        """Between these (n,) lies all of their probability that numbers can tell from 1."""
        reach = self.tails * torch.tensor(LEVELS[0] / BEYOND).log()
        low, high = self.knots[..., 0] - reach[..., 0], self.knots[..., -1] + reach[..., 1]
        return low.amin(0), high.amax(0)

    def distance(self, y: Tensor) -> Tensor:
        """Means of |X - y|, y (n,): (draws, n)."""
        y = y[:, None]
        a, b = self.knots[..., :-1], self.knots[..., 1:]
        at = torch.maximum(torch.minimum(y, b), a)
        inside = ((at - a).square() + (b - at).square()) / (2 * (b - a))
        # From a place outside there is the way to the nearer end besides.
        inside = inside + (y - at).abs()
        ends = torch.stack([self.knots[..., 0] - y[:, 0], y[:, 0] - self.knots[..., -1]], -1)
        away = ends.clamp(min=0)
        tails = away - self.tails + 2 * self.tails * (-away / self.tails).exp()
        tails = tails + (-ends).clamp(min=0)
        return self.over_parts(torch.cat([tails[..., :1], inside, tails[..., 1:]], -1))

    def sample(self, stream: Generator) -> Tensor:
        """One value of each, in double precision: (draws, n)."""
        level = torch.rand((*self.shape, 1), generator=stream, dtype=torch.double)
        knots, (low, high) = self.knots.double(), self.tails.double().unbind(-1)
        levels = torch.tensor(LEVELS).double()
        place = (levels <= level).sum(-1, keepdim=True).clamp(1, len(LEVELS) - 1) - 1
        share = (level - levels[place]) / self._steps[place]
        inside = torch.lerp(knots.gather(-1, place), knots.gather(-1, place + 1), share)[..., 0]
        level = level[..., 0].clamp(min=2.0**-53)
        under = knots[..., 0] + low * (level / LEVELS[0]).clamp(max=1).log()
        over = knots[..., -1] - high * ((1 - level) / LEVELS[0]).clamp(max=1).log()
        found = inside.where(level >= LEVELS[0], under)
        return found.where(level <= LEVELS[-1], over)

    @property
    def _steps(self) -> Tensor:
        """Probabilities between the quantiles."""
        return torch.tensor(LEVELS).double().diff()

    @property
    def centres(self) -> Tensor:
        """Means of the parts: (draws, n, levels + 1)."""
        low, high = self.tails.split(1, -1)
        middles = (self.knots[..., :-1] + self.knots[..., 1:]) / 2
        return torch.cat([self.knots[..., :1] - low, middles, self.knots[..., -1:] + high], -1)

    def over_parts(self, values: Tensor) -> Tensor:
        """Of the parts (draws, n, levels + 1), by their probabilities: (draws, n)."""
        outer = torch.tensor([LEVELS[0]]).double()
        return (values * torch.cat([outer, self._steps, outer]).to(values)).sum(-1)
