"""Samplers and variational inference on targets whose posterior is known."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import NUTS
from pyro.infer.mcmc.util import initialize_model

from bnnflow.data import tutorial
from bnnflow.density import pyro_private
from bnnflow.density.log_density import LogDensity
from bnnflow.density.native import NotCompiledError
from bnnflow.files import safe
from bnnflow.files.encodings import of_names
from bnnflow.methods import nuts, svi
from bnnflow.model import build

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
    return svi.fit(
        LogDensity(model, Y, Y, engine=engine), streams, observations=len(Y), **SVI | settings
    )


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

    with pytest.raises(ValueError, match=r"no point of finite log density.*try init: median or pr"):
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

    density = LogDensity(location_model, Y, Y)
    draws, stats = svi.draws(guide, density, 10_000, torch.default_generator, observations=len(Y))
    theta = draws["theta"]
    assert svi.final_elbo(guide, losses) == -losses[-40:].mean()
    log_q = posterior.log_prob(torch.tensor(theta)[:, None]).detach()
    np.testing.assert_allclose(stats["log_q"], log_q, rtol=1e-5)
    normal = torch.distributions.Normal
    lp = normal(0.0, 2.0).log_prob(torch.tensor(theta))
    lp += normal(torch.tensor(theta)[:, None], 1.0).log_prob(Y).sum(1)
    np.testing.assert_allclose(stats["lp"], lp, rtol=1e-5)
    assert theta.mean() == pytest.approx(
        posterior.mean.item(), abs=4 * posterior.stddev.item() / 100
    )


WITHOUT_COMPILER = """
import sys
import pyro, pyro.distributions as dist, torch
from bnnflow.density.log_density import LogDensity
from bnnflow.methods import svi
model = lambda: pyro.sample("theta", dist.Normal(0.0, 1.0))
density = LogDensity(model, engine="pyro")
rates = {"learning_rate": 0.1, "schedule": "constant"}
how = {"guide": "AutoDiagonalNormal", "steps": 2, "observations": 1}
svi.fit(density, [torch.default_generator], **how, **rates)
print("torch._dynamo" in sys.modules)
"""


def test_a_fit_by_pyro_imports_no_compiler():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT_COMPILER],
        cwd=HERE.parents[1] / "workflow/scripts",
        capture_output=True,
        text=True,
    )
    assert (done.stdout.strip(), done.stderr) == ("False", "")


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
    pyro.set_rng_seed(1)
    settings = {"guide": "AutoIAFNormal", "learning_rate": 0.01, "schedule": "constant", "steps": 5}
    density = LogDensity(pair_model, Y, Y)
    stream = torch.default_generator
    ((guide, losses),) = svi.fit(density, [stream], observations=len(Y), **settings)
    assert np.isfinite(losses).all()
    assert svi.draws(guide, density, 3, stream, observations=len(Y))[0]["pair"].shape == (3, 2)
    assert all(name.startswith("AutoIAFNormal.") for name in svi.stored(guide))
    assert density.facts["engine"] == "pyro"
    assert "AutoIAFNormal is fitted by Pyro's SVI" in caplog.text
    with pytest.raises(NotCompiledError, match="AutoIAFNormal is fitted by Pyro's SVI"):
        svi.fit(
            LogDensity(pair_model, Y, Y, engine="compiled"),
            [stream],
            observations=len(Y),
            **settings,
        )


@pytest.mark.parametrize("guide", ["AutoNormal", "AutoDelta", "Auto", "optim"])
def test_a_guide_without_a_posterior_is_refused(guide):
    with pytest.raises(ValueError, match=f"the guide is '{guide}', not one of AutoDiagonalNormal"):
        fitted(location_model, guide=guide, learning_rate=0.01, steps=1)


def test_what_a_model_itself_learns_is_learnt_by_pyro():
    def learning(x, y=None):
        level = pyro.param("level", torch.tensor(0.0))
        theta = pyro.sample("theta", dist.Normal(level, 0.1))
        with pyro.plate("data", len(x)):
            pyro.sample("obs", dist.Normal(theta, 1.0), obs=y)

    settings = {**SVI, "learning_rate": 0.05, "steps": 300}
    density = LogDensity(learning, Y, Y)
    pyro.set_rng_seed(0)
    ((guide, _),) = svi.fit(density, [torch.default_generator], observations=len(Y), **settings)
    # With the level learnt nothing holds theta back from the mean of the data, 1.05; at the
    # level's beginning, 0, the posterior mean would be 0.04.
    assert guide.get_posterior().mean.item() > 0.5
    assert "parameters of its own to learn: level" in density.reason


@pytest.mark.parametrize(
    ("engine", "guide"),
    [("pyro", "AutoDiagonalNormal"), *(("compiled", guide) for guide in svi.GAUSSIAN)],
)
def test_one_start_that_diverges_leaves_the_others(engine, guide, monkeypatch, caplog):
    begun, count = pyro_private.guide_at_start, iter(range(3))

    def poisoned(*arguments):
        guide = begun(*arguments)
        if next(count) == 1:
            guide.loc.data[:] = torch.inf
        return guide

    monkeypatch.setattr(pyro_private, "guide_at_start", poisoned)
    streams = [torch.Generator().manual_seed(seed) for seed in range(3)]
    settings = {"guide": guide, "learning_rate": 0.01, "steps": 20}
    fits = fitted(location_model, engine, streams=streams, **settings)
    assert [np.isfinite(losses).all() for _, losses in fits] == [True, False, True]
    assert "start 1 has diverged at step 1 of 20" in caplog.text


@pytest.mark.parametrize("guide", svi.GAUSSIAN)
@pytest.mark.parametrize("engine", ["pyro", "compiled"])
def test_a_fit_that_diverges_is_told_what_to_try(engine, guide):
    settings = {"guide": guide, "learning_rate": 1e6, "steps": 20}
    with pytest.raises(FloatingPointError, match="try a learning_rate below"):
        fitted(location_model, engine, streams=[torch.Generator().manual_seed(0)], **settings)


@pytest.mark.parametrize("engine", ["pyro", "compiled"])
def test_data_in_double_precision(engine):
    """Two samplers and two guides end where those with single precision do."""
    y = Y.double()
    for sampler in ("pyro", "nutpie"):
        density = LogDensity(location_model, y, y, engine=engine)
        draws, _ = nuts.sample_chain(
            density, **SETTINGS | {"sampler": sampler, "warmup": 200, "draws": 400, "seed": 1}
        )
        # As for the conjugate posterior above.
        assert draws["theta"].mean() == pytest.approx(MEAN, abs=4 * np.sqrt(VARIANCE / 100))
    for guide in svi.GAUSSIAN[:2]:
        density = LogDensity(location_model, y, y, engine=engine)
        settings = {"learning_rate": 0.02, "schedule": "constant", "steps": 1000}
        pyro.set_rng_seed(1)
        ((fit, _),) = svi.fit(
            density, [torch.default_generator], observations=len(Y), guide=guide, **settings
        )
        assert fit.get_posterior().mean.item() == pytest.approx(MEAN, abs=0.1)


def test_an_interrupted_chain_is_not_a_finished_one(monkeypatch):
    import nutpie

    sample = nutpie.sample
    monkeypatch.setattr(
        nutpie, "sample", lambda *args, draws, **rest: sample(*args, draws=draws - 1, **rest)
    )
    with pytest.raises(KeyboardInterrupt):
        sampled(location_model, seed=1, sampler="nutpie", warmup=5, draws=4)


def test_nutpie_without_warmup_is_refused():
    with pytest.raises(ValueError, match="nutpie needs a warmup of at least 1"):
        sampled(location_model, seed=1, sampler="nutpie", warmup=0)


@pytest.mark.parametrize("warmup", [1, 2])
def test_nutpie_with_hardly_any_warmup(warmup):
    draws, _ = sampled(location_model, seed=1, sampler="nutpie", warmup=warmup, draws=3)
    assert draws["theta"].shape == (3,)
    assert np.isfinite(draws["theta"]).all()


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
    safe.write_table(
        tutorial.simulated(old["intervals"], config["data"]["noise"], random), tmp_path / "old.csv"
    )
    settings = dict(fit["inference"])
    pyro.set_rng_seed(settings["seed"])
    model = build.network(config["models"][fit["model"]], fit["prior"], inputs=1, targets=(0,))
    _, *data = build.observations([tmp_path / "old.csv"], of_names(("x",), ("y",)), "none")
    density = LogDensity(model, *data, engine=engine)
    names = ("guide", "learning_rate", "schedule", "steps")
    optimization = {name: settings[name] for name in names}
    ((guide, _),) = svi.fit(density, [torch.default_generator], observations=len(Y), **optimization)

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
