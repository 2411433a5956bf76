"""The tutorial's work as a plain Pyro script: what the workflow is measured against.

`python tutorial.py FOLDER` does all that the notebook does, with its settings and one after the
other in one process, leaves its seven pictures in the folder and prints the seconds of each part.
"""

import argparse
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro.infer import MCMC, NUTS, SVI, Predictive, Trace_ELBO
from pyro.infer.autoguide import AutoDiagonalNormal
from pyro.nn import PyroModule, PyroSample
from pyro.optim import Adam
from torch import Tensor, nn
from tqdm.auto import trange

Priors = list[tuple[dist.Distribution, dist.Distribution]]

SHALLOW, DEEP = [1, 5, 1], [1, 10, 10, 10, 10, 10, 1]
GRID = torch.linspace(-0.5, 1.5, 3000)


@dataclass(frozen=True)
class Budget:
    """How much is done: the tutorial's own by default."""

    draws: int = 50
    depth: int = 10
    deep_steps: int = 25_000
    shallow_steps: int = 10_000
    updating_steps: int = 1_000
    deep_predictions: int = 500
    shallow_predictions: int = 5_000


QUICK = Budget(3, 3, 100, 100, 50, 50, 50)


class Network(PyroModule):
    """A tanh network with a normal prior on every weight and bias, as Pyro's users write it."""

    def __init__(self, widths: list[int], priors: Priors):
        """Layers of these widths; of every layer the priors of its weights and its biases."""
        super().__init__()
        layers = [PyroModule[nn.Linear](*ends) for ends in pairwise(widths)]
        self.layers = PyroModule[nn.ModuleList](layers)
        for layer, (weight, bias) in zip(self.layers, priors, strict=True):
            layer.weight = PyroSample(weight.to_event(2))
            layer.bias = PyroSample(bias.to_event(1))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Sample the model, points by units; returns the network's function."""
        *hidden, last = self.layers
        units = x.reshape(-1, 1)
        for layer in hidden:
            units = torch.tanh(layer(units))
        f = last(units).squeeze(-1)
        sigma = pyro.sample("sigma", dist.Gamma(0.5, 1.0))
        with pyro.plate("data", len(units)):
            pyro.sample("obs", dist.Normal(f, sigma * sigma), obs=y)
        return f


def deviations(widths: list[int], stddev: float, by_fan_in: bool) -> list[tuple[float, float]]:
    """Prior standard deviations of every layer's weights and biases."""
    return [
        (stddev * (2 / fan_in) ** 0.5 if by_fan_in else stddev, stddev) for fan_in in widths[:-1]
    ]


def normal_priors(widths: list[int], stddev: float, by_fan_in: bool) -> Priors:
    """Normal priors about zero."""
    scales = deviations(widths, stddev, by_fan_in)
    return [
        (
            dist.Normal(0.0, weight).expand([fan_out, fan_in]),
            dist.Normal(0.0, bias).expand([fan_out]),
        )
        for (fan_in, fan_out), (weight, bias) in zip(pairwise(widths), scales, strict=True)
    ]


def updated_priors(widths: list[int], mean: Tensor, stddev: Tensor) -> Priors:
    """A diagonal normal posterior of the flat parameters as priors; what follows is left out."""
    priors, begin = [], 0
    for fan_in, fan_out in pairwise(widths):
        pair = []
        for shape in ((fan_out, fan_in), (fan_out,)):
            end = begin + int(np.prod(shape))
            pair.append(dist.Normal(mean[begin:end].view(shape), stddev[begin:end].view(shape)))
            begin = end
        priors.append(tuple(pair))
    return priors


def sampled(
    model: Network, x: Tensor, y: Tensor, *, warmup: int, draws: int, depth: int, quiet=False
) -> MCMC:
    """One chain of Pyro's No-U-Turn sampler, finished."""
    kernel = NUTS(model, jit_compile=False, max_tree_depth=depth)
    mcmc = MCMC(kernel, num_samples=draws, warmup_steps=warmup, disable_progbar=quiet)
    mcmc.run(x, y)
    return mcmc


def fitted(model: Network, x: Tensor, y: Tensor, rate: float, steps: int) -> AutoDiagonalNormal:
    """A mean-field guide after so many steps of Adam."""
    pyro.clear_param_store()
    guide = AutoDiagonalNormal(model)
    svi = SVI(model, guide, Adam({"lr": rate}), loss=Trace_ELBO())
    with trange(steps) as bar:
        for _ in bar:
            bar.set_postfix(loss=f"{svi.step(x, y) / len(x):.3f}")
    return guide


