from itertools import pairwise

import numpy as np
import pyro
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyro import poutine
from scipy import stats

from bnnflow.density.log_density import LogDensity
from bnnflow.files.parameters import Parameters, Site
from bnnflow.model.network import ACTIVATIONS, BayesianNetwork, normal_prior, posterior_prior

NOISE = {"concentration": 0.5, "rate": 1.5, "power": 2}
NUMPY = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
}


@settings(max_examples=40, deadline=None)
@given(
    hidden=st.lists(st.integers(1, 6), max_size=4),
    inputs=st.integers(1, 3),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    scaling=st.sampled_from(["none", "fan_in"]),
    seed=st.integers(0, 2**16),
)
def test_the_log_density_is_scipys(hidden, inputs, activation, scaling, seed):
    """Function, priors and likelihood at a random point, in double precision, against NumPy."""
    random = np.random.default_rng(seed)
    widths = [inputs, *hidden, 1]
    x, y = random.normal(size=(7, inputs)), random.normal(size=7)
    sigma = random.gamma(2)

    f, prior_density, values = x, 0.0, {"sigma": torch.tensor(sigma)}
    for k, (fan_in, fan_out) in enumerate(pairwise(widths), start=1):
        scale = 3 * np.sqrt(2 / fan_in) if scaling == "fan_in" else 3
        weight = random.normal(size=(fan_out, fan_in))
        bias = random.normal(size=fan_out)
        prior_density += stats.norm(0, scale).logpdf(weight).sum()
        prior_density += stats.norm(0, 3).logpdf(bias).sum()
        values |= {f"layer{k}.weight": torch.tensor(weight), f"layer{k}.bias": torch.tensor(bias)}
        f = f @ weight.T + bias
        f = NUMPY[activation](f) if k < len(widths) - 1 else f
    prior_density += stats.gamma(0.5, scale=1 / 1.5).logpdf(sigma)
    likelihood = stats.norm(f[:, 0], sigma**2).logpdf(y).sum()

    prior = {n: (m.double(), s.double()) for n, (m, s) in normal_prior(widths, 3, scaling).items()}
    model = BayesianNetwork(widths, activation, prior, NOISE)
    trace = poutine.trace(poutine.condition(model, values)).get_trace(*map(torch.tensor, (x, y)))
    # The prior's scales are rounded to single precision once.
    rounding = 100 * float(np.finfo(np.float32).eps)
    np.testing.assert_allclose(trace.nodes["_RETURN"]["value"], f[:, 0], rtol=1e-10, atol=1e-12)
    expected = prior_density + likelihood
    assert trace.log_prob_sum().item() == pytest.approx(expected, rel=rounding, abs=rounding * 50)


def test_sites_are_in_the_models_order_and_no_stream_moves():
    model = BayesianNetwork([1, 5, 1], "tanh", normal_prior([1, 5, 1], 10, "none"), NOISE)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    density = LogDensity(model, torch.zeros(4, 1), torch.zeros(4))
    assert torch.equal(torch.rand(2), expected)
    assert density.sites == (
        Site("layer1.weight", (5, 1), "identity"),
        Site("layer1.bias", (5,), "identity"),
        Site("layer2.weight", (1, 5), "identity"),
        Site("layer2.bias", (1,), "identity"),
        Site("sigma", (), "log"),
    )
    vectors = torch.arange(34.0).reshape(2, 17)
    values = density.constrained(density.unflattened(vectors))
    assert values["layer2.weight"].tolist() == [[[10, 11, 12, 13, 14]], [[27, 28, 29, 30, 31]]]
    assert torch.equal(values["sigma"], vectors[:, 16].exp())


def test_a_prior_draw_that_the_likelihood_cannot_take_is_no_obstacle():
    noise = {"concentration": 0.01, "rate": 1.0, "power": 60}
    model = BayesianNetwork([1, 2, 1], "tanh", normal_prior([1, 2, 1], 1, "none"), noise)
    for seed in range(20):
        torch.manual_seed(seed)
        assert len(LogDensity(model, torch.zeros(3, 1), torch.zeros(3)).sites) == 5


def test_other_supports_are_called_unconstrained():
    def model():
        pyro.sample("p", pyro.distributions.Beta(1.0, 1.0))
        pyro.sample("shift", pyro.distributions.Pareto(1.0, 1.0))

    assert {site.transform for site in LogDensity(model).sites} == {"unconstrained"}


def test_a_stored_posterior_is_a_prior_of_independent_normals():
    sites = tuple(
        Site(name, tuple(loc.shape), "identity")
        for name, (loc, _) in normal_prior([1, 2, 1], 1, "none").items()
    )
    stored = Parameters(
        (*sites, Site("sigma", (), "log")),
        mean=np.arange(8, dtype=np.float32),
        stddev=np.arange(1, 9, dtype=np.float32),
    )
    prior = posterior_prior(stored)
    assert "sigma" not in prior
    model = BayesianNetwork([1, 2, 1], "tanh", prior, NOISE)
    fn = poutine.trace(model).get_trace(torch.zeros(1, 1)).nodes["layer2.weight"]["fn"]
    assert fn.mean.tolist() == [[4, 5]]
    assert fn.stddev.tolist() == [[5, 6]]


def test_a_prior_of_another_network_is_refused():
    with pytest.raises(ValueError, match=r"layer1\.weight.*\(4, 1\).*the network needs.*\(5, 1\)"):
        BayesianNetwork([1, 5, 1], "tanh", normal_prior([1, 4, 1], 1, "none"), NOISE)
