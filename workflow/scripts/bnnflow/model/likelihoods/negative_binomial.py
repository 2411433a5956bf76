"""Counts that vary more than Poisson's do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ...settings import Positive
from ..components import Counts
from ..likelihood import Likelihood, Targets, level, observe, sizes

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class NegativeBinomials(Counts):
    """Negative binomial distributions: Poisson's, of gamma distributed means.

    Attributes:
        mean, dispersion: at every draw and point, (draws, n); the variance is
            mean + dispersion · mean².
    """

    dispersion: Tensor

    def wrong(self) -> Tensor:
        """Draws at which one of them is no distribution: (draws,)."""
        finite = self.mean.isfinite() & self.dispersion.isfinite()
        return ~(finite & (self.mean > 0) & (self.dispersion > 0)).all(1)

    def variance(self) -> Tensor:
        """(draws, n)."""
        return self.mean + self.dispersion * self.mean.square()

    def log_density(self, y: Tensor) -> Tensor:
        """At observations (n,), in double precision: (draws, n)."""
        from ..counting import log_negative_binomial

        shape = 1 / self.dispersion.double()
        return log_negative_binomial(self.mean.double().log(), shape, y.double())

    def below(self, t: Tensor) -> Tensor:
        """Probability of less than t (n,): (draws, n)."""
        return _less(t, 1 / self.dispersion, self.dispersion * self.mean)

    @property
    def ends(self) -> tuple[Tensor, Tensor]:
        """Between these (n,) lies all of their probability that numbers can tell from 1."""
        reach = 6 * self.variance().sqrt()
        # The upper tail falls by e over 1 + dispersion · mean.
        above = 20 * (1 + self.dispersion * self.mean)
        return (self.mean - reach).amin(0).clamp(min=0), (self.mean + reach + above).amax(0)

    def following(self, probability: Tensor, count: int) -> Tensor:
        """Of the count after one of this probability (draws, n): (draws, n)."""
        ratio, slope = self._ratios
        return ratio.add(slope, alpha=count).mul_(probability).div_(count + 1)

    @cached_property
    def _ratios(self) -> tuple[Tensor, Tensor]:
        ratio = self.mean / (1 + self.dispersion * self.mean)
        return ratio, self.dispersion * ratio

    def sample(self, stream: Generator) -> Tensor:
        """One value of each, in double precision: (draws, n)."""
        import torch
        from scipy import special

        shape = 1 / self.dispersion.double()
        level = torch.rand(self.shape, generator=stream, dtype=torch.double)
        gamma = torch.from_numpy(special.gammaincinv(shape.numpy(), level.numpy())) / shape
        return torch.poisson(self.mean.double() * gamma, generator=stream)


class NegativeBinomial(Likelihood):
    """y ~ NegativeBinomial of the mean exp(level + f(x)), f the network; so for each target.

    The variance is mean + dispersion · mean², dispersion ~ Gamma; at 0 it is Poisson's.
    """

    distributions = NegativeBinomials
    suits = ("count",)

    family: Literal["negative_binomial"] = Field(
        "negative_binomial",
        description="`negative_binomial`, counts whose log mean is a level of their own and the"
        " network, with a variance of mean + dispersion · mean².",
    )
    level_stddev: Positive = Field(
        5.0, description="Standard deviation of the normal prior of the level, about 0."
    )
    concentration: Positive = Field(1.0, description="Shape of the gamma prior of the dispersion.")
    rate: Positive = Field(1.0, description="Rate of the gamma prior of the dispersion.")

    def outputs(self, targets: Targets) -> int:
        """One a target."""
        return len(targets)

    def shapes(self, targets: Targets) -> dict[str, tuple[int, ...]]:
        """`level` and `dispersion`, of every target."""
        return dict.fromkeys(["level", "dispersion"], (len(targets),))

    def sample(self, outputs: Tensor, targets: Targets, y: Tensor | None = None) -> None:
        """Sample the level, the dispersion, and the response (targets, n)."""
        from ..counting import LogNegativeBinomial, bounded

        log_mean = bounded(level(self.level_stddev, targets) + outputs)
        dispersion = sizes("dispersion", self.concentration, self.rate, targets)
        observe(LogNegativeBinomial(log_mean, 1 / dispersion), y)

    def components(
        self, outputs: Tensor, targets: Targets, values: Mapping[str, Tensor]
    ) -> tuple[tuple[Tensor, ...], ...]:
        """Mean and dispersion, each (n,)."""
        from ..counting import bounded

        mean = bounded(values["level"][:, None] + outputs).exp()
        return tuple(zip(mean, values["dispersion"][:, None].expand_as(mean), strict=True))

    def formula(self) -> str:
        """The mean, and the priors of level and dispersion."""
        return (
            r"y_i \mid \theta, \ell, \delta \sim \mathrm{NegBin}\left(\mu_i,"
            r" \mu_i + \delta \mu_i^2\right), \quad \mu_i = e^{\ell + f_\theta(x_i)}, \qquad"
            rf" \ell \sim \mathcal{{N}}(0, {self.level_stddev}^2), \quad"
            rf" \delta \sim \Gamma({self.concentration}, {self.rate})"
        )


def _less(t: Tensor, shape: Tensor, odds: Tensor) -> Tensor:
    """Probability of less than t (n,), by the incomplete beta function: (draws, n)."""
    import torch
    from scipy import special

    # At 0 there is nothing below.
    t = t.to(odds).clamp(min=1e-30)
    found = special.betaincc(t.numpy(), shape.numpy(), (odds / (1 + odds)).numpy())
    return torch.from_numpy(found)
