"""Counts that vary as Poisson's do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ...settings import Positive
from ..components import Counts
from ..likelihood import Likelihood, Targets, level, observe

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Poissons(Counts):
    """Poisson's distributions.

    Attributes:
        mean: at every draw and point, (draws, n).
    """

    def wrong(self) -> Tensor:
        """Draws at which one of them is no distribution: (draws,)."""
        return ~(self.mean.isfinite() & (self.mean > 0)).all(1)

    def variance(self) -> Tensor:
        """(draws, n)."""
        return self.mean

    def log_density(self, y: Tensor) -> Tensor:
        """At observations (n,), in double precision: (draws, n)."""
        from ..counting import log_poisson

        return log_poisson(self.mean.double().log(), y.double())

    def below(self, t: Tensor) -> Tensor:
        """Probability of less than t (n,): (draws, n)."""
        import torch

        return torch.special.gammaincc(t.to(self.mean).clamp(min=0).expand(self.shape), self.mean)

    @property
    def ends(self) -> tuple[Tensor, Tensor]:
        """Between these (n,) lies all of their probability that numbers can tell from 1."""
        reach = 6 * self.mean.sqrt()
        return (self.mean - reach).amin(0).clamp(min=0), (self.mean + reach).amax(0) + 20

    def following(self, probability: Tensor, count: int) -> Tensor:
        """Of the count after one of this probability (draws, n): (draws, n)."""
        return (probability * self.mean).div_(count + 1)

    def sample(self, stream: Generator) -> Tensor:
        """One value of each, in double precision: (draws, n)."""
        import torch

        return torch.poisson(self.mean.double(), generator=stream)


class Poisson(Likelihood):
    """y ~ Poisson(exp(level + f(x))), f the network's output; so for each target."""

    distributions = Poissons
    suits = ("count",)

    family: Literal["poisson"] = Field(
        "poisson",
        description="`poisson`, counts whose log mean is a level of their own and the network.",
    )
    level_stddev: Positive = Field(
        5.0, description="Standard deviation of the normal prior of the level, about 0."
    )

    def outputs(self, targets: Targets) -> int:
        """One a target."""
        return len(targets)

    def shapes(self, targets: Targets) -> dict[str, tuple[int, ...]]:
        """`level`, of every target."""
        return {"level": (len(targets),)}

    def sample(self, outputs: Tensor, targets: Targets, y: Tensor | None = None) -> None:
        """Sample the level, and the response (targets, n)."""
        from ..counting import LogPoisson, bounded

        observe(LogPoisson(bounded(level(self.level_stddev, targets) + outputs)), y)

    def components(
        self, outputs: Tensor, targets: Targets, values: Mapping[str, Tensor]
    ) -> tuple[tuple[Tensor, ...], ...]:
        """Mean, (n,)."""
        from ..counting import bounded

        return tuple((each,) for each in bounded(values["level"][:, None] + outputs).exp())

    def formula(self) -> str:
        """The log mean, and the prior of the level."""
        return (
            r"y_i \mid \theta, \ell \sim \mathrm{Poisson}\left(e^{\ell + f_\theta(x_i)}\right),"
            rf" \qquad \ell \sim \mathcal{{N}}(0, {self.level_stddev}^2)"
        )
