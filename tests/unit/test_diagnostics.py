"""Every diagnostic raises its alarm on a case built to fail, and is silent on a good one."""

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import ROOT
from scipy import signal, stats

from bnnflow.data import regions
from bnnflow.files.columns import Column
from bnnflow.judge import (
    calibration,
    chains,
    findings,
    fit,
    guides,
    limits,
    meanings,
    plateau,
    scores,
    update,
    verdicts,
)
from bnnflow.model.likelihoods.normal import Normals
from bnnflow.predict import evaluation, levels
from bnnflow.predict.mixture import Mixture

LIMITS = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))[
    "diagnostics"
]
REGIONS = {"left": [(-1, 0)], "right": [(0.1, 1)]}
X = np.array([-0.5, 0.5])
NUTS = {"target_accept": 0.8, "max_tree_depth": 10}


def mask(x, intervals):
    """Which points lie in the intervals."""
    return regions.masks(x, {"": intervals})[0]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def found(told):
    """Verdict of every diagnostic, with its region where it has one."""
    return {f"{f.diagnostic} {f.region}".strip(): f.verdict for f in told}


def drawn_chains(*means, draws=1000, rho=0.0, seed=0):
    """Stationary autoregressive chains about means, (chain, draw, probe), and sigma."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=(len(means), draws, 3))
    noise[:, 0] /= np.sqrt(1 - rho**2)
    values = signal.lfilter([1], [1, -rho], noise, axis=1) * np.sqrt(1 - rho**2)
    function = values[:, :, :2] + np.array(means)[:, None, None]
    return function, np.exp(values[:, :, 2])


def of_chains(function, sigma):
    inside = {name: mask(X, REGIONS[name]) for name in REGIONS}
    return [*chains.of_chains(function, inside, LIMITS), *chains.of_site("sigma", sigma, LIMITS)]


def test_chains_that_agree_pass():
    assert set(found(of_chains(*drawn_chains(0, 0, 0, 0))).values()) == {"pass"}


def test_stuck_chains_disagree_though_each_is_well():
    verdict = found(of_chains(*drawn_chains(0, 5)))
    for region in REGIONS:
        assert verdict[f"rhat_function {region}"] == "fail"
        assert verdict[f"rhat_chain_function {region}"] == "pass"
        assert verdict[f"ess_bulk_function {region}"] == "fail"
    assert verdict["rhat_sigma"] == "pass"


def test_a_region_where_chains_disagree_is_named():
    function, sigma = drawn_chains(0, 0, 0, 0)
    function[0, :, 1] += 3
    verdict = found(of_chains(function, sigma))
    assert verdict["rhat_function left"] == "pass"
    assert verdict["rhat_function right"] == "fail"


def test_a_slow_chain_has_few_effective_draws():
    function, sigma = drawn_chains(0, 0, rho=0.99)
    verdict = found(of_chains(function, sigma))
    assert verdict["ess_bulk_function left"] == verdict["ess_tail_function right"] == "fail"


def test_a_chain_that_does_not_move_fails_and_is_named():
    function, sigma = drawn_chains(0, 0)
    function[1] = 2.0
    finding = next(f for f in of_chains(function, sigma) if f.diagnostic == "rhat_function")
    assert finding.verdict == "fail"
    assert np.isnan(finding.value)
    assert finding.reason == "chain 1 does not move; another init, or more warmup"
    function[0] = 2.0
    finding = of_chains(function, sigma)[0]
    assert finding.reason.startswith("chains 0, 1 do not move")


def test_one_chain_has_no_rhat_across_chains_and_few_draws_none_at_all():
    verdict = {f.diagnostic: f for f in of_chains(*drawn_chains(0)) if f.region == "left"}
    assert verdict["rhat_function"].verdict == "not measurable"
    assert verdict["rhat_function"].reason == "one chain; set chains: 2 or more"
    assert verdict["rhat_chain_function"].verdict == "pass"
    function, sigma = drawn_chains(0, 0)
    for count, said in ((1, "1 draw"), (39, "39 draws")):
        few = of_chains(function[:, :count], sigma[:, :count])
        assert {f.verdict for f in few} == {"not measurable"}
        assert {f.reason for f in few} == {f"{said}; set draws: 40 or more"}


def test_a_region_without_a_probe_is_not_measurable():
    function, _ = drawn_chains(0, 0)
    told = list(chains.of_chains(function, {"far": mask(X, [(5, 6)])}, LIMITS))
    assert [f.verdict for f in told if f.region == "far"] == ["not measurable"] * 4
    assert {f.reason for f in told if f.region == "far"} == {
        "no held-out point is there; widen data.held_out"
    }


def split_rhat(values):
    """Of (chain, draw), without the ranks: Gelman et al., Bayesian Data Analysis, 3rd edition."""
    half = values.shape[1] // 2
    split = np.concatenate([values[:, :half], values[:, -half:]])
    within, between = split.var(axis=1, ddof=1).mean(), half * split.mean(axis=1).var(ddof=1)
    return np.sqrt(((half - 1) / half * within + between / half) / within)


def test_rhat_is_the_published_formulas():
    """The larger of that of the ranks' normal scores, and of their distances from the median."""
    values = drawn_chains(0, 0.3, 0.1, rho=0.5, seed=3)[0][:, :, 0]

    def scored(z):
        ranks = stats.rankdata(z).reshape(z.shape)
        return split_rhat(stats.norm.ppf((ranks - 3 / 8) / (z.size + 1 / 4)))

    expected = max(scored(values), scored(np.abs(values - np.median(values))))
    function = np.stack([values, values], axis=2)
    finding = of_chains(function, np.exp(values))[0]
    assert finding.value == pytest.approx(expected, rel=1e-6)
    assert expected > 1.005


