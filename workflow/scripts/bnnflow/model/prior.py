"""What every prior of a network's weights is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..registered import Registry
from ..settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from pyro.distributions import TorchDistribution
    from torch import Tensor

    from ..files.parameters import Parameters

Shapes = Mapping[str, tuple[int, ...]]

# The family of a prior that is another fit's posterior, of which there are means and standard
# deviations; its class has `learnt` and `learnt_account` besides.
LEARNT = "normal"


class Weights(ABC):
    """A distribution of all weights of a network together.

    Its sites are the weights by their names, each of a real space, marked by `weight`. How they
    depend on each other is its own matter: one that is joint draws each given those before.
    """

    @abstractmethod
    def sample(self) -> dict[str, Tensor]:
        """A value of every weight by its name, from sample statements of Pyro."""


class Prior(Settings, ABC):
    """How weights are distributed before there are data; its fields are its settings in a config.

    Attributes:
        family: the name of its module.
    """

    family: str

    @abstractmethod
    def weights(self, shapes: Shapes) -> Weights:
        """The distribution of a network's weights of these shapes."""

    @abstractmethod
    def account(self) -> str:
        r"""What it is, for the caption of a fit: reStructuredText; \theta_j is any weight."""


def weight(name: str, distribution: TorchDistribution) -> Tensor:
    """A sample statement whose site is known as the prior's."""
    import pyro

    from ..files.parameters import PRIOR

    return pyro.sample(name, distribution, infer={"role": PRIOR})


def moments_of(parameters: Parameters, shapes: Shapes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Means and standard deviations of the sites that were a prior's, in their shapes.

    Raises:
        ValueError: if they are not of these shapes.
    """
    from ..files.parameters import PRIOR

    own = {site.name: site.shape for site in parameters.sites if site.role == PRIOR}
    if own != dict(shapes):
        raise ValueError(f"the prior has the sites {own}, the network needs {dict(shapes)}")
    return {name: moments for name, moments in parameters.by_site().items() if name in own}


PRIORS = Registry(f"{__package__}.priors", Prior, key="family", default="normal")
