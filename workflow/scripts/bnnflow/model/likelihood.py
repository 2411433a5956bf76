"""What every likelihood is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from ..registered import Registry
from ..settings import Settings
from .components import Components

if TYPE_CHECKING:
    from pyro.distributions import TorchDistribution
    from torch import Tensor


class Likelihood(Settings, ABC):
    """How targets are distributed about the outputs of a network.

    Its fields are its settings in a config. Targets and outputs are in the units of the encoding.

    Attributes:
        distributions: the class of the distributions of the response.
        family: the name of its module.
    """

    distributions: ClassVar[type[Components]]

    family: str

    @abstractmethod
    def outputs(self, targets: int) -> int:
        """How many outputs of the network so many targets need."""

    @abstractmethod
    def shapes(self, targets: int) -> dict[str, tuple[int, ...]]:
        """Of its own sites, by name."""

    @abstractmethod
    def sample(self, outputs: Tensor, targets: int, y: Tensor | None = None) -> None:
        """Its sample statements: its own sites, by `site`, and the response, `obs`.

        Args:
            outputs: of the network, (outputs, n).
            targets: number of them.
            y: the observed targets, (n,), or (n, targets) where there are several.
        """

    @abstractmethod
    def components(
        self, outputs: Tensor, targets: int, values: Mapping[str, Tensor]
    ) -> tuple[Tensor, ...]:
        """What the response's distribution is made of, at values of its sites.

        Args:
            outputs: of the network, (outputs, n).
            targets: number of them.
            values: of its own sites, by name.

        Returns:
            The parameters of distributions of its class, each (targets, n).
        """

    @abstractmethod
    def formula(self) -> str:
        r"""The distribution of y_i, given f_\theta(x_i) and its own sites: TeX, in lines."""


def site(name: str, distribution: TorchDistribution) -> Tensor:
    """A sample statement whose site is known as the likelihood's."""
    import pyro

    from ..files.parameters import LIKELIHOOD

    return pyro.sample(name, distribution, infer={"role": LIKELIHOOD})


LIKELIHOODS = Registry(f"{__package__}.likelihoods", Likelihood, key="family", default="normal")
