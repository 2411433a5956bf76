"""Samplers and variational inference on targets whose posterior is known."""

import json
from pathlib import Path

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import NUTS
from pyro.infer.mcmc.util import initialize_model

from bnnflow import datasets, fits, nuts, svi
from bnnflow.density import LogDensity

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def location_model(x, y=None):
    """theta ~ Normal(0, 2), y ~ Normal(theta, 1)."""
    theta = pyro.sample("theta", dist.Normal(0.0, 2.0))
    with pyro.plate("data", len(x)):
        pyro.sample("obs", dist.Normal(theta, 1.0), obs=y)


PYRO = {"sampler": "pyro", "mass_matrix": "diagonal", "init": "uniform"}
SETTINGS = {"warmup": 3, "draws": 4, "target_accept": 0.8, "max_tree_depth": 3, **PYRO}
SVI = {"guide": "AutoDiagonalNormal", "schedule": "constant"}


def sampled(model, engine="pyro", **settings):
    return nuts.sample_chain(LogDensity(model, Y, Y, engine=engine), **SETTINGS | settings)


def fitted(model, engine="pyro", streams=(torch.default_generator,), **settings):
    return svi.fit(LogDensity(model, Y, Y, engine=engine), streams, **SVI | settings)


Y = torch.tensor([0.3, 1.9, 0.8, 1.2])
VARIANCE = 1 / (1 / 4 + len(Y))
MEAN = VARIANCE * Y.sum().item()


@pytest.mark.parametrize(
    ("sampler", "mass_matrix", "engine"),
    [
        ("pyro", "diagonal", "pyro"),
        ("pyro", "dense", "compiled"),
        ("nutpie", "diagonal", "compiled"),
        ("nutpie", "low_rank", "compiled"),
        ("nutpie", "diagonal", "pyro"),
    ],
)
def test_nuts_recovers_a_conjugate_posterior(sampler, mass_matrix, engine):
    settings = {"warmup": 200, "draws": 1000, "max_tree_depth": 10, "seed": 1}
    draws, stats = sampled(
        location_model, engine, sampler=sampler, mass_matrix=mass_matrix, **settings
    )
    theta = draws["theta"]
    # A chain of NUTS on a normal target is at worst as good as a quarter as many independent
    # draws; four of their standard errors.
    independent = len(theta) / 4
    assert theta.mean() == pytest.approx(MEAN, abs=4 * np.sqrt(VARIANCE / independent))
    assert theta.var() == pytest.approx(VARIANCE, abs=4 * VARIANCE * np.sqrt(2 / independent))

    assert {name: values.shape for name, values in stats.items()} == dict.fromkeys(stats, (1000,))
    normal = torch.distributions.Normal
    lp = normal(0.0, 2.0).log_prob(torch.tensor(theta))
    lp += normal(torch.tensor(theta)[:, None], 1.0).log_prob(Y).sum(1)
    np.testing.assert_allclose(stats["lp"], lp, rtol=1e-5)
    # Kinetic energy is half a chi-squared variable of one degree of freedom.
    kinetic = stats["energy"] + stats["lp"]
    assert kinetic.mean() == pytest.approx(0.5, abs=4 * np.sqrt((0.5 + VARIANCE) / independent))
    assert not stats["diverging"].any()
    assert ((stats["acceptance_rate"] >= -1e-9) & (stats["acceptance_rate"] <= 1 + 1e-9)).all()
    assert 0.6 < stats["acceptance_rate"].mean() < 1
    assert (2 ** (stats["tree_depth"] - 1) <= stats["n_steps"]).all()
    assert (stats["n_steps"] < 2 ** stats["tree_depth"]).all()
    assert sampler == "nutpie" or len(set(stats["step_size"])) == 1


@pytest.mark.parametrize("sampler", [{}, {"sampler": "nutpie"}, {"init": "median"}])
def test_a_chain_is_its_seed(sampler):
    runs = [sampled(location_model, seed=seed, **sampler)[0]["theta"] for seed in (5, 5, 6)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).any()


