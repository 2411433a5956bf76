"""Adjusted microcanonical chains beside nutpie, and the bias of chains that are not adjusted.

All samplers begin at the same optima, so that a chain of each is in the same mode.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import arviz
import numpy as np
import pyro
import pyro.distributions as dist
import torch
from measure import Row, row
from problems import ROOT, published
from torch import Tensor

from bnnflow.density.log_density import LogDensity
from bnnflow.methods import mclmc
from bnnflow.methods.running import by_nutpie, optimum
from bnnflow.methods.running.adam import factors

sys.path.insert(0, str(ROOT / "tests"))
from method_cases import COVARIANCE, MEAN, X, Y, regression

OPTIMUM_STEPS = 2000

# For effective draws a few long chains, for the bias many shorter ones: how many, and by how much
# shorter.
FEW, MANY, QUICK = (8, 1), (64, 4), (2, 50)

# The settings' defaults of nuts in a config.
NUTPIE = {"warmup": 500, "target_accept": 0.9, "max_tree_depth": 8, "mass_matrix": "low_rank"}

# Where the shallow network's function is looked at: where there are data. Elsewhere no chain of any
# sampler has ten effective draws.
PLACES = torch.tensor([-0.2, -0.1, 0.0, 0.1, 0.2, 0.6, 0.7, 0.8, 0.9, 1.0])

# Covariance's condition number 10⁴.
SCALES = torch.logspace(-1, 1, 100)


@dataclass(frozen=True)
class Posterior:
    """What is sampled.

    Attributes:
        density: of the posterior.
        function: of draws, by site (draws, ...), what is looked at: (draws, points).
        thinning: steps from one draw of an adjusted chain to the next, fewer than a trajectory has.
        draws: of a chain of nutpie.
        steps: gradients of the draws of a microcanonical chain.
    """

    density: LogDensity
    function: Callable[[Mapping[str, np.ndarray]], np.ndarray]
    thinning: int
    draws: int
    steps: int


def _normal(x: Tensor) -> None:
    pyro.sample("z", dist.Normal(torch.zeros(len(SCALES)), SCALES).to_event(1))
    pyro.sample("obs", dist.Normal(0.0, 1.0), obs=x)


def _lines(values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Of the regression, at its inputs."""
    return (values["slopes"] @ X.T.numpy()).reshape(len(values["slopes"]), -1)


