"""A constant and a linear model, and how much better than the latter a fit is."""

import logging

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, optimize, stats

from bnnflow.data import baselines, distributions, points
from bnnflow.data.distributions import OfCounts, OfLevels, OfNumbers
from bnnflow.data.table import Table
from bnnflow.files.columns import Column
from bnnflow.files.encodings import Encoding
from bnnflow.judge import scores
from bnnflow.judge.skill import of_skill

LEVELS = [0.05, 0.5, 0.95]
LIMITS = {"skill": (2.0, -2.0)}
REAL = Column("y")
ALLOYS = Column("alloy", kind="classes", levels=("a", "b", "c"))


def random(seed=7):
    return np.random.default_rng(seed)


def rows(target=REAL, inputs=None, **columns):
    inputs = inputs or tuple(Column(name) for name in columns if name != target.name)
    columns = {name: np.asarray(values, dtype=float) for name, values in columns.items()}
    return Table(pd.DataFrame(columns), Encoding(inputs, (target,)))


def predicted(training, at):
    """Constant and line."""
    found = baselines.foretold(training, np.asarray(at, dtype=float))
    return found["constant"][0], found["linear"][0]


def scored(distribution, y):
    y = np.asarray(y, dtype=float)[None]
    return distributions.scores_at([distribution], y, LEVELS, random()).isel(replicate=0, target=0)


def test_a_constant_is_the_integral_over_its_mean_and_noise():
    """p(y* | y) of a normal distribution under p(μ, σ²) ∝ 1/σ², by quadrature over both."""
    y = np.array([1.0, 1.5, 3.0, 2.2, 0.4, 1.9, 2.8, 1.1])
    constant, _ = predicted(rows(x=np.arange(8), y=y), [[0.0]])

    # A sum over a grid, which of so smooth a function is the integral; a step of the
    # variance over itself is twice one of log sigma.
    mean, log_sigma = np.meshgrid(np.linspace(-30, 34, 2001), np.linspace(-3, 5, 801))

    def whole(*at):
        seen = np.append(y, at)
        squares = ((seen - seen.mean()) ** 2).sum() + len(seen) * (mean - seen.mean()) ** 2
        log = -squares / (2 * np.exp(2 * log_sigma)) - len(seen) * log_sigma
        return np.exp(log - len(at) * np.log(2 * np.pi) / 2).sum()

    evidence = whole()
    for at in (-1.0, 1.7, 6.0):
        exact = np.log(whole(at) / evidence)
        assert scored(constant, [at])["log_density"].item() == pytest.approx(exact, abs=1e-5)


def test_a_line_is_the_student_t_of_the_textbook():
    """t with n - p degrees of freedom, about the least squares, with s² (1 + x'(X'X)⁻¹x)."""
    x, noise = random().normal(size=(30, 2)), random(8).normal(size=30)
    y = 3 + x @ [1.0, -2.0] + noise
    at = np.array([[0.0, 0.0], [2.0, -3.0], [10.0, 10.0]])
    _, line = predicted(rows(a=x[:, 0], b=x[:, 1], y=y), at)
    design, new = (np.column_stack([np.ones(len(own)), own]) for own in (x, at))
    inverse = np.linalg.inv(design.T @ design)
    slopes = inverse @ design.T @ y
    variance = ((y - design @ slopes) ** 2).sum() / 27
    leverage = np.einsum("ij,jk,ik->i", new, inverse, new)
    exact = stats.t(27, new @ slopes, np.sqrt(variance * (1 + leverage)))
    seen = np.array([2.0, 12.0, -20.0])
    found = scored(line, seen)
    np.testing.assert_allclose(found["log_density"], exact.logpdf(seen), rtol=1e-9)
    np.testing.assert_allclose(found["pit"], exact.cdf(seen), rtol=1e-9)
    np.testing.assert_allclose(found["mean"], exact.mean(), rtol=1e-9)
    np.testing.assert_allclose(found["stddev"], exact.std(), rtol=1e-9)
    np.testing.assert_allclose(
        found["function_stddev"], np.sqrt(variance * leverage * 27 / 25), rtol=1e-9
    )
    np.testing.assert_allclose(found["quantiles"], exact.ppf(np.array(LEVELS)[:, None]), rtol=1e-7)


