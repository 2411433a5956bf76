"""Mixtures against SciPy, and weights against repeated draws."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import optimize, stats

from bnnflow.model.likelihoods.normal import Normals
from bnnflow.predict import differences, weighted
from bnnflow.predict.mixture import Mixture

COUNTS = np.array([2, 1, 0, 3, 1, 5, 2, 1, 1, 4])
LEVELS = torch.tensor([0.001, 0.1, 0.5, 0.99], dtype=torch.double)


def of(mean, stddev, weights=None):
    components = Normals(*(torch.tensor(part, dtype=torch.float32) for part in (mean, stddev)))
    if weights is None:
        return Mixture(components)
    return Mixture.of(components, torch.tensor(weights, dtype=torch.double))


@pytest.fixture
def parts():
    """Means and standard deviations of 10 components at 6 points, and observations."""
    random = np.random.default_rng(0)
    mean = random.normal(size=(10, 6)) * random.uniform(0.1, 3, size=6)
    return mean, np.exp(random.normal(size=(10, 6)) / 2), random.normal(size=6)


@pytest.fixture
def pair(parts):
    """A mixture with weights, and the same with every draw as often as it weighs."""
    mean, stddev, _ = parts
    repeated = (np.repeat(part, COUNTS, axis=0) for part in (mean, stddev))
    return of(mean, stddev, COUNTS / 7), of(*repeated)


def close(ours, theirs):
    # Sums in double precision, in two orders, of terms rounded to single.
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_a_draw_counts_as_often_as_it_weighs(pair, parts):
    y = torch.tensor(parts[2], dtype=torch.float32)
    weighted, repeated = pair
    for name in ("mean", "stddev", "function_stddev"):
        close(getattr(weighted, name)(), getattr(repeated, name)())
        close(weighted.moments()[name][0], repeated.moments()[name][0])
    for name in ("log_density", "below", "crps"):
        close(getattr(weighted, name)(y)[0], getattr(repeated, name)(y)[0])
    quantiles = weighted.quantiles(LEVELS)
    for row, level in zip(quantiles, LEVELS, strict=True):
        # 1e-6 of the promise, and the rounding of the components to single precision.
        assert (repeated.below(row)[0] - level).abs().max() < 3e-6
    close(weighted.quantile_replicates(LEVELS)[0], quantiles)


def test_quantiles_of_the_function_are_those_of_draws_as_often_as_they_weigh(pair):
    weighted, repeated = pair
    # Where one draw ends and the next begins, rounding would tell.
    levels = torch.tensor([0.01, 0.12, 0.33, 0.5, 0.72, 0.99], dtype=torch.double)
    exact = np.quantile(repeated.components.mean, levels, axis=0, method="inverted_cdf")
    np.testing.assert_array_equal(weighted.function_quantiles(levels), exact)


def test_quantiles_of_the_function_at_equal_weights_are_interpolated(parts):
    mean, stddev, _ = parts
    expected = np.quantile(mean, LEVELS, axis=0)
    close(of(mean, stddev).function_quantiles(LEVELS), expected)


def test_equal_weights_are_none_whatever_their_sum(parts):
    mean, stddev, _ = parts
    assert of(mean, stddev, np.full(10, 0.3)).weights is None
    assert of(mean, stddev, COUNTS).weights.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    "wrong", [np.ones(9), np.zeros(10), -COUNTS, np.full(10, np.nan), np.full(10, np.inf)]
)
def test_weights_that_are_none_are_refused(parts, wrong):
    with pytest.raises(ValueError, match="not those of the draws"):
        of(*parts[:2], wrong)


def test_replicates_leave_groups_of_draws_out_whatever_these_weigh(parts):
    mean, stddev, y = parts
    y = torch.tensor(y, dtype=torch.float32)
    own = of(mean, stddev, COUNTS)
    groups = own._groups
    assert [g.stop for g in groups][:-1] == [g.start for g in groups][1:]
    assert len(own.below(y)) == len(groups) + 1
    for replicate, group in enumerate(groups, start=1):
        kept = np.setdiff1d(range(10), range(10)[group])
        alone = of(mean[kept], stddev[kept], COUNTS[kept])
        for name in ("below", "log_density"):
            close(getattr(own, name)(y)[replicate], getattr(alone, name)(y)[0])
        for name, values in own.moments().items():
            close(values[replicate], alone.moments()[name][0])


def test_replicates_of_many_draws_leave_out_about_equal_weights():
    random = np.random.default_rng(1)
    weights = random.exponential(size=1000)
    own = of(random.normal(size=(1000, 1)), np.ones((1000, 1)), weights)
    assert len(own._weight) == weighted.GROUPS
    # A group ends at most one draw early or late.
    assert (own._weight - 0.1).abs().max() <= own.weights.max()


def test_the_jackknife_of_weighted_draws_is_the_spread_of_their_mean():
    random = np.random.default_rng(2)
    weights = np.repeat([0.1, 0.3, 0.6], 400)
    means, errors = [], []
    for _ in range(300):
        own = of(random.normal(size=(1200, 1)), np.ones((1200, 1)), weights)
        replicates = own.moments()["mean"][:, 0].numpy()
        left = len(replicates) - 1
        means.append(replicates[0])
        errors.append((left - 1) * np.var(replicates[1:]))
    # Both variances are known to 8 and 3 %; groups of unlike size make the second a bit larger.
    assert 0.75 < np.mean(errors) / np.var(means) < 1.5


def test_draws_come_as_often_as_they_weigh(pair):
    weighted, _ = pair
    weights = COUNTS / COUNTS.sum()
    counted = np.bincount(weighted._drawn(torch.arange(1000).double() / 1000), minlength=10)
    np.testing.assert_allclose(counted / 1000, weights, atol=1e-3)
    assert set(weighted.evenly(20).tolist()) <= set(np.flatnonzero(COUNTS))
    values = torch.cat(list(weighted.samples(20_000, torch.Generator().manual_seed(0))), dim=1)
    error = weighted.stddev() / np.sqrt(20_000)
    assert ((values.mean(0) - weighted.mean()).abs() < 5 * error).all()
    below = (values < weighted.quantiles(LEVELS)[2]).double().mean(0)
    assert (below - 0.5).abs().max() < 5 * 0.5 / np.sqrt(20_000)


@pytest.mark.parametrize("drift", [False, True])
def test_the_crps_of_many_weighted_draws_is_close_to_that_of_all_pairs(drift):
    random = np.random.default_rng(3)
    mean = random.normal(size=(600, 1))
    mean = np.sort(mean, axis=0) if drift else mean
    weights = random.exponential(size=600) * np.repeat([0.2, 0.8], 300)
    own = of(mean, np.full((600, 1), 0.1), weights)
    weights /= weights.sum()
    apart = Normals(own.components.mean - own.components.mean.T, torch.full((600, 600), 0.02**0.5))
    pairs = weights @ apart.distance(torch.zeros(600)).double().numpy() @ weights
    exact = (
        own.components.distance(torch.tensor([0.5]))[:, 0].double().numpy() @ weights - pairs / 2
    )
    # As without weights, whose 600 draws count here as about half as many.
    error = 0.85 / np.sqrt(differences.PAIRS / 2) / 2
    assert abs(own.crps(torch.tensor([0.5]))[0, 0] - exact) < 5 * error


@pytest.mark.parametrize("spread", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_quantiles_are_those_of_the_mixture(spread, weighted):
    """Separated, overlapping and very unequal components against a root finder."""
    random = np.random.default_rng(1)
    mean = random.normal(size=(15, 4)) * spread
    stddev = np.exp(random.normal(size=(15, 4)) * 1.5)
    weights = random.exponential(size=15) if weighted else np.ones(15)
    weights /= weights.sum()
    found = of(mean, stddev, weights).quantiles(LEVELS)
    for row, level in zip(found, LEVELS.tolist(), strict=True):
        for j in range(4):

            def excess(t, j=j, level=level):
                return weights @ stats.norm(mean[:, j], stddev[:, j]).cdf(t) - level

            exact = optimize.brentq(excess, -1000, 1000, xtol=1e-12)
            # 1e-6 of the promise, and the rounding of the components to single precision.
            assert abs(excess(row[j].item())) < 2e-6
            assert row[j].item() == pytest.approx(exact, rel=1e-2, abs=1e-2)


def test_one_draw_has_the_quantiles_of_one_normal():
    found = of([[1.0]], [[2.0]]).quantiles(torch.tensor([0.025, 0.975]).double())
    np.testing.assert_allclose(found[:, 0], 1 + 2 * stats.norm.ppf([0.025, 0.975]), atol=1e-4)


def test_moments_are_those_of_many_values(parts):
    mean, stddev, _ = parts
    own, random = of(mean, stddev), np.random.default_rng(0)
    component = random.integers(10, size=(200_000, 1))
    sample = random.normal(mean[component, range(6)], stddev[component, range(6)])
    error = sample.std(0) / np.sqrt(len(sample))
    np.testing.assert_array_less(np.abs(sample.mean(0) - own.mean().numpy()), 5 * error)
    fourth = ((sample - sample.mean(0)) ** 4).mean(0)
    error = np.sqrt((fourth - sample.var(0) ** 2) / len(sample))
    np.testing.assert_array_less(np.abs(sample.var(0) - own.stddev().numpy() ** 2), 5 * error)
    close(own.function_stddev(), mean.std(0))


@dataclass(frozen=True)
class Logistic:
    """A family that the workflow does not have: what there is to write for a new one."""

    mean: torch.Tensor
    scale: torch.Tensor

    @property
    def shape(self):
        return tuple(self.mean.shape)

    def _each(self, change):
        return Logistic(change(self.mean), change(self.scale))

    def parts(self, points):
        pairs = zip(self.mean.split(points, 1), self.scale.split(points, 1), strict=True)
        return [Logistic(*pair) for pair in pairs]

    def of_draws(self, draws):
        return self._each(lambda part: part[draws])

    def at(self, points):
        return self._each(lambda part: part[:, points])

    def double(self):
        return self._each(torch.Tensor.double)

    def variance(self):
        return self.scale.square() * np.pi**2 / 3

    def log_density(self, y):
        u = ((y - self.mean) / self.scale).double()
        return -u - 2 * torch.nn.functional.softplus(-u) - self.scale.log()

    def below(self, t):
        return torch.sigmoid((t - self.mean) / self.scale)

    def density(self, t):
        below = self.below(t)
        return below * (1 - below) / self.scale

    def averaged(self, average):
        return lambda t: (average(self.below(t)), lambda: average(self.density(t)))

    @property
    def ends(self):
        reach = 30 * self.scale.amax(0)
        return self.mean.amin(0) - reach, self.mean.amax(0) + reach


@pytest.mark.parametrize("weights", [None, COUNTS])
def test_another_family_is_a_class_of_closed_forms(parts, weights):
    mean, scale, y = parts
    components = Logistic(*(torch.tensor(part, dtype=torch.float32) for part in (mean, scale)))
    shares = np.full(10, 0.1) if weights is None else weights / weights.sum()
    own = Mixture.of(components, torch.tensor(shares))
    exact, seen = stats.logistic(mean, scale), torch.tensor(y, dtype=torch.float32)
    close(own.mean(), shares @ mean)
    spread = shares @ (exact.var() + mean**2) - (shares @ mean) ** 2
    close(own.stddev(), np.sqrt(spread))
    close(own.below(seen)[0], shares @ exact.cdf(y))
    close(own.log_density(seen)[0], np.log(shares @ exact.pdf(y)))
    for row, level in zip(own.quantiles(LEVELS), LEVELS.tolist(), strict=True):
        np.testing.assert_allclose(shares @ exact.cdf(row.numpy()), level, atol=3e-6)
