"""Posteriors that are made of many starts or members, where the posterior is known."""

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from method_cases import COVARIANCE, MEAN, PRECISION, X, Y, regression
from scipy.stats import multivariate_normal

from bnnflow.density import blocks
from bnnflow.density.log_density import LogDensity
from bnnflow.files import posterior
from bnnflow.files.columns import Column
from bnnflow.files.encodings import Encoding
from bnnflow.judge import guides
from bnnflow.methods import nuts, svi
from bnnflow.methods.running import by_nutpie, curvature, optimum
from bnnflow.methods.running.drawn import with_densities
from bnnflow.methods.running.method import METHODS

ENCODING = Encoding(*(tuple(Column(name, 0.0, 1.0) for name in names) for names in ("abc", "yz")))


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def made(inference, seeds, folder, *, engine="pyro", model=regression, data=(X, Y)):
    """The posterior of parts with these seeds, made by one job."""
    method = METHODS.made(inference)
    streams = [torch.Generator().manual_seed(seed) for seed in seeds]
    density = LogDensity(model, *data, engine=engine, by_rows=True)
    known = {"observations": len(data[0]), "encoding": ENCODING}
    posterior.write(method.infer(density, seeds, streams, **known), folder / "part.nc")
    return method.combined([folder / "part.nc"]).posterior


def test_two_disjoint_sets_of_starts_say_the_same(tmp_path):
    """Each is the posterior, within four standard errors and what Adam leaves."""
    starts, draws = 4, 1000
    mixture = {"method": "svi", "combine": "mixture", "guide": "AutoMultivariateNormal"}
    mixture |= {"learning_rate": 0.03, "steps": 4000, "draws": draws}
    root = np.linalg.inv(np.linalg.cholesky(COVARIANCE))
    for seeds in ([1, 2, 3, 4], [11, 12, 13, 14]):
        tree = made(mixture, seeds, tmp_path, engine="compiled")
        assert tree["posterior"].sizes["chain"] == starts
        slopes = posterior.pooled(tree)["slopes"]
        white = (slopes - MEAN) @ root.T
        np.testing.assert_allclose(white.mean(0), 0, atol=4 / np.sqrt(starts * draws) + 0.05)
        for target in (0, 1):
            spread = np.cov(white[:, target], rowvar=False)
            error = 4 * np.sqrt(2 / (starts * draws)) + 0.1
            np.testing.assert_allclose(spread, np.eye(3), atol=error)


def of_regression():
    return LogDensity(regression, X, Y, engine="pyro", by_rows=True)


def test_laplace_is_exact_where_the_posterior_is_normal():
    """Mean and covariance, from wherever a short search has come to."""
    method = METHODS.made({"method": "laplace", "draws": 20})
    place = 3 * torch.randn(6, generator=torch.Generator().manual_seed(0))
    density = of_regression()
    vectors, told = method.drawn(density, place, torch.Generator().manual_seed(1))
    noise = torch.randn(20, 6, generator=torch.Generator().manual_seed(1), dtype=torch.double)
    # Draws are a linear map of the noise, which is found exactly.
    known = np.hstack([np.ones((20, 1)), noise.numpy()])
    mean, *root = np.linalg.lstsq(known, vectors.double().numpy(), rcond=None)[0]
    np.testing.assert_allclose(mean, MEAN.ravel(), atol=1e-5)
    covariance = np.kron(np.eye(2), COVARIANCE)
    np.testing.assert_allclose(np.transpose(root) @ np.array(root), covariance, atol=1e-6)
    normal = multivariate_normal(MEAN.ravel(), covariance)
    # The draws are rounded to single precision.
    np.testing.assert_allclose(told["log_q"], normal.logpdf(vectors.numpy()), atol=1e-3)
    lp = with_densities(density, vectors, len(X))[1].numpy()
    found = guides.of_normals((lp - told["log_q"])[None], len(X), {"curvature_error": (1e-4, 1)})
    assert found.verdict == "pass"


