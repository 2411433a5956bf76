"""Models of scikit-learn in the place of a network: stored as arrays, and as good as their own."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from bnnflow.config.checks import ConfigError, checked
from bnnflow.config.relations import figure_names, relatives
from bnnflow.files import posterior
from bnnflow.files.columns import Column
from bnnflow.files.encodings import Encoding
from bnnflow.judge import fit
from bnnflow.methods import baseline
from bnnflow.methods.estimators import gaussian_process, gradient_boosting, stored
from bnnflow.methods.estimators.named import ESTIMATORS
from bnnflow.methods.estimators.quantiles import LEVELS, Quantiled
from bnnflow.predict import predictive
from bnnflow.predict.mixture import Mixture

ABOUT = Encoding((Column("a", 1.0, 2.0), Column("b")), (Column("y", 5.0, 3.0), Column("z")))
TABLE = {"data": {"table": "a.csv", "targets": ["y"]}}


def random(seed=3):
    return np.random.default_rng(seed)


def rows(count=60):
    """Encoded inputs (n, 2), and two targets (2, n), in single precision as a fit has them."""
    x = random().normal(size=(count, 2)).astype(np.float32).astype(float)
    noise = 0.1 * random(4).normal(size=(2, count))
    return x, np.stack([np.sin(2 * x[:, 0]), 40 + 10 * x[:, 1]]) + noise


@pytest.fixture(scope="module", params=ESTIMATORS)
def tree(request, tmp_path_factory):
    """What a file gives back of a model of two targets."""
    path = tmp_path_factory.mktemp("fit") / "posterior.nc"
    tree = stored.of_targets(request.param, *rows(), 1, ABOUT)
    posterior.write(posterior.weighted(tree), path)
    return request.param, posterior.read(path, predictive.NEEDED)


def test_a_file_predicts_every_target_as_it_was_learnt(tree):
    name, own = tree
    x, columns = rows()
    found = predictive.mixtures({}, own, np.column_stack([2 * x[:, 0] + 1, x[:, 1]]))
    again = stored.components(stored.of_targets(name, x, columns, 1, ABOUT), x.astype(np.float32))
    for mixture, direct, y in zip(found, again, columns, strict=True):
        np.testing.assert_array_equal(mixture.components.mean, direct.mean)
        assert np.corrcoef(mixture.mean(), y)[0, 1] > 0.8
        assert not mixture.components.wrong().any()


def test_scores_of_a_model_are_finite_and_have_no_error_of_draws(tree):
    _, own = tree
    x, columns = rows()
    for mixture, y in zip(predictive.mixtures({}, own, x), columns, strict=True):
        seen = torch.from_numpy(y).float()
        for values in (mixture.log_density(seen), mixture.crps(seen), mixture.below(seen)):
            assert values.shape == (1, len(y))
            assert values.isfinite().all()


def test_a_gaussian_process_is_that_of_scikit_learn():
    x, (y, _) = rows()
    y = (y - y.mean()) / y.std()
    learnt = gaussian_process.learn(x, y, 0)
    own = {"location": 0.0, "unit": 1.0} | learnt.parameters | learnt.kept
    at = random(5).normal(size=(7, 2))
    found = gaussian_process.components({k: np.asarray(v) for k, v in own.items()}, at)
    kernel = ConstantKernel(own["amplitude"]) * Matern(own["length_scale"], nu=1.5)
    other = GaussianProcessRegressor(kernel + WhiteKernel(own["noise"]), optimizer=None).fit(x, y)
    mean, stddev = other.predict(at, return_std=True)
    # Rounded to single precision.
    np.testing.assert_allclose(found.mean[0], mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.stddev[0], stddev, rtol=1e-5)


def test_a_gaussian_process_conditions_a_normal_distribution():
    """By the joint covariance of seen and new rows, written out entry by entry."""
    x, y, at = np.array([[0.0], [1.0], [1.5]]), np.array([0.5, -0.2, 0.1]), np.array([[0.4], [9.0]])
    own = {"location": 2.0, "unit": 3.0, "amplitude": 1.7, "length_scale": [0.8], "noise": 0.05}
    own |= {"inputs": x, "outputs": y}

    def covariance(a, b):
        r = np.sqrt(3) * abs(a - b) / 0.8
        return 1.7 * (1 + r) * np.exp(-r)

    among = np.array([[covariance(a, b) for b in x[:, 0]] for a in x[:, 0]]) + 0.05 * np.eye(3)
    across = np.array([[covariance(a, b) for b in x[:, 0]] for a in at[:, 0]])
    mean = across @ np.linalg.inv(among) @ y
    variance = 1.75 - np.diag(across @ np.linalg.inv(among) @ across.T)
    found = gaussian_process.components({k: np.asarray(v) for k, v in own.items()}, at)
    np.testing.assert_allclose(found.mean[0], 3 * mean + 2, rtol=1e-6)
    np.testing.assert_allclose(found.stddev[0], 3 * np.sqrt(variance), rtol=1e-6)


def test_the_parameters_of_a_gaussian_process_are_the_most_likely():
    x, (y, _) = rows()
    y = (y - y.mean()) / y.std()
    own = gaussian_process.learn(x, y, 0).parameters

    def likelihood(amplitude=1.0, length=1.0, noise=1.0):
        distance = np.linalg.norm((x[:, None] - x) / (length * own["length_scale"]), axis=-1)
        r = np.sqrt(3) * distance
        smooth = amplitude * own["amplitude"] * (1 + r) * np.exp(-r)
        whole = smooth + noise * own["noise"] * np.eye(len(x))
        return stats.multivariate_normal(np.zeros(len(x)), whole).logpdf(y)

    best = likelihood()
    for name in ("amplitude", "length", "noise"):
        for factor in (0.8, 1.25):
            assert likelihood(**{name: factor}) < best


def test_trees_are_those_of_scikit_learn():
    x, (y, _) = rows()
    own = gradient_boosting._stored(x, y, 2)
    at = random(6).normal(size=(30, 2)).astype(np.float32)
    found = gradient_boosting._predicted(own, at)
    settings = {"n_estimators": 200, "max_depth": 6, "learning_rate": 0.1, "subsample": 0.5}
    for place in (0, 7):
        other = GradientBoostingRegressor(
            loss="quantile", alpha=LEVELS[place], min_samples_leaf=5, random_state=2, **settings
        ).fit(x, y)
        np.testing.assert_allclose(found[:, place], other.predict(at), rtol=1e-12, atol=1e-12)


def test_quantiles_are_kept_apart_from_their_median():
    knots = np.array([[0.0, 0.0, 0.1, 0.1, 0.2, 0.5, 0.5, 0.9, 0.9, 1.0, 4.0]])
    found = gradient_boosting._apart(knots, 0.5)
    assert found[0, 5] == 0.5
    assert (np.diff(found) >= 0.5 * np.diff(LEVELS) - 1e-12).all()
    np.testing.assert_array_equal(gradient_boosting._apart(found, 0.5), found)


@pytest.fixture
def quantiled():
    """Three distributions, of which the last is narrow."""
    steps = np.array([[1.0] * 10, np.linspace(0.1, 3, 10), [0.01] * 10])
    starts = np.array([[-5.0], [0.0], [2.0]])
    knots = starts + np.cumsum(np.pad(steps, ((0, 0), (1, 0))), axis=1)
    tails = np.array([[0.5, 1.0], [2.0, 0.1], [0.02, 0.03]])
    return Quantiled.of(*(torch.from_numpy(part)[None] for part in (knots, tails)))


def test_a_distribution_of_quantiles_has_them(quantiled):
    for place, level in enumerate(LEVELS):
        below = quantiled.below(quantiled.knots[0, :, place])
        np.testing.assert_allclose(below, level, atol=1e-12)
    grid = torch.linspace(-30, 30, 2001, dtype=torch.double)
    for point in range(3):
        below = quantiled.at([point]).below(grid)[0]
        assert (below.diff() >= 0).all()
        assert below[0] < 1e-6
        assert below[-1] > 1 - 1e-6


def test_a_distribution_of_quantiles_has_a_density_and_moments(quantiled):
    y = torch.tensor([-7.0, 1.0, 2.05], dtype=torch.double)
    for point in range(3):
        own = quantiled.at([point])
        low, high = own.ends
        ends = [low.item(), *own.knots[0, 0].tolist(), high.item()]

        def mean_of(function, own=own, ends=ends):
            def integrand(t):
                at = torch.tensor([t], dtype=torch.double)
                return function(t) * own.log_density(at).exp().item()

            return sum(integrate.quad(integrand, *pair)[0] for pair in pairwise(ends))

        assert mean_of(lambda t: 1) == pytest.approx(1, abs=1e-6)
        mean = mean_of(lambda t: t)
        assert own.mean.item() == pytest.approx(mean, abs=1e-5)
        variance = mean_of(lambda t, mean=mean: (t - mean) ** 2)
        assert own.variance().item() == pytest.approx(variance, rel=1e-4)
        for at in (y[[point]], own.knots[0, :, -1] + 1, own.knots[0, :, 0] - 0.3):
            exact = mean_of(lambda t, at=at: abs(t - at.item()))
            assert own.distance(at).item() == pytest.approx(exact, rel=1e-4)


def test_a_distribution_of_quantiles_is_asked_at_points_or_at_points_of_every_draw(quantiled):
    t = torch.tensor([-4.0, 1.0, 2.02], dtype=torch.double)
    for asked in (quantiled.below, quantiled.density, quantiled.log_density):
        torch.testing.assert_close(asked(t[None]), asked(t), rtol=0, atol=0)


def test_values_of_a_distribution_of_quantiles_fall_as_it_says(quantiled):
    many = Quantiled(*(part.expand(4000, *part.shape[1:]) for part in quantiled._parameters))
    values = many.sample(torch.Generator().manual_seed(2))
    for point in range(3):
        shares = quantiled.at([point]).below(values[:, point])[0]
        assert stats.kstest(shares.numpy(), "uniform").pvalue > 0.001


def test_the_crps_of_quantiles_is_its_integral(quantiled):
    y = torch.tensor([-4.3, 3.0, 2.5])
    found = Mixture(Quantiled(*(part.float() for part in quantiled._parameters))).crps(y)[0]
    for point in range(3):
        own, at = quantiled.at([point]), y[point].item()
        grid = torch.linspace(-60, 60, 1_200_001, dtype=torch.double)
        square = (own.below(grid)[0] - (grid >= at).double()).square()
        exact = torch.trapezoid(square, grid).item()
        # The mean difference of two values is an integral by Simpson's rule.
        assert found[point].item() == pytest.approx(exact, rel=0.01)


def test_tails_are_of_rows_that_were_not_seen():
    """Where quantiles are right, a tail's mean distance is that of the distribution itself."""
    y = random(8).exponential(size=20_000)
    knots = np.tile(stats.expon.ppf(LEVELS), (len(y), 1))
    tails, gap = gradient_boosting._spread(knots, y)
    # The upper tail of an exponential distribution has its own scale; 1,000 rows are there.
    assert tails[1] == pytest.approx(1, abs=4 / np.sqrt(1000))
    assert gap in gradient_boosting.GAPS


