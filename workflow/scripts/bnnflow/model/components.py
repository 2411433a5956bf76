"""What predictive distributions are made of: one of a family at every draw and point."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator, Tensor

Average = Callable[["Tensor"], "Tensor"]
# Of t (n,): the average probability of less, and what gives the average density, if asked.
Averaged = Callable[["Tensor"], tuple["Tensor", Callable[[], "Tensor"]]]


@dataclass(frozen=True)
class Components(ABC):
    """Distributions of one family: their parameters, each (draws, n, ...), and what a mixture asks.

    Sums over draws are the mixture's own: where a family could leave terms out of a sum, it is
    given the function that averages.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Draws and points."""
        return tuple(self._parameters[0].shape[:2])

    def parts(self, points: int) -> list[Components]:
        """The same at so many points each."""
        split = (parameter.split(points, 1) for parameter in self._parameters)
        return [type(self)(*part) for part in zip(*split, strict=True)]

    def of_draws(self, draws: Tensor | slice) -> Components:
        """Those of some draws, by their places."""
        return type(self)(*(parameter[draws] for parameter in self._parameters))

    def at(self, points: Tensor | slice) -> Components:
        """Those at some points, by their places."""
        return type(self)(*(parameter[:, points] for parameter in self._parameters))

    def double(self) -> Components:
        """The same in double precision."""
        return type(self)(*(parameter.double() for parameter in self._parameters))

    @abstractmethod
    def wrong(self) -> Tensor:
        """Draws at which one of them is no distribution: (draws,)."""

    @abstractmethod
    def log_density(self, y: Tensor) -> Tensor:
        """At observations (n,), in double precision: (draws, n)."""

    @abstractmethod
    def sample(self, stream: Generator) -> Tensor:
        """One value of each, in double precision: (draws, n)."""

    @property
    def _parameters(self) -> tuple[Tensor, ...]:
        return tuple(vars(self)[name] for name in self.__dataclass_fields__)


@dataclass(frozen=True)
class Numbers(Components):
    """Distributions of a number.

    Attributes:
        mean: of every distribution, (draws, n); the latent function.
    """

    mean: Tensor

    @abstractmethod
    def variance(self) -> Tensor:
        """(draws, n)."""

    @abstractmethod
    def below(self, t: Tensor) -> Tensor:
        """Probability of less than t, (n,) or (draws, n): (draws, n)."""

    @abstractmethod
    def density(self, t: Tensor) -> Tensor:
        """At t, (n,) or (draws, n): (draws, n)."""

    @abstractmethod
    def averaged(self, average: Average) -> Averaged:
        """Averages (n,) of `below` and `density` at many t, with little work for each."""

    @property
    @abstractmethod
    def ends(self) -> tuple[Tensor, Tensor]:
        """Between these (n,) lies all of their probability that numbers can tell from 1."""

    @abstractmethod
    def distance(self, y: Tensor) -> Tensor:
        """Means of |X - y|, y (n,): (draws, n)."""


@dataclass(frozen=True)
class Paired(Numbers):
    """Distributions of a number of which the mean difference of two has a closed form."""

    @abstractmethod
    def apart(self, lag: int) -> Tensor:
        """Means of |X - X'|, X' independent and of the draw so many before: (draws, n)."""

    @abstractmethod
    def spread(self) -> Tensor:
        """Means of |X - X'|, X' independent and of the same draw: (draws, n)."""


@dataclass(frozen=True)
class Counts(Numbers):
    """Distributions of 0, 1, 2, …

    Between whole numbers `below` rises smoothly, and `density` is about its slope there.
    """

    def averaged(self, average: Average) -> Averaged:
        """Averages (n,) of `below` and `density` at many t."""
        return lambda t: (average(self.below(t)), lambda: average(self.density(t)))

    @abstractmethod
    def following(self, probability: Tensor, count: int) -> Tensor:
        """Of the count after one of this probability (draws, n): (draws, n)."""

    def distance(self, y: Tensor) -> Tensor:
        """Means of |X - y|, y (n,): (draws, n).

        For both families E[X; X < y] = mean · P(X < y) - variance / mean · y · P(X = y), which the
        ratios of successive probabilities add up to.
        """
        spread = 2 * self.variance() / self.mean * y * self.log_density(y).exp()
        return (self.mean - y) * (1 - 2 * self.below(y)) + spread.to(self.mean.dtype)

    def density(self, t: Tensor) -> Tensor:
        """The probability of the count next below t (n,), which is a slope of `below`."""
        return self.log_density((t - 0.5).clamp(min=0)).exp().to(self.mean.dtype)


@dataclass(frozen=True)
class Labels(Counts):
    """Classes, as numbers: their places 0, 1, …; of yes and no the mean is the probability of yes.

    Attributes:
        mean: of the places, (draws, n).
        log_probability: of every class, (draws, n, classes), in nats.
    """

    log_probability: Tensor

    def probability(self) -> Tensor:
        """Of every class: (draws, n, classes)."""
        return self.log_probability.exp()

    def wrong(self) -> Tensor:
        """Draws at which one of them is no distribution: (draws,)."""
        return self.log_probability.isnan().flatten(1).any(1)

    def variance(self) -> Tensor:
        """(draws, n)."""
        away = self._places() - self.mean[..., None]
        return (self.probability() * away.square()).sum(-1)

    def log_density(self, y: Tensor) -> Tensor:
        """At classes (n,), in double precision: (draws, n)."""
        return self._of(self.log_probability, y).double()

    def following(self, probability: Tensor, count: int) -> Tensor:
        """Of the class after one of this probability (draws, n): (draws, n)."""
        own = self.probability()
        return own[..., count + 1] if count + 1 < own.shape[-1] else 0 * probability

    def density(self, t: Tensor) -> Tensor:
        """The slope of `below` at t (n,): (draws, n)."""
        return self._of(self.probability(), t)

    def below(self, t: Tensor) -> Tensor:
        """Probability of less than t (n,): (draws, n)."""
        share = (t.to(self.mean)[:, None] - self._places()).clamp(0, 1)
        return (self.probability() * share).sum(-1)

    @property
    def ends(self) -> tuple[Tensor, Tensor]:
        """Between these (n,) lies all of their probability."""
        low = self.mean.new_zeros(self.shape[1])
        return low, low + self.log_probability.shape[-1]

    def distance(self, y: Tensor) -> Tensor:
        """Means of |X - y|, y (n,): (draws, n)."""
        return (self.probability() * (y[:, None] - self._places()).abs()).sum(-1)

    def sample(self, stream: Generator) -> Tensor:
        """One class of each, in double precision: (draws, n)."""
        import torch

        level = torch.rand((*self.shape, 1), generator=stream, dtype=torch.double)
        below = self.probability().double().cumsum(-1)[..., :-1]
        return (below <= level).sum(-1).double()

    def _places(self) -> Tensor:
        import torch

        return torch.arange(self.log_probability.shape[-1]).to(self.mean)

    def _of(self, values: Tensor, t: Tensor) -> Tensor:
        """Of values (draws, n, classes) those of the classes that t (n,) are in: (draws, n)."""
        places = t.long().clamp(0, values.shape[-1] - 1)
        return values.gather(-1, places[None, :, None].expand(*self.shape, 1))[..., 0]


def of_labels(log_probability: Tensor) -> tuple[Tensor, Tensor]:
    """Parameters of `Labels`, from log probabilities (..., classes)."""
    import torch

    places = torch.arange(log_probability.shape[-1]).to(log_probability)
    return log_probability.exp() @ places, log_probability
