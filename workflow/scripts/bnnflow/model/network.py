"""The one model: a fully connected network whose weights and biases are random variables."""

from itertools import pairwise

import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule, PyroSample
from torch import Tensor, nn

from ..files.parameters import Parameters

Prior = dict[str, tuple[Tensor, Tensor]]

ACTIVATIONS = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": nn.functional.leaky_relu,
    "sigmoid": torch.sigmoid,
    "silu": nn.functional.silu,
}


def normal_prior(widths: list[int], stddev: float, scaling: str) -> Prior:
    """Independent normal priors about zero.

    Args:
        widths: of the layers, inputs and outputs included.
        stddev: of every weight and bias.
        scaling: "fan_in" multiplies the weights' standard deviation by √(2 / fan-in)
            (He et al., 2015, arXiv:1502.01852), "none" does not.

    Returns:
        For every site its means and standard deviations, in the site's shape.
    """
    prior = {}
    for number, (fan_in, fan_out) in enumerate(pairwise(widths), start=1):
        scale = stddev * (2 / fan_in) ** 0.5 if scaling == "fan_in" else stddev
        for name, shape, s in (("weight", (fan_out, fan_in), scale), ("bias", (fan_out,), stddev)):
            prior[f"layer{number}.{name}"] = torch.zeros(shape), torch.full(shape, s)
    return prior


def posterior_prior(parameters: Parameters) -> Prior:
    """The means and standard deviations of a fitted guide as independent normal priors.

    Sites that live in another space than the normal distribution, the noise's, are left out.
    """
    identity = {site.name for site in parameters.sites if site.transform == "identity"}
    return {
        name: tuple(map(torch.from_numpy, moments))
        for name, moments in parameters.by_site().items()
        if name in identity
    }


class BayesianNetwork(PyroModule):
    """y ~ Normal(f(x), sigma ** power), f a network with random weights, sigma ~ Gamma.

    Args:
        widths: of the layers, inputs and outputs included.
        activation: a key of ACTIVATIONS.
        prior: for every weight and bias, `layer1.weight` and so on, means and standard deviations.
        noise: concentration and rate of the gamma prior, and power.

    Raises:
        ValueError: if the prior's sites or shapes are not those of the network.
    """

    def __init__(self, widths: list[int], activation: str, prior: Prior, noise: dict[str, float]):
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.noise = noise
        shapes = {name: tuple(loc.shape) for name, (loc, _) in prior.items()}
        needed = {
            name: tuple(loc.shape) for name, (loc, _) in normal_prior(widths, 1, "none").items()
        }
        if shapes != needed:
            raise ValueError(f"the prior has the sites {shapes}, the network needs {needed}")
        for number, (fan_in, fan_out) in enumerate(pairwise(widths), start=1):
            layer = PyroModule[nn.Linear](fan_in, fan_out)
            for name in ("weight", "bias"):
                loc, scale = prior[f"layer{number}.{name}"]
                setattr(layer, name, PyroSample(dist.Normal(loc, scale).to_event(loc.dim())))
            setattr(self, f"layer{number}", layer)
        self.depth = len(widths) - 1

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Sample the model at inputs (n, inputs), with responses (n,) if observed; returns f."""
        # Units by points: the points lie side by side in memory, as vector instructions want them.
        units = x.mT
        for number in range(1, self.depth + 1):
            layer = getattr(self, f"layer{number}")
            units = layer.weight @ units + layer.bias[:, None]
            if number < self.depth:
                units = self.activation(units)
        f = units.squeeze(-2)
        sigma = pyro.sample("sigma", dist.Gamma(self.noise["concentration"], self.noise["rate"]))
        with pyro.plate("data", len(x)):
            pyro.sample("obs", dist.Normal(f, sigma ** self.noise["power"]), obs=y)
        return f
