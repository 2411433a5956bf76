"""Scores against closed forms, quadrature and SciPy."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import integrate, stats

from bnnflow.data import oracle, points, tutorial
from bnnflow.files.columns import Column
from bnnflow.judge import scores
from bnnflow.model.likelihoods.normal import Normals
from bnnflow.predict import differences, evaluation, levels, mixture
from bnnflow.predict.evaluation import scored
from bnnflow.predict.mixture import Mixture

LEVELS, PLAIN = levels.LEVELS, [Column("y", 0.0, 1.0)]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def case():
    """Means and standard deviations of 40 components at 7 points, and observations."""
    random = np.random.default_rng(0)
    mean = random.normal(size=(40, 7)) * random.uniform(0.1, 3, size=7)
    stddev = np.exp(random.normal(size=(40, 7)) / 2)
    return mean, stddev, random.normal(size=7) * 2


def tensors(*arrays):
    return [torch.tensor(array, dtype=torch.float32) for array in arrays]


def evaluated(mean, stddev, y, levels):
    """Scores of one target."""
    given = [Mixture(Normals(mean, stddev))], PLAIN, y[None].numpy(), levels, torch.Generator()
    return scored(*given).isel(target=0)


def crps_by_quadrature(mean, stddev, y):
    """The integral of (F - 1(t ≥ y))²."""
    cdf = lambda t: stats.norm(mean, stddev).cdf(t).mean()  # noqa: E731
    low, high = (mean - 12 * stddev).min(), (mean + 12 * stddev).max()
    options = {"limit": 500, "epsabs": 1e-10}
    left = integrate.quad(lambda t: cdf(t) ** 2, min(low, y), y, **options)[0]
    return left + integrate.quad(lambda t: (1 - cdf(t)) ** 2, y, max(high, y), **options)[0]


@pytest.mark.parametrize("chunk", [1, 2**19])
def test_every_point_is_scored_by_the_mixture_itself(case, chunk, monkeypatch):
    monkeypatch.setattr(evaluation, "CHUNK", chunk)
    monkeypatch.setattr(mixture, "CHUNK_QUANTILES", chunk)
    mean, stddev, y = case
    found = evaluated(*tensors(*case), LEVELS).isel(replicate=0)
    components = stats.norm(mean, stddev)
    # All are sums in double precision of terms rounded to single precision.
    close = {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(found["mean"], mean.mean(0), **close)
    np.testing.assert_allclose(found["function_stddev"], mean.std(0), **close)
    total = np.sqrt((stddev**2).mean(0) + mean.var(0))
    np.testing.assert_allclose(found["stddev"], total, **close)
    np.testing.assert_allclose(found["log_density"], np.log(components.pdf(y).mean(0)), **close)
    np.testing.assert_allclose(found["pit"], components.cdf(y).mean(0), **close)
    exact = [crps_by_quadrature(*at) for at in zip(mean.T, stddev.T, y, strict=True)]
    np.testing.assert_allclose(found["crps"], exact, **close)
    for level in LEVELS:
        quantile = found["quantiles"].sel(level=level)
        below = stats.norm(mean, stddev).cdf(quantile).mean(0)
        np.testing.assert_allclose(below, level, rtol=0, atol=2e-6)


@pytest.mark.parametrize("drift", [False, True])
def test_the_crps_of_many_draws_is_close_to_that_of_all_pairs(drift):
    """Also where neighbours are alike, as those of a slow chain are."""
    random = np.random.default_rng(1)
    mean, stddev = random.normal(size=(600, 1)), np.full((600, 1), 0.1)
    mean = np.sort(mean, axis=0) if drift else mean
    y = np.array([0.5])
    found = evaluated(*tensors(mean, stddev, y), LEVELS)["crps"][0, 0]
    # The difference of two normal variables has mean 1.13 and standard deviation 0.85.
    error = 0.85 / np.sqrt(differences.PAIRS) / 2
    assert abs(found - crps_by_quadrature(mean[:, 0], stddev[:, 0], y[0])) < 5 * error


def test_the_crps_of_one_draw_is_that_of_a_normal_distribution():
    found = evaluated(*tensors([[1.0]], [[2.0]], [0.3]), LEVELS)
    u = (0.3 - 1) / 2
    normal = stats.norm
    exact = 2 * (u * (2 * normal.cdf(u) - 1) + 2 * normal.pdf(u) - 1 / np.sqrt(np.pi))
    assert found["crps"].to_numpy() == pytest.approx(np.array([[exact]]), rel=1e-5)
    table = table_of(found, [0.3], [0.3])
    values = table[table["metric"] != "points"]
    assert values[["error_draws", "error_points"]].isna().all(axis=None)
    assert values["value"].notna().all()


def table_of(found, y, truth=None):
    """Scores of one target, all points in one region."""
    columns = {"targets": y} | ({} if truth is None else {"truth": truth})
    given = {n: (("target", "point"), np.asarray(v, float)[None]) for n, v in columns.items()}
    given["inside"] = (("region", "point"), np.ones((1, len(y)), bool))
    found = found.drop_vars("target", errors="ignore").expand_dims("target", axis=-2)
    return scores.table(found.assign(given).assign_coords(target=["y"], region=["all"]))


def test_a_replicate_is_the_mixture_without_a_group_of_draws(case):
    mean, stddev, y = case
    found = evaluated(*tensors(*case), LEVELS)
    assert found.sizes["replicate"] == 11
    for replicate, left_out in enumerate(np.split(np.arange(40), 10), start=1):
        kept = np.setdiff1d(range(40), left_out)
        alone = evaluated(*tensors(mean[kept], stddev[kept], y), LEVELS).isel(replicate=0)
        for name in ("mean", "stddev", "function_stddev", "log_density", "pit"):
            ours = found[name][replicate]
            np.testing.assert_allclose(ours, alone[name], rtol=1e-5, atol=1e-5)
        # To first order: what is left is of the order of the square of a tenth.
        for name in ("crps", "quantiles"):
            moved = np.abs(alone[name] - found[name][0]).max()
            assert np.abs(found[name][replicate] - alone[name]).mean() < 0.2 * moved


def test_densities_that_underflow_have_logarithms():
    """Also where one draw alone is anywhere near the observation."""
    mean = torch.cat([torch.zeros(1, 1), torch.full((19, 1), 1e3)])
    found = evaluated(mean, torch.full((20, 1), 0.01), torch.tensor([1.0]), LEVELS)
    exact = stats.norm(0, 0.01).logpdf(1.0) - np.log(20)
    assert found["log_density"][0, 0] == pytest.approx(exact, rel=1e-6)
    far = stats.norm(1e3, 0.01).logpdf(1.0)
    assert found["log_density"][1, 0] == pytest.approx(far, rel=1e-6)


@pytest.mark.parametrize(("mean", "stddev"), [(0.0, 0.0), (np.nan, 1.0), (0.0, np.inf)])
def test_a_fit_gone_astray_is_an_error(mean, stddev):
    good = np.zeros((3, 2)), np.ones((3, 2))
    bad = np.array([[mean, 0.0]]), np.array([[stddev, 1.0]])
    case = [np.concatenate(parts) for parts in zip(good, bad, strict=True)]
    with pytest.raises(FloatingPointError, match="at 1 of 4 draws the response is not finite"):
        evaluated(*tensors(*case, np.zeros(2)), LEVELS)


@pytest.mark.parametrize(("mean", "stddev"), [(0.0, 1e-40), (1e25, 1.0)])
def test_a_score_that_is_not_finite_is_an_error_with_a_remedy(mean, stddev):
    """Though the numbers themselves are: not their squares, or the logarithms of their ratios."""
    case = np.array([[mean], [-mean]]), np.full((2, 1), stddev), np.array([0.5])
    with pytest.raises(FloatingPointError, match=r"too small: .*; look at its log, and fit again"):
        evaluated(*tensors(*case), LEVELS)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(2).normal(size=25)
    without = (values.sum() - values) / 24
    assert scores.jackknife(without) == pytest.approx(stats.sem(values), rel=1e-12)


def test_errors_are_the_spread_over_other_draws_and_other_points():
    """For a mixture whose draws are independent, and for observations that are."""
    random = np.random.default_rng(3)
    repeats, count = 200, 300

    def scored(mean, y):
        stddev = np.full_like(mean, 0.5)
        found = evaluated(*tensors(mean, stddev, y), LEVELS)
        return table_of(found, y, y)

    observations = random.normal(size=50)
    draws = random.normal(size=(count, 1)) + np.zeros((1, 50))
    for error, tables in {
        "error_draws": [
            scored(random.normal(size=(count, 1)) + np.zeros((1, 50)), observations)
            for _ in range(repeats)
        ],
        "error_points": [scored(draws, random.normal(size=50)) for _ in range(repeats)],
    }.items():
        for metric in ("lppd", "crps", "rmse"):
            rows = pd.concat([table[table["metric"] == metric] for table in tables])
            ratio = rows[error].pow(2).mean() ** 0.5 / rows["value"].std()
            # The spread of 200 repeats is known to 5 %; a jackknife with ten groups is a bit high.
            assert 0.8 < ratio < 1.3, (error, metric, ratio)


def test_a_true_predictive_distribution_is_calibrated():
    random = np.random.default_rng(4)
    y = random.normal(size=20_000)
    found = evaluated(*tensors(np.zeros((1, 20_000)), np.ones((1, 20_000)), y), LEVELS)
    table = table_of(found, y, y)
    value = table.set_index("metric")["value"]
    for level in levels.COVERAGE:
        error = np.sqrt(level * (1 - level) / 20_000)
        assert abs(value[f"coverage_{100 * level:g}"] - level) < 4 * error
        width = 2 * stats.norm.ppf(0.5 + level / 2)
        assert value[f"width_{100 * level:g}"] == pytest.approx(width, rel=1e-4)
    for error in scores.ERRORS:
        assert value[error] < 4 * np.sqrt(0.25 / 20_000)
    # Entropy of the normal distribution, and mean of its own score.
    assert abs(value["lppd"] + 0.5 * np.log(2 * np.pi * np.e)) < 4 * np.sqrt(0.5 / 20_000)
    assert abs(value["crps"] - 1 / np.sqrt(np.pi)) < 4 * 0.4 / np.sqrt(20_000)
    assert value["total_stddev"] == value["noise_stddev"] == pytest.approx(1)
    assert value["epistemic_stddev"] == 0


@pytest.mark.parametrize(("bias", "spread"), [(0.5, 1.0), (-0.5, 1.0), (0.0, 2.0), (0.0, 0.5)])
def test_calibration_errors_are_those_of_a_normal_distribution(bias, spread):
    """Of which the observations are not, but have another mean or standard deviation."""
    u = stats.norm(bias, spread).ppf((np.arange(20_000) + 0.5) / 20_000)
    pit = stats.norm.cdf(u)
    shares = np.array([(pit <= level).mean() for level in levels.CALIBRATION])
    below = stats.norm(bias, spread).cdf(stats.norm.ppf(levels.CALIBRATION))
    exact = np.abs(below - levels.CALIBRATION).mean()
    central = np.linspace(0.1, 0.9, 9)
    ends = stats.norm.ppf([(1 - central) / 2, (1 + central) / 2])
    within = np.diff(stats.norm(bias, spread).cdf(ends), axis=0)[0]
    expected = exact, np.abs(within - central).mean()
    np.testing.assert_allclose(scores.calibration_errors(shares), expected, atol=1e-4)
    # What the documentation says, on fewer levels than infinitely many.
    if bias:
        assert expected[0] == pytest.approx(0.14, abs=0.01)
    elif spread == 2.0:
        assert expected[1] == pytest.approx(0.20, abs=0.03)


def test_calibration_is_over_nineteen_levels():
    np.testing.assert_allclose(levels.CALIBRATION, np.arange(1, 20) / 20)


def test_distances_are_from_what_they_say(case):
    """Of the mean from the observations, and from the true function."""
    found, random = evaluated(*tensors(*case), LEVELS), np.random.default_rng(9)
    known = {"rmse": case[2], "rmse_function": random.normal(size=7)}
    value = table_of(found, *known.values()).set_index("metric")["value"]
    for metric, values in known.items():
        exact = np.sqrt(np.mean((case[0].mean(0) - values) ** 2))
        assert value[metric] == pytest.approx(exact, rel=1e-5)


def test_without_a_true_function_only_the_distance_from_it_is_missing(case):
    found = evaluated(*tensors(*case), LEVELS)
    known = table_of(found, case[2], case[2])
    pd.testing.assert_frame_equal(
        table_of(found, case[2]),
        known[known["metric"] != "rmse_function"].reset_index(drop=True),
    )


def test_errors_to_either_side_do_not_cancel():
    ends = np.repeat([0.0, 1.0], 50)
    shares = np.array([(ends <= level).mean() for level in levels.CALIBRATION])
    assert scores.calibration_errors(shares)[1] == pytest.approx(0.5)
    one_side = np.zeros((19, 2))
    assert scores.calibration_errors(one_side)[0] == pytest.approx([0.5, 0.5])


def test_shares_that_never_change_have_no_error():
    """Not even one of rounding."""
    y = np.full(7, 0.3)
    mean, stddev = np.random.default_rng(7).normal(size=(40, 7)), np.full((40, 7), 9.0)
    found = evaluated(*tensors(mean, stddev, y), LEVELS)
    table = table_of(found, y).set_index("metric")
    assert table.loc["coverage_95", ["value", "error_draws", "error_points"]].tolist() == [1, 0, 0]


def test_simulated_shares_are_those_of_data_from_the_fit():
    """Of independent points binomial; of points that share an error, all to one side or none."""
    count, stream = 50, torch.Generator().manual_seed(0)
    inside = np.array([np.ones(count, bool), np.arange(count) < count // 2])

    def simulated(mean, stddev):
        mixtures = [Mixture(Normals(*tensors(mean, stddev)))]
        return evaluation.simulations(mixtures, inside, stream)["shares"][:, 0]

    independent = simulated(np.zeros((30, count)), np.ones((30, count)))
    for shares, own in zip(independent.to_numpy(), (count, count // 2), strict=True):
        spread = np.sqrt(levels.CALIBRATION * (1 - levels.CALIBRATION) / own)
        error = 5 * spread / np.sqrt(evaluation.SIMULATIONS)
        assert (np.abs(shares.mean(0) - levels.CALIBRATION) < error).all()
        np.testing.assert_allclose(
            shares.std(0), spread, rtol=5 / np.sqrt(2 * evaluation.SIMULATIONS)
        )
    common = 1e4 * np.random.default_rng(8).normal(size=(2000, 1)) * np.ones((1, count))
    shares = simulated(common, np.ones((2000, count)))[0].to_numpy()
    # The noise can only tell apart those whose errors are the same to a ten thousandth.
    assert ((shares == 0) | (shares == 1)).mean() > 0.98


@pytest.mark.parametrize("ratio", [1.0, 1e3, 1e6, 1e9, 1e12])
def test_simulated_shares_are_right_however_large_the_mean_is_beside_the_noise(ratio):
    count, stream = 200, torch.Generator().manual_seed(0)
    parts = torch.full((10, count), ratio), torch.ones(10, count)
    inside = np.ones((1, count), bool)
    found = evaluation.simulations([Mixture(Normals(*parts))], inside, stream).isel(target=0)
    shares = found["shares"][0].to_numpy()
    spread = np.sqrt(levels.CALIBRATION * (1 - levels.CALIBRATION) / count)
    error = 5 * spread / np.sqrt(evaluation.SIMULATIONS)
    assert (np.abs(shares.mean(0) - levels.CALIBRATION) < error).all()
    # A standard deviation of so many is known to 2 %.
    np.testing.assert_allclose(shares.std(0), spread, rtol=0.12)
    (chance,) = scores.by_chance(found.assign_coords(region=["all"])).values()
    # Points that are all below the median, or all above, are never by chance.
    assert (chance < 0.2).all()


def test_regions_hold_the_points_within_their_intervals(case):
    intervals = {"low": [(0, 2)], "ends": [(0, 0), (5.5, 9)], "all": [(0, 6)]}
    rows = pd.DataFrame({"x": np.arange(7.0), "y": case[2], "f": case[2]})
    own = points.along(rows, intervals, {"old": [(1, 3)]})
    mean, stddev, y = tensors(*case)
    given = [Mixture(Normals(mean, stddev))], PLAIN, y[None].numpy(), LEVELS, torch.Generator()
    found = scored(*given).merge(own)
    table = scores.table(found).set_index(["region", "metric"])["value"]
    assert [table[name, "points"] for name in intervals] == [3, 2, 7]
    lppd = found["log_density"][0, 0].to_numpy()
    assert table["ends", "lppd"] == pytest.approx(lppd[[0, 6]].mean())


def test_the_oracle_is_the_generating_process():
    x = np.linspace(-0.5, 1.5, 2000)
    y = tutorial.simulated([(-0.5, 1.5, 2000)], 0.02, np.random.RandomState(5))["y"].to_numpy()
    found = oracle.foretold(x, y, 0.02, LEVELS).isel(replicate=0, target=0)
    assert stats.kstest(found["pit"], "uniform").pvalue > 0.001
    random = np.random.default_rng(6)
    for i in (0, 400, 1003, 1700):
        sample = np.sort(tutorial.sinusoid(x[i] + 0.02 * random.normal(size=200_000)))
        spread = sample.std()
        assert abs(found["mean"][i] - sample.mean()) < 5 * spread / np.sqrt(200_000)
        assert found["stddev"][i] == pytest.approx(spread, rel=0.02)
        assert abs(np.mean(sample < y[i]) - found["pit"][i]) < 5 * 0.5 / np.sqrt(200_000)
        below = np.searchsorted(sample, found["quantiles"][:, i]) / 200_000
        np.testing.assert_allclose(below, LEVELS, rtol=0, atol=5 * 0.5 / np.sqrt(200_000))
        places = (2 * np.arange(1, 200_001) - 200_001) / 200_000
        exact = np.abs(sample - y[i]).mean() - (sample * places).mean()
        assert found["crps"][i] == pytest.approx(exact, rel=0.02, abs=1e-4)


def test_the_oracle_has_the_density_of_a_function_of_a_normal_variable():
    """Exactly where f is monotone: x ± 0.1 around 0."""
    e = np.linspace(-0.1, 0.1, 401)
    t = tutorial.sinusoid(e)
    found = oracle.foretold(np.zeros(401), t, 0.02, LEVELS).isel(replicate=0, target=0)
    slope = 1 + 0.6 * np.pi * np.cos(2 * np.pi * e) + 1.2 * np.pi * np.cos(4 * np.pi * e)
    exact = stats.norm(0, 0.02).logpdf(e) - np.log(slope)
    # Within a step of a hundredth of the noise, both factors are taken as constant.
    tolerance = 0.01 * (np.abs(e) / 0.02 + 0.1)
    assert (np.abs(found["log_density"] - exact) < tolerance).all()
    np.testing.assert_allclose(found["pit"], stats.norm(0, 0.02).cdf(e), rtol=0, atol=1e-4)
