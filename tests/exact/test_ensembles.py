"""What is found of many chains, against what is known of them."""

import numpy as np
import pytest
from conftest import weighting_of
from scipy.stats import t as student

from bnnflow.judge import ensembles
from bnnflow.judge.settings import Diagnostics

LIMITS = Diagnostics().model_dump()
RANDOM = np.random.default_rng(0)


def weighting(weight):
    return ensembles.Weighting(*(own.to_numpy() for own in weighting_of(weight).values()))


def equal(chains):
    return weighting(np.full(chains, 1 / chains))


def found(function, weight=None, spread=None, inside=None, series=True):
    chains, _, probes = function.shape
    own = equal(chains) if weight is None else weighting(weight)
    inside = {"data": np.ones(probes, bool)} if inside is None else inside
    spread = np.ones(probes) if spread is None else spread
    all_of_them = ensembles.of_ensemble(function, own, spread, inside, LIMITS, series=series)
    return {(each.diagnostic, each.region): each for each in all_of_them}


def test_the_jackknife_of_a_mean_is_the_standard_error_of_chains():
    function = RANDOM.normal(size=(7, 50, 3))
    error = ensembles.error(function, equal(7))[0]
    np.testing.assert_allclose(error, function.mean(1).std(0, ddof=1) / np.sqrt(7))


def test_chains_without_weight_count_for_nothing():
    function = RANDOM.normal(size=(6, 50, 2))
    weight = np.array([0.25, 0.25, 0.25, 0.25, 0, 0])
    for told in (ensembles.error, ensembles.drift):
        np.testing.assert_allclose(told(function, weighting(weight)), told(function[:4], equal(4)))


def test_quantiles_are_those_of_the_weighted_draws():
    """A weight of two is a chain twice."""
    function = RANDOM.normal(size=(3, 399, 2))
    (told,) = ensembles.pooled_summary(function, np.array([[0.5, 0.25, 0.25]]))
    twice = function[[0, 0, 1, 2]].reshape(-1, 2)
    np.testing.assert_allclose(told[0], twice.mean(0))
    exact = np.quantile(twice, ensembles.QUANTILES, axis=0, method="inverted_cdf")
    np.testing.assert_allclose(told[1:], exact)


def test_a_drift_is_what_chance_cannot_be():
    """Chains that wander, each in a direction of its own, do not drift together."""
    weight, repeats = equal(12), 400

    def drift(together):
        halves = RANDOM.normal([[0], [together]], size=(12, 2, 1))
        return ensembles.drift(halves.repeat(40, axis=1), weight)[0, 0]

    by_chance = np.mean([drift(0) > 0 for _ in range(repeats)])
    # Of Student's t with 11 degrees of freedom as much lies beyond 2.
    expected = 2 * student.sf(2, 11)
    assert abs(by_chance - expected) < 4 * np.sqrt(expected * (1 - expected) / repeats)
    # A difference of two means of twelve has the error (2 / 12) ** 0.5.
    found = np.mean([drift(3) for _ in range(repeats)])
    error = np.sqrt(2 / 12)
    assert found == pytest.approx(3 - 2 * error, abs=4 * np.hypot(error, error) / np.sqrt(repeats))


