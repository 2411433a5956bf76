"""Student t noise of one size for every target, for data with outliers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ...settings import LARGEST, Positive, allowed, number
from ..components import Average, Averaged, Numbers
from ..likelihood import Measured, Targets, observe, sizes

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from ..correlation import Correlation

# Fewer degrees of freedom have no variance.
LEAST = 2.0
# Of the gamma prior of those above (Juárez and Steel, 2010, doi:10.1198/jbes.2009.07145).
CONCENTRATION, RATE = 2.0, 0.1

# Probability beyond the ends to either side.
BEYOND = 1e-8


@dataclass(frozen=True)
class StudentTs(Numbers):
    """Student t distributions.

    Attributes:
        mean, scale, df: at every draw and point, (draws, n); more than 2 degrees of freedom.
    """

    scale: Tensor
    df: Tensor

    def wrong(self) -> Tensor:
        """Draws at which one of them is no distribution: (draws,)."""
        finite = self.mean.isfinite() & self.scale.isfinite() & self.df.isfinite()
        return ~(finite & (self.scale > 0) & (self.df > LEAST)).all(1)

    def variance(self) -> Tensor:
        """(draws, n)."""
        return self.scale.square() * self.df / (self.df - 2)

    def log_density(self, y: Tensor) -> Tensor:
        """At observations (n,), in double precision: (draws, n)."""
        df, u = self.df.double(), ((y - self.mean) / self.scale).double()
        height = ((df + 1) / 2).lgamma() - (df / 2).lgamma() - (math.pi * df).log() / 2
        return height - (df + 1) / 2 * (u.square() / df).log1p() - self.scale.log()

    def below(self, t: Tensor) -> Tensor:
        """Probability of less than t (n,): (draws, n)."""
        import torch
        from scipy import special

        u = (t - self.mean) / self.scale
        return torch.from_numpy(special.stdtr(self.df.numpy(), u.numpy()))

    def standardized(self, y: Tensor) -> Tensor:
        """Residuals of y (n,) over the scale, (draws, n)."""
        return (y - self.mean) / self.scale

    def density(self, t: Tensor) -> Tensor:
        """At t (n,): (draws, n)."""
        return self.log_density(t).exp().to(self.mean.dtype)

    def averaged(self, average: Average) -> Averaged:
        """Averages (n,) of `below` and `density` at many t."""
        return lambda t: (average(self.below(t)), lambda: average(self.density(t)))

    @property
    def ends(self) -> tuple[Tensor, Tensor]:
        """Between these (n,) lies all of their probability that numbers can tell from 1."""
        from scipy import special

        reach = self.scale.amax(0) * special.stdtrit(self.df.min().item(), 1 - BEYOND)
        return self.mean.amin(0) - reach, self.mean.amax(0) + reach

    def distance(self, y: Tensor) -> Tensor:
        """Means of |X - y|, y (n,): (draws, n)."""
        u = (y - self.mean) / self.scale
        density = self.density(y) * self.scale
        tail = 2 * density * (self.df + u.square()) / (self.df - 1)
        return self.scale * (u * (2 * self.below(y) - 1) + tail)

    def sample(self, stream: Generator) -> Tensor:
        """One value of each, in double precision: (draws, n)."""
        import torch
        from scipy import special

        # Between 0 and 1, which are no values.
        level = torch.rand(self.shape, generator=stream, dtype=torch.double) + 2.0**-54
        u = torch.from_numpy(special.stdtrit(self.df.double().numpy(), level.numpy()))
        return self.mean.double() + self.scale.double() * u


class StudentT(Measured):
    """y ~ StudentT(df, f(x), sigma), f the network's output, sigma ~ Gamma; so for each target.

    Where the degrees of freedom are learnt, `df_excess` has those above 2. Targets that are
    correlated share them: multivariate t, in which outliers of a row come together.
    """

    distributions = StudentTs
    heavy = True

    family: Literal["student_t"] = Field(
        "student_t", description="`student_t` about the network, for data with outliers."
    )
    concentration: Positive = Field(1.0, description="Shape of the gamma prior of sigma.")
    rate: Positive = Field(1.0, description="Rate of the gamma prior of sigma.")
    df: Annotated[
        Literal["learnt"] | number(gt=LEAST, le=LARGEST),
        allowed("learnt, or a number above 2"),
    ] = Field(
        "learnt",
        description="Degrees of freedom, of which fewer allow for more outliers: a number above 2,"
        " or `learnt`, one for every target; one for all of them if they are `correlated`.",
    )

    def outputs(self, targets: Targets) -> int:
        """One a target."""
        return len(targets)

    def shapes(self, targets: Targets) -> dict[str, tuple[int, ...]]:
        """`sigma`, and `df_excess` where it is learnt, of every target; and the correlation."""
        found = {"sigma": (len(targets),)}
        if self.df == "learnt":
            found["df_excess"] = (len(self._degrees(targets)),)
        return found | self.of_correlation(targets)

    def sample(self, outputs: Tensor, targets: Targets, y: Tensor | None = None) -> None:
        """Sample sigma, degrees of freedom if they are learnt, and the response.

        It is (targets, n), or (n, targets) if correlated.
        """
        import pyro.distributions as dist
        import torch

        sigma, df = sizes("sigma", self.concentration, self.rate, targets), self.df
        if df == "learnt":
            df = LEAST + sizes("df_excess", CONCENTRATION, RATE, self._degrees(targets))
        if self.correlated:
            self.observe_together(outputs, sigma, y, torch.as_tensor(df).reshape(1))
        else:
            observe(dist.StudentT(df, outputs, sigma), y)

    def components(
        self, outputs: Tensor, targets: Targets, values: Mapping[str, Tensor]
    ) -> tuple[tuple[Tensor, ...], ...]:
        """Mean, scale and degrees of freedom, each (n,)."""
        import torch

        sigma = values["sigma"][:, None].expand_as(outputs)
        if self.df == "learnt":
            df = (LEAST + values["df_excess"])[:, None].expand_as(outputs)
        else:
            df = torch.full_like(outputs, self.df)
        return tuple(zip(outputs, sigma, df, strict=True))

    def formula(self) -> str:
        """Student t about the network, and the priors of sigma and the degrees of freedom."""
        df, prior = str(self.df), ""
        if self.df == "learnt":
            df = r"\nu"
            prior = rf", \quad \nu - {LEAST:g} \sim \Gamma({CONCENTRATION}, {RATE})"
        return self.lines(
            rf"y_i \mid \theta, \sigma \sim t_{{{df}}}\left(f_\theta(x_i), \sigma\right)",
            rf"y_i \mid \theta, \sigma, R \sim t_{{{df}}}\left(f_\theta(x_i), D R D\right),"
            r" \quad D = \mathrm{diag}(\sigma)",
            rf", \qquad \sigma \sim \Gamma({self.concentration}, {self.rate}){prior}",
        )

    def correlation(self, values: Mapping[str, Tensor]) -> Correlation | None:
        """The learnt correlation, where there is one."""
        found = super().correlation(values)
        if found is None:
            return None
        if self.df == "learnt":
            return replace(found, df=LEAST + values["df_excess"].double())
        return replace(found, df=found.partial.new_full((len(found.partial), 1), self.df))

    def _degrees(self, targets: Targets) -> Targets:
        """Targets with degrees of freedom of their own."""
        return targets[:1] if self.correlated else targets