def test_no_warmup_is_possible():
    draws, _ = sampled(location_model, seed=1, warmup=0, draws=2)
    assert draws["theta"].shape == (2,)


def test_divergences_and_acceptance_are_those_of_the_draw():
    """A target with a wall, against what Pyro tells of the same chain."""

    def walled(x, y=None):
        theta = pyro.sample("theta", dist.Normal(0.0, 1.0))
        pyro.factor("wall", -1e6 * torch.relu(theta - 1.0))

    _, stats = sampled(walled, seed=2, warmup=0, draws=60, max_tree_depth=5)

    pyro.set_rng_seed(2)
    start, potential, _, _ = initialize_model(walled, (Y, Y))
    kernel = NUTS(potential_fn=potential, max_tree_depth=5)
    kernel.initial_params = position = start
    kernel.setup(0)
    means = []
    for _ in range(60):
        position = kernel.sample(position)
        means.append(kernel._mean_accept_prob)
    divergences = kernel.diagnostics()["divergences"]
    assert 0 < len(divergences) < 60
    assert np.flatnonzero(stats["diverging"]).tolist() == divergences
    running = np.cumsum(stats["acceptance_rate"]) / np.arange(1, 61)
    np.testing.assert_allclose(running, means, rtol=1e-9)
    assert stats["acceptance_rate"].std() > 0


def test_a_model_without_finite_density_says_so():
    def impossible(x, y=None):
        pyro.sample("theta", dist.Normal(0.0, 1.0))
        pyro.factor("never", torch.tensor(float("-inf")))

    with pytest.raises(ValueError, match="valid initial params"):
        sampled(impossible, seed=1)


@pytest.mark.parametrize("engine", ["pyro", "compiled"])
def test_svi_recovers_a_conjugate_posterior(engine):
    pyro.set_rng_seed(1)
    ((guide, losses),) = fitted(location_model, engine, learning_rate=0.01, steps=4000)
    posterior = guide.get_posterior()
    # Adam's iterates wander about the optimum on the scale of its learning rate.
    assert posterior.mean.item() == pytest.approx(MEAN, abs=0.05)
    assert posterior.stddev.item() == pytest.approx(np.sqrt(VARIANCE), rel=0.05)

    # The guide's family holds the posterior, so that the bound is the evidence at every draw.
    covariance = torch.eye(len(Y)) + 4
    evidence = torch.distributions.MultivariateNormal(torch.zeros(len(Y)), covariance).log_prob(Y)
    tail = losses[-400:]
    assert -tail.mean() == pytest.approx(evidence.item(), abs=0.02)
    assert set(svi.stored(guide)) == {"AutoDiagonalNormal.loc", "AutoDiagonalNormal.scale"}

    theta = svi.draws(guide, LogDensity(location_model, Y, Y), 10_000, torch.default_generator)[
        "theta"
    ]
    assert theta.mean() == pytest.approx(
        posterior.mean.item(), abs=4 * posterior.stddev.item() / 100
    )


@pytest.mark.parametrize("engine", ["pyro", "compiled"])
def test_a_loss_that_is_not_finite_stops_the_fit(engine):
    def broken(x, y=None):
        pyro.sample("theta", dist.Normal(0.0, 1.0))
        pyro.factor("bad", torch.tensor(float("-inf")))

    with pytest.raises(FloatingPointError, match=r"step 1 of 5; try a learning_rate below 0\.01"):
        fitted(broken, engine, learning_rate=0.01, steps=5)


@pytest.mark.parametrize("engine", ["pyro", "compiled"])
def test_a_rate_that_is_too_large_is_named(engine):
    pyro.set_rng_seed(0)
    with pytest.raises(FloatingPointError, match=r"try a learning_rate below 1000"):
        fitted(noisy_model, engine, learning_rate=1000.0, steps=50)