def test_columns_that_others_make_up_change_nothing():
    x, y = random().normal(size=(40, 2)), random(8).normal(size=40)
    at = random(9).normal(size=(5, 2))
    _, plain = predicted(rows(a=x[:, 0], b=x[:, 1], y=y), at)
    third = lambda own: 3 * own[:, 0] - own[:, 1] + 4  # noqa: E731
    _, more = predicted(
        rows(a=x[:, 0], b=x[:, 1], c=third(x), y=y), np.column_stack([at, third(at)])
    )
    for name, values in scored(plain, np.zeros(5)).items():
        np.testing.assert_allclose(scored(more, np.zeros(5))[name], values, rtol=1e-7)


def test_levels_are_means_of_their_rows():
    """Of a column of levels alone the line predicts the mean of each, with a common noise."""
    alloy, y = np.repeat([0, 1, 2], 10), random().normal(size=30) + np.repeat([0, 5, 9], 10)
    _, line = predicted(rows(inputs=(ALLOYS,), alloy=alloy, y=y), [[0], [1], [2]])
    means = y.reshape(3, 10).mean(1)
    spread = np.sqrt(((y - np.repeat(means, 10)) ** 2).sum() / 27 * 1.1)
    exact = stats.t(27, means, spread)
    np.testing.assert_allclose(scored(line, [0, 5, 9])["log_density"], exact.logpdf([0, 5, 9]))


def test_fewer_rows_than_columns_leave_a_line_and_a_word(caplog):
    x, y = random().normal(size=(12, 20)), random(8).normal(size=12)
    names = [f"x{i}" for i in range(20)]
    _, line = predicted(rows(**dict(zip(names, x.T, strict=True)), y=y), x)
    assert line.df == baselines.LEAST_DF
    assert "12 training rows are too few" in caplog.text
    found = scored(line, y)
    assert all(np.isfinite(values).all() for values in found.values())


def test_a_target_that_is_linear_has_a_line_of_great_density():
    x = np.linspace(0, 1, 20)
    _, line = predicted(rows(x=x, y=2 * x), [[0.5]])
    found = scored(line, [1.0])
    assert found["mean"].item() == pytest.approx(1)
    assert 10 < found["log_density"].item() < 30


def test_a_unit_changes_what_it_must():
    x, y = random().normal(size=30), random(8).normal(size=30)
    own = scored(predicted(rows(x=x, y=y), [[0.3], [2.0]])[1], [0.1, 0.5])
    other = scored(predicted(rows(x=7 * x, y=100 * y + 5), [[2.1], [14.0]])[1], [15.0, 55.0])
    np.testing.assert_allclose(other["log_density"], own["log_density"] - np.log(100), rtol=1e-9)
    np.testing.assert_allclose(other["crps"], 100 * own["crps"], rtol=1e-9)
    np.testing.assert_allclose(other["quantiles"], 100 * own["quantiles"] + 5, rtol=1e-9)
    np.testing.assert_allclose(other["pit"], own["pit"], rtol=1e-9)


def crps_by_quadrature(below, y):
    def square(t):
        return (below(t) - (t >= y)) ** 2

    return sum(integrate.quad(square, *ends, limit=500)[0] for ends in ((-np.inf, y), (y, np.inf)))


