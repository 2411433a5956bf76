"""What is measured: the posteriors of the tutorial's sampled fits."""

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from bnnflow.config import seeds  # noqa: E402
from bnnflow.data import tutorial  # noqa: E402
from bnnflow.density.log_density import LogDensity  # noqa: E402
from bnnflow.model import build  # noqa: E402
from bnnflow.model.settings import Model  # noqa: E402

NETWORKS = ("shallow", "deep")


@dataclass(frozen=True)
class Problem:
    """A network, its prior and data.

    Attributes:
        name: of the network.
        hidden: widths of its hidden layers.
        prior: stddev and scaling, as in the config.
        noise: concentration, rate and power, as in the config.
        x, y: inputs (n, inputs) and responses (n,).
        seed: of the tutorial's fit.
    """

    name: str
    hidden: tuple[int, ...]
    prior: dict
    noise: dict
    x: Tensor
    y: Tensor
    seed: int = 0

    @property
    def widths(self) -> list[int]:
        """Of all layers, inputs and outputs included."""
        return [self.x.shape[1], *self.hidden, 1]

    @cached_property
    def network(self):
        """The workflow's model."""
        model = Model().model_dump() | {"hidden": self.hidden, "likelihood": self.noise}
        return build.network(model, self.prior, inputs=self.x.shape[1], targets=(0,))

    def density(self, engine: str = "compiled", by_rows: bool = True) -> LogDensity:
        """The workflow's log density, nothing evaluated yet; without `by_rows` in one piece."""
        return LogDensity(self.network, self.x, self.y, engine=engine, by_rows=by_rows)

    def vectors(self, count: int) -> Tensor:
        """Unconstrained vectors (count, size), where Pyro's sampler might start."""
        size, stream = self.density().size, torch.Generator().manual_seed(0)
        return torch.empty(count, size).uniform_(-2, 2, generator=stream)


def published(name: str) -> Problem:
    """The posterior of the config's fit `mcmc_shallow` or `mcmc_deep`, with its data."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    data, fit = config["data"], config["fits"][f"mcmc_{name}"]
    observations = next(o for o in data["observations"] if o["name"] == fit["data"])
    random = np.random.RandomState(data["seed"])
    table = tutorial.simulated(observations["intervals"], data["noise"], random)
    model = config["models"][fit["model"]]
    seed = fit["inference"]["seed"]
    return Problem(
        name,
        tuple(model["hidden"]),
        fit["prior"],
        model["likelihood"],
        torch.tensor(table["x"].to_numpy(), dtype=torch.float32)[:, None],
        torch.tensor(table["y"].to_numpy(), dtype=torch.float32),
        seeds.derived(config["seed"], f"mcmc_{name}", 0) if seed is None else seed,
    )


def enlarged(hidden: tuple[int, ...], points: int) -> Problem:
    """A posterior of another size, its data like the tutorial's."""
    like = published("shallow")
    intervals = [(-0.2, 0.2, points // 2), (0.6, 1.0, points - points // 2)]
    table = tutorial.simulated(intervals, 0.02, np.random.RandomState(0))
    x, y = (torch.tensor(table[name].to_numpy(), dtype=torch.float32) for name in ("x", "y"))
    return Problem("enlarged", hidden, like.prior, like.noise, x[:, None], y)


def tabular(hidden: tuple[int, ...], inputs: int, rows: int) -> Problem:
    """A posterior of a table of several inputs."""
    stream = torch.Generator().manual_seed(0)
    x = torch.randn(rows, inputs, generator=stream)
    y = torch.sin(x.sum(1) / inputs**0.5)
    prior = {"stddev": 1.0, "scaling": "fan_in"}
    return Problem(
        "tabular",
        hidden,
        prior,
        {"family": "normal", "concentration": 1.0, "rate": 1.0, "power": 1},
        x,
        y,
    )