def _curve(values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Of the shallow network."""
    units = np.tanh(values["layer1.weight"] * PLACES.numpy() + values["layer1.bias"][..., None])
    return (values["layer2.weight"] @ units)[:, 0] + values["layer2.bias"]


@cache
def _posterior(name: str) -> Posterior:
    if name == "regression":
        return Posterior(LogDensity(regression, X, Y, engine="compiled"), _lines, 1, 2000, 20_000)
    if name == "normal":
        density = LogDensity(_normal, torch.tensor(0.0), engine="compiled")
        return Posterior(density, lambda values: values["z"][:, ::11], 2, 2000, 20_000)
    return Posterior(published("shallow").density(), _curve, 20, 2000, 160_000)


def adjusted(quick: bool) -> list[Row]:
    """Effective draws per gradient of the draws, of the function and of its square.

    The least over the points of a function, of a chain by itself.
    """
    rows, size = [], QUICK if quick else FEW
    for name in ("regression", "normal", "shallow"):
        found = {
            "adjusted": _microcanonical(name, size, adjusted=True, target_accept=0.9),
            "nutpie": _nutpie(name, size),
        }
        for what, of in (("the function", _itself), ("its square", _square)):
            rates = {
                who: np.array([_effective(of(f)) / gradients for f, gradients in chains])
                for who, chains in found.items()
            }
            measure = f"effective draws of {what} per gradient"
            rows += [row("adjusted", name, measure, who, r, "") for who, r in rates.items()]
            rows.append(_ratio(name, measure, rates))
    return rows


def bias(quick: bool) -> list[Row]:
    """How far mean and standard deviation of the function are off, over the standard deviation.

    Of the regression from the exact ones; of the network from those of adjusted chains, which
    begin at the same optima. Root mean squares over the points, of means over the chains, with
    what chance alone would give.
    """
    rows, size = [], QUICK if quick else MANY
    for name in ("regression", "shallow"):
        ways = {
            "not adjusted": _microcanonical(name, size, energy_variance=0.1),
            "not adjusted, 0.001": _microcanonical(name, size, energy_variance=0.001),
            "adjusted": _microcanonical(name, size, adjusted=True, target_accept=0.9),
            "nutpie": _nutpie(name, size),
        }
        moments = {
            who: np.array([[f.mean(0), f.std(0)] for f, _ in chains])
            for who, chains in ways.items()
        }
        exact = _exact() if name == "regression" else moments["adjusted"]
        spread = np.broadcast_to(exact, moments["adjusted"].shape)[:, 1].mean(0)
        for who, found in moments.items():
            if found is exact:
                continue
            off = (found - exact) / spread
            error = off.std(0, ddof=1) / np.sqrt(len(off))
            for part, what in enumerate(("mean", "standard deviation")):
                measure = f"{what} off, over the standard deviation"
                values = _root(off.mean(0)[part])
                rows.append(row("bias", name, measure, who, values, ""))
                rows.append(row("bias", name, f"{measure}: chance", who, _root(error[part]), ""))
    return rows


def _root(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean()))


def _exact() -> np.ndarray:
    """Mean and standard deviation of the regression's lines, (2, points)."""
    x = X.double().numpy()
    spread = np.sqrt(np.einsum("ni,ij,nj->n", x, COVARIANCE, x))
    return np.stack([(MEAN @ x.T).reshape(-1), np.tile(spread, len(MEAN))])


def _streams(chains: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(chains)]


def _microcanonical(name: str, size: tuple[int, int], **settings) -> list[tuple[np.ndarray, int]]:
    """Of every chain the function at its draws, and the gradients of the draws."""
    posterior, (chains, shorter) = _posterior(name), size
    steps = posterior.steps // shorter
    lengths = {"optimum_steps": OPTIMUM_STEPS, "warmup": 10_000 // shorter}
    lengths |= {"draws": steps // posterior.thinning, "thinning": posterior.thinning}
    settings |= {"decoherence": 1.0, "preconditioning": "diagonal"}
    drawn = mclmc.sample(posterior.density, _streams(chains), **lengths, **settings)
    return [(posterior.function(values), steps) for values, _ in drawn]


@cache
def _optima(name: str, chains: int) -> Tensor:
    """Near where the microcanonical chains begin, (chains, n)."""
    density = _posterior(name).density
    states = optimum.begun(density, _streams(chains))
    climb = optimum.step(density, states)
    for factor in factors(optimum.rates(OPTIMUM_STEPS), states):
        (states,) = climb(states, factor)
    # nutpie refuses to start where the gradient is zero.
    noise = torch.randn(states[:, 0].shape, generator=torch.Generator().manual_seed(0))
    return states[:, 0] + 0.01 * noise


def _nutpie(name: str, size: tuple[int, int]) -> list[tuple[np.ndarray, int]]:
    """As `_microcanonical`."""
    posterior, (chains, shorter), found = _posterior(name), size, []
    density = posterior.density
    settings = NUTPIE | {"draws": posterior.draws // shorter}
    for seed, start in enumerate(_optima(name, chains)):
        vectors, stats = by_nutpie.chain(density, start, seed=seed, **settings)
        values = density.constrained(density.unflattened(vectors))
        values = {site: value.numpy() for site, value in values.items()}
        found.append((posterior.function(values), int(stats["n_steps"].sum())))
    return found


def _itself(function: np.ndarray) -> np.ndarray:
    return function


def _square(function: np.ndarray) -> np.ndarray:
    """Of the distance from the mean."""
    return np.square(function - function.mean(0))


def _effective(function: np.ndarray) -> float:
    """Least bulk effective sample size of draws (draws, points)."""
    return min(float(arviz.ess(point[None], method="bulk")) for point in function.T)


def _ratio(name: str, measure: str, rates: Mapping[str, np.ndarray]) -> Row:
    """Of the medians over chains; low and high are 5 and 95 % of those of chains drawn again."""
    random, ours, theirs = np.random.default_rng(0), rates["adjusted"], rates["nutpie"]
    drawn = [np.median(random.choice(r, (10_000, len(r))), axis=1) for r in (ours, theirs)]
    low, high = np.quantile(np.divide(*drawn), [0.05, 0.95])
    median = np.median(ours) / np.median(theirs)
    who = "adjusted / nutpie"
    return Row("adjusted", name, measure, who, None, median, low, high, "x", len(ours))
