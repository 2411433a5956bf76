"""Priors of a network's weights: each owns its sample statements."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from ..files.parameters import PRIOR, Parameters

Shapes = Mapping[str, tuple[int, ...]]


class Prior(ABC):
    """A distribution of all weights of a network together.

    Its sites are the weights by their names, each of a real space, marked by `site`. How they
    depend on each other is the prior's own matter: one that is joint draws each given those before.
    """

    @abstractmethod
    def sample(self) -> dict[str, Tensor]:
        """A value of every weight by its name, from sample statements of Pyro."""

    @classmethod
    @abstractmethod
    def configured(cls, shapes: Shapes, **settings: object) -> "Prior":
        """The prior of a network whose weights have these shapes, from settings of a config."""

    @classmethod
    @abstractmethod
    def learnt(cls, shapes: Shapes, parameters: Parameters) -> "Prior":
        """The prior that is another fit's posterior.

        Raises:
            ValueError: if the parameters are not of weights of these shapes.
        """


class IndependentNormal(Prior):
    """Every weight normal, independently of all others.

    Args:
        moments: of every weight by its name the means and standard deviations, in its shape.
    """

    def __init__(self, moments: Mapping[str, tuple[Tensor, Tensor]]):
        self.moments = dict(moments)

    def sample(self) -> dict[str, Tensor]:
        """A value of every weight by its name, from sample statements of Pyro."""
        return {
            name: site(name, dist.Normal(loc, scale).to_event(loc.dim()))
            for name, (loc, scale) in self.moments.items()
        }

    @classmethod
    def configured(cls, shapes: Shapes, *, stddev: float, scaling: str) -> "IndependentNormal":
        """About zero.

        Args:
            shapes: of every weight (units, units before) and bias (units,), by name.
            stddev: of every weight and bias.
            scaling: "fan_in" multiplies the weights' standard deviation by √(2 / fan-in)
                (He et al., 2015, arXiv:1502.01852), "none" does not.
        """
        moments = {}
        for name, shape in shapes.items():
            scaled = scaling == "fan_in" and len(shape) == 2
            scale = stddev * (2 / shape[1]) ** 0.5 if scaled else stddev
            moments[name] = torch.zeros(shape), torch.full(shape, scale)
        return cls(moments)

    @classmethod
    def learnt(cls, shapes: Shapes, parameters: Parameters) -> "IndependentNormal":
        """The means and standard deviations of a fit's weights; how they covary is left out.

        Raises:
            ValueError: if the parameters are not of weights of these shapes.
        """
        return cls(
            {
                name: tuple(map(torch.from_numpy, moments))
                for name, moments in weights_of(parameters, shapes).items()
            }
        )


# By name; the config's priors are all of the first kind until it can name another.
PRIORS = {"normal": IndependentNormal}


def site(name: str, distribution: dist.TorchDistribution) -> Tensor:
    """A sample statement whose site is known as the prior's."""
    return pyro.sample(name, distribution, infer={"role": PRIOR})


def weights_of(parameters: Parameters, shapes: Shapes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Means and standard deviations of the sites that were a prior's, in their shapes.

    Raises:
        ValueError: if they are not of these shapes.
    """
    own = {site.name: site.shape for site in parameters.sites if site.role == PRIOR}
    if own != dict(shapes):
        raise ValueError(f"the prior has the sites {own}, the network needs {dict(shapes)}")
    return {name: moments for name, moments in parameters.by_site().items() if name in own}
