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
from bnnflow.model import build, several
from bnnflow.model.activations import ACTIVATIONS
from bnnflow.model.likelihood import LIKELIHOODS, site
from bnnflow.model.likelihoods.normal import Normal
from bnnflow.model.prior import PRIORS
from bnnflow.model.settings import Model
from bnnflow.registered import Registry

LIKELIHOOD = {"family": "normal", "concentration": 0.5, "rate": 1.5, "power": 2}
NUMPY = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
}


# By family the settings of a prior, and its density at a number over its scale.
PRIOR_DENSITIES = {
    "normal": ({"stddev": 3}, stats.norm()),
    "laplace": ({"scale": 3}, stats.laplace()),
    "student_t": ({"scale": 3, "df": 1.5}, stats.t(1.5)),
}


def model_of(hidden, inputs=1, targets=1, prior=None, source=None, **others):
    settings = Model().model_dump() | {"hidden": hidden, "likelihood": LIKELIHOOD} | others
    return build.network(settings, prior or {}, inputs, (0,) * targets, source)


@settings(max_examples=40, deadline=None)
@given(
    hidden=st.lists(st.integers(1, 6), max_size=4),
    inputs=st.integers(1, 3),
    targets=st.integers(1, 3),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    residual=st.booleans(),
    skip=st.sampled_from(["none", "linear"]),
    family=st.sampled_from(sorted(PRIORS)),
    scaling=st.sampled_from(["none", "fan_in", "learnt"]),
    seed=st.integers(0, 2**16),
)
def test_the_log_density_is_scipys(
    hidden, inputs, targets, activation, residual, skip, family, scaling, seed
):
    """Function, priors and likelihood at a random point, in double precision, against NumPy."""
    random = np.random.default_rng(seed)
    widths = [inputs, *hidden, targets]
    x, y = random.normal(size=(7, inputs)), random.normal(size=(7, targets))
    sigma = random.gamma(2, size=targets)
    prior, standard = PRIOR_DENSITIES[family]
    values, prior_density = {}, 0.0

    def weight(layer, *shape):
        """A layer's weights, which have been drawn, and whose density counts."""
        nonlocal prior_density
        scale = 3 if scaling == "none" else 3 * np.sqrt(2 / shape[1])
        own = random.normal(size=shape)
        if scaling != "learnt":
            values[f"{layer}.weight"] = torch.tensor(own)
            prior_density += (standard.logpdf(own / scale) - np.log(scale)).sum()
            return own
        learnt = random.gamma(2)
        values[f"{layer}.scale"] = torch.tensor(learnt, dtype=torch.double)
        values[f"{layer}.weight_decentered"] = torch.tensor(own)
        prior_density += stats.halfnorm(scale=scale).logpdf(learnt) + standard.logpdf(own).sum()
        return learnt * own

    f = x
    for k, (fan_in, fan_out) in enumerate(pairwise(widths), start=1):
        bias = random.normal(size=fan_out)
        values[f"layer{k}.bias"] = torch.tensor(bias)
        prior_density += (standard.logpdf(bias / 3) - np.log(3)).sum()
        before, f = f, f @ weight(f"layer{k}", fan_out, fan_in).T + bias
        f = NUMPY[activation](f) if k < len(widths) - 1 else f
        if residual and 1 < k < len(widths) - 1 and fan_in == fan_out:
            f = f + before
    if skip == "linear":
        f = f + x @ weight("skip", targets, inputs).T
    prior_density += stats.gamma(0.5, scale=1 / 1.5).logpdf(sigma).sum()
    likelihood = stats.norm(f, sigma**2).logpdf(y).sum()

    prior = prior | {"family": family, "scaling": scaling}
    connected = {"activation": activation, "residual": residual, "skip": skip}
    model = model_of(hidden, inputs, targets, prior, **connected)
    model.prior.factors = {
        name: (kind, tuple(each.double() for each in parameters))
        for name, (kind, parameters) in model.prior.factors.items()
    }
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
    model = model_of([5], inputs, targets)
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
    assert "sigma" not in model.prior.factors
    fn = poutine.trace(model).get_trace(torch.zeros(1, 1)).nodes["layer2.weight"]["fn"]
    assert fn.mean.tolist() == [[4, 5]]
    assert fn.stddev.tolist() == [[5, 6]]


def test_a_posterior_with_learnt_scales_is_a_prior_of_normals_and_log_normals():
    """Of all that the fit has learnt of weights, scales included: their product is a weight."""
    learnt = {"family": "laplace", "scaling": "learnt"}
    data = torch.zeros(1, 1), torch.zeros(1)
    density = LogDensity(model_of([2], prior=learnt, skip="linear"), *data)
    source = stored(density)
    model = model_of([2], source=source, skip="linear")
    trace = poutine.trace(model.prior.sample).get_trace()
    weights = trace.nodes["_RETURN"]["value"]
    assert {name: (*value.shape,) for name, value in weights.items()} == {
        "layer1.weight": (2, 1),
        "layer1.bias": (2,),
        "layer2.weight": (1, 2),
        "layer2.bias": (1,),
        "skip.weight": (1, 1),
    }
    expected = 0.0
    for name, (mean, stddev) in source.by_site().items():
        if name == "sigma":
            continue
        value = trace.nodes[name]["value"].double().numpy()
        if name.endswith(".scale"):
            expected += stats.lognorm(stddev, scale=np.exp(float(mean))).logpdf(value).sum()
        else:
            expected += stats.norm(mean, stddev).logpdf(value).sum()
    assert trace.log_prob_sum().item() == pytest.approx(expected, rel=1e-5)
    own = trace.nodes["layer2.scale"]["value"] * trace.nodes["layer2.weight_decentered"]["value"]
    assert torch.equal(weights["layer2.weight"], own)
    # The update has the sites of its source, so that it can be gone on from in turn.
    again = LogDensity(model, *data)
    assert set(again.sites) == set(density.sites)


def test_a_network_without_hidden_layers_is_the_linear_model():
    x = torch.randn(7, 3)
    response = build.response(Model(hidden=[], likelihood=LIKELIHOOD).model_dump(), 3, (0, 0))
    draws = {
        "layer1.weight": np.random.default_rng(0).normal(size=(4, 2, 3)),
        "layer1.bias": np.random.default_rng(1).normal(size=(4, 2)),
        "sigma": np.ones((4, 2)),
    }
    found = response.components(draws, x.double())
    line = draws["layer1.weight"] @ x.double().numpy().T + draws["layer1.bias"][..., None]
    for target in range(2):
        np.testing.assert_allclose(found[target].mean, line[:, target], rtol=1e-12, atol=1e-12)


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
    monkeypatch.setattr(several, "LIKELIHOODS", both)
    shifted = LIKELIHOOD | {"family": "shifted"}
    for before, after in ((shifted, shifted), (shifted, LIKELIHOOD), (LIKELIHOOD, shifted)):
        density = LogDensity(
            model_of([2], 3, 2, likelihood=before), torch.zeros(4, 3), torch.ones(4, 2)
        )
        source = stored(density)
        model = model_of([2], 3, 2, source=source, likelihood=after)
        assert model.prior.factors.keys() == {
            f"layer{number}.{part}" for number in (1, 2) for part in ("weight", "bias")
        }
        for name, (_, (loc, scale)) in model.prior.factors.items():
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
