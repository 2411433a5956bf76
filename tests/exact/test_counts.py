"""Mixtures of counts, and of what has no closed form, against SciPy and sums over all counts."""

from functools import cache

import numpy as np
import pytest
import torch
from scipy import stats

from bnnflow.model.counting import log_negative_binomial, log_poisson
from bnnflow.model.likelihoods.negative_binomial import NegativeBinomials
from bnnflow.model.likelihoods.poisson import Poissons
from bnnflow.model.likelihoods.student_t import StudentTs
from bnnflow.predict.counts import Counted
from bnnflow.predict.mixture import Mixture

LEVELS = torch.tensor([0.005, 0.1, 0.5, 0.9, 0.975]).double()
DRAWS, POINTS = 40, 5
WEIGHTS = np.random.default_rng(5).exponential(size=DRAWS)


def single(*parts):
    return [torch.tensor(part, dtype=torch.float32) for part in parts]


def means(size):
    random = np.random.default_rng(0)
    return size * np.exp(0.5 * random.normal(size=(DRAWS, POINTS)))


def poisson(size):
    (mean,) = single(means(size))
    return Poissons(mean), stats.poisson(mean.double().numpy())


def negative_binomial(size):
    random = np.random.default_rng(1)
    mean, dispersion = single(means(size), random.gamma(1, size=(DRAWS, 1)) + np.zeros(POINTS))
    m, d = mean.double().numpy(), dispersion.double().numpy()
    return NegativeBinomials(mean, dispersion), stats.nbinom(1 / d, 1 / (1 + d * m))


CASES = [
    (family, size, weighted)
    for family in (poisson, negative_binomial)
    for size in (0.2, 6.0, 100.0)
    for weighted in (False, True)
] + [(poisson, size, False) for size in (900.0, 8000.0)]


@cache
def built(family, size, weighted):
    components, exact = family(size)
    weights = WEIGHTS if weighted else None
    shares = np.full(DRAWS, 1 / DRAWS) if weights is None else weights / weights.sum()
    own = Counted.of(components, torch.tensor(shares))
    most = int(components.ends[1].max())
    at_most = np.stack([shares @ exact.cdf(count) for count in range(most + 1)])
    return own, at_most


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0].__name__}-{case[1]}-{case[2]}")
def case(request):
    """A mixture, and its probabilities of at most 0, 1, … (count, n)."""
    return built(*request.param)


def seen(at_most):
    """Counts at several places of the distributions, in reach of the sums."""
    return torch.tensor(
        [(at_most[:, j] < p).sum() for j, p in enumerate((0, 0.02, 0.5, 0.8, 0.999))]
    )


def test_quantiles_are_the_least_counts_that_reach_their_probability(case):
    own, at_most = case
    for row, level in zip(own.quantiles(LEVELS).long().numpy(), LEVELS.tolist(), strict=True):
        reached = np.take_along_axis(at_most, row[None], 0)[0]
        short = np.where(
            row > 0, np.take_along_axis(at_most, np.maximum(row - 1, 0)[None], 0)[0], 0
        )
        # 1e-6 of the promise, and the rounding to single precision.
        assert (reached > level - 3e-6).all()
        assert (short < level + 3e-6).all()
    replicates = own.quantile_replicates(LEVELS)
    np.testing.assert_array_equal(replicates[0], own.quantiles(LEVELS))
    assert (replicates == replicates.round()).all()


def test_the_ranked_probability_score_is_the_sum_over_all_counts(case):
    """Up to 4096 counts it is that sum, and beyond an integral over peaks that lie far apart."""
    own, at_most = case
    y = seen(at_most)
    counts = np.arange(len(at_most))[:, None]
    exact = ((at_most - (counts >= y.numpy())) ** 2).sum(0)
    rtol = 1e-5 if len(at_most) <= 4096 else 5e-3
    np.testing.assert_allclose(own.crps(y.float())[0], exact, rtol=rtol, atol=1e-5)


def test_log_density_and_moments_are_those_of_all_counts(case):
    own, at_most = case
    y, probability = seen(at_most), np.diff(at_most, axis=0, prepend=0)
    exact = np.take_along_axis(probability, y.numpy()[None], 0)[0]
    # Of many counts, 0 has a probability too small for numbers.
    found, small = own.log_density(y.float())[0].numpy(), exact == 0
    np.testing.assert_allclose(found[~small], np.log(exact[~small]), rtol=1e-4, atol=1e-5)
    assert (found[small] < np.log(1e-12)).all()
    counts = np.arange(len(at_most))[:, None]
    mean = (counts * probability).sum(0)
    stddev = np.sqrt(((counts - mean) ** 2 * probability).sum(0))
    np.testing.assert_allclose(own.mean(), mean, rtol=1e-4)
    np.testing.assert_allclose(own.stddev(), stddev, rtol=1e-3)


