"""Targets that are transformed: predictions in their own units, against SciPy."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from bnnflow.files.columns import Column
from bnnflow.model.likelihoods.normal import Normals
from bnnflow.model.likelihoods.student_t import StudentTs
from bnnflow.predict import evaluation
from bnnflow.predict.mixture import Mixture
from bnnflow.predict.transformed import Transformed, TransformedMixture

LEVELS = [0.025, 0.25, 0.5, 0.975]
LOG = Column("y", 1.5, 0.8, transform="log")
# Of the target as a network sees it, two points.
MEAN, STDDEV = np.array([0.3, -1.2]), np.array([0.5, 0.9])


def reference(column, mean=MEAN, stddev=STDDEV):
    """SciPy's distribution of exp(z), where a network sees z: mean and stddev."""
    shape = {"s": stddev * column.scale, "scale": np.exp(mean * column.scale + column.centre)}
    return stats.lognorm(**shape, loc={"log": 0, "log1p": -1}[column.transform])


def mixture(column, mean=MEAN, stddev=STDDEV, draws=20):
    """Of draws that are all the same."""
    own = (torch.tensor(np.tile(v, (draws, 1)), dtype=torch.float32) for v in (mean, stddev))
    return TransformedMixture.around(Mixture(Normals(*own)), column)


def crps(distribution, y):
    """By the definition of the score, between quantiles that leave out nothing."""
    low, high = distribution.ppf(1e-12), distribution.ppf(1 - 1e-12)
    below = integrate.quad(lambda t: distribution.cdf(t) ** 2, low, y, limit=200)[0]
    return below + integrate.quad(lambda t: distribution.sf(t) ** 2, y, high, limit=200)[0]


@pytest.mark.parametrize("transform", ["log", "log1p"])
def test_a_transformed_normal_is_scipys_lognormal(transform):
    column = Column("y", 1.5, 0.8, transform=transform)
    right = reference(column)
    y = np.array([4.0, 9.5])
    found = evaluation.scored([mixture(column)], [column], y[None], LEVELS, torch.Generator())
    found = found.isel(target=0)
    assert found.sizes["replicate"] == 11
    for replicate in range(11):
        own = found.isel(replicate=replicate)
        # Single precision, and of quantiles 1e-6 of probability.
        np.testing.assert_allclose(own["mean"], right.mean(), rtol=1e-5)
        np.testing.assert_allclose(own["stddev"], right.std(), rtol=1e-5)
        np.testing.assert_allclose(own["log_density"], right.logpdf(y), rtol=1e-5)
        np.testing.assert_allclose(own["pit"], right.cdf(y), atol=1e-6)
        np.testing.assert_allclose(
            own["quantiles"], right.ppf(np.array(LEVELS)[:, None]), rtol=5e-5
        )
        single = [reference(column, *own) for own in zip(MEAN, STDDEV, strict=True)]
        exact = [crps(*own) for own in zip(single, y, strict=True)]
        # Of the tails 4e-6 to either side are left out of the mean difference.
        np.testing.assert_allclose(own["crps"], exact, rtol=2e-3)
    assert (found["function_stddev"] <= 1e-3 * right.mean()).all()


@pytest.mark.parametrize("transform", ["log", "log1p", "sqrt"])
def test_densities_have_the_jacobian_and_add_up_to_1(transform):
    column = Column("y", 1.5, 0.8, transform=transform)
    own = mixture(column).components
    for point in range(2):
        at = own.at(slice(point, point + 1))

        def density(t, at=at):
            return at.log_density(torch.tensor([t], dtype=torch.double)).exp()[0, 0].item()

        low, high = (float(end) for end in at.ends)
        total = integrate.quad(density, low, 0, limit=200)[0] if low < 0 else 0
        total += integrate.quad(density, max(low, 0), high, limit=200)[0]
        # Single precision of the component's own arguments.
        assert total == pytest.approx(1, abs=1e-5)
        t = torch.tensor([3.0])
        step = 1e-3
        slope = (at.double().below(t + step) - at.double().below(t - step)) / (2 * step)
        np.testing.assert_allclose(at.density(t), slope, rtol=1e-3)


def test_moments_of_a_square():
    """E z² and its variance, where negative z are too rare to count."""
    column = Column("y", 4.0, 0.5, transform="sqrt")
    own = mixture(column).components
    mean, stddev = MEAN * 0.5 + 4, STDDEV * 0.5
    np.testing.assert_allclose(own.mean[0], mean**2 + stddev**2, rtol=1e-6)
    expected = 4 * mean**2 * stddev**2 + 2 * stddev**4
    np.testing.assert_allclose(own.variance()[0], expected, rtol=1e-5)


