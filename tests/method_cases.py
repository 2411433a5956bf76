"""Every registered method in all its kinds, as the shared suite runs them.

A new method needs an entry in CASES, and no test of its own for what all must do.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyro
import pyro.distributions as dist
import torch

from bnnflow.density.log_density import LogDensity
from bnnflow.methods import mclmc, nuts, svi
from bnnflow.methods.running.method import METHODS

# A linear regression of two targets on three inputs, one of which is nearly another.
RANDOM = torch.Generator().manual_seed(0)
X = torch.randn(24, 3, generator=RANDOM) @ torch.tensor(
    [[1.0, 0.8, 0.0], [0.0, 0.6, 0.0], [0.0, 0.0, 1.0]]
)
SLOPES = torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.3, 1.5]])
NOISE, PRIOR = 0.5, 2.0
Y = X @ SLOPES.T + NOISE * torch.randn(24, 2, generator=RANDOM)


def regression(x, y=None):
    slopes = pyro.sample("slopes", dist.Normal(torch.zeros(2, 3), PRIOR).to_event(2))
    with pyro.plate("data", len(x)):
        pyro.sample("obs", dist.Normal(x @ slopes.T, NOISE).to_event(1), obs=y)


# Its posterior is normal, the same about either target's mean.
PRECISION = (X.T @ X / NOISE**2 + torch.eye(3) / PRIOR**2).double().numpy()
COVARIANCE = np.linalg.inv(PRECISION)
MEAN = (COVARIANCE @ (X.T @ Y).double().numpy() / NOISE**2).T

NUTS = {"init": "uniform", "target_accept": 0.8, "max_tree_depth": 6}
SMALL = {"warmup": 6, "draws": 8}
LARGE = {"warmup": 400, "draws": 1600}

# The bias of steps that are not adjusted goes with their error.
SMALL_ERROR = 1e-4


def a_chain(density, seed, large, checkpoint, **settings) -> dict[str, np.ndarray]:
    size = LARGE if large else SMALL
    draws, stats = nuts.sample_chain(
        density, seed=seed, checkpoint=checkpoint, **NUTS | size | settings
    )
    return {f"draws of {name}": values for name, values in draws.items()} | stats


def the_starts(density, seed, large, checkpoint, **settings) -> dict[str, np.ndarray]:
    """Two, and draws from the first."""
    streams = [torch.Generator().manual_seed(seed + start) for start in (0, 1000)]
    size = {"learning_rate": 0.03, "schedule": "cosine", "steps": 4000 if large else 12}
    known = {"observations": len(X)}
    fits = svi.fit(density, streams, checkpoint=checkpoint, **known, **size | settings)
    count = LARGE["draws"] if large else SMALL["draws"]
    draws, stats = svi.draws(fits[0][0], density, count, streams[0], **known)
    found = {f"draws of {name}": values for name, values in draws.items()} | stats
    for number, (guide, losses) in enumerate(fits):
        found |= {f"loss {number}": losses}
        found |= {f"{name} {number}": values for name, values in svi.stored(guide).items()}
    return found


def the_chains(density, seed, large, checkpoint, **settings) -> dict[str, np.ndarray]:
    """Two."""
    streams = [torch.Generator().manual_seed(seed + chain) for chain in (0, 1000)]
    size = {"optimum_steps": 4, **SMALL, "thinning": 2}
    if large:
        size = {"optimum_steps": 200, "warmup": 2000, "draws": LARGE["draws"], "thinning": 20}
    size |= {"decoherence": 1.0, "preconditioning": "none"}
    (draws, stats), other = mclmc.sample(density, streams, checkpoint=checkpoint, **size | settings)
    found = {f"draws of {name}": values for name, values in draws.items()} | stats
    return found | {f"{name} 1": values for part in other for name, values in part.items()}


def the_members(method, density, seed, large, checkpoint, **settings) -> dict[str, np.ndarray]:
    """Two."""
    streams = [torch.Generator().manual_seed(seed + member) for member in (0, 1000)]
    size = {"optimum_steps": 12, "draws": SMALL["draws"]}
    if large:
        size = {"optimum_steps": 1500, "draws": LARGE["draws"]}
    known = {"observations": len(X), "checkpoint": checkpoint}
    own = METHODS.made({"method": method} | size | settings)
    (draws, stats), other = own.members_of(density, streams, **known)
    found = {f"draws of {name}": values for name, values in draws.items()} | stats
    return found | {f"{name} 1": values for part in other for name, values in part.items()}


@dataclass(frozen=True)
class Case:
    """A kind of a method.

    Attributes:
        method: its name in the registry.
        run: a fit of a density by a seed, in a few steps or in as many as a good fit needs.
        settings: that tell it from the method's other kinds.
        steps: that the small fit takes.
        resumes: whether it goes on from a checkpoint.
        draws: of the small fit.
        independent: draws that the draws of the large fit are at least as good as.
        stddev: of every slope, (3,), that the kind should find.
    """

    method: str
    run: Callable[..., dict[str, np.ndarray]]
    settings: dict = field(default_factory=dict)
    steps: int = 0
    resumes: bool = True
    draws: int = SMALL["draws"]
    independent: float = LARGE["draws"]
    stddev: np.ndarray = field(default_factory=lambda: np.sqrt(COVARIANCE.diagonal()))

    def fitted(self, *, engine, seed=1, large=False, checkpoint=None, data=(X, Y)):
        density = LogDensity(regression, *data, engine=engine, by_rows=True)
        return self.run(density, seed, large, checkpoint, **self.settings)


# A chain on a normal target is at worst as good as a quarter as many independent draws.
CHAIN = {"steps": sum(SMALL.values()), "independent": LARGE["draws"] / 4}
WALK = {
    "steps": 4 + SMALL["warmup"] + 2 * SMALL["draws"],
    "independent": LARGE["draws"] / 4,
}
LANGEVIN = {"energy_variance": SMALL_ERROR}
ADJUSTED = {"adjusted": True, "target_accept": 0.9}
DIAGONAL = {"preconditioning": "diagonal"}
CASES = {
    "nuts by pyro": Case("nuts", a_chain, {"sampler": "pyro", "mass_matrix": "diagonal"}, **CHAIN),
    "nuts by pyro, dense": Case(
        "nuts", a_chain, {"sampler": "pyro", "mass_matrix": "dense"}, **CHAIN
    ),
    "nuts by nutpie": Case(
        "nuts", a_chain, {"sampler": "nutpie", "mass_matrix": "diagonal"}, resumes=False, **CHAIN
    ),
    "nuts by nutpie, low rank": Case(
        "nuts", a_chain, {"sampler": "nutpie", "mass_matrix": "low_rank"}, resumes=False, **CHAIN
    ),
    "nuts by nutpie, from an optimum": Case(
        "nuts",
        a_chain,
        {"sampler": "nutpie", "init": "optimum", "optimum_steps": 12, "mass_matrix": "diagonal"},
        resumes=False,
        **CHAIN,
    ),
    "mclmc": Case("mclmc", the_chains, LANGEVIN, **WALK),
    "mclmc, preconditioned": Case("mclmc", the_chains, LANGEVIN | DIAGONAL, **WALK),
    "mclmc, adjusted": Case("mclmc", the_chains, ADJUSTED, **WALK),
    "mclmc, adjusted, preconditioned": Case("mclmc", the_chains, ADJUSTED | DIAGONAL, **WALK),
    # The best of the guides without correlations has the conditional variances.
    "svi, mean-field": Case(
        "svi",
        the_starts,
        {"guide": "AutoDiagonalNormal"},
        steps=12,
        stddev=PRECISION.diagonal() ** -0.5,
    ),
    "svi, mean-field, minibatches": Case(
        "svi",
        the_starts,
        {"guide": "AutoDiagonalNormal", "batch_size": 9},
        steps=12,
        stddev=PRECISION.diagonal() ** -0.5,
    ),
    "svi, full covariance": Case("svi", the_starts, {"guide": "AutoMultivariateNormal"}, steps=12),
    "laplace": Case("laplace", partial(the_members, "laplace"), steps=12),
    "ensemble": Case("ensemble", partial(the_members, "ensemble"), {"draws": 1}, steps=12, draws=1),
}

# Those whose draws are spread as the posterior is.
SPREAD = [name for name in CASES if name != "ensemble"]


def assert_same(found, expected) -> None:
    """Bit for bit, and in the same order, in which files keep it."""
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape), name
        assert found[name].tobytes() == value.tobytes(), name