def noisy_model(x, y=None):
    sigma = pyro.sample("sigma", dist.Gamma(0.5, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("obs", dist.Normal(0.0, sigma**2), obs=y)


@pytest.mark.parametrize("guide", svi.GAUSSIAN)
def test_a_compiled_step_follows_pyros_own(guide):
    """The same seed, the same noise, the same steps: apart only by rounding."""
    settings = {"guide": guide, "learning_rate": 0.02, "schedule": "cosine", "steps": 50}
    results = []
    for engine in ("pyro", "compiled"):
        pyro.set_rng_seed(3)
        ((fit, losses),) = fitted(noisy_model, engine, **settings)
        results.append((losses, svi.stored(fit), torch.rand(1)))
    (losses, parameters, after), (found, found_parameters, found_after) = results
    # Steps are of one sign and at most about the learning rate, so that errors add up slowly.
    np.testing.assert_allclose(found, losses, rtol=1e-3)
    assert parameters.keys() == found_parameters.keys()
    for name, value in parameters.items():
        np.testing.assert_allclose(found_parameters[name], value, rtol=1e-3, atol=1e-5)
    assert torch.equal(after, found_after)


def test_many_starts_at_once_are_the_single_ones():
    settings = {"learning_rate": 0.02, "schedule": "cosine", "steps": 40}
    streams = [torch.Generator().manual_seed(seed) for seed in range(3)]
    together = fitted(noisy_model, "compiled", streams=streams, **settings)
    assert len({losses[-1] for _, losses in together}) == 3
    for seed, (guide, losses) in enumerate(together):
        stream = torch.Generator().manual_seed(seed)
        ((alone, expected),) = fitted(noisy_model, "compiled", streams=[stream], **settings)
        np.testing.assert_allclose(losses, expected, rtol=1e-4)
        for name, value in svi.stored(alone).items():
            np.testing.assert_allclose(svi.stored(guide)[name], value, rtol=1e-4, atol=1e-6)


def test_another_guide_is_fitted_by_pyro(caplog):
    caplog.set_level("INFO", "bnnflow")
    pyro.set_rng_seed(1)
    settings = {"guide": "AutoIAFNormal", "learning_rate": 0.01, "steps": 5}
    ((_, losses),) = fitted(pair_model, "compiled", **settings)
    assert np.isfinite(losses).all()
    assert "AutoIAFNormal is fitted by Pyro's SVI" in caplog.text


def pair_model(x, y=None):
    pair = pyro.sample("pair", dist.Normal(torch.zeros(2), 1.0).to_event(1))
    with pyro.plate("data", len(x)):
        pyro.sample("obs", dist.Normal(pair.sum(), 1.0), obs=y)


@pytest.mark.parametrize("engine", ["pyro", "compiled"])
def test_svi_shallow_reproduces_the_published_table(config, tmp_path, engine):
    """The tutorial's own numbers, from the workflow's config and code."""
    fit = config["fits"]["svi_shallow"]
    random = np.random.RandomState(config["data"]["seed"])
    old = config["data"]["observations"][0]
    datasets.write(
        datasets.simulated(old["intervals"], config["data"]["noise"], random), tmp_path / "old.csv"
    )
    settings = dict(fit["inference"])
    pyro.set_rng_seed(settings["seed"])
    model = fits.network(config["models"][fit["model"]], fit["prior"])
    density = LogDensity(model, *fits.observations(tmp_path / "old.csv"), engine=engine)
    names = ("guide", "learning_rate", "schedule", "steps")
    optimization = {name: settings[name] for name in names}
    ((guide, _),) = svi.fit(density, [torch.default_generator], **optimization)

    published = json.loads((HERE / "published_parameters.json").read_text())
    mean, stddev = (np.array(published[name]) for name in ("loc", "scale"))
    sizes = [(site.name, site.size) for site in density.sites]
    assert [size for _, size in sizes] == [size for _, size in published["sites"]]
    determined = stddev < 0.1
    posterior = guide.get_posterior()
    np.testing.assert_allclose(
        posterior.mean.detach()[determined], mean[determined], rtol=0.005, atol=0
    )
    np.testing.assert_allclose(
        posterior.stddev.detach()[determined], stddev[determined], rtol=0.01, atol=0
    )
    np.testing.assert_allclose(posterior.mean.detach(), mean, rtol=0.05, atol=0)
    np.testing.assert_allclose(posterior.stddev.detach(), stddev, rtol=0.05, atol=0)
