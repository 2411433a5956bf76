"""Simulation-based calibration of every likelihood (Talts et al., 2018, arXiv:1804.06788).

Parameters are drawn from the prior, data from these, and a posterior from the data. If prior,
simulation, density and sampler are of one model, the ranks of the parameters among the posterior's
draws are uniform. BNNFLOW_REPLICATIONS asks for more of them than the few that take seconds.
"""

import os

import numpy as np
import pytest
import torch
from pyro import poutine

from bnnflow.density.log_density import LogDensity
from bnnflow.density.pyro_private import drawing_from
from bnnflow.methods import nuts
from bnnflow.model import build
from bnnflow.model.likelihood import CORRELATION, LIKELIHOODS

REPLICATIONS = int(os.environ.get("BNNFLOW_REPLICATIONS", "50"))

# Observations, so few that the prior counts, and inputs at which the function is looked at.
POINTS, AT = 3, torch.tensor([[-1.0], [0.0], [2.0]])

# Iterations, and of the draws those that are kept, far apart from each other.
SETTINGS = {"warmup": 80, "draws": 90, "target_accept": 0.9, "max_tree_depth": 6}
SETTINGS |= {"sampler": "nutpie", "mass_matrix": "diagonal", "init": "prior"}
THIN = 6

# By how much chains are longer, where noise that is nearly nothing at some of the few points makes
# the posterior so hard that short ones do not reach all of it.
LONGER = {"heteroscedastic_normal": 4}

# Standard normal statistics that far out are a fault: one of the hundred is there by chance in six
# of a thousand cases. Without the Jacobian of sigma, that of sigma's bias is 5 at 50 replications.
FAR = 4.0

LINEAR = {"hidden": [], "activation": "tanh", "residual": False, "skip": "none"}
CASES = {
    "normal": ({}, (0,)),
    "heteroscedastic_normal": ({}, (0,)),
    "student_t": ({}, (0,)),
    "bernoulli": ({}, (2,)),
    "categorical": ({}, (3,)),
    "poisson": ({"level_stddev": 1.0}, (0,)),
    "negative_binomial": ({"level_stddev": 1.0}, (0,)),
    "correlated": ({"family": "student_t", "correlated": True, "df": 4.0}, (0, 0)),
}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def quantities(model, values):
    """What is ranked, by name (..., k): the network's outputs at AT, and the likelihood's sites."""
    weight, bias = (torch.as_tensor(values[f"layer1.{name}"]) for name in ("weight", "bias"))
    outputs = weight @ AT.mT + bias[..., None]
    own = {name: torch.as_tensor(values[name]) for name in model.response.own}
    return {
        name: each.reshape(*bias.shape[:-1], -1).numpy()
        for name, each in ({"outputs": outputs} | own).items()
    }


def ranks(name, replications, seed=0):
    """Of what is drawn from the prior among draws of its posterior: shares (replication, k)."""
    given, targets = CASES[name]
    likelihood = LIKELIHOODS.made({"family": name} | given).model_dump()
    times = LONGER.get(name, 1)
    settings = SETTINGS | {each: times * SETTINGS[each] for each in ("warmup", "draws")}
    model = build.network(LINEAR | {"likelihood": likelihood}, {}, inputs=1, targets=targets)
    x = torch.linspace(-1.5, 1.5, POINTS)[:, None]
    stream, found = torch.Generator().manual_seed(seed), []
    y = torch.zeros(POINTS, len(targets)).squeeze(-1)
    # Compiled code reads the data where they are.
    density = LogDensity(model, x, y, engine="compiled")
    for replication in range(replications):
        with drawing_from(stream):
            nodes = poutine.trace(model).get_trace(x).nodes
        simulated = nodes["obs"]["value"]
        y.copy_(simulated if name == "correlated" else simulated.reshape(-1, POINTS).mT.squeeze(-1))
        draws, _ = nuts.sample_chain(density, seed=replication, **settings)
        sites = {site.name for site in density.sites}
        truth = quantities(model, {site: nodes[site]["value"] for site in sites})
        posterior = quantities(model, draws)
        share = {}
        for quantity, true in truth.items():
            kept = posterior[quantity][times * THIN - 1 :: times * THIN]
            # In a random place between the draws, so that it is uniform between 0 and 1.
            places = (kept < true).sum(0) + torch.rand(true.shape, generator=stream).numpy()
            share[quantity] = places / (len(kept) + 1)
        found.append(share)
    return {quantity: np.stack([share[quantity] for share in found]) for quantity in found[0]}


def off_uniform(shares):
    """Standard normal statistics of a bias, and of too narrow or too wide posteriors: (2, k).

    Args:
        shares: between 0 and 1, (replication, k).
    """
    away, number = shares - 0.5, len(shares)
    return np.array(
        [
            away.mean(0) * (12 * number) ** 0.5,
            ((away**2).mean(0) - 1 / 12) * (180 * number) ** 0.5,
        ]
    )


@pytest.mark.parametrize("name", CASES)
def test_ranks_of_what_made_the_data_are_uniform(name):
    found = ranks(name, REPLICATIONS)
    assert (name == "correlated") == (CORRELATION in found)
    for quantity, shares in found.items():
        assert np.abs(off_uniform(shares)).max() < FAR, quantity