def test_the_error_is_that_of_whole_runs_repeated():
    """Chains about centres of their own: what one run foretells, a thousand runs show."""
    chains, draws, runs = 16, 60, 1000

    def run():
        centres = RANDOM.normal(size=(chains, 1, 1))
        return centres + RANDOM.normal(size=(chains, draws, 1))

    weight = equal(chains)
    whole = weight.weight[None]
    means = np.array([ensembles.pooled_summary(run(), whole)[0, :, 0] for _ in range(runs)])
    foretold = np.array([ensembles.error(run(), weight)[:, 0] for _ in range(runs // 10)])
    # The mean square of a hundred estimates, each of some 15 degrees of freedom; quantiles of
    # sixteen clusters are rougher.
    ratio = np.sqrt(np.square(foretold).mean(0)) / means.std(0)
    assert ratio[0] == pytest.approx(1, abs=4 * np.sqrt(1 / (2 * 15 * 100) + 1 / (2 * runs)))
    assert (np.abs(ratio[1:] - 1) < 0.3).all()


def test_the_spread_of_chains_grows_as_they_move():
    """At rest, wandering freely, straight on, and without a move."""
    steps = RANDOM.normal(size=(2000, 200, 1))
    assert ensembles.growth(steps) == pytest.approx(1 + 1 / 200, abs=0.005)
    assert ensembles.growth(steps.cumsum(1)) == pytest.approx(1.55, abs=0.05)
    straight = RANDOM.normal(size=(5, 1, 3)) + np.linspace(0, 1, 400)[None, :, None]
    assert ensembles.growth(straight) == pytest.approx(4, rel=0.01)
    assert ensembles.growth(np.ones((5, 40, 3))) == np.inf


@pytest.mark.parametrize(
    ("length", "share", "growth"),
    [(3.5, 0.58, LIMITS["spread_growth"][0]), (1.5, 0.36, LIMITS["spread_growth"][1])],
)
def test_the_limits_of_growth_are_of_chains_of_so_many_correlation_times(length, share, growth):
    """Of a stationary process whose correlation falls exponentially, as the docs say."""
    chains, draws = 4000, 50
    decay, noise = np.exp(-length / draws), RANDOM.normal(size=(draws, chains))
    series = [noise[0]]
    for each in noise[1:]:
        series.append(decay * series[-1] + np.sqrt(1 - decay**2) * each)
    function = np.stack(series, 1)[..., None]
    assert ensembles.growth(function) == pytest.approx(growth, abs=0.03)
    # The share of its variance that a chain has seen, on average.
    seen = 1 - 2 / length**2 * (length - 1 + np.exp(-length))
    assert seen == pytest.approx(share, abs=0.01)
    assert function.var(1).mean() == pytest.approx(seen, abs=0.03)


def test_chains_at_their_starts_are_found_however_well_they_agree():
    """Chains that stay where they are agree with each other as far as their starts do."""
    starts = 0.1 * RANDOM.normal(size=(16, 1, 4))
    moving = starts + 1e-3 * np.linspace(0, 1, 50)[None, :, None]
    for function in (moving, np.repeat(starts, 50, axis=1)):
        told = found(function)
        assert told["computation_error", "data"].verdict == "pass"
        assert told["half_drift", "data"].verdict == "pass"
        assert told["spread_growth", ""].verdict == "fail"
    assert told["spread_growth", ""].reason == "half of the chains do not move"
    # Most chains count, and only those with a weight.
    at_rest = starts + 0.1 * RANDOM.normal(size=(16, 50, 4))
    few = np.concatenate([moving[:6], at_rest[:10]])
    assert found(few)["spread_growth", ""].verdict == "pass"
    assert found(few, weight=[1 / 6] * 6 + [0] * 10)["spread_growth", ""].verdict == "fail"


def test_places_where_nothing_is_to_be_seen_do_not_count():
    """A class that all draws are sure of."""
    function = RANDOM.normal(size=(16, 50, 4))
    sure = np.concatenate([function, np.ones((16, 50, 9))], axis=2)
    assert found(sure)["spread_growth", ""].verdict == "pass"
    assert found(np.ones((16, 50, 4)))["spread_growth", ""].verdict == "not measurable"


def test_chains_that_agree_pass_and_chains_that_do_not_fail():
    function = RANDOM.normal(size=(16, 200, 4))
    assert {each.verdict for each in found(function).values()} == {"pass"}
    apart = function + 5 * RANDOM.normal(size=(16, 1, 1))
    assert found(apart)["computation_error", "data"].verdict == "fail"
    moving = function + np.linspace(0, 3, 200)[None, :, None]
    assert found(moving)["half_drift", "data"].verdict == "fail"
    assert (
        found(function, weight=[1 - 15e-3] + [1e-3] * 15)["effective_chains", ""].verdict == "fail"
    )


def test_steps_whose_draws_are_biased_are_told():
    for variance, verdict in ((0.1, "pass"), (0.5, "warn"), (5.0, "fail")):
        (told,) = ensembles.of_steps({"energy_variance": variance}, LIMITS)
        assert (told.value, told.verdict) == (variance, verdict)
    # Chains that are adjusted, starts and members have none.
    for settings in ({"energy_variance": None, "adjusted": True}, {"combine": "mixture"}):
        assert not [*ensembles.of_steps(settings, LIMITS)]


def test_halves_are_of_series_alone():
    function = RANDOM.normal(size=(16, 1, 4))
    assert found(function)["half_drift", "data"].verdict == "not measurable"
    assert found(function)["spread_growth", ""].verdict == "not measurable"
    for inside in (None, {"far": np.zeros(4, bool)}):
        without = {name for name, _ in found(function, inside=inside, series=False)}
        assert not {"half_drift", "spread_growth"} & without


def test_what_cannot_be_known_is_not_measurable():
    few = found(
        RANDOM.normal(size=(3, 10, 2)), inside={"gap": np.ones(2, bool), "far": np.zeros(2, bool)}
    )
    for name in ("computation_error", "half_drift"):
        assert few[name, "gap"].verdict == few[name, "far"].verdict == "not measurable"


def test_chains_suffice_where_more_would_change_nothing():
    function = RANDOM.normal(size=(16, 50, 2))
    apart = function + 5 * RANDOM.normal(size=(16, 1, 1))
    here, nowhere = np.ones(2, bool), np.zeros(2, bool)
    for own, inside, told in (
        (function, {"data": here}, True),
        (function, {"data": here, "far": nowhere}, True),
        (apart, {"data": here}, False),
        # Fewer than eight are a warning; of fewer than four no error is known.
        (function[:7], {"data": here}, False),
        (function[:3], {"data": here}, False),
        (function, {"far": nowhere}, False),
    ):
        limits = {name: LIMITS[name] for name in ensembles.BY_CHAINS}
        given = own, equal(len(own)), np.ones(2), inside, limits
        assert ensembles.suffice(list(ensembles.of_ensemble(*given, series=False))) is told
    # However few the limit allows.
    limits["effective_chains"] = (1, 1)
    given = function[:3], equal(3), np.ones(2), {"data": here}, limits
    assert not ensembles.suffice(list(ensembles.of_ensemble(*given, series=False)))