def function(x: np.ndarray, noise: np.ndarray | float = 0.0) -> np.ndarray:
    """The true function with noise in its input."""
    x = x + noise
    return x + 0.3 * np.sin(2 * np.pi * x) + 0.3 * np.sin(4 * np.pi * x)


def observed(*intervals: tuple[float, float, int]) -> tuple[np.ndarray, np.ndarray]:
    """Noisy observations at equal steps, from NumPy's global stream."""
    x = np.hstack([np.linspace(*interval) for interval in intervals])
    return x, function(x, 0.02 * np.random.randn(len(x)))


def tensors(data: tuple[np.ndarray, np.ndarray]) -> tuple[Tensor, Tensor]:
    """Data in single precision."""
    x, y = map(torch.from_numpy, data)
    return x.float(), y.float()


def picture(path: Path, *data: tuple[np.ndarray, np.ndarray], response: Tensor | None = None):
    """Data, the true function, and the band of two standard deviations about predictions."""
    fig, ax = plt.subplots(figsize=(10, 5))
    x = np.linspace(-0.5, 1.5, 1000)
    ax.plot(x, function(x), color="tab:blue", linewidth=3, label="true function")
    for points in data:
        ax.plot(*points, ".", label="observations")
    if response is not None:
        mean, stddev = response.mean(0).numpy(), response.std(0, correction=0).numpy()
        ax.plot(GRID, mean, color="tab:green", linewidth=3, label="predictive mean")
        ax.fill_between(GRID, mean - 2 * stddev, mean + 2 * stddev, color="tab:green", alpha=0.4)
    ax.set(xlim=(-0.5, 1.5), ylim=(-1.5, 2.5), xlabel="x", ylabel="y")
    ax.legend(loc="lower right")
    fig.savefig(path)
    plt.close(fig)


@contextlib.contextmanager
def part(name: str) -> Iterator[None]:
    """Prints the seconds that a part of the work took."""
    begin = time.perf_counter()
    yield
    print(f"{name} {time.perf_counter() - begin:.2f}", flush=True)


def main(folder: Path, budget: Budget) -> None:
    """Everything that the notebook does."""
    chain = {"warmup": budget.draws, "draws": budget.draws, "depth": budget.depth}
    np.random.seed(42)
    old = observed((-0.2, 0.2, 500), (0.6, 1.0, 500))
    x, y = tensors(old)
    picture(folder / "data.png", old)

    for name, widths, stddev in (("shallow", SHALLOW, 10.0), ("deep", DEEP, 5.0)):
        with part(f"mcmc_{name}"):
            model = Network(widths, normal_priors(widths, stddev, by_fan_in=name == "deep"))
            if name == "shallow":
                pyro.set_rng_seed(42)
            mcmc = sampled(model, x, y, **chain)
            response = Predictive(model, mcmc.get_samples())(GRID)["obs"]
            picture(folder / f"mcmc_{name}.png", old, response=response)

    with part("svi_deep"):
        model = Network(DEEP, normal_priors(DEEP, 5.0, by_fan_in=True))
        guide = fitted(model, x, y, 0.01, budget.deep_steps)
        response = Predictive(model, guide=guide, num_samples=budget.deep_predictions)(GRID)["obs"]
        picture(folder / "svi_deep.png", old, response=response.detach())

    new = observed((0.2, 0.6, 100))
    picture(folder / "new_data.png", old, new)

    predictions = budget.shallow_predictions
    with part("svi_shallow"):
        pyro.set_rng_seed(42)
        model = Network(SHALLOW, normal_priors(SHALLOW, 10.0, by_fan_in=False))
        guide = fitted(model, x, y, 0.03, budget.shallow_steps)
        response = Predictive(model, guide=guide, num_samples=predictions)(GRID)["obs"]
        picture(folder / "svi_shallow.png", old, response=response.detach())
        posterior = guide.get_posterior()
        mean, stddev = posterior.mean.detach(), posterior.stddev.detach()

    with part("svi_updated"):
        model = Network(SHALLOW, updated_priors(SHALLOW, mean, stddev))
        guide = fitted(model, *tensors(new), 0.01, budget.updating_steps)
        response = Predictive(model, guide=guide, num_samples=predictions)(GRID)["obs"]
        picture(folder / "svi_updated.png", old, new, response=response.detach())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--quick", action="store_true", help="a few steps of each part only")
    arguments = parser.parse_args()
    mpl.use("Agg")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    main(arguments.folder, QUICK if arguments.quick else Budget())
