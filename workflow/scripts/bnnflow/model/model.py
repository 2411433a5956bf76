"""A Pyro model of three parts that know nothing of each other."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, vmap

from .components import Components
from .correlation import Correlation
from .likelihood import Likelihood, Targets
from .memory import OfLikelihood, Recalled
from .network import Network
from .prior import Weights, sites_of, weights_of

# Numbers of the responses that are computed together.
CHUNK = 2**21


class Response:
    """A network and a likelihood: how targets are distributed, given all sites.

    Args:
        network: with as many outputs as the likelihood asks for.
        likelihood: of the targets.
        targets: levels of each.

    Raises:
        ValueError: if the two would have sites of one name.
    """

    def __init__(self, network: Network, likelihood: Likelihood, targets: Targets):
        self.network, self.likelihood, self.targets = network, likelihood, targets
        self.own = likelihood.shapes(targets)
        if both := network.shapes.keys() & self.own.keys():
            raise ValueError(f"network and likelihood both have the sites {sorted(both)}")

    def components(self, draws: Mapping[str, np.ndarray], x: Tensor) -> list[Components]:
        """The response's distribution at every draw.

        Args:
            draws: for every site an array (draws, ...).
            x: encoded inputs (n, inputs).

        Returns:
            For every target distributions of the likelihood's class at draws and points, in the
            units of the encoding.

        Raises:
            ValueError: if the draws are not of this model's sites.
        """
        given = {name: array.shape[1:] for name, array in draws.items()}
        weights = sites_of(self.network.shapes, given)
        if given != (needed := weights | self.own):
            raise ValueError(f"the draws are of the sites {given}, the model has {needed}")

        def one(values: dict[str, Tensor]) -> tuple[tuple[Tensor, ...], ...]:
            of_weights = weights_of({name: values[name] for name in weights})
            outputs = functional_call(self.network, of_weights, (x,))
            own = {name: values[name] for name in self.own}
            return self.likelihood.components(outputs, self.targets, own)

        values = {name: torch.from_numpy(array) for name, array in draws.items()}
        with torch.no_grad():
            parts = vmap(one, chunk_size=max(1, CHUNK // (8 * len(x))))(values)
        kinds = self.likelihood.kinds(self.targets)
        return [kind(*own) for kind, own in zip(kinds, parts, strict=True)]

    def correlation(self, draws: Mapping[str, np.ndarray]) -> Correlation | None:
        """How residuals of targets depend on each other; draws as `components` has them."""
        return self.likelihood.correlation(
            {name: torch.from_numpy(draws[name]) for name in self.own}
        )


class Model:
    """A Pyro model: a prior of the network's weights, and the response.

    Args:
        prior: of the weights.
        response: network and likelihood.
        memory: of another fit's posterior, where that is a factor of the prior.
    """

    def __init__(self, prior: Weights, response: Response, memory: Recalled | None = None):
        self.prior, self.response, self.memory = prior, response, memory

    def __call__(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Sample at encoded inputs (n, inputs), with targets (n,) or (n, targets) if observed.

        Returns:
            The network's outputs (outputs, n).
        """
        weights = self.prior.sample()
        outputs = functional_call(self.response.network, weights, (x,))
        with OfLikelihood(self.response.own) as own:
            self.response.likelihood.sample(outputs, self.response.targets, y)
        if self.memory:
            self.memory.sample(self.response.network, weights, own.values)
        return outputs