@pytest.mark.parametrize("df", [3.0, 11.0, np.inf])
def test_the_crps_of_a_student_t_is_its_integral(df):
    column = Column("y", centre=4.0, scale=2.0)
    y = np.array([-3.0, 4.1, 9.0])
    own = OfNumbers(np.array([0.0, 0.3, -1.0]), np.array([1.0, 0.5, 2.0]), np.zeros(3), df, column)
    found = scored(own, y)
    for place in range(3):
        mean, scale = 2 * own.mean[place] + 4, 2 * own.scale[place]
        exact = stats.t(df, mean, scale) if np.isfinite(df) else stats.norm(mean, scale)
        by_hand = crps_by_quadrature(exact.cdf, y[place])
        assert found["crps"][place].item() == pytest.approx(by_hand, rel=1e-5)
        assert found["log_density"][place].item() == pytest.approx(exact.logpdf(y[place]))
        assert found["stddev"][place].item() == pytest.approx(exact.std())


@pytest.mark.parametrize("transform", ["log", "log1p", "sqrt"])
def test_a_transformed_target_has_a_density_in_its_own_units(transform):
    column = Column("y", centre=2.0, scale=0.1, transform=transform)
    own = OfNumbers(np.zeros(1), np.ones(1), np.zeros(1), 40.0, column)
    density = lambda y: np.exp(scored(own, [y])["log_density"].item())  # noqa: E731
    low, high = own.quantiles([0.001, 0.999])[:, 0]
    assert integrate.quad(density, low, high)[0] == pytest.approx(0.998, abs=1e-6)
    middle = scored(own, [own.quantiles([0.3])[0, 0]])
    assert middle["pit"].item() == pytest.approx(0.3)
    # What its thousand steps leave of the tails.
    sample = own.quantiles((np.arange(100_000) + 0.5) / 100_000)[:, 0]
    assert middle["mean"].item() == pytest.approx(sample.mean(), rel=1e-3)
    assert middle["stddev"].item() == pytest.approx(sample.std(), rel=5e-3)


def test_a_line_of_logarithms_predicts_what_a_log_normal_table_has():
    x = random().normal(size=400)
    y = np.exp(1 + x + 0.2 * random(8).normal(size=400))
    _, line = predicted(rows(target=Column("y", transform="log"), x=x, y=y), [[1.0]])
    assert line.quantiles([0.5])[0, 0] == pytest.approx(np.exp(2), rel=0.05)


@pytest.mark.parametrize("size", [0.7, 5.0, np.inf])
def test_counts_have_the_probabilities_of_scipy(size):
    mean, y = np.array([0.2, 3.0, 40.0]), np.array([0.0, 5.0, 31.0])
    exact = stats.poisson(mean) if np.isinf(size) else stats.nbinom(size, size / (size + mean))
    found = scored(OfCounts(mean, size), y)
    np.testing.assert_allclose(found["log_density"], exact.logpmf(y), rtol=1e-9)
    np.testing.assert_allclose(found["stddev"], exact.std(), rtol=1e-9)
    np.testing.assert_allclose(found["quantiles"], exact.ppf(np.array(LEVELS)[:, None]))
    assert (found["pit"] >= exact.cdf(y - 1)).all()
    assert (found["pit"] <= exact.cdf(y)).all()
    k = np.arange(2000)[:, None]
    np.testing.assert_allclose(found["crps"], ((exact.cdf(k) - (y <= k)) ** 2).sum(0), rtol=1e-7)


def test_counts_that_vary_as_poissons_are_and_others_are_not():
    target, x = Column("y", kind="count"), random().normal(size=2000)
    mean = np.exp(1 + 0.5 * x)
    for size, y in (
        (np.inf, random(8).poisson(mean)),
        (2.0, random(8).negative_binomial(2, 2 / (2 + mean))),
    ):
        _, line = predicted(rows(target=target, x=x, y=y), [[0.0], [2.0]])
        # Four standard errors of the logarithm of a mean, of about 2000 rows.
        np.testing.assert_allclose(np.log(line.mean), [1, 2], atol=0.25)
        if np.isinf(size):
            assert line.size > 20
        else:
            assert line.size == pytest.approx(size, rel=0.3)