def test_the_probability_transform_is_uniform_if_all_is_right(case):
    own, at_most = case
    random, stream = np.random.default_rng(2), torch.Generator().manual_seed(0)
    level = random.uniform(size=(400, POINTS))
    y = np.stack([(at_most[:, j] < level[:, j, None].T[0][:, None]).sum(1) for j in range(POINTS)])
    pit = np.stack([own.pit(torch.tensor(row).float(), stream)[0] for row in y.T])
    assert stats.kstest(pit.ravel(), "uniform").pvalue > 1e-3
    # Without chance, the transform of so few counts would not be.
    lowest = np.stack([own.below(torch.tensor(row).float())[0] for row in y.T])
    if own.mean().max() < 1:
        assert stats.kstest(lowest.ravel(), "uniform").pvalue < 1e-3


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_replicates_leave_groups_out(weights):
    """Of the score, whose second term is no mean over draws."""
    components, _ = poisson(6.0)
    own = Counted.of(components, torch.ones(DRAWS) if weights is None else torch.tensor(weights))
    y, found = torch.full((POINTS,), 5.0), own.crps(torch.full((POINTS,), 5.0))
    for replicate, group in enumerate(own._groups, start=1):
        kept = np.setdiff1d(range(DRAWS), range(DRAWS)[group])
        left = torch.ones(len(kept)) if weights is None else torch.tensor(weights[kept])
        alone = Counted.of(components.of_draws(torch.tensor(kept)), left).crps(y)[0]
        np.testing.assert_allclose(found[replicate], alone, rtol=1e-4)


@pytest.mark.parametrize("spread", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("df", [2.5, 5.0, 1e6])
def test_the_score_of_student_ts_is_that_of_many_values(df, spread):
    """The integral of F (1 - F), by the trapezoidal rule on very many steps."""
    random = np.random.default_rng(3)
    mean = spread * random.normal(size=(DRAWS, POINTS))
    scale = np.exp(random.normal(size=(DRAWS, POINTS)) / 3)
    components = StudentTs(*single(mean, scale, np.full((DRAWS, POINTS), df)))
    y = random.normal(size=POINTS)
    found = Mixture(components).crps(torch.tensor(y).float())[0]
    # Steps that are even in the inverse hyperbolic sine reach far into the tails.
    t = np.sinh(np.linspace(-12, 12, 40_001))[:, None]
    for j in range(POINTS):
        below = np.mean(
            [stats.t(df, m, s).cdf(t[:, 0]) for m, s in zip(mean[:, j], scale[:, j], strict=True)],
            0,
        )
        exact = np.trapezoid((below - (t[:, 0] >= y[j])) ** 2, t[:, 0])
        # Heavy tails end at the outermost quantiles, and steps are as wide as what they step over.
        assert found[j].item() == pytest.approx(exact, rel=1e-2 if spread > 1 else 3e-3)


def test_many_draws_are_thinned_to_about_the_same_score():
    random = np.random.default_rng(4)
    mean, scale, df = random.normal(size=(3000, 2)), np.ones((3000, 2)), np.full((3000, 2), 4.0)
    own = Mixture(StudentTs(*single(mean, scale, df)))
    few = Mixture(own.components.of_draws(slice(None, None, 2)))
    ours, theirs = own.half_differences()[0], few.half_differences()[0]
    assert len(own.half_differences()) == len(own.below(torch.zeros(2)))
    # Both are of 250 of the draws; the mean difference of as many has an error of 3 %.
    np.testing.assert_allclose(ours, theirs, rtol=0.15)


@pytest.mark.parametrize("mean", [1e-6, 0.3, 5.0, 300.0, 1e5, 4e8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log_probabilities_keep_their_digits_at_large_counts(mean, dtype):
    """Where the textbook formula in single precision is off by hundreds of nats."""
    log_mean = torch.tensor(np.log(mean), dtype=dtype)
    exact_mean = np.exp(log_mean.double().item())
    away = 3 * np.sqrt(mean)
    eps = torch.finfo(dtype).eps
    for y in sorted({0, 1, 2, round(mean), round(mean + away)}):
        count = torch.tensor(float(y), dtype=dtype)
        # What rounding the log mean itself does, to first order, and SciPy's own digits.
        slope = abs(y - exact_mean) * eps * max(1.0, abs(np.log(mean)))
        tolerance = 20 * eps + 4 * slope + 1e-15 * y * max(1.0, np.log(y + 1))
        # The term of Stirling's series that is left out, 1 / (1188 x⁹), twice.
        tolerance += 2 / (1188 * 8**9)
        exact = stats.poisson(exact_mean).logpmf(float(count))
        assert log_poisson(log_mean, count).item() == pytest.approx(
            exact, rel=20 * eps, abs=tolerance
        )
        for shape in (0.01, 0.5, 8.0, 100.0):
            given = torch.tensor(shape, dtype=dtype)
            p = given.item() / (given.item() + exact_mean)
            exact = stats.nbinom(given.item(), p).logpmf(float(count))
            found = log_negative_binomial(log_mean, given, count).item()
            assert found == pytest.approx(exact, rel=40 * eps, abs=tolerance + 1e-9 * shape)
    large = torch.tensor(1e10, dtype=dtype)
    for y in (0.0, 1.0, 7.0):
        near = log_negative_binomial(
            torch.zeros((), dtype=dtype), large, torch.tensor(y, dtype=dtype)
        )
        assert near.item() == pytest.approx(stats.poisson(1).logpmf(y), rel=1e-5)
