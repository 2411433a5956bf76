from itertools import pairwise
from typing import Literal

import numpy as np
import pyro
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyro import poutine
from scipy import stats

from bnnflow.density.log_density import LogDensity
from bnnflow.files.parameters import Parameters, Site, sites_as_text, sites_of_text
from bnnflow.model import build
from bnnflow.model.activations import ACTIVATIONS
from bnnflow.model.likelihood import LIKELIHOODS, site
from bnnflow.model.likelihoods.normal import Normal
from bnnflow.registered import Registry

LIKELIHOOD = {"family": "normal", "concentration": 0.5, "rate": 1.5, "power": 2}
NUMPY = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
}


def model_of(hidden, inputs=1, targets=1, stddev=1.0, scaling="none", source=None, **others):
    settings = {"hidden": hidden, "activation": "tanh", "likelihood": LIKELIHOOD} | others
    prior = {"stddev": stddev, "scaling": scaling}
    return build.network(settings, prior, inputs, (0,) * targets, source)


@settings(max_examples=40, deadline=None)
@given(
    hidden=st.lists(st.integers(1, 6), max_size=4),
    inputs=st.integers(1, 3),
    targets=st.integers(1, 3),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    scaling=st.sampled_from(["none", "fan_in"]),
    seed=st.integers(0, 2**16),
)
def test_the_log_density_is_scipys(hidden, inputs, targets, activation, scaling, seed):
    """Function, priors and likelihood at a random point, in double precision, against NumPy."""
    random = np.random.default_rng(seed)
    widths = [inputs, *hidden, targets]
    x, y = random.normal(size=(7, inputs)), random.normal(size=(7, targets))
    sigma = random.gamma(2, size=targets)

    f, prior_density, values = x, 0.0, {}
    for k, (fan_in, fan_out) in enumerate(pairwise(widths), start=1):
        scale = 3 * np.sqrt(2 / fan_in) if scaling == "fan_in" else 3
        weight = random.normal(size=(fan_out, fan_in))
        bias = random.normal(size=fan_out)
        prior_density += stats.norm(0, scale).logpdf(weight).sum()
        prior_density += stats.norm(0, 3).logpdf(bias).sum()
        values |= {f"layer{k}.weight": torch.tensor(weight), f"layer{k}.bias": torch.tensor(bias)}
        f = f @ weight.T + bias
        f = NUMPY[activation](f) if k < len(widths) - 1 else f
    prior_density += stats.gamma(0.5, scale=1 / 1.5).logpdf(sigma).sum()
    likelihood = stats.norm(f, sigma**2).logpdf(y).sum()

    model = model_of(hidden, inputs, targets, 3, scaling, activation=activation)
    moments = model.prior.moments.items()
    model.prior.moments = {name: (loc.double(), scale.double()) for name, (loc, scale) in moments}
    # One target is a vector, and has one sigma.
    one = targets == 1
    values["sigma"] = torch.tensor(sigma[0] if one else sigma)
    data = torch.tensor(x), torch.tensor(y[:, 0] if one else y)
    trace = poutine.trace(poutine.condition(model, values)).get_trace(*data)
    # The prior's scales are rounded to single precision once.
    rounding = 100 * float(np.finfo(np.float32).eps)
    np.testing.assert_allclose(trace.nodes["_RETURN"]["value"], f.T, rtol=1e-10, atol=1e-12)
    expected = prior_density + likelihood
    assert trace.log_prob_sum().item() == pytest.approx(expected, rel=rounding, abs=rounding * 50)


@pytest.mark.parametrize(("inputs", "targets"), [(1, 1), (3, 2)])
def test_sites_are_in_the_models_order_and_no_stream_moves(inputs, targets):
    model = model_of([5], inputs, targets, 10)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    y = torch.zeros(4) if targets == 1 else torch.zeros(4, targets)
    density = LogDensity(model, torch.zeros(4, inputs), y)
    assert torch.equal(torch.rand(2), expected)
    assert density.sites == (
        Site("layer1.weight", (5, inputs), "identity", "prior"),
        Site("layer1.bias", (5,), "identity", "prior"),
        Site("layer2.weight", (targets, 5), "identity", "prior"),
        Site("layer2.bias", (targets,), "identity", "prior"),
        Site("sigma", () if targets == 1 else (targets,), "log", "likelihood"),
    )
    assert sites_of_text(sites_as_text(density.sites)) == density.sites
    vectors = torch.arange(2.0 * density.size).reshape(2, -1)
    values = density.constrained(density.unflattened(vectors))
    first = 5 * inputs + 5
    assert values["layer2.weight"][0].flatten().tolist() == [*range(first, first + 5 * targets)]
    sigma = vectors[:, -1] if targets == 1 else vectors[:, -targets:]
    assert torch.equal(values["sigma"], sigma.exp())