def test_the_mean_of_counts_is_their_constant():
    target, y = Column("y", kind="count"), random().poisson(3, size=50)
    constant, _ = predicted(rows(target=target, x=np.arange(50), y=y), [[0.0]])
    assert constant.mean == pytest.approx([y.mean()])


def test_levels_have_frequencies_and_half_an_observation_more():
    target = Column("y", kind="classes", levels=("a", "b", "c", "never"))
    y = np.array([0, 0, 0, 1, 1, 2, 0, 0, 1, 2])
    constant, line = predicted(rows(target=target, x=np.arange(10), y=y), [[0.0]])
    np.testing.assert_allclose(constant.probability, [[5.5 / 12, 3.5 / 12, 2.5 / 12, 0.5 / 12]])
    assert line.probability.sum() == pytest.approx(1)
    assert line.probability[0, 3] == pytest.approx(0.5 / 12)


def test_a_logistic_regression_is_the_most_likely_under_its_prior():
    target, x = Column("y", kind="binary", levels=("no", "yes")), random().normal(size=80)
    y = (random(8).uniform(size=80) < 1 / (1 + np.exp(-2 * x))).astype(float)
    _, line = predicted(rows(target=target, x=x, y=y), [[0.0], [1.0]])
    u = (x - x.mean()) / x.std()

    def loss(at):
        eta = at[0] + at[1] * u
        return np.logaddexp(0, eta).sum() - eta @ y + at[1] ** 2 / (2 * baselines.PRIOR**2)

    a, b = optimize.minimize(loss, [0.0, 0.0], tol=1e-10).x
    exact = 1 / (1 + np.exp(-(a + b * (np.array([0.0, 1.0]) - x.mean()) / x.std())))
    # Half an observation more takes nothing from either, as both are there.
    np.testing.assert_allclose(line.probability[:, 1], exact, atol=1e-4)


def test_levels_are_scored_by_their_order():
    own = OfLevels(np.array([[0.2, 0.8], [0.9, 0.1]]))
    found = scored(own, [1, 1])
    np.testing.assert_allclose(found["log_density"], np.log([0.8, 0.1]))
    np.testing.assert_allclose(found["crps"], [0.2**2, 0.9**2])
    np.testing.assert_allclose(found["mean"], [0.8, 0.1])
    np.testing.assert_allclose(found["quantiles"], [[0, 0], [1, 0], [1, 1]])
    assert (found["pit"] >= [0.2, 0.9]).all()
    assert (found["pit"] <= 1).all()


def test_levels_beside_numbers_have_probabilities_and_numbers_have_none():
    numbers = OfNumbers(np.zeros(2), np.ones(2), np.zeros(2), np.inf, REAL)
    levels = OfLevels(np.array([[0.2, 0.8], [0.9, 0.1]]))
    y = np.array([[0.5, 0.1], [1.0, 0.0]])
    found = distributions.scores_at([numbers, levels], y, LEVELS, random())
    assert found["class_probability"].dims == ("replicate", "class", "target", "point")
    assert found["class_probability"][0, :, 0].values.tolist() == [[0, 0], [0, 0]]
    assert found["class_probability"][0, :, 1].values.tolist() == [[0.2, 0.9], [0.8, 0.1]]


