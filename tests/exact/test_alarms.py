"""Diagnostics of fits that are made: silent on an easy target, an alarm on another."""

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
import yaml
from conftest import ROOT

from bnnflow.density.log_density import LogDensity
from bnnflow.judge import chains, guides
from bnnflow.methods import nuts, svi

LIMITS = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))[
    "diagnostics"
]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def test_a_funnel_raises_an_alarm():
    """Neal's funnel, whose neck no one step size reaches (Neal, 2003, section 8)."""

    def funnel():
        v = pyro.sample("v", dist.Normal(0.0, 3.0))
        pyro.sample("x", dist.Normal(torch.zeros(9), torch.exp(v / 2)).to_event(1))

    told = sampled(funnel, "nutpie", draws=500, max_tree_depth=8)
    # Trajectories end in the neck, or do not reach it; v is what they ought to explore.
    assert told["divergences"] != "pass"
    assert {told[name] for name in ("ebfmi", "ess_bulk_function everywhere", "ess_bulk_sigma")} == {
        "fail"
    }


@pytest.mark.parametrize("sampler", ["pyro", "nutpie"])
def test_a_normal_target_raises_none(sampler):
    """From the sampler to every diagnostic of NUTS."""

    def normal():
        pyro.sample("v", dist.Normal(0.0, 3.0))
        pyro.sample("x", dist.Normal(torch.zeros(3), torch.tensor([0.5, 1.0, 2.0])).to_event(1))

    told = sampled(normal, sampler, draws=1000, max_tree_depth=8)
    assert set(told.values()) == {"pass"}


def sampled(model, sampler, **settings):
    """Verdicts on chains of a model, with its site v for the function and, as exp(v), for sigma."""
    settings |= {"warmup": 500, "target_accept": 0.8, "mass_matrix": "diagonal", "init": "uniform"}
    density = LogDensity(model, engine="compiled")
    runs = [nuts.sample_chain(density, seed=seed, sampler=sampler, **settings) for seed in range(4)]
    v = np.stack([draws["v"] for draws, _ in runs])
    stats_ = {name: np.stack([stats[name] for _, stats in runs]) for name in runs[0][1]}
    depth = settings["max_tree_depth"]
    asked = {"target_accept": settings["target_accept"], "max_tree_depth": depth}
    told = [
        *chains.of_trajectories(stats_, asked, LIMITS),
        *chains.of_chains(v[:, :, None], {"everywhere": np.array([True])}, LIMITS),
        *chains.of_site("sigma", np.exp(v), LIMITS),
    ]
    return {f"{each.diagnostic} {each.region}".strip(): each.verdict for each in told}


def test_a_bound_that_was_stopped_early_rises():
    def model(x, y):
        theta = pyro.sample("theta", dist.Normal(0.0, 10.0))
        with pyro.plate("data", len(x)):
            pyro.sample("obs", dist.Normal(theta, 1.0), obs=y)

    y = torch.full((50,), 5.0)
    density = LogDensity(model, y, y, engine="compiled")
    verdict = {}
    for steps in (200, 5000):
        streams = [torch.Generator().manual_seed(0)]
        settings = {"learning_rate": 0.01, "schedule": "constant", "steps": steps}
        ((_, values),) = svi.fit(
            density, streams, observations=50, guide="AutoDiagonalNormal", **settings
        )
        verdict[steps] = guides.of_loss(values, 50, LIMITS).verdict
    assert verdict == {200: "fail", 5000: "pass"}


@pytest.mark.parametrize(
    ("guide", "verdict"), [("AutoDiagonalNormal", "fail"), ("AutoMultivariateNormal", "pass")]
)
def test_a_guide_that_collapses_has_weights_that_fail(guide, verdict):
    """Fitted to ten pairs that depend on each other, the one without correlations is too narrow."""

    def pairs():
        shape = torch.tensor([[1.0, 0.99], [0.99, 1.0]])
        with pyro.plate("pairs", 10):
            pyro.sample("pair", dist.MultivariateNormal(torch.zeros(2), shape))

    density, stream = LogDensity(pairs, engine="compiled"), torch.Generator().manual_seed(0)
    settings = {"learning_rate": 0.03, "schedule": "cosine", "steps": 4000}
    ((fitted, _),) = svi.fit(density, [stream], observations=10, guide=guide, **settings)
    draws, stats_ = svi.draws(fitted, density, 5000, stream, observations=10)
    # The best of such guides has the conditional variance of each.
    if guide == "AutoDiagonalNormal":
        assert draws["pair"].std(0) == pytest.approx(np.sqrt(1 - 0.99**2), rel=0.1)
    finding = guides.of_weights(stats_["lp"] - stats_["log_q"], LIMITS)
    assert finding.verdict == verdict