@pytest.mark.parametrize("blocks_of", [None, 4])
def test_the_curvature_is_the_precision_of_a_normal_posterior(blocks_of, monkeypatch):
    if blocks_of:
        monkeypatch.setattr(blocks, "FEWEST", blocks_of)
        monkeypatch.setattr(blocks, "CACHE", 0)
    density = of_regression()
    assert (len(density.parts) > 1) == bool(blocks_of)
    found = curvature.precision(density, torch.zeros(6), full=True)
    expected = np.kron(np.eye(2), PRECISION)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
    diagonal = curvature.precision(density, torch.ones(6), full=False)
    np.testing.assert_allclose(diagonal, expected.diagonal(), rtol=1e-5)


def squared(x, y=None):
    z = pyro.sample("z", dist.Normal(torch.zeros(2), 2.0).to_event(1))
    with pyro.plate("data", len(x)):
        pyro.sample("obs", dist.Normal(z[0] ** 2 + z[1] * x, 0.5), obs=y)


@pytest.mark.parametrize("full", [True, False])
def test_a_likelihood_that_curves_upwards_leaves_the_precision_of_the_prior(full):
    density = LogDensity(
        squared, torch.tensor([0.0]), torch.tensor([1.0]), engine="pyro", by_rows=True
    )
    at_saddle = curvature.precision(density, torch.tensor([0.0, 0.0]), full=full)
    # Of log p(y | z): -(z² - y)² / (2 s²) has the second derivative (2 y - 6 z²) / s².
    at_optimum = curvature.precision(density, torch.tensor([1.0, 0.0]), full=full)
    for found, first in ((at_saddle, 1 / 4), (at_optimum, 1 / 4 + 4 / 0.25)):
        expected = torch.tensor([first, 1 / 4]).double()
        torch.testing.assert_close(found, expected.diag() if full else expected)


def test_an_ensemble_is_the_mode_where_there_is_one(tmp_path):
    tree = made({"method": "ensemble", "optimum_steps": 3000}, [1, 2], tmp_path)
    slopes = tree["posterior"]["slopes"].to_numpy()
    assert slopes.shape == (2, 1, 2, 3)
    np.testing.assert_allclose(slopes, np.broadcast_to(MEAN, slopes.shape), atol=1e-3)


def test_a_chain_of_nuts_starts_at_the_optimum(monkeypatch):
    """The first place that the sampler is given has the density of the mode."""
    density, given = of_regression(), []

    def chain(density, start, **_):
        given.append(start)
        raise KeyboardInterrupt

    monkeypatch.setattr(by_nutpie, "chain", chain)
    settings = {"sampler": "nutpie", "init": "optimum", "optimum_steps": 3000, "seed": 3}
    settings |= {"warmup": 1, "draws": 1, "target_accept": 0.8, "max_tree_depth": 3}
    with pytest.raises(KeyboardInterrupt):
        nuts.sample_chain(density, mass_matrix="diagonal", **settings)
    (start,) = given
    reached, best = (
        density.value_and_grad(place)[0] for place in (start, torch.tensor(MEAN).ravel())
    )
    assert float(best - reached) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("guide", svi.GAUSSIAN)
def test_a_start_of_svi_begins_about_the_optimum(guide):
    settings = {"learning_rate": 1e-6, "schedule": "constant", "steps": 1, "guide": guide}
    settings |= {"optimum_steps": 6000, "start_scale": 2.0, "observations": len(X)}
    fitted = svi.fit(of_regression(), [torch.Generator(), torch.Generator()], **settings)
    for own, _ in fitted:
        np.testing.assert_allclose(own.loc.detach(), MEAN.ravel(), atol=1e-3)


def test_a_scale_of_starts_needs_a_search_for_optima():
    assert METHODS.made({"method": "svi"}).start_scale is None
    assert METHODS.made({"method": "svi", "optimum_steps": 5}).start_scale == 1
    with pytest.raises(ValueError, match="allowed without optimum_steps is none"):
        METHODS.made({"method": "svi", "start_scale": 2.0})


def test_a_search_that_leaves_the_numbers_is_told(monkeypatch):
    monkeypatch.setattr(optimum, "RATE", 1e38)
    with pytest.raises(FloatingPointError, match="where these starts of the job have gone: 0, 1"):
        optimum.optima(of_regression(), [torch.Generator(), torch.Generator()], 5)
