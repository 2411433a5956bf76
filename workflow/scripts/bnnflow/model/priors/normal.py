"""Weights that are normal, independently of each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ...settings import Positive
from ..prior import Prior, Shapes, Weights, moments_of, weight

if TYPE_CHECKING:
    from torch import Tensor

    from ...files.parameters import Parameters


class Independent(Weights):
    """Every weight normal, independently of all others.

    Args:
        moments: of every weight by its name the means and standard deviations, in its shape.
    """

    def __init__(self, moments: Mapping[str, tuple[Tensor, Tensor]]):
        self.moments = dict(moments)

    def sample(self) -> dict[str, Tensor]:
        """A value of every weight by its name, from sample statements of Pyro."""
        import pyro.distributions as dist

        return {
            name: weight(name, dist.Normal(loc, scale).to_event(loc.dim()))
            for name, (loc, scale) in self.moments.items()
        }


class NormalPrior(Prior):
    """Weights and biases normal about zero, independently of each other.

    A scaling `fan_in` is that of He et al. (2015, arXiv:1502.01852).
    """

    family: Literal["normal"] = Field(
        "normal", description="Distribution of weights and biases; `normal` about zero."
    )
    stddev: Positive = Field(1.5, description="Standard deviation of a normal prior about zero.")
    scaling: Literal["none", "fan_in"] = Field(
        "none",
        description="With `fan_in`, the standard deviation of a weight is stddev · √(2 / fan-in of"
        " its layer); biases are not scaled.",
    )

    def weights(self, shapes: Shapes) -> Independent:
        """About zero; a weight has two dimensions (units, units before), a bias has one."""
        import torch

        moments = {}
        for name, shape in shapes.items():
            scaled = self.scaling == "fan_in" and len(shape) == 2
            scale = self.stddev * (2 / shape[1]) ** 0.5 if scaled else self.stddev
            moments[name] = torch.zeros(shape), torch.full(shape, scale)
        return Independent(moments)

    def account(self) -> str:
        """The one standard deviation, or that of weights and that of biases."""
        if self.scaling == "none":
            alike = rf"\theta_j \sim \mathcal{{N}}(0, {self.stddev}^2)"
            return f"Every weight and bias is :math:`{alike}`."
        return rf"""Independent and normal, narrower where a unit has more inputs:

.. math:: w \sim \mathcal{{N}}\left(0, {self.stddev}^2 \cdot 2 / n_\mathrm{{in}}\right), \qquad
   b \sim \mathcal{{N}}(0, {self.stddev}^2)

for weights *w* into a unit with :math:`n_\mathrm{{in}}` inputs, and biases *b*."""

    @classmethod
    def learnt_account(cls, source: str) -> str:
        """The same of the posterior of another fit of this name."""
        return rf"""The means and standard deviations that *{source}* has found, weight by
weight:

.. math:: \theta_j \sim \mathcal{{N}}(\mu_j, s_j^2), \qquad
   p(\theta, \sigma \mid \mathcal{{D}}') \propto p(\mathcal{{D}}' \mid \theta, \sigma)
   \prod_j \mathcal{{N}}(\theta_j \mid \mu_j, s_j^2) \; p(\sigma) ."""

    @classmethod
    def learnt(cls, shapes: Shapes, parameters: Parameters) -> Independent:
        """The means and standard deviations of a fit's weights; how they covary is left out.

        Raises:
            ValueError: if the parameters are not of weights of these shapes.
        """
        import torch

        return Independent(
            {
                name: tuple(map(torch.from_numpy, moments))
                for name, moments in moments_of(parameters, shapes).items()
            }
        )