@pytest.mark.parametrize("y", [1e-6, 1.0, 5.0, 60.0, 1e4])
def test_distances_are_those_of_quadrature(y):
    own = mixture(LOG).components
    singles = [reference(LOG, *each) for each in zip(MEAN, STDDEV, strict=True)]
    under = [
        integrate.quad(single.cdf, 0, y, limit=500, points=[min(y, single.median())])[0]
        for single in singles
    ]
    exact = [s.mean() - y + 2 * part for s, part in zip(singles, under, strict=True)]
    found = own.distance(torch.full((2,), y))
    np.testing.assert_allclose(found[0], exact, rtol=1e-4)


def test_a_mixture_over_draws_against_its_own_values():
    """Components that differ, of unequal weight; a million values have errors of 0.1 %."""
    at = np.random.default_rng(0)
    mean, stddev = at.normal(size=(200, 3)), at.uniform(0.2, 0.6, size=(200, 3))
    weights = torch.from_numpy(at.uniform(size=200))
    inner = Normals(*(torch.from_numpy(own).float() for own in (mean, stddev)))
    own = TransformedMixture.around(Mixture.of(inner, weights), LOG)
    draws = at.choice(200, size=10**6, p=(weights / weights.sum()).numpy())
    z = mean[draws] + stddev[draws] * at.normal(size=(10**6, 3))
    values = np.exp(z * 0.8 + 1.5)
    np.testing.assert_allclose(own.mean(), values.mean(0), rtol=0.01)
    np.testing.assert_allclose(own.stddev(), values.std(0), rtol=0.03)
    np.testing.assert_allclose(
        own.quantiles(torch.tensor(LEVELS).double()), np.quantile(values, LEVELS, axis=0), rtol=0.01
    )
    given = np.exp(mean * 0.8 + 1.5 + (stddev * 0.8) ** 2 / 2)
    share = (weights / weights.sum()).numpy()
    function = np.sqrt(share @ given**2 - (share @ given) ** 2)
    np.testing.assert_allclose(own.function_stddev(), function, rtol=1e-4)
    y = torch.tensor([3.0, 5.0, 20.0])
    # Of n values in order, x_i, half of E|X - X'| is the sum of (2 i - n - 1) x_i / n².
    places = 2 * np.arange(1, 10**6 + 1) - 10**6 - 1
    half = places @ np.sort(values, axis=0) / 10**12
    expected = np.abs(values - y.numpy()).mean(0) - half
    np.testing.assert_allclose(own.crps(y)[0], expected, rtol=0.02)


def test_parts_are_those_of_the_whole():
    own = mixture(LOG).components
    y = torch.tensor([2.0, 3.0])
    whole = own.log_density(y)
    for some, part in (
        (own.of_draws(slice(3, 5)).log_density(y), whole[3:5]),
        (own.at(torch.tensor([1])).log_density(y[1:]), whole[:, 1:]),
        (
            torch.cat([p.log_density(v) for p, v in zip(own.parts(1), y.split(1), strict=True)], 1),
            whole,
        ),
    ):
        torch.testing.assert_close(some, part)
    assert own.double().mean.dtype == torch.double
    assert own.shape == (20, 2)


def test_draws_that_overflow_are_told():
    own = Transformed.of(Normals(torch.tensor([[0.0], [200.0]]), torch.ones(2, 1)), LOG)
    assert own.wrong().tolist() == [False, True]


def test_student_t_noise_of_a_root():
    """Of which there are moments."""
    column = Column("y", 4.0, 0.5, transform="sqrt")
    parts = (torch.full((20, 1), v) for v in (0.3, 0.2, 8.0))
    own = Transformed.of(StudentTs(*parts), column)
    mean, variance = 0.3 * 0.5 + 4, (0.2 * 0.5) ** 2 * 8 / 6
    assert own.mean[0].item() == pytest.approx(mean**2 + variance, rel=1e-4)


def test_samples_are_in_the_targets_units():
    y = mixture(LOG, draws=4000).components.sample(torch.Generator().manual_seed(0)).numpy()
    for point in range(2):
        single = reference(LOG, MEAN[point], STDDEV[point])
        assert stats.kstest(y[:, point], single.cdf).pvalue > 0.001
