"""Whole paths, from a model to the scores of its fit, where the answer is known exactly."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as pyro_dist
import pytest
import torch
from pyro import poutine
from scipy import stats

from bnnflow.data import points
from bnnflow.density.log_density import LogDensity
from bnnflow.files import parameters
from bnnflow.files.columns import Column
from bnnflow.judge import scores
from bnnflow.methods import nuts, svi
from bnnflow.model import build
from bnnflow.model.settings import Model
from bnnflow.predict import evaluation, levels
from bnnflow.predict.mixture import Mixture

NOISE, PRIOR = 0.4, 1.5
MODEL = Model().model_dump() | {
    "hidden": [],
    "likelihood": {"family": "normal", "concentration": 2.0, "rate": 1.0, "power": 1},
}
NUTS = {"warmup": 500, "draws": 2000, "target_accept": 0.8, "max_tree_depth": 10}
SVI = {"learning_rate": 0.05, "schedule": "cosine", "steps": 6000}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def known_noise(model):
    """A network whose noise is observed; without hidden layers its posterior is normal."""
    return poutine.condition(model, {"sigma": torch.tensor(NOISE)})


def posterior(x, y, mean=0.0, variance=PRIOR**2):
    """Mean and covariance of weight and bias, and the log evidence, of Bayesian regression."""
    design = np.column_stack([x, np.ones_like(x)])
    prior = np.diag(np.broadcast_to(variance, 2))
    mean = np.broadcast_to(mean, 2)
    covariance = np.linalg.inv(design.T @ design / NOISE**2 + np.linalg.inv(prior))
    centre = covariance @ (design.T @ y / NOISE**2 + np.linalg.inv(prior) @ mean)
    of_data = design @ prior @ design.T + NOISE**2 * np.eye(len(x))
    return centre, covariance, stats.multivariate_normal(design @ mean, of_data).logpdf(y)


@pytest.fixture
def case():
    """A network without hidden layers, 30 observations, 200 held-out ones, the exact posterior."""
    random = np.random.default_rng(0)
    x = random.uniform(-1, 2, size=30)
    y = 0.8 * x - 0.5 + NOISE * random.normal(size=30)
    x_new = np.linspace(-2, 3, 200)
    y_new = 0.8 * x_new - 0.5 + NOISE * random.normal(size=200)
    network = build.network(MODEL, {"stddev": PRIOR, "scaling": "none"}, inputs=1, targets=(0,))
    mean, covariance, evidence = posterior(x, y)
    data = torch.tensor(x[:, None]).float(), torch.tensor(y).float()
    density = LogDensity(known_noise(network), *data, engine="compiled")
    # The noise is observed, too.
    evidence += stats.gamma(MODEL["likelihood"]["concentration"]).logpdf(NOISE)
    known = {"network": network, "x": x_new, "y": y_new, "density": density}
    return SimpleNamespace(**known, mean=mean, covariance=covariance, evidence=evidence)


def check(case, draws, independent):
    """Posterior, predictive distribution and scores, as of so many independent draws."""
    theta = np.column_stack([draws["layer1.weight"].ravel(), draws["layer1.bias"].ravel()])
    standard = (theta - case.mean) @ np.linalg.inv(np.linalg.cholesky(case.covariance)).T
    np.testing.assert_allclose(standard.mean(0), 0, atol=4 / np.sqrt(independent))
    spread = np.cov(standard, rowvar=False)
    np.testing.assert_allclose(spread, np.eye(2), atol=4 * np.sqrt(2 / independent))

    noise = np.full(len(theta), NOISE, dtype=np.float32)
    x = torch.tensor(case.x).float()[:, None]
    (own,) = build.response(MODEL, 1, (0,)).components(draws | {"sigma": noise}, x)
    rows = pd.DataFrame({"x": case.x, "y": case.y, "f": 0.8 * case.x - 0.5})
    held_out = points.along(rows, {"all": [(-2, 3)]}, {"old": [(-1, 2)]})
    scaling, y = [Column("y", 0.0, 1.0)], held_out["targets"].to_numpy()
    scored = evaluation.scored([Mixture(own)], scaling, y, levels.LEVELS, torch.Generator())
    found = scored.isel(target=0)

    design = np.column_stack([case.x, np.ones_like(case.x)])
    exact = design @ case.mean
    own = np.sqrt(np.einsum("ni,ij,nj->n", design, case.covariance, design))
    at = found.isel(replicate=0)
    assert (np.abs(at["mean"] - exact) < 4 * own / np.sqrt(independent)).all()
    relative = 4 / np.sqrt(2 * independent)
    np.testing.assert_allclose(at["function_stddev"], own, rtol=relative)
    np.testing.assert_allclose(at["stddev"], np.hypot(own, NOISE), rtol=relative)

    predicted = stats.norm(exact, np.hypot(own, NOISE))
    u = (case.y - exact) / predicted.std()
    normal = stats.norm
    crps = predicted.std() * (u * (2 * normal.cdf(u) - 1) + 2 * normal.pdf(u) - np.pi**-0.5)
    covered = np.abs(2 * predicted.cdf(case.y) - 1) <= 0.9
    truth = 0.8 * case.x - 0.5
    table = scores.table(scored.merge(held_out)).set_index("metric")
    for metric, true in {
        "lppd": predicted.logpdf(case.y).mean(),
        "crps": crps.mean(),
        "rmse": np.sqrt(np.mean((case.y - exact) ** 2)),
        "rmse_function": np.sqrt(np.mean((truth - exact) ** 2)),
        "width_90": 2 * normal.ppf(0.95) * predicted.std().mean(),
    }.items():
        row = table.loc[metric]
        # With ten groups the error is itself known to a quarter.
        assert abs(row["value"] - true) < 6 * row["error_draws"], metric
        assert row["error_draws"] < 0.1 * abs(true), metric
    assert table.loc["coverage_90", "value"] == pytest.approx(covered.mean(), abs=0.02)


@pytest.mark.parametrize("sampler", ["pyro", "nutpie"])
def test_nuts_without_hidden_layers_is_bayesian_regression(case, sampler):
    settings = {"sampler": sampler, "mass_matrix": "diagonal", "init": "uniform", "seed": 1}
    draws, _ = nuts.sample_chain(case.density, **NUTS | settings)
    # At worst as good as a quarter as many independent draws.
    check(case, draws, independent=NUTS["draws"] / 4)


@pytest.mark.parametrize(
    ("family", "standard"), [("normal", stats.norm()), ("student_t", stats.t(3))]
)
def test_a_scale_is_learnt_as_quadrature_has_it(family, standard):
    """The weight of a line, and its scale, whose half-normal prior is 2½ √2 wide."""
    random, width = np.random.default_rng(3), 2.5
    x = random.uniform(-1, 2, size=6)
    y = 0.8 * x + NOISE * random.normal(size=6)
    prior = {"family": family, "scaling": "learnt"}
    prior |= {"stddev" if family == "normal" else "scale": width}
    network = build.network(MODEL, prior, inputs=1, targets=(0,))
    data = torch.tensor(x[:, None]).float(), torch.tensor(y).float()
    # The bias is known too, so that two numbers are left.
    zero = {"layer1.bias": torch.zeros(1), "sigma": torch.tensor(NOISE)}
    density = LogDensity(poutine.condition(network, zero), *data, engine="compiled")
    known = {"sampler": "nutpie", "mass_matrix": "diagonal", "init": "uniform", "seed": 1}
    draws, _ = nuts.sample_chain(density, **NUTS | known | {"target_accept": 0.95})
    scale = draws["layer1.scale"].ravel()
    weight = scale * draws["layer1.weight_decentered"].ravel()

    # In the logarithm of the scale, and the weight.
    scales, weights = np.geomspace(1e-6, 30, 1500)[:, None], np.linspace(-1, 3, 1201)
    log_density = stats.halfnorm(scale=width * 2**0.5).logpdf(scales) + np.log(scales)
    log_density = log_density + standard.logpdf(weights / scales) - np.log(scales)
    log_density = log_density + stats.norm(weights[:, None] * x, NOISE).logpdf(y).sum(-1)
    mass = np.exp(log_density - log_density.max())
    mass /= mass.sum()
    for found, values, of in ((scale, scales[:, 0], 1), (weight, weights, 0)):
        below = mass.sum(of).cumsum()
        levels = np.array([0.1, 0.25, 0.5, 0.75, 0.9])
        exact = np.interp(levels, below, values)
        shares = (found[:, None] <= exact).mean(0)
        # As of a quarter as many independent draws.
        error = np.sqrt(levels * (1 - levels) / (NUTS["draws"] / 4))
        np.testing.assert_array_less(abs(shares - levels), 4 * error)


def test_full_covariance_svi_without_hidden_layers_is_bayesian_regression(case):
    stream = torch.Generator().manual_seed(2)
    ((guide, losses),) = svi.fit(
        case.density, [stream], observations=30, guide="AutoMultivariateNormal", **SVI
    )
    # The bound is the evidence less the divergence of guide from posterior, and the rate has
    # gone down to nothing.
    assert svi.final_elbo(guide, losses) == pytest.approx(case.evidence, abs=0.02)
    draws, stats = svi.draws(guide, case.density, 20_000, stream, observations=30)
    # A guide that is not quite there counts as fewer draws.
    check(case, draws, independent=4000)
    weights = stats["lp"] - stats["log_q"]
    # Half the weights' variance is about the divergence, which the bound has shown to be small.
    assert weights.std() < 0.2
    error = 4 * weights.std() / np.sqrt(len(weights))
    assert np.log(np.exp(weights - case.evidence).mean()) == pytest.approx(0, abs=error)


def updated(batches, folder):
    """Parameters of a mean-field fit to the first batch, updated on the following."""
    prior, source = {"stddev": PRIOR, "scaling": "none"}, None
    for number, (x, y) in enumerate(batches):
        model = known_noise(build.network(MODEL, prior, inputs=1, targets=(0,), source=source))
        data = torch.tensor(x[:, None]).float(), torch.tensor(y).float()
        density = LogDensity(model, *data, engine="compiled")
        stream = torch.Generator().manual_seed(number)
        ((guide, _),) = svi.fit(
            density, [stream], observations=len(x), guide="AutoDiagonalNormal", **SVI
        )
        stored, source = folder / f"guide{number}", folder / f"parameters{number}"
        parameters.write_tensors(svi.stored(guide), density.sites, stored)
        parameters.write(parameters.extracted(stored), source)
        prior, source = {"posterior_of": "the last"}, parameters.read(source)
    return source


def batch(x, seed):
    return x, 0.8 * x - 0.5 + NOISE * np.random.default_rng(seed).normal(size=len(x))


def test_two_updates_are_one_fit(tmp_path):
    """Where the posterior is as independent as the prior that an update makes of it.

    Weight and bias are independent if the inputs of every batch add up to nothing.
    """
    batches = [batch(np.linspace(-1, 1, 20), 3), batch(np.linspace(-2, 2, 15), 4)]
    found = updated(batches, tmp_path)
    mean, covariance, _ = posterior(*map(np.concatenate, zip(*batches, strict=True)))
    stddev = np.sqrt(covariance.diagonal())
    # Of both fits Adam leaves an error, of which the losses' noise is the scale.
    assert (np.abs(found.mean - mean) < 0.05 * stddev).all()
    np.testing.assert_allclose(found.stddev, stddev, rtol=0.05)


def test_an_update_loses_how_parameters_depend_on_each_other(tmp_path):
    """And exactly that, where they do: the best mean-field guides of a normal posterior are known.

    Their means are its means, their variances the inverse of its precision's diagonal.
    """
    batches = [batch(np.linspace(2, 3, 20), 5), batch(np.linspace(-3, -2, 15), 6)]
    mean, variance = 0.0, PRIOR**2
    for x, y in batches:
        mean, covariance, _ = posterior(x, y, mean, variance)
        variance = 1 / np.linalg.inv(covariance).diagonal()
    found = updated(batches, tmp_path)
    assert (np.abs(found.mean - mean) < 0.1 * np.sqrt(variance)).all()
    np.testing.assert_allclose(found.stddev, np.sqrt(variance), rtol=0.05)
    joint, _, _ = posterior(*map(np.concatenate, zip(*batches, strict=True)))
    assert (np.abs(found.mean - joint) > np.sqrt(variance)).all()


@pytest.mark.parametrize(
    ("site", "transformed"),
    [
        (pyro_dist.Normal(0.3, 2.0), stats.norm(0.3, 2)),
        (pyro_dist.Gamma(2.5, 1.5), stats.loggamma(2.5, -np.log(1.5))),
        (pyro_dist.LogNormal(0.3, 2.0), stats.norm(0.3, 2)),
        (pyro_dist.Uniform(-2.0, 3.0), stats.logistic()),
        (pyro_dist.Beta(1.0, 1.0), stats.logistic()),
    ],
)
@pytest.mark.parametrize("engine", ["compiled", "pyro"])
def test_densities_are_those_of_the_unconstrained_variable(site, transformed, engine):
    """The logarithm of a gamma variable, the logit of a uniform one, and the like, are SciPy's."""
    density = LogDensity(lambda: pyro.sample("site", site), engine=engine)
    at = np.linspace(-3, 3, 13)
    values, _ = density.value_and_grad(torch.tensor(at[:, None]).float())
    np.testing.assert_allclose(values, transformed.logpdf(at), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_ranks_of_the_truth_are_uniform():
    """Simulation-based calibration (Talts et al., 2018, arXiv:1804.06788) of a small network.

    Of sigma and of f at two points: where a truth drawn from the prior stands among draws of the
    posterior of data made from it.
    """
    repeats, kept, thin = 200, 31, 8
    likelihood = {"family": "normal", "concentration": 4.0, "rate": 8.0, "power": 1}
    settings = Model().model_dump() | {"hidden": [3], "likelihood": likelihood}
    model = build.network(settings, {"stddev": 1.0, "scaling": "none"}, inputs=1, targets=(0,))
    response = build.response(settings, inputs=1, targets=(0,))
    x, at = torch.linspace(-2, 2, 12)[:, None], torch.tensor([[-1.0], [3.0]])
    y = torch.zeros(12)
    density = LogDensity(model, x, y, engine="compiled")
    settings = {"sampler": "nutpie", "mass_matrix": "diagonal", "init": "prior"}
    settings |= {"warmup": 200, "draws": kept * thin, "target_accept": 0.9, "max_tree_depth": 10}
    ranks, narrow = np.zeros((2, repeats, 3), dtype=int)
    for repeat in range(repeats):
        torch.manual_seed(repeat)
        trace = poutine.trace(model).get_trace(x)
        truth = {site.name: trace.nodes[site.name]["value"] for site in density.sites}
        y.copy_(trace.nodes["obs"]["value"])  # on the processor code takes it from there
        draws, _ = nuts.sample_chain(density, seed=repeat, **settings)
        thinned = {name: values[thin - 1 :: thin] for name, values in draws.items()}
        single = {name: value.detach()[None].numpy() for name, value in truth.items()}
        found, true = (
            np.column_stack([response.components(d, at)[0].mean.numpy(), d["sigma"]])
            for d in (thinned, single)
        )
        ranks[repeat] = (found < true).sum(0)
        narrow[repeat] = (0.6 * found + 0.4 * found.mean(0) < true).sum(0)
    for quantity in range(3):
        counts = [np.bincount(r[:, quantity] // 4, minlength=8) for r in (ranks, narrow)]
        assert stats.chisquare(counts[0]).pvalue > 0.001
        assert stats.chisquare(counts[1]).pvalue < 0.001  # a posterior too narrow would show
