"""Three inputs and two targets, from a table to an update, where the answer is known exactly."""

import numpy as np
import pandas as pd
import pytest
import torch
from pyro import poutine
from scipy import stats

from bnnflow.data import table
from bnnflow.density.log_density import LogDensity
from bnnflow.files import encodings, posterior
from bnnflow.files.parameters import Parameters
from bnnflow.methods import nuts
from bnnflow.model import build
from bnnflow.model.settings import Model

NOISE, PRIOR = np.array([0.3, 0.7]), 1.5
INPUTS, TARGETS = ["width", "of iron", "größe"], ["strength", "cost"]
ABOUT = encodings.of_names(tuple(INPUTS), tuple(TARGETS))
MODEL = Model().model_dump() | {
    "hidden": [],
    "likelihood": {"family": "normal", "concentration": 2.0, "rate": 1.0, "power": 1},
}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def file(tmp_path):
    """60 rows of a linear model of columns in very different units."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(60, 3)) * [1e-6, 3.0, 1e3] + [1e-3, 0.0, -1e8]
    slopes = np.array([[2e5, -0.3, 1e-3], [-1e5, 0.2, 2e-3]])
    targets = inputs @ slopes.T + [1.0, 1e6] + random.normal(size=(60, 2))
    columns = dict(zip(INPUTS + TARGETS, np.hstack([inputs, targets]).T, strict=True))
    rows = table.Table(pd.DataFrame(columns), ABOUT)
    table.write(rows, tmp_path / "rows.csv")
    return tmp_path / "rows.csv"


def regression(x, y, mean, stddev):
    """Posterior and evidence of weights and bias of every target, whose noise is known.

    Args:
        x: encoded inputs (n, inputs).
        y: encoded targets (n, targets).
        mean, stddev: of the prior, (targets, inputs + 1).
    """
    design = np.column_stack([x, np.ones(len(x))])
    found = []
    for target, noise in enumerate(NOISE):
        prior = np.diag(stddev[target] ** 2)
        precision = design.T @ design / noise**2 + np.linalg.inv(prior)
        covariance = np.linalg.inv(precision)
        shift = design.T @ y[:, target] / noise**2 + np.linalg.inv(prior) @ mean[target]
        of_data = design @ prior @ design.T + noise**2 * np.eye(len(x))
        evidence = stats.multivariate_normal(design @ mean[target], of_data).logpdf(y[:, target])
        found.append((stats.multivariate_normal(covariance @ shift, covariance), evidence))
    return found


def density_of(x, y, source=None):
    """With the noise of both targets known."""
    prior = {"stddev": PRIOR, "scaling": "none"}
    model = build.network(MODEL, prior, inputs=3, targets=(0, 0), source=source)
    known = poutine.condition(model, {"sigma": torch.tensor(NOISE, dtype=torch.float32)})
    return model, LogDensity(known, x, y, engine="compiled")


def check(density, exact, seed):
    """That the log density is the evidence plus the posterior's, everywhere."""
    evidence = sum(part for _, part in exact) + stats.gamma(2).logpdf(NOISE).sum()
    random = np.random.default_rng(seed)
    coefficients = np.stack(
        [random.multivariate_normal(p.mean, 4 * p.cov, size=5) for p, _ in exact], axis=1
    )
    weights, biases = coefficients[..., :-1], coefficients[..., -1]
    vectors = np.hstack([weights.reshape(5, -1), biases.reshape(5, -1)])
    found, _ = density.value_and_grad(torch.tensor(vectors, dtype=torch.float32))
    expected = evidence + sum(p.logpdf(coefficients[:, k]) for k, (p, _) in enumerate(exact))
    # Sums of 120 squares in single precision.
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_linear_model_of_two_targets_is_two_regressions(file):
    encoding, x, y = build.observations([file], ABOUT, "standard")
    assert (tuple(x.shape), tuple(y.shape)) == ((60, 3), (60, 2))
    # Mean and standard deviation of columns, rounded once to single precision.
    np.testing.assert_allclose(np.column_stack([x, y]).mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(np.column_stack([x, y]).std(0), 1, atol=1e-6)
    flat = np.zeros((2, 4)), np.full((2, 4), PRIOR)
    exact = regression(x.double().numpy(), y.double().numpy(), *flat)
    model, density = density_of(x, y)
    check(density, exact, seed=1)

    settings = {"sampler": "nutpie", "mass_matrix": "diagonal", "init": "uniform", "seed": 1}
    settings |= {"warmup": 300, "draws": 1000, "target_accept": 0.8, "max_tree_depth": 10}
    draws, _ = nuts.sample_chain(density, **settings)
    posterior.of_chain(draws, encoding=encoding)
    for k, (of_target, _) in enumerate(exact):
        found = np.column_stack([draws["layer1.weight"][:, k], draws["layer1.bias"][:, k]])
        stddev = np.sqrt(of_target.cov.diagonal())
        # As many independent draws as a quarter of them.
        np.testing.assert_array_less(abs(found.mean(0) - of_target.mean), 4 * stddev / 250**0.5)
        np.testing.assert_allclose(found.std(0), stddev, rtol=4 / 500**0.5)

    # What is predicted at new rows, in the targets' units.
    sigma = np.broadcast_to(NOISE.astype(np.float32), (1000, 2))
    rows = table.read([file], ABOUT)
    at = torch.tensor(table.in_single(rows.inputs[:7], encoding.inputs))
    components = model.response.components(draws | {"sigma": sigma.copy()}, at)
    design = np.column_stack([at, np.ones(7)])
    for k, parts in enumerate(components):
        mean, stddev = (part.double().numpy() for part in (parts.mean, parts.stddev))
        of_target, _ = exact[k]
        spread = np.sqrt(np.einsum("ni,ij,nj->n", design, of_target.cov, design))
        error = 4 * spread / 250**0.5
        np.testing.assert_array_less(abs(mean.mean(0) - design @ of_target.mean), error)
        np.testing.assert_allclose(stddev, NOISE[k], rtol=1e-6)
        predicted = mean.mean(0) * encoding.target_scale[k] + encoding.target_loc[k]
        # In these units the observations have noise of standard deviation 1.
        away = np.abs(predicted - rows.targets[:7, k])
        np.testing.assert_array_less(away, 5 + 5 * spread * encoding.target_scale[k])


def test_an_update_goes_on_in_the_scales_of_the_fit_before(file):
    """Its prior is the other's posterior, in whose units its own data must be."""
    encoding, x, y = build.observations([file], ABOUT, "standard")
    _, density = density_of(x, y)
    random = np.random.default_rng(2)
    mean = random.normal(size=density.size).astype(np.float32)
    stddev = random.uniform(0.1, 1, size=density.size).astype(np.float32)
    source = Parameters(density.sites, mean, stddev, encoding=encoding)

    rows = table.read([file], ABOUT)
    scales = rows.columns.std()
    moved = table.Table(rows.columns[:20] + scales / 2, ABOUT)
    table.write(moved, file.with_name("new.csv"))
    new = [file.with_name("new.csv")]
    inherited, x, y = build.observations(new, ABOUT, "standard", source=source)
    assert inherited == encoding
    _, own, _ = build.observations(new, ABOUT, "standard")
    assert not torch.allclose(own, x, atol=0.1)
    # In the order of sites: weights (2, 3), biases (2,).
    moments = [np.column_stack([part[:6].reshape(2, 3), part[6:]]) for part in (mean, stddev)]
    exact = regression(x.double().numpy(), y.double().numpy(), *map(np.double, moments))
    _, updated = density_of(x, y, source)
    check(updated, exact, seed=3)


def test_an_update_on_other_columns_is_refused(file):
    encoding, x, y = build.observations([file], ABOUT, "standard")
    _, density = density_of(x, y)
    moments = np.zeros(density.size, np.float32), np.ones(density.size, np.float32)
    swapped = [*INPUTS[1:], INPUTS[0]]
    renamed = file.with_name("swapped.csv")
    renamed.write_text(file.read_text().replace(",".join(INPUTS), ",".join(swapped)))
    source = Parameters(density.sites, *moments, encoding=encoding)
    other = encodings.of_names(tuple(swapped), tuple(TARGETS))
    with pytest.raises(ValueError, match="the prior has learnt from the columns"):
        build.observations([renamed], other, "standard", source=source)
    bare = Parameters(density.sites, *moments)
    with pytest.raises(ValueError, match="says nothing of how"):
        build.observations([file], ABOUT, "none", source=bare)
