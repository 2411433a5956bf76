"""The memory of a posterior within a model: another factor of its prior."""

from collections.abc import Collection, Mapping

import pyro
import pyro.distributions as dist
import torch
from pyro.poutine.messenger import Messenger
from torch import Tensor
from torch.distributions import biject_to
from torch.func import functional_call

from ..files.memories import Memory
from ..files.parameters import PRIOR
from .network import Network


class OfLikelihood(Messenger):
    """Keeps the likelihood's own sites, without constraints, in `values`.

    Args:
        names: of the sites. Their role is not there where Pyro replays a guide.
    """

    def __init__(self, names: Collection[str]):
        super().__init__()
        self.names = names
        self.values: dict[str, Tensor] = {}

    def _pyro_post_sample(self, message: dict) -> None:
        if message["name"] in self.names:
            to = biject_to(message["fn"].support)
            self.values[message["name"]] = to.inv(message["value"])


def statistic(
    network: Network, weights: Mapping[str, Tensor], own: Mapping[str, Tensor], inputs: Tensor
) -> Tensor:
    """What a memory is of, (d,).

    Args:
        network: of the model.
        weights: by their names.
        own: values of the likelihood's own sites, without constraints.
        inputs: encoded, (k, width).
    """
    outputs = functional_call(network, dict(weights), (inputs,))
    return torch.cat([outputs.reshape(-1), *(own[name].reshape(-1) for name in sorted(own))])


class Recalled:
    """A memory as the model has it.

    Args:
        memory: of another fit's posterior.

    Raises:
        ValueError: when it is used in a model of other outputs or sites.
    """

    def __init__(self, memory: Memory):
        self.inputs, self.loading, self.target = (
            torch.from_numpy(own) for own in (memory.inputs, memory.loading, memory.target)
        )

    def sample(
        self, network: Network, weights: Mapping[str, Tensor], own: Mapping[str, Tensor]
    ) -> None:
        """The factor: that what the network says now is what is remembered."""
        said = statistic(network, weights, own, self.inputs)
        if len(said) != self.loading.shape[1]:
            raise ValueError(
                f"the memory is of {self.loading.shape[1]} numbers, the model has {len(said)}"
            )
        residual = self.loading @ said - self.target
        known = dist.Normal(residual, 1.0).to_event(1)
        pyro.sample("memory", known, obs=torch.zeros_like(residual), infer={"role": PRIOR})
