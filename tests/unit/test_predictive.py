import numpy as np
import pytest
import torch
from pyro import poutine
from scipy import optimize, stats

from bnnflow.density.log_density import LogDensity
from bnnflow.model import build
from bnnflow.predict import predictive

LIKELIHOOD = {"family": "normal", "concentration": 0.5, "rate": 1.0, "power": 2}


@pytest.fixture
def case():
    """A network, 12 draws of its prior and 30 inputs."""
    torch.manual_seed(0)
    settings = {"hidden": [4, 3], "activation": "tanh", "likelihood": LIKELIHOOD}
    model = build.network(settings, {"stddev": 2, "scaling": "none"}, inputs=1, targets=1)
    x = torch.linspace(-1, 1, 30)[:, None]
    density = LogDensity(model, x, x[:, 0])
    vectors = torch.randn(12, density.size)
    draws = density.constrained(density.unflattened(vectors))
    return model, {name: value.numpy() for name, value in draws.items()}, x


@pytest.mark.parametrize("chunk", [1, 2**21])
def test_the_response_is_the_models_at_every_draw(case, chunk, monkeypatch):
    monkeypatch.setattr(predictive, "CHUNK", chunk)
    model, draws, x = case
    mean, stddev = predictive.response(model, draws, x)
    for i in range(12):
        one = {name: torch.as_tensor(value[i]) for name, value in draws.items()}
        fn = poutine.trace(poutine.condition(model, one)).get_trace(x).nodes["obs"]["fn"]
        # Two orders of the same few sums in single precision.
        torch.testing.assert_close(mean[i], fn.mean, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(stddev[i], fn.stddev.expand(30), rtol=1e-5, atol=0)


def test_draws_of_another_model_are_refused(case):
    model, draws, x = case
    draws["layer1.weight"] = draws["layer1.weight"][:, :3]
    with pytest.raises(ValueError, match=r"layer1\.weight.*\(3, 1\).*the model has.*\(4, 1\)"):
        predictive.response(model, draws, x)
    del draws["layer1.weight"]
    with pytest.raises(ValueError, match="the draws are of the sites"):
        predictive.response(model, draws, x)


def test_moments_are_those_of_the_mixture(case):
    mean, stddev = predictive.response(*case)
    kept = predictive.summarised(case[2][:, 0].numpy(), mean, stddev, [0.5], function_draws=5)
    random = np.random.default_rng(0)
    component = random.integers(12, size=(200_000, 1))
    m, s = (part.numpy() for part in (mean, stddev))
    sample = random.normal(m[component, range(30)], s[component, range(30)])
    error = sample.std(0) / np.sqrt(len(sample))
    np.testing.assert_array_less(np.abs(sample.mean(0) - kept["mean"]), 5 * error)
    fourth = ((sample - sample.mean(0)) ** 4).mean(0)
    error = np.sqrt((fourth - sample.var(0) ** 2) / len(sample))
    np.testing.assert_array_less(np.abs(sample.var(0) - kept["stddev"] ** 2), 5 * error)
    np.testing.assert_allclose(kept["function_stddev"], m.std(0), rtol=1e-5)


def test_the_kept_quantiles_are_of_the_response_and_of_the_function(case):
    mean, stddev = predictive.response(*case)
    levels = [0.1, 0.5, 0.8]
    kept = predictive.summarised(np.zeros(30), mean, stddev, levels, function_draws=1)
    for row, level in zip(kept["quantiles"].values, levels, strict=True):
        below = stats.norm(mean.numpy(), stddev.numpy()).cdf(row).mean(0)
        np.testing.assert_allclose(below, level, rtol=0, atol=2e-6)
    expected = np.quantile(mean.numpy(), levels, axis=0)
    np.testing.assert_allclose(kept["function_quantiles"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("spread", [0.01, 1.0, 30.0])
def test_quantiles_are_those_of_the_mixture(spread):
    """Separated, overlapping and very unequal components against a root finder."""
    random = np.random.default_rng(1)
    mean = random.normal(size=(15, 4)) * spread
    stddev = np.exp(random.normal(size=(15, 4)) * 1.5)
    levels = [0.001, 0.1, 0.5, 0.99]
    found = predictive.mixture_quantiles(
        torch.tensor(mean).float(), torch.tensor(stddev).float(), torch.tensor(levels).double()
    )
    for row, level in zip(found, levels, strict=True):
        for j in range(4):

            def excess(t, j=j, level=level):
                return stats.norm(mean[:, j], stddev[:, j]).cdf(t).mean() - level

            exact = optimize.brentq(excess, -1000, 1000, xtol=1e-12)
            # 1e-6 of the promise, and the rounding of the components to single precision.
            assert abs(excess(row[j].item())) < 2e-6
            assert row[j].item() == pytest.approx(exact, rel=1e-2, abs=1e-2)


def test_one_draw_has_the_quantiles_of_one_normal():
    found = predictive.mixture_quantiles(
        torch.tensor([[1.0]]), torch.tensor([[2.0]]), torch.tensor([0.025, 0.975]).double()
    )
    np.testing.assert_allclose(found[:, 0], 1 + 2 * stats.norm.ppf([0.025, 0.975]), atol=1e-4)


def test_function_draws_are_spread_over_the_draws():
    mean = torch.arange(10.0)[:, None].expand(10, 3)
    stddev = torch.ones(10, 3)
    for count, expected in ((1, [0]), (2, [0, 9]), (4, [0, 3, 6, 9]), (50, range(10))):
        kept = predictive.summarised(np.zeros(3), mean, stddev, [0.5], function_draws=count)
        assert kept["function"][:, 0].values.tolist() == list(expected)
