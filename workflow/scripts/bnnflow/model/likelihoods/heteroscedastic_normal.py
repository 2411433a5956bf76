"""Normal noise of a size of its own at every input."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ...settings import Positive
from ..likelihood import Measured, Targets, observe, sizes
from .normal import Normals

if TYPE_CHECKING:
    from torch import Tensor

# Of the noise where the network is 0, what is left of the noise wherever the network is.
LEAST = 1e-3


class HeteroscedasticNormal(Measured):
    """y ~ Normal(f(x), sigma · s(g(x))), f and g outputs of the network; so for each target.

    s is softplus, divided by its value at 0, and LEAST besides: a noise of nothing has no density.
    """

    distributions = Normals

    family: Literal["heteroscedastic_normal"] = Field(
        "heteroscedastic_normal",
        description="`heteroscedastic_normal` about the network, with a standard deviation at every"
        " input that the network gives too, sigma where that output is 0.",
    )
    concentration: Positive = Field(1.0, description="Shape of the gamma prior of sigma.")
    rate: Positive = Field(1.0, description="Rate of the gamma prior of sigma.")

    def outputs(self, targets: Targets) -> int:
        """Two a target: all means, and then all sizes of the noise."""
        return 2 * len(targets)

    def shapes(self, targets: Targets) -> dict[str, tuple[int, ...]]:
        """`sigma`, of every target, and the correlation if it is learnt."""
        return {"sigma": (len(targets),)} | self.of_correlation(targets)

    def sample(self, outputs: Tensor, targets: Targets, y: Tensor | None = None) -> None:
        """Sample sigma, and the response: (targets, n), or (n, targets) if correlated."""
        import pyro.distributions as dist

        sigma = sizes("sigma", self.concentration, self.rate, targets)
        moments = _moments(outputs, targets, sigma)
        if self.correlated:
            self.observe_together(*moments, y)
        else:
            observe(dist.Normal(*moments), y)

    def components(
        self, outputs: Tensor, targets: Targets, values: Mapping[str, Tensor]
    ) -> tuple[tuple[Tensor, ...], ...]:
        """Mean and standard deviation, each (n,)."""
        return tuple(zip(*_moments(outputs, targets, values["sigma"][:, None]), strict=True))

    def formula(self) -> str:
        """Normal about the network, and the gamma distribution of sigma."""
        size = rf"s(g) = \log_2(1 + e^g) + {LEAST}"
        return self.lines(
            r"y_i \mid \theta, \sigma \sim \mathcal{N}\left(f_\theta(x_i),"
            rf" (\sigma\, s(g_\theta(x_i)))^2\right), \quad {size}",
            r"y_i \mid \theta, \sigma, R \sim \mathcal{N}\left(f_\theta(x_i), D_i R D_i\right),"
            rf" \quad D_i = \mathrm{{diag}}(\sigma\, s(g_\theta(x_i))), \quad {size}",
            rf", \qquad \sigma \sim \Gamma({self.concentration}, {self.rate})",
        )


def _moments(outputs: Tensor, targets: Targets, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, each (targets, n); sigma (targets, 1)."""
    import torch

    mean, size = outputs.split(len(targets), -2)
    return mean, sigma * (torch.nn.functional.softplus(size) / math.log(2) + LEAST)
