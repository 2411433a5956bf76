"""What every method must find, where the posterior is known."""

from functools import cache

import numpy as np
import pytest
import torch
from method_cases import CASES, COVARIANCE, MEAN, SPREAD, X, Y, assert_same

from bnnflow.methods.running import loop


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@cache
def draws_of(name):
    """Draws of the slopes, of a fit as long as a good one needs."""
    return CASES[name].fitted(engine="compiled", large=True)["draws of slopes"]


@pytest.mark.parametrize("name", SPREAD)
def test_a_conjugate_posterior_is_found(name):
    """A regression of two targets on three inputs, within four standard errors."""
    case = CASES[name]
    draws = draws_of(name)
    # A guide's mean is where Adam stops, a small part of a standard deviation away.
    error = 4 / np.sqrt(case.independent) + 0.05 * (case.method == "svi")
    standard = (draws - MEAN) / case.stddev
    np.testing.assert_allclose(standard.mean(0), 0, atol=error)
    relative = 4 / np.sqrt(2 * case.independent) + 0.05 * (case.method == "svi")
    np.testing.assert_allclose(standard.std(0), 1, atol=relative)


@pytest.mark.parametrize("name", [name for name in SPREAD if "mean-field" not in name])
def test_a_conjugate_posterior_is_found_with_its_correlations(name):
    case = CASES[name]
    draws = draws_of(name)
    root = np.linalg.inv(np.linalg.cholesky(COVARIANCE))
    white = (draws - MEAN) @ root.T
    for target in (0, 1):
        spread = np.cov(white[:, target], rowvar=False)
        error = 4 * np.sqrt(2 / case.independent) + 0.1 * (case.method == "svi")
        np.testing.assert_allclose(spread, np.eye(3), atol=error)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.resumes])
def test_compiled_fits_do_not_depend_on_how_many_steps_a_call_takes(name, monkeypatch):
    monkeypatch.setattr(loop, "PACE", 0)
    one = CASES[name].fitted(engine="compiled")
    monkeypatch.setattr(loop, "PACE", 1e9)
    assert_same(CASES[name].fitted(engine="compiled"), one)


def test_the_regression_is_what_the_cases_say():
    """The posterior mean solves the normal equations."""
    gradient = X.T.double() @ (Y.double() - X.double() @ torch.tensor(MEAN).T) / 0.5**2
    np.testing.assert_allclose(gradient, torch.tensor(MEAN).T / 2.0**2, rtol=1e-4, atol=1e-5)
