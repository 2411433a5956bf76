"""Families of a mixture's components: all closed forms of a family in one place.

A family is a class like `Normal`: parameters at every draw and point, and what a mixture asks of
them. Sums over draws are the mixture's own: where a family could leave terms out of a sum, it is
given the function that averages. A family stands in FAMILIES under the name of its likelihood,
whose `components` gives its parameters; tests/unit/test_mixture.py has one that is not here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Generator, Tensor

Average = Callable[[Tensor], Tensor]
# Of t (n,): the average probability of less, and what gives the average density, if asked.
Averaged = Callable[[Tensor], tuple[Tensor, Callable[[], Tensor]]]


@dataclass(frozen=True)
class Normal:
    """Normal distributions.

    Attributes:
        mean, stddev: at every draw and point, (draws, n).
    """

    mean: Tensor
    stddev: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """Draws and points."""
        return tuple(self.mean.shape)

    def parts(self, points: int) -> list["Normal"]:
        """The same at so many points each."""
        pairs = zip(self.mean.split(points, 1), self.stddev.split(points, 1), strict=True)
        return [Normal(*pair) for pair in pairs]

    def of_draws(self, draws: Tensor | slice) -> "Normal":
        """Those of some draws, by their places."""
        return Normal(self.mean[draws], self.stddev[draws])

    def at(self, points: Tensor | slice) -> "Normal":
        """Those at some points, by their places."""
        return Normal(self.mean[:, points], self.stddev[:, points])

    def double(self) -> "Normal":
        """The same in double precision."""
        return Normal(self.mean.double(), self.stddev.double())

    def wrong(self) -> Tensor:
        """Draws at which one of them is no distribution: (draws,)."""
        return ~(self.mean.isfinite() & self.stddev.isfinite() & (self.stddev > 0)).all(1)

    def variance(self) -> Tensor:
        """(draws, n)."""
        return self.stddev.square()

    def log_density(self, y: Tensor) -> Tensor:
        """At observations (n,), in double precision: (draws, n)."""
        u = (y - self.mean) / self.stddev
        return u.double().square() / -2 - self.stddev.log() - math.log(2 * math.pi) / 2

    def below(self, t: Tensor) -> Tensor:
        """Probability of less than t (n,): (draws, n)."""
        return torch.special.ndtr((t - self.mean) / self.stddev)

    def density(self, t: Tensor) -> Tensor:
        """At t (n,): (draws, n)."""
        u = (t - self.mean) / self.stddev
        return (u.square() / -2).exp() / (self.stddev * (2 * math.pi) ** 0.5)

    def averaged(self, average: Average) -> Averaged:
        """Averages (n,) of `below` and `density` at many t, with little work for each."""
        inverse, height = self.stddev.reciprocal(), 1 / (self.stddev * (2 * torch.pi) ** 0.5)

        def at(t: Tensor) -> tuple[Tensor, Callable[[], Tensor]]:
            # In place, because much of the time would go into memory.
            u = (t - self.mean).mul_(inverse)
            below = average((u * 2**-0.5).erf_()) / 2 + 0.5
            return below, lambda: average((u.square() / -2).exp_().mul_(height))

        return at

    @cached_property
    def ends(self) -> tuple[Tensor, Tensor]:
        """Between these (n,) lies all of their probability that numbers can tell from 1."""
        reach = 6 * self.stddev.amax(0)
        return self.mean.amin(0) - reach, self.mean.amax(0) + reach

    def distance(self, y: Tensor) -> Tensor:
        """Means of |X - y|, y (n,): (draws, n)."""
        return _absolute(self.mean - y, self.stddev)

    def apart(self, lag: int) -> Tensor:
        """Means of |X - X'|, X' independent and of the draw so many before: (draws, n)."""
        scale = self.stddev.hypot(self.stddev.roll(lag, 0))
        return _absolute(self.mean - self.mean.roll(lag, 0), scale)

    def spread(self) -> Tensor:
        """Means of |X - X'|, X' independent and of the same draw: (draws, n)."""
        return _absolute(torch.zeros_like(self.mean), self.stddev * 2**0.5)

    def sample(self, stream: Generator) -> Tensor:
        """One value of each, in double precision: (draws, n).

        In single, a mean a million times the standard deviation would make many values one.
        """
        noise = torch.randn(self.shape, generator=stream)
        return self.mean.double() + self.stddev.double() * noise.double()


def _absolute(mean: Tensor, stddev: Tensor) -> Tensor:
    """The mean of |X| for normal X."""
    u = mean / stddev
    return mean * torch.erf(u * 2**-0.5) + stddev * (2 / math.pi) ** 0.5 * (u.square() / -2).exp()


# By the likelihood that they come from.
FAMILIES = {"normal": Normal}