class Data:
    """What a method needs of a density."""

    def __init__(self, x, y):
        self.data = torch.from_numpy(x), torch.from_numpy(y)


def inferred(encoding=ABOUT, **settings):
    x, columns = rows()
    own = baseline.Baseline(**settings)
    return own.infer(Data(x, columns.T), [1], [], observations=len(x), encoding=encoding)


def test_of_too_many_rows_some_are_taken_and_that_is_told(caplog):
    tree = inferred(rows=25)
    assert tree["estimator"]["inputs"].shape == (2, 25, 2)
    assert "of 60 training rows 25 are taken" in caplog.text


def test_levels_are_refused_by_name():
    alloy = Column("alloy", kind="binary", levels=("a", "b"))
    with pytest.raises(ValueError, match="the target alloy is of levels"):
        inferred(Encoding(ABOUT.inputs, (ABOUT.targets[0], alloy)))


def test_a_baseline_is_beside_no_sampled_fit_and_has_no_prior():
    inference = {"method": "baseline"}
    svi = {"inference": {"method": "svi"}}
    config = checked(TABLE | {"fits": {"net": {}, "guide": svi, "gp": {"inference": inference}}})
    assert relatives(config) == {"net": {}, "guide": {"reference": "net"}, "gp": {}}
    assert {"net_prior", "guide_prior"} <= set(figure_names(config))
    assert "gp_prior" not in figure_names(config)
    wrong = {"inference": inference, "prior": {"posterior_of": "guide"}}
    with pytest.raises(ConfigError, match=r"gp.prior.posterior_of: .* a baseline has no prior"):
        checked(TABLE | {"fits": {"guide": svi, "gp": wrong}})