def test_a_prior_draw_that_the_likelihood_cannot_take_is_no_obstacle():
    model = model_of([2], likelihood=LIKELIHOOD | {"concentration": 0.01, "power": 60})
    for seed in range(20):
        torch.manual_seed(seed)
        assert len(LogDensity(model, torch.zeros(3, 1), torch.zeros(3)).sites) == 5


def test_other_supports_are_called_unconstrained():
    def model():
        pyro.sample("p", pyro.distributions.Beta(1.0, 1.0))
        pyro.sample("shift", pyro.distributions.Pareto(1.0, 1.0))

    assert {site.transform for site in LogDensity(model).sites} == {"unconstrained"}


def stored(density):
    """Parameters of a fit: means 0, 1, 2, …, standard deviations one more each."""
    mean = np.arange(density.size, dtype=np.float32)
    return Parameters(density.sites, mean=mean, stddev=mean + 1)


def test_a_stored_posterior_is_a_prior_of_independent_normals():
    density = LogDensity(model_of([2]), torch.zeros(1, 1), torch.zeros(1))
    model = model_of([2], source=stored(density))
    assert "sigma" not in model.prior.moments
    fn = poutine.trace(model).get_trace(torch.zeros(1, 1)).nodes["layer2.weight"]["fn"]
    assert fn.mean.tolist() == [[4, 5]]
    assert fn.stddev.tolist() == [[5, 6]]


class Shifted(Normal):
    """A normal likelihood with a site that is as free as a weight."""

    family: Literal["shifted"] = "shifted"

    def shapes(self, targets):
        return {"shift": (), **super().shapes(targets)}

    def sample(self, outputs, targets, y=None):
        shift = site("shift", pyro.distributions.Normal(0.0, 1.0))
        super().sample(outputs + shift, targets, y)


class Both(Registry):
    def __getitem__(self, name):
        return Shifted if name == "shifted" else super().__getitem__(name)


def test_an_update_carries_weights_over_and_nothing_of_the_likelihood(monkeypatch):
    """Whatever its sites are called and wherever they live."""
    both = Both(*(getattr(LIKELIHOODS, name) for name in ("package", "kind", "key", "default")))
    monkeypatch.setattr(build, "LIKELIHOODS", both)
    shifted = LIKELIHOOD | {"family": "shifted"}
    for before, after in ((shifted, shifted), (shifted, LIKELIHOOD), (LIKELIHOOD, shifted)):
        density = LogDensity(
            model_of([2], 3, 2, likelihood=before), torch.zeros(4, 3), torch.ones(4, 2)
        )
        source = stored(density)
        model = model_of([2], 3, 2, source=source, likelihood=after)
        assert model.prior.moments.keys() == {
            f"layer{number}.{part}" for number in (1, 2) for part in ("weight", "bias")
        }
        for name, (loc, scale) in model.prior.moments.items():
            np.testing.assert_array_equal(loc, source.by_site()[name][0])
            np.testing.assert_array_equal(scale, source.by_site()[name][1])


@pytest.mark.parametrize(("hidden", "inputs", "targets"), [([5], 1, 1), ([4], 3, 1), ([4], 1, 2)])
def test_a_prior_of_another_network_is_refused(hidden, inputs, targets):
    density = LogDensity(model_of([4]), torch.zeros(1, 1), torch.zeros(1))
    needed = rf"layer1\.weight.*\(4, 1\).*the network needs.*\({hidden[0]}, {inputs}\)"
    with pytest.raises(ValueError, match=needed):
        model_of(hidden, inputs, targets, source=stored(density))
    deeper = LogDensity(model_of([1, 1]), torch.zeros(1, 1), torch.zeros(1))
    with pytest.raises(ValueError, match=r"the network needs"):
        model_of([1], source=stored(deeper))
