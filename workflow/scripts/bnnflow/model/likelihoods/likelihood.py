"""What every likelihood is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import pyro
import pyro.distributions as dist
from torch import Tensor

from ...files.parameters import LIKELIHOOD
from .components import Components


class Likelihood(ABC):
    """How targets are distributed about the outputs of a network.

    Targets and outputs are in the units of the encoding.

    Args:
        targets: number of them.
        settings: of the family, from a config.

    Attributes:
        family: of the distributions of the response.
    """

    family: ClassVar[type[Components]]

    @abstractmethod
    def __init__(self, targets: int, **settings: object):
        self.targets = targets

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Of the network, that it needs."""

    @property
    @abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of its own sites, by name."""

    @abstractmethod
    def sample(self, outputs: Tensor, y: Tensor | None = None) -> None:
        """Its sample statements: its own sites, by `site`, and the response, `obs`.

        Args:
            outputs: of the network, (outputs, n).
            y: the observed targets, (n,), or (n, targets) where there are several.
        """

    @abstractmethod
    def components(self, outputs: Tensor, values: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """What the response's distribution is made of, at values of its sites.

        Args:
            outputs: of the network, (outputs, n).
            values: of its own sites, by name.

        Returns:
            The parameters of distributions of the family, each (targets, n).
        """


def site(name: str, distribution: dist.TorchDistribution) -> Tensor:
    """A sample statement whose site is known as the likelihood's."""
    return pyro.sample(name, distribution, infer={"role": LIKELIHOOD})
