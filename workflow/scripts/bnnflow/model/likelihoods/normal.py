"""Normal noise of one size for every target."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ...settings import Positive
from ..components import Average, Averaged, Paired
from ..likelihood import Measured, Targets, site

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Normals(Paired):
    """Normal distributions.

    Attributes:
        mean, stddev: at every draw and point, (draws, n).
    """

    stddev: Tensor

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
        import torch

        return torch.special.ndtr((t - self.mean) / self.stddev)

    def standardized(self, y: Tensor) -> Tensor:
        """Residuals of y (n,) over the standard deviation, (draws, n)."""
        return (y - self.mean) / self.stddev

    def density(self, t: Tensor) -> Tensor:
        """At t (n,): (draws, n)."""
        u = (t - self.mean) / self.stddev
        return (u.square() / -2).exp() / (self.stddev * (2 * math.pi) ** 0.5)

    def averaged(self, average: Average) -> Averaged:
        """Averages (n,) of `below` and `density` at many t, with little work for each."""
        inverse, height = self.stddev.reciprocal(), 1 / (self.stddev * (2 * math.pi) ** 0.5)

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
        import torch

        return _absolute(torch.zeros_like(self.mean), self.stddev * 2**0.5)

    def sample(self, stream: Generator) -> Tensor:
        """One value of each, in double precision: (draws, n).

        In single, a mean a million times the standard deviation would make many values one.
        """
        import torch

        noise = torch.randn(self.shape, generator=stream)
        return self.mean.double() + self.stddev.double() * noise.double()


class Normal(Measured):
    """y ~ Normal(f(x), sigma ** power), f the network's output, sigma ~ Gamma; so for each target.

    There is one output a target; `sigma` is a scalar, or (targets,) where there are several.
    """

    distributions = Normals

    family: Literal["normal"] = Field(
        "normal",
        description="Distribution of the response; `normal` about the network, with standard"
        " deviation sigma ** power.",
    )
    concentration: Positive = Field(1.0, description="Shape of the gamma prior of sigma.")
    rate: Positive = Field(1.0, description="Rate of the gamma prior of sigma.")
    power: Positive = Field(
        1.0,
        description="Exponent; 2 is the tutorial's, 1 makes sigma the standard deviation itself.",
    )

    def outputs(self, targets: Targets) -> int:
        """One a target."""
        return len(targets)

    def shapes(self, targets: Targets) -> dict[str, tuple[int, ...]]:
        """`sigma`, a scalar, or (targets,) where there are several; and the correlation."""
        sigma = () if len(targets) == 1 else (len(targets),)
        return {"sigma": sigma} | self.of_correlation(targets)

    def sample(self, outputs: Tensor, targets: Targets, y: Tensor | None = None) -> None:
        """Sample sigma, and the response.

        It is (n,), or (targets, n) where there are several, or (n, targets) if correlated.
        """
        import pyro
        import pyro.distributions as dist

        prior = dist.Gamma(self.concentration, self.rate)
        if len(targets) > 1:
            prior = prior.expand([len(targets)]).to_event(1)
        mean, stddev = self._moments(outputs, targets, site("sigma", prior))
        if self.correlated:
            self.observe_together(mean, stddev, y)
            return
        with pyro.plate("data", outputs.shape[-1], dim=-1):
            if len(targets) == 1:
                pyro.sample("obs", dist.Normal(mean, stddev), obs=y)
            else:
                with pyro.plate("targets", len(targets), dim=-2):
                    pyro.sample("obs", dist.Normal(mean, stddev), obs=None if y is None else y.mT)

    def components(
        self, outputs: Tensor, targets: Targets, values: Mapping[str, Tensor]
    ) -> tuple[tuple[Tensor, ...], ...]:
        """Mean and standard deviation, each (n,)."""
        mean, stddev = self._moments(outputs, targets, values["sigma"])
        return tuple(zip(outputs, stddev.expand_as(mean).reshape(outputs.shape), strict=True))

    def formula(self) -> str:
        """Normal about the network, and the gamma distribution of sigma."""
        size = rf"\sigma^{{{self.power}}}"
        return self.lines(
            r"y_i \mid \theta, \sigma \sim \mathcal{N}\left(f_\theta(x_i),"
            rf" ({size})^2\right)",
            r"y_i \mid \theta, \sigma, R \sim \mathcal{N}\left(f_\theta(x_i), D R D\right),"
            rf" \quad D = \mathrm{{diag}}({size})",
            rf", \qquad \sigma \sim \Gamma({self.concentration}, {self.rate})",
        )

    def _moments(self, outputs: Tensor, targets: Targets, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation: (n,) and (), or (targets, n) and (targets, 1)."""
        if len(targets) == 1:
            return outputs.squeeze(-2), sigma**self.power
        return outputs, (sigma**self.power)[:, None]


def _absolute(mean: Tensor, stddev: Tensor) -> Tensor:
    """The mean of |X| for normal X."""
    import torch

    u = mean / stddev
    return mean * torch.erf(u * 2**-0.5) + stddev * (2 / math.pi) ** 0.5 * (u.square() / -2).exp()