def test_rhat_of_a_chain_is_that_of_its_quarters():
    """Its halves may agree where its quarters do not; and one chain of many is enough."""
    function, sigma = drawn_chains(0, 0)
    moved = function.copy()
    moved[0] += np.repeat([0, 3, 0, 3], 250)[:, None]
    verdict = found(of_chains(moved, sigma))
    assert verdict["rhat_chain_function left"] == "fail"
    value = next(f.value for f in of_chains(moved, sigma) if f.diagnostic == "rhat_chain_function")
    halves = moved[0, :, 0].reshape(2, 500)
    ranks = stats.rankdata(halves).reshape(halves.shape)
    assert value == pytest.approx(split_rhat(stats.norm.ppf((ranks - 3 / 8) / 1000.25)), rel=1e-6)
    assert value > 1.2


def ess(values):
    """Of split chains: Vehtari et al. (2021), sections 3.2 and 4, with sums and no transforms."""
    half = values.shape[1] // 2
    split = np.concatenate([values[:, :half], values[:, -half:]])
    split = split - split.mean(axis=1, keepdims=True)
    total = values[:, : 2 * half].size
    covariance = [(split[:, : half - lag] * split[:, lag:]).sum(1) / half for lag in range(half)]
    covariance = np.mean(covariance, axis=1)
    within = covariance[0] * half / (half - 1)
    means = np.concatenate([values[:, :half], values[:, -half:]]).mean(axis=1)
    correlation = 1 - (within - covariance) / (covariance[0] + means.var(ddof=1))
    correlation[0] = 1
    pairs = correlation[: half // 2 * 2].reshape(-1, 2).sum(axis=1)
    positive = np.argmax(pairs <= 0) if (pairs <= 0).any() else len(pairs)
    monotone = np.minimum.accumulate(pairs[:positive])
    return total / (2 * monotone.sum() - 1)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_ess_is_the_published_formulas(rho):
    """Of ranks' normal scores, and of what is below either quantile; the worst of the points."""
    function, sigma = drawn_chains(0, 0.2, rho=rho, seed=16)
    bulk, tail = (f.value for f in of_chains(function, sigma)[2:4])
    values = function[:, :, 0]
    ranks = stats.rankdata(values).reshape(values.shape)
    scores_ = stats.norm.ppf((ranks - 3 / 8) / (values.size + 1 / 4))
    assert bulk == pytest.approx(ess(scores_), rel=1e-6)
    below = [(values <= np.quantile(values, level)).astype(float) for level in (0.05, 0.95)]
    # Where the sum ends ArviZ may count one term more, of a size that is noise.
    assert tail == pytest.approx(min(map(ess, below)), rel=0.01)
    assert not rho or abs(bulk / tail - 1) > 0.1


def test_tails_may_be_slow_where_the_bulk_is_not():
    """Of a random sign and a slow scale: ranks forget at once, extremes come in bursts."""
    random = np.random.default_rng(17)
    slow, sigma = drawn_chains(0, 0, 0, 0, rho=0.99, seed=17)
    function = random.choice([-1.0, 1.0], size=slow.shape) * np.exp(slow)
    verdict = found(of_chains(function, np.exp(random.normal(size=sigma.shape))))
    assert verdict["ess_bulk_function left"] == "pass"
    assert verdict["ess_tail_function left"] == "warn"


def test_ess_is_that_of_an_autoregressive_chain():
    rho, draws = 0.6, 20_000
    function, sigma = drawn_chains(0, 0, 0, 0, draws=draws, rho=rho, seed=4)
    bulk = [f.value for f in of_chains(function, sigma) if f.diagnostic.startswith("ess_bulk")]
    exact = 4 * draws * (1 - rho) / (1 + rho)
    # The sum of the autocorrelations is known to a few percent from so many draws.
    np.testing.assert_allclose(bulk, exact, rtol=0.1)


def trajectories(**changed):
    random = np.random.default_rng(5)
    draws = (2, 1000)
    good = {
        "diverging": np.zeros(draws, dtype=bool),
        "tree_depth": random.integers(2, 4, size=draws),
        "energy": random.normal(size=draws),
        "acceptance_rate": random.beta(8, 2, size=draws),
    }
    return list(chains.of_trajectories(good | changed, NUTS, LIMITS))


def test_good_trajectories_pass():
    assert set(found(trajectories()).values()) == {"pass"}


def test_divergences_saturated_trees_slow_energy_and_wrong_acceptance_fail():
    diverging = np.zeros((2, 1000), dtype=bool)
    diverging[0, :50] = True
    assert found(trajectories(diverging=diverging))["divergences"] == "fail"
    deep = np.full((2, 1000), 10)
    assert found(trajectories(tree_depth=deep))["saturated_depth"] == "fail"
    wandering = np.cumsum(np.random.default_rng(6).normal(size=(2, 1000)), axis=1)
    assert found(trajectories(energy=wandering))["ebfmi"] == "fail"
    assert (
        found(trajectories(acceptance_rate=np.full((2, 1000), 0.2)))["acceptance_off_target"]
        == "fail"
    )
    # Of a chain that is well and one that is not the latter counts.
    wandering[0] = np.random.default_rng(6).normal(size=1000)
    assert found(trajectories(energy=wandering))["ebfmi"] == "fail"
    apart = np.repeat([[0.45], [1.0]], 1000, axis=1)
    assert found(trajectories(acceptance_rate=apart))["acceptance_off_target"] == "fail"
    one = {name: np.ones((1, 1)) for name in ("diverging", "tree_depth", "energy")}
    single = trajectories(**one, acceptance_rate=np.full((1, 1), 0.8))
    assert found(single)["ebfmi"] == "not measurable"


def test_ebfmi_is_the_published_formula():
    energy = np.random.default_rng(10).normal(size=(1, 40))
    stats_ = {name: np.zeros((1, 40)) for name in ("diverging", "tree_depth")}
    stats_ |= {"energy": energy, "acceptance_rate": np.full((1, 40), 0.8)}
    value = next(
        f.value for f in chains.of_trajectories(stats_, NUTS, LIMITS) if f.diagnostic == "ebfmi"
    )
    steps, off = np.diff(energy[0]), energy[0] - energy.mean()
    assert value == pytest.approx((steps**2).mean() / ((off**2).sum() / 39))


def test_a_sampler_is_judged_by_what_it_leaves():
    """One without trees and without a target of acceptance has its energy alone."""
    energy = np.random.default_rng(5).normal(size=(2, 1000))
    told = found(chains.of_trajectories({"lp": energy, "energy": energy}, {}, LIMITS))
    assert told == {"ebfmi": "pass"}


def test_an_energy_that_does_not_move_fails():
    told = {f.diagnostic: f for f in trajectories(energy=np.ones((2, 1000)))}
    assert told["ebfmi"].verdict == "fail"


def losses(end, steps=10_000, seed=7):
    """Noisy losses that come down to 0, or go on falling by `end` in the last tenth."""
    random = np.random.default_rng(seed)
    step = np.arange(steps)
    level = 100 * np.exp(-step / (steps / 50)) - end * step / (steps / 10)
    return level + random.standard_t(3, size=steps) * 2


def of_loss(values):
    return guides.of_loss(values, 100, LIMITS)


def test_a_bound_that_has_stopped_passes_and_one_that_rises_does_not():
    assert {of_loss(losses(0, seed=seed)).verdict for seed in range(20)} <= {"pass"}
    assert of_loss(losses(3)).verdict == "fail"
    assert (
        "(two standard errors) nats per observation in the last tenth" in of_loss(losses(3)).reason
    )
    assert of_loss(-losses(3)).verdict == "fail"  # it may not get worse either
    assert of_loss(losses(0)[:100]).verdict == "not measurable"


@pytest.mark.parametrize("count", [1, 20, 199])
@pytest.mark.filterwarnings("error")
def test_of_a_loss_too_short_to_compare_nothing_is(count):
    """Neither in the verdict nor in the figure, which both ask here."""
    assert plateau.drift(losses(0)[:count], LIMITS["elbo_drift"]) is None
    told = of_loss(losses(0)[:count])
    assert told.verdict == "not measurable"
    assert told.reason.endswith("; set steps: 200 or more")


@pytest.mark.filterwarnings("error")
def test_of_the_shortest_loss_that_is_compared_parts_are():
    assert plateau.drift(losses(0)[:200], LIMITS["elbo_drift"]).steps in (20, 40)


def test_a_noisy_bound_is_judged_by_wider_parts_or_not_at_all():
    """Noise that hides a fall in tenths shows it in fifths, where it is four times as large."""
    random, step = np.random.default_rng(0), np.arange(4000)
    noise = 300 * random.normal(size=4000)
    falling = of_loss(noise - 0.1 * step)
    assert falling.verdict == "fail"
    assert "last fifth" in falling.reason
    still = of_loss(noise)
    assert still.verdict == "not measurable"
    assert still.reason.endswith("too noisy to tell; more steps, or schedule: cosine")


def test_a_spike_of_the_optimizer_hides_no_drift_and_makes_none():
    """It lasts for a batch of steps, as Adam's do when its second moment has become small."""
    for place in (8300, 9300):
        for end, verdict in ((0, "pass"), (3, "fail")):
            values = losses(end)
            calm = plateau.drift(values, (0, 1))
            values[place : place + 150] += 1000 * np.exp(-np.arange(150) / 50)
            spiked = plateau.drift(values, (0, 1))
            assert of_loss(values).verdict == verdict
            assert spiked.error < 2 * calm.error
            assert abs(spiked.fall - calm.fall) < 2 * calm.error


def test_the_error_of_a_drift_is_that_of_many_losses():
    """Of losses that stand still, two standard errors hold 95 %."""
    random = np.random.default_rng(11)
    drifts = [plateau.drift(random.normal(size=2000), (10, 10)) for _ in range(1000)]
    wrong = np.mean([abs(found.fall) > 2 * found.error for found in drifts])
    # Of t distributions with 5 degrees of freedom on either side: 7 %.
    expected = 2 * stats.t(10).sf(2)
    assert abs(wrong - expected) < 4 * np.sqrt(expected * (1 - expected) / 1000)


def test_starts_that_end_apart_are_told():
    for elbos, verdict in (
        ([-100.0], "not measurable"),
        ([-100, -100.2, -100.1], "pass"),
        ([-100, -110, -120], "warn"),
        ([-100, -900, -1000], "fail"),
        ([-100, np.nan, np.nan], "fail"),
        ([-100, -100, np.nan], "pass"),
    ):
        finding = guides.of_starts(np.array(elbos), 100, LIMITS)
        assert finding.verdict == verdict, elbos
    assert finding.reason == "3 starts, of which 1 diverged"
    (one,) = [guides.of_starts(np.array([-100.0]), 100, LIMITS)]
    assert one.reason == "one start; set starts: 2 or more"


def test_every_limit_has_its_reason_in_the_manual():
    rows = (ROOT / "docs/trust.md").read_text(encoding="utf-8").splitlines()
    for name, (warn, fail) in LIMITS.items():
        assert any(row.startswith(f"| `{name}` | {warn:g}, {fail:g} | ") for row in rows), name


def test_a_posterior_that_is_not_normal_about_its_optima_is_told():
    """Of a normal one, and of normal distributions of another scale along one direction.

    The log weight of a standard normal posterior against one of a standard deviation s is
    (1 - s²) z² / 2 and a constant, z standard normal: the interquartile range is that of a
    chi-squared number of one degree of freedom times |1 - s²| / 2.
    """
    z = np.random.default_rng(1).normal(size=(5, 4000))
    low, high = stats.chi2(1).ppf([0.25, 0.75])
    for scale, verdict in ((1.0, "pass"), (2.0, "pass"), (5.0, "warn"), (20.0, "fail")):
        weights = 3.0 + stats.norm.logpdf(scale * z) - stats.norm.logpdf(z)
        finding = guides.of_normals(weights, 100, LIMITS)
        assert finding.verdict == verdict
        expected = abs(1 - scale**2) / 2 * (high - low) / 100
        assert finding.value == pytest.approx(expected, rel=0.1)
    # Of members some of which are normal, the median one counts.
    mixed = np.vstack([1000 * z[:2] ** 2, np.zeros((3, z.shape[1]))])
    assert guides.of_normals(mixed, 100, LIMITS).verdict == "pass"
    assert guides.of_normals(np.full((3, 30), -np.inf), 100, LIMITS).verdict == "fail"
    few = guides.of_normals(z[:, :5], 100, LIMITS)
    assert (few.verdict, few.reason) == ("not measurable", "5 draws; set draws: 20 or more")


@pytest.mark.parametrize("scale", [0.3, 0.7, 1.0])
def test_pareto_k_is_that_of_a_normal_guide(scale):
    """Of a standard normal posterior and a narrower guide: 1 - scale², a collapsed one near 1.

    The weight exp(z² (1 - scale²) / 2) of a standard normal z has a tail of that shape, up to
    slowly varying factors.
    """
    z = np.random.default_rng(8).normal(size=20_000) * scale
    weights = stats.norm.logpdf(z) - stats.norm.logpdf(z, scale=scale)
    finding = guides.of_weights(weights, LIMITS)
    assert finding.value == pytest.approx(1 - scale**2, abs=0.15) or scale == 1
    assert finding.verdict == {0.3: "warn", 0.7: "pass", 1.0: "pass"}[scale]


def test_pareto_k_of_pareto_weights():
    for k in (0.3, 0.6, 1.2):
        weights = np.random.default_rng(9).exponential(k, size=20_000)
        finding = guides.of_weights(weights, LIMITS)
        # The tail has 3 √n draws, of which the error of k is (1 + k) / √(3 √n).
        error = (1 + k) / np.sqrt(3 * np.sqrt(20_000))
        assert finding.value == pytest.approx(k, abs=4 * error)
    assert finding.verdict == "fail"
    few = guides.of_weights(weights[:10], LIMITS)
    assert (few.verdict, few.reason) == ("not measurable", "10 draws; set draws: 100 or more")


def test_weights_that_span_more_than_doubles_hold_fail_without_a_value():
    """Of few draws that carry all weight a fit to numbers that have underflown knows nothing."""
    weights = np.random.default_rng(12).normal(size=5000)
    for spread, verdict in (
        (0.1, "pass"),
        (10, "fail"),
        (100, "fail"),
        (1e3, "fail"),
        (1e4, "fail"),
    ):
        finding = guides.of_weights(spread * weights, LIMITS)
        assert finding.verdict == verdict
        assert np.isnan(finding.value) == (spread >= 1e3)
    assert finding.reason.startswith("the 212 largest span 1.")
    assert finding.reason.endswith("nats: the weights are worth 1 of 5000 draws")
    clipped = np.minimum(weights, 1.0)
    assert guides.of_weights(clipped, LIMITS).value == 0
    assert guides.of_weights(np.zeros(5000), LIMITS).verdict == "pass"


@pytest.mark.parametrize("spread", [0.5, 2.0, 5.0])
def test_pareto_k_is_that_of_another_fit(spread):
    """By maximum likelihood, drawn to 1/2 as by ten draws (Vehtari et al., arXiv:1507.02646)."""
    weights = spread * np.random.default_rng(13).normal(size=5000)
    ordered = np.sort(np.exp(weights))
    tail = ordered[-212:] - ordered[-213]
    shape, _, _ = stats.genpareto.fit(tail, floc=0)
    expected = (212 * shape + 10 * 0.5) / 222
    finding = guides.of_weights(weights, LIMITS)
    # The two estimators differ by a fraction of the standard error that both have.
    assert finding.value == pytest.approx(expected, abs=0.5 * (1 + shape) / np.sqrt(212))


def test_weights_that_are_not_finite_fail():
    weights = np.zeros(1000)
    weights[3] = np.nan
    finding = guides.of_weights(weights, LIMITS)
    assert finding.verdict == "fail"
    assert finding.reason == "1 of 1000 log weights is not finite"


def test_agreement_is_the_distance_of_distributions():
    probability = (np.arange(1000) + 0.5) / 1000
    normal = stats.norm.ppf(probability)[:, None] * np.ones(2)
    near = normal + np.array([0.0, 2.0])

    def agreement(ours, unsound=()):
        unsound = dict(unsound)
        inside = {name: mask(X, REGIONS[name]) for name in REGIONS}
        return list(guides.of_agreement(ours, normal, inside, "mcmc", LIMITS, unsound))

    told = agreement(near)
    assert found(told) == {"disagreement left": "pass", "disagreement right": "fail"}
    # A shift moves every quantile by itself, a scale by its mean absolute value.
    assert told[1].value == pytest.approx(2, rel=0.01)
    assert agreement(1.5 * normal)[0].value == pytest.approx(0.5 * np.sqrt(2 / np.pi), rel=0.01)
    assert told[0].reason == "from mcmc"
    # A fit that fails itself is no yardstick, for better or worse.
    left, right = agreement(near, {"left": "R-hat of sigma", "right": ""})
    assert (left.verdict, left.value) == ("not measurable", told[0].value)
    assert left.reason == "from mcmc, which itself fails: R-hat of sigma; sample that longer"
    assert right == told[1]


def test_a_sampled_fit_is_unsound_where_its_sampling_fails():
    def judged(*rows):
        table = pd.DataFrame(rows, columns=["diagnostic", "region", "verdict"])
        return table.assign(counts_for=table["region"], reason="")

    local = judged(
        ("rhat_function", "left", "fail"),
        ("rhat_function", "right", "warn"),
        ("calibration_error", "right", "fail"),
    )
    assert verdicts.unsound(local, "left") == "R-hat of the function"
    assert verdicts.unsound(local, "right") == ""
    everywhere = judged(("divergences", "", "fail"), ("ess_bulk_sigma", "", "fail"))
    assert verdicts.unsound(everywhere, "left") == "divergences; bulk ESS of sigma"


DENSITIES = {
    "source": np.array([1.0, 1, -9, -9]),
    "updated": np.array([0.0, 0, 1, 1]),
    "joint": np.array([1.0, 1, 1, 1.02]),
    "alone": np.array([-9.0, -9, 1.3, 1.3]),
}
BESIDE = {"joint": "svi_joint, verdict fail", "alone": "svi_new, verdict pass"}


def of_update(densities=DENSITIES, old=((0, 1),), new=((2, 3),)):
    x = np.array([0.2, 0.8, 2.2, 2.8])
    inside = {"first": x < 1, "second": x > 1, "all": x < 9, "none": x > 9}
    places = {"old data": mask(x, old) if old else None, "new data": mask(x, new)}
    told = update.of_update(densities, places, BESIDE, inside, LIMITS)
    return {f"{f.diagnostic} {f.region}": f for f in told}


def test_an_update_is_judged_by_what_it_forgets_and_learns():
    found = of_update()
    assert [(name, pytest.approx(f.value), f.verdict) for name, f in found.items()] == [
        ("forgetting old data", 1.0, "fail"),
        ("transfer new data", 10.0, "pass"),
        ("behind_joint old data", 1.0, "fail"),
        ("behind_joint new data", 0.01, "pass"),
        ("behind_alone new data", 0.01, "pass"),
    ]
    assert found["behind_joint old data"].reason == "beside svi_joint, verdict fail"
    assert found["behind_alone new data"].reason == "beside svi_new, verdict pass"
    worse = of_update(DENSITIES | {"source": np.full(4, 2.0)})
    assert worse["transfer new data"].verdict == "fail"


def test_an_update_is_not_asked_for_more_than_the_joint_fit_has():
    alone = {name: own for name, own in DENSITIES.items() if name != "joint"}
    assert of_update(alone)["behind_alone new data"].value == pytest.approx(0.3)
    worse = of_update(DENSITIES | {"joint": np.array([0.25, 0.25, 1.1, 1.1])})
    assert worse["forgetting old data"].value == pytest.approx(0.25)
    assert worse["behind_alone new data"].value == pytest.approx(0.1)
    assert worse["transfer new data"].value == pytest.approx(10)


def test_an_update_without_other_fits_beside_it_is_measured_in_part():
    *measured, joint, _, alone = of_update(
        {n: DENSITIES[n] for n in ("source", "updated")}
    ).values()
    assert {f.verdict for f in measured} == {"pass", "fail"}
    assert {joint.verdict, alone.verdict} == {"not measurable"}
    assert joint.reason.endswith("method to old and new data together; add one")
    assert alone.counts_for == ("second", "all")


def test_what_is_found_of_an_update_counts_where_its_data_are():
    for name, finding in of_update().items():
        own = "first" if name.endswith("old data") else "second"
        assert finding.counts_for == (own, "all")


def test_an_update_whose_data_no_held_out_point_shows_is_not_measurable():
    same = of_update(old=())
    for name in ("forgetting old data", "behind_joint old data"):
        assert same[name].verdict == "not measurable"
        assert same[name].reason == "its prior has learnt from no other data than the fit itself"
        assert same[name].counts_for == ()
    assert same["transfer new data"].verdict == "pass"
    hidden = of_update(old=((0.3, 0.4),))["forgetting old data"]
    assert hidden.reason == "no held-out point where the old data are; widen data.held_out"
    assert hidden.counts_for == ()
    table = findings.table([hidden, *same.values(), findings.unmeasured("ebfmi", "", "all")], {})
    assert table["counts_for"].tolist()[:2] == ["", ""]
    assert table["counts_for"].tolist()[-1] == "all"


def of_calibration(mean, data):
    """Findings on data sets (set, point) of a response with means (draw, point) and unit noise."""
    count, sets = data.shape[1], len(data)
    parts = torch.tensor(mean, dtype=torch.float32), torch.ones(mean.shape)
    stream = torch.Generator().manual_seed(0)
    together = evaluation.simulations([Mixture(Normals(*parts))], np.ones((1, count), bool), stream)
    by_chance = scores.by_chance(together.isel(target=0).assign_coords(region=["all"]))
    # All sets at once, each in a region of its own.
    mixture = Mixture(Normals(*(part.repeat(1, sets) for part in parts)))
    y = torch.tensor(data.ravel(), dtype=torch.float32)[None]
    inside = np.repeat(np.eye(sets, dtype=bool), count, axis=1)
    of_points = {"targets": (("target", "point"), y), "inside": (("region", "point"), inside)}
    coordinates = {"target": ["y"], "region": list(map(str, range(sets)))}
    given = [mixture], [Column("y", 0.0, 1.0)], y.numpy(), levels.LEVELS, stream
    found = evaluation.scored(*given).assign(of_points)
    table = scores.table(found.assign_coords(coordinates))
    chance = dict.fromkeys(coordinates["region"], by_chance["all"])
    return list(calibration.of_calibration(scores.errors(table), chance, LIMITS))


@pytest.mark.parametrize("count", [1, 5, 20, 200])
@pytest.mark.parametrize("shared", [0.0, 3.0])
def test_a_fit_that_is_right_is_told_to_be_so(count, shared):
    """Also where all points share an error of the function that it knows, larger than the noise."""
    random = np.random.default_rng(14)
    mean = shared * random.normal(size=(100, 1)) + np.zeros(count)
    truth = shared * random.normal(size=(100, 1))
    verdict = [f.verdict for f in of_calibration(mean, truth + random.normal(size=(100, count)))]
    # At most 5 of 100 are expected beyond chance, and not all of them beyond a limit.
    assert 100 - verdict.count("pass") <= stats.binom(100, 0.05).ppf(0.999)


@pytest.mark.parametrize(("bias", "spread"), [(1.0, 1.0), (0.0, 4.0), (0.0, 0.25)])
def test_bias_and_false_certainty_and_doubt_are_found(bias, spread):
    random = np.random.default_rng(15)
    mean = 0.1 * random.normal(size=(100, 100))
    told = of_calibration(mean, bias + spread * random.normal(size=(20, 100)))
    verdict = [f.verdict for f in told]
    assert "pass" not in verdict
    assert "fail" in verdict
    assert told[0].reason.endswith("may be chance")


def test_calibration_is_judged_by_region():
    errors = {"left": np.array([0.06, 0.01]), "right": np.array([0.2, 0.3])}
    by_chance = {"left": np.array([0.05, 0.02]), "right": np.array([0.15, 0.1])}
    left, right = calibration.of_calibration(errors, by_chance, LIMITS)
    assert (left.verdict, left.region, left.value) == ("pass", "left", pytest.approx(0.01))
    assert (right.verdict, right.value) == ("fail", pytest.approx(0.2))
    part = "shares in central intervals are off by 0.3, of which 0.1 may be chance"
    assert right.reason == part
    by_chance["left"] += 0.1
    assert next(calibration.of_calibration(errors, by_chance, LIMITS)).value == 0


def test_limits_lie_above_or_below():
    for name, pair, value, verdict, threshold in (
        ("rhat_sigma", (1.0, 2.0), 1.0, "pass", 1.0),
        ("rhat_sigma", (1.0, 2.0), 1.5, "warn", 1.0),
        ("rhat_sigma", (1.0, 2.0), 2.5, "fail", 2.0),
        ("rhat_sigma", (1.0, 1.0), 1.5, "fail", 1.0),
        ("ess_tail_sigma", (2.0, 1.0), 2.0, "pass", 2.0),
        ("ess_tail_sigma", (2.0, 1.0), 1.5, "warn", 2.0),
        ("ess_tail_sigma", (2.0, 1.0), 0.5, "fail", 1.0),
        ("transfer", (1.0, 1.0), 1.5, "pass", 1.0),
        ("transfer", (1.0, 1.0), 0.5, "fail", 1.0),
    ):
        given = {name.split("_")[0]: pair, "ebfmi": (9, 8)}
        finding = findings.judged(name, value, given)
        assert (finding.verdict, finding.threshold) == (verdict, threshold)
    for value in (np.nan, np.inf):
        finding = findings.judged("rhat", value, {"rhat": (1.0, 2.0)})
        assert finding.verdict == "fail"
        assert "the fit has gone astray; look at its log" in finding.reason


def test_limits_in_the_wrong_order_are_a_fault():
    assert list(limits.disorder(LIMITS)) == []
    for key, pair in LIMITS.items():
        if pair[0] != pair[1]:
            (fault,) = limits.disorder(LIMITS | {key: pair[::-1]})
            assert fault.startswith(f"{key}: is [{pair[1]}, {pair[0]}]; ")
    assert list(limits.disorder({"ess": (100, 100), "rhat": (1.1, 1.1)})) == []


def test_the_engine_that_was_not_compiled_is_told():
    assert list(fit.of_engine({"engine": "compiled"})) == []
    (finding,) = fit.of_engine({"engine": "pyro", "engine_reason": "no compiler"})
    assert finding.verdict == "warn"
    assert "no compiler" in finding.reason


def test_every_diagnostic_has_a_meaning_and_every_value_is_said():
    for name, meaning in meanings.MEANINGS.items():
        assert meaning.asks.endswith((".", "?")), name
        said = meaning.says.format(value="0.123", limit="0.045")
        assert ("0.123" in said and "0.045" in said) or name == "engine"
        assert meaning.remedies
    parts = [meaning.part for meaning in meanings.MEANINGS.values()]
    assert parts == sorted(parts, key=meanings.PARTS.index)
    assert {*parts} == {*meanings.PARTS}
    for name in LIMITS:
        assert any(known == name or known.startswith(f"{name}_") for known in meanings.MEANINGS)


def test_a_diagnostic_of_any_site_has_its_words_and_its_rank():
    said = meanings.meaning("rhat_chain_obs.scale")
    assert said.words == "R-hat of obs.scale within a chain"
    names = ["pareto_k", "ess_bulk_b", "rhat_b", "rhat_chain_b", "rhat_function", "divergences"]
    assert sorted(names, key=meanings.in_order) == names[::-1]
    for name in ("rhat", "rhat_", "rhat_<b>", "ess_bulk_a b", "width_b", "sigma"):
        assert not meanings.is_known(name)
        with pytest.raises(KeyError):
            meanings.meaning(name)


def test_values_are_written_as_a_reader_takes_them_in():
    assert meanings.shown("divergences", 0.125) == "12.5 %"
    assert meanings.shown("ess_bulk_function", 4.20041) == "4.2"
    assert meanings.shown("ess_bulk_function", 12345.6) == "12,346"
    assert meanings.shown("pareto_k", np.nan) == ""


@pytest.mark.parametrize(
    ("guide", "advised"),
    [("AutoDiagonalNormal", True), ("AutoMultivariateNormal", False)],
)
def test_a_remedy_is_one_that_the_fit_has_not_taken_yet(guide, advised):
    remedy = meanings.MEANINGS["pareto_k"].remedy({"method": "svi", "guide": guide})
    assert ("a guide with correlations" in remedy) == advised
    assert "`method: nuts`" in remedy


def test_causes_come_before_what_follows_from_them():
    names = ["ess_bulk_function", "calibration_error", "rhat_chain_sigma", "divergences"]
    table = pd.DataFrame({"diagnostic": names}).assign(
        region="", counts_for="", verdict="fail", reason=""
    )
    assert verdicts.reasons(table) == (
        "divergences; bulk ESS of the function; R-hat of sigma within a chain; calibration"
    )


def test_verdicts_in_words():
    rows = [
        ("rhat_function", "data", 2.0, 1.1, "fail", ""),
        ("rhat_function", "gap", 2.0, 1.1, "fail", ""),
        ("ess_bulk_function", "data", 9.0, 100, "fail", ""),
        ("ess_bulk_function", "gap", 900.0, 400, "pass", ""),
        ("pareto_k", "", 0.8, 0.7, "warn", "500 draws"),
    ]
    columns = ["diagnostic", "region", "value", "threshold", "verdict", "reason"]
    table = pd.DataFrame(rows, columns=columns)
    table["counts_for"] = table["region"]
    both = "R-hat of the function (everywhere); bulk ESS of the function (data)"
    assert verdicts.reasons(table) == both
    assert verdicts.reasons(table, 1) == "R-hat of the function (everywhere); 1 more"
    of_part = f"computed fails ({both})"
    assert verdicts.stamp(table) == ("fail", of_part)
    calibrated = pd.concat(
        [table, table[:1].assign(diagnostic="calibration_error", verdict="pass")]
    )
    assert verdicts.stamp(calibrated) == ("fail", f"{of_part}; calibrated passes")
    assert verdicts.stamp(table, "rhat_function")[1] == "R-hat of the function (everywhere)"
    # A part that is better than the fit does not hide that the fit fails.
    shown = f"{of_part}. What is shown here is WARN: Pareto k: 500 draws"
    assert verdicts.stamp(table, "pareto_k") == ("fail", shown)
    passing = table.assign(verdict=["fail", "fail", "pass", "pass", "pass"])
    assert verdicts.stamp(passing, "pareto_k") == (
        "fail",
        "computed fails (R-hat of the function (everywhere)). What is shown here passes",
    )
    assert verdicts.stamp(table[3:4]) == ("", "")
    assert verdicts.reasons(table[3:4]) == ""
    update = table[:2].assign(region=["old data", "new data"], counts_for=["left", "right"])
    assert verdicts.reasons(update) == "R-hat of the function (old data, new data)"
    assert verdicts.worst(["pass", "not measurable"]) == "not measurable"
    assert verdicts.worst(["warn", "not measurable"]) == "warn"


def test_no_region_has_a_milder_verdict_than_its_parts():
    x = np.array([0.0, 1.0, 2.0, 3.0])
    inside = {"low": x < 2, "end": x > 2, "all": x >= 0, "same": x >= 0, "none": x < 0}
    assert regions.around(inside) == {
        "low": ["low", "all", "same"],
        "end": ["end", "all", "same"],
        "all": ["all", "same"],
        "same": ["same", "all"],
        "none": ["none"],
    }
    told = [
        findings.judged("calibration_error", value, LIMITS, region)
        for region, value in (("low", 0.01), ("end", 0.4), ("all", 0.06))
    ]
    table = findings.table(told, regions.around(inside)).assign(fit="mine")
    verdict = {
        name: verdicts.worst(table["verdict"][[name in c.split() for c in table["counts_for"]]])
        for name in ("low", "end", "all")
    }
    assert verdict == {"low": "pass", "end": "fail", "all": "fail"}


def test_a_summary_has_a_row_for_every_fit_and_for_the_generating_process():
    metrics = pd.DataFrame(
        [
            (fit, region, metric, value, 0.3, 0.4 if region == "left" else np.nan)
            for fit, value in (("mine", 1.0), ("oracle", 2.0))
            for region in REGIONS
            for metric in verdicts.HEADLINES
        ],
        columns=["fit", "region", "metric", "value", "error_draws", "error_points"],
    )
    columns = ["fit", "diagnostic", "region", "counts_for", "verdict", "reason"]
    rows = [
        ("mine", "rhat_function", "left", "left", "fail", ""),
        ("mine", "rhat_function", "right", "right", "pass", ""),
        ("mine", "transfer", "new data", "right", "warn", ""),
        ("mine", "divergences", "", "", "pass", ""),
    ]
    mine, oracle = verdicts.of_fits(metrics, pd.DataFrame(rows, columns=columns)).to_dict("records")
    assert (mine["verdict"], mine["verdict_left"], mine["verdict_right"]) == (
        "fail",
        "fail",
        "warn",
    )
    assert mine["reasons"] == "R-hat of the function (left)"
    assert (mine["error_lppd_left"], mine["error_lppd_right"]) == (0.5, 0.3)
    assert (oracle["fit"], oracle["verdict"], oracle["lppd_left"]) == ("oracle", "", 2.0)