def test_levels_beside_numbers_have_the_scores_that_classes_of_fits_have():
    """Brier score, wrong ones and the mean log probability, by hand; of the number the error."""
    columns = (
        Column("size"),
        Column("alloy", kind="classes", levels=("a", "b", "c")),
        Column("sold", kind="binary", levels=("no", "yes")),
    )
    chances = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8], [0.3, 0.3, 0.4]])
    yes = np.array([0.9, 0.2, 0.4, 0.7])
    own = [
        OfNumbers(np.zeros(4), np.ones(4), np.zeros(4), np.inf, columns[0]),
        OfLevels(chances),
        OfLevels(np.stack([1 - yes, yes], axis=1)),
    ]
    y = {"x": np.arange(4.0), "size": np.full(4, 2.0), "alloy": [1, 2, 2, 0], "sold": [1, 1, 0, 1]}
    every = {"all": np.ones(4, bool)}
    names = [column.name for column in columns]
    held_out = points.held_out(pd.DataFrame(y), ["x"], names, every, every)
    found = distributions.scores_at(own, held_out["targets"].to_numpy(), LEVELS, random())
    table = scores.table(held_out.merge(found)).set_index(["target", "metric"])["value"]
    away = np.array([0.2**2 + 0.5**2 + 0.3**2, 0.6**2 + 0.3**2 + 0.9**2])
    away = np.append(away, [0.1**2 + 0.1**2 + 0.2**2, 0.7**2 + 0.3**2 + 0.4**2])
    assert table["alloy", "brier"] == pytest.approx(away.mean())
    assert table["alloy", "error_rate"] == 0.5
    assert table["alloy", "lppd"] == pytest.approx(np.log([0.5, 0.1, 0.8, 0.3]).mean())
    assert table["sold", "brier"] == pytest.approx(2 * np.mean([0.01, 0.64, 0.16, 0.09]))
    assert table["sold", "error_rate"] == 0.25
    assert table["size", "rmse"] == 2
    for target, metric in (("alloy", "rmse"), ("sold", "crps"), ("size", "brier")):
        assert (target, metric) not in table


def test_transforms_are_uniform_where_the_distribution_is_right():
    means, chances = np.full(4000, 1.3), np.tile([0.3, 0.5, 0.2], (4000, 1))
    for own, y in (
        (OfCounts(means, 3.0), random(8).negative_binomial(3, 3 / 4.3, size=4000)),
        (OfLevels(chances), random(9).choice(3, size=4000, p=chances[0])),
    ):
        assert stats.kstest(scored(own, y)["pit"], "uniform").pvalue > 0.001


def test_skill_is_the_difference_over_its_error():
    line = random().normal(size=50)
    better = line + np.tile([0.4, 0.2], 25)
    found = of_skill(better, {"constant": line - 1, "linear": line}, LIMITS)
    assert found.value == pytest.approx(0.3 / (np.std([0.4, 0.2] * 25, ddof=1) / np.sqrt(50)))
    assert (found.verdict, found.region) == ("pass", "all")
    assert found.reason == (
        "its log density is 0.3 ± 0.01 nats per observation above the linear model's"
    )
    assert of_skill(line, {"linear": better}, LIMITS).verdict == "fail"
    # The best of what is cheaper counts.
    other = of_skill(line, {"constant": better, "linear": line}, LIMITS)
    assert (other.verdict, "below the constant model's" in other.reason) == ("fail", True)


def test_a_fit_that_is_no_better_than_the_line_is_told():
    line = random().normal(size=100)
    near = line + np.tile([1.0, -1.0], 50)
    assert of_skill(near, {"linear": line}, LIMITS).verdict == "warn"
    same = of_skill(line, {"linear": line}, LIMITS)
    assert (same.value, same.verdict) == (0.0, "warn")
    assert of_skill(line[:1], {"linear": line[:1]}, LIMITS).verdict == "not measurable"


def test_a_line_knows_nothing_of_held_out_targets():
    """What it says of points depends on their inputs and on training rows alone."""
    training = rows(x=random().normal(size=20), y=random(8).normal(size=20))
    (_, first), (_, again) = (predicted(training, at) for at in ([[1.0]], [[1.0], [50.0]]))
    np.testing.assert_array_equal(first.mean, again.mean[:1])


@pytest.fixture(autouse=True)
def _logged(caplog):
    caplog.set_level(logging.WARNING, logger="bnnflow")


def test_quantiles_of_a_root_ascend_below_nothing():
    column = Column("y", transform="sqrt")
    own = OfNumbers(np.array([0.1]), np.array([1.0]), np.zeros(1), 9.0, column)
    quantiles = own.quantiles(np.linspace(0.01, 0.99, 50))[:, 0]
    assert (np.diff(quantiles) > 0).all()
