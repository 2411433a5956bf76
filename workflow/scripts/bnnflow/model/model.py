"""A Pyro model of three parts that know nothing of each other."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, vmap

from .likelihoods.components import Components
from .likelihoods.likelihood import Likelihood
from .network import Network
from .priors import Prior

# Numbers of the responses that are computed together.
CHUNK = 2**21


class Response:
    """A network and a likelihood: how targets are distributed, given all sites.

    Raises:
        ValueError: if the two would have sites of one name.
    """

    def __init__(self, network: Network, likelihood: Likelihood):
        self.network, self.likelihood = network, likelihood
        if both := network.shapes.keys() & likelihood.shapes.keys():
            raise ValueError(f"network and likelihood both have the sites {sorted(both)}")

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of all sites, by name."""
        return self.network.shapes | self.likelihood.shapes

    def components(self, draws: Mapping[str, np.ndarray], x: Tensor) -> list[Components]:
        """The response's distribution at every draw.

        Args:
            draws: for every site an array (draws, ...).
            x: encoded inputs (n, inputs).

        Returns:
            For every target distributions of the likelihood's family at draws and points, in the
            units of the encoding.

        Raises:
            ValueError: if the draws are not of this model's sites.
        """
        given = {name: array.shape[1:] for name, array in draws.items()}
        if given != self.shapes:
            raise ValueError(f"the draws are of the sites {given}, the model has {self.shapes}")
        weights, own = self.network.shapes, self.likelihood.shapes

        def one(values: dict[str, Tensor]) -> tuple[Tensor, ...]:
            outputs = functional_call(self.network, {name: values[name] for name in weights}, (x,))
            return self.likelihood.components(outputs, {name: values[name] for name in own})

        values = {name: torch.from_numpy(array) for name, array in draws.items()}
        with torch.no_grad():
            parts = vmap(one, chunk_size=max(1, CHUNK // (8 * len(x))))(values)
        family, targets = self.likelihood.family, range(self.likelihood.targets)
        return [family(*(part[:, target] for part in parts)) for target in targets]


class Model:
    """A Pyro model: a prior of the network's weights, and the response."""

    def __init__(self, prior: Prior, response: Response):
        self.prior, self.response = prior, response

    def __call__(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Sample at encoded inputs (n, inputs), with targets (n,) or (n, targets) if observed.

        Returns:
            The network's outputs (outputs, n).
        """
        outputs = functional_call(self.response.network, self.prior.sample(), (x,))
        self.response.likelihood.sample(outputs, y)
        return outputs