def test_a_baseline_needs_nothing_that_only_draws_have():
    assert fit.needed(baseline.Baseline.leaves, []) == []


def test_a_baseline_is_fitted_on_the_processor():
    own = {"fits": {"gp": {"inference": {"method": "baseline", "device": "cuda"}}}}
    with pytest.raises(ConfigError, match="allowed with the method baseline is cpu"):
        checked(TABLE | own)


def test_trees_of_logarithms_have_the_density_of_their_own_units():
    about = Encoding(ABOUT.inputs, (Column("y", 0.3, 0.5, transform="log"),))
    x, columns = rows()
    tree = posterior.weighted(stored.of_targets("gradient_boosting", x, columns[:1], 1, about))
    (found,) = predictive.mixtures({}, tree, np.array([[1.0, 0.0]]))
    low, high = (end.item() for end in found.components.ends)
    grid = torch.from_numpy(np.geomspace(low, high, 2001))
    one = found.components
    density = torch.cat([one.log_density(t[None])[0] for t in grid]).exp().numpy()
    assert integrate.trapezoid(density, grid.numpy()) == pytest.approx(1, abs=0.01)
    # Steps, over which moments are sums, are wide beside the parts of a distribution of quantiles.
    assert found.mean().item() == pytest.approx(
        integrate.trapezoid(density * grid.numpy(), grid.numpy()), rel=0.05
    )
    assert found.crps(torch.tensor([1.5])).isfinite().all()


def test_a_model_of_logarithms_predicts_in_the_targets_units():
    """A Gaussian process of log y is log-normal in y."""
    about = Encoding(ABOUT.inputs, (Column("y", 0.3, 0.5, transform="log"),))
    x, columns = rows()
    tree = posterior.weighted(stored.of_targets("gaussian_process", x, columns[:1], 1, about))
    at = np.column_stack([2 * x[:, 0] + 1, x[:, 1]])
    (found,) = predictive.mixtures({}, tree, at)
    inner = found.components.inner
    mean, stddev = inner.mean[0].double() * 0.5 + 0.3, inner.stddev[0].double() * 0.5
    exact = stats.lognorm(stddev.numpy(), scale=mean.exp().numpy())
    y = np.exp(mean.numpy()) * 1.1
    density = found.log_density(torch.from_numpy(y))[0]
    # What the network sees is rounded to single precision.
    np.testing.assert_allclose(density, exact.logpdf(y), atol=1e-4)
    np.testing.assert_allclose(found.mean(), exact.mean(), rtol=1e-5)
