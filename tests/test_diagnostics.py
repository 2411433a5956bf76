"""Every diagnostic raises its alarm on a case built to fail, and is silent on a good one."""

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch
import yaml
from conftest import ROOT
from scipy import signal, stats

from bnnflow import diagnostics, nuts, svi, verdicts
from bnnflow.density import LogDensity

LIMITS = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))[
    "diagnostics"
]
REGIONS = {"left": [(-1, 0)], "right": [(0.1, 1)]}
X = np.array([-0.5, 0.5])


def found(findings):
    """Verdict of every diagnostic, with its region where it has one."""
    return {f"{f.diagnostic} {f.region}".strip(): f.verdict for f in findings}


def chains(*means, draws=1000, rho=0.0, seed=0):
    """Stationary autoregressive chains about means, (chain, draw, probe), and sigma."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=(len(means), draws, 3))
    noise[:, 0] /= np.sqrt(1 - rho**2)
    values = signal.lfilter([1], [1, -rho], noise, axis=1) * np.sqrt(1 - rho**2)
    function = values[:, :, :2] + np.array(means)[:, None, None]
    return function, np.exp(values[:, :, 2])


def of_chains(function, sigma):
    return list(diagnostics.of_chains(function, X, sigma, REGIONS, LIMITS))


def test_chains_that_agree_pass():
    assert set(found(of_chains(*chains(0, 0, 0, 0))).values()) == {"pass"}


def test_stuck_chains_disagree_though_each_is_well():
    verdict = found(of_chains(*chains(0, 5)))
    for region in REGIONS:
        assert verdict[f"rhat_function {region}"] == "fail"
        assert verdict[f"rhat_chain_function {region}"] == "pass"
        assert verdict[f"ess_bulk_function {region}"] == "fail"
    assert verdict["rhat_sigma"] == "pass"


def test_a_region_where_chains_disagree_is_named():
    function, sigma = chains(0, 0, 0, 0)
    function[0, :, 1] += 3
    verdict = found(of_chains(function, sigma))
    assert verdict["rhat_function left"] == "pass"
    assert verdict["rhat_function right"] == "fail"


def test_a_slow_chain_has_few_effective_draws():
    function, sigma = chains(0, 0, rho=0.99)
    verdict = found(of_chains(function, sigma))
    assert verdict["ess_bulk_function left"] == verdict["ess_tail_function right"] == "fail"


def test_a_chain_that_does_not_move_fails_and_is_named():
    function, sigma = chains(0, 0)
    function[1] = 2.0
    finding = next(f for f in of_chains(function, sigma) if f.diagnostic == "rhat_function")
    assert finding.verdict == "fail"
    assert np.isnan(finding.value)
    assert finding.reason == "chain 1 does not move"


def test_one_chain_has_no_rhat_across_chains_and_few_draws_none_at_all():
    verdict = {f.diagnostic: f for f in of_chains(*chains(0)) if f.region == "left"}
    assert verdict["rhat_function"].verdict == "not measurable"
    assert verdict["rhat_function"].reason == "one chain"
    assert verdict["rhat_chain_function"].verdict == "pass"
    function, sigma = chains(0, 0)
    for count in (1, diagnostics.FEWEST_DRAWS - 1):
        few = of_chains(function[:, :count], sigma[:, :count])
        assert {f.verdict for f in few} == {"not measurable"}
        assert {f.reason for f in few} == {f"{count} draws; {diagnostics.FEWEST_DRAWS} are needed"}


def split_rhat(values):
    """Of (chain, draw), without the ranks: Gelman et al., Bayesian Data Analysis, 3rd edition."""
    half = values.shape[1] // 2
    split = np.concatenate([values[:, :half], values[:, -half:]])
    within, between = split.var(axis=1, ddof=1).mean(), half * split.mean(axis=1).var(ddof=1)
    return np.sqrt(((half - 1) / half * within + between / half) / within)


def test_rhat_is_the_published_formulas():
    """The larger of that of the ranks' normal scores, and of their distances from the median."""
    values = chains(0, 0.3, 0.1, rho=0.5, seed=3)[0][:, :, 0]

    def scored(z):
        ranks = stats.rankdata(z).reshape(z.shape)
        return split_rhat(stats.norm.ppf((ranks - 3 / 8) / (z.size + 1 / 4)))

    expected = max(scored(values), scored(np.abs(values - np.median(values))))
    function = np.stack([values, values], axis=2)
    finding = of_chains(function, np.exp(values))[0]
    assert finding.value == pytest.approx(expected, rel=1e-6)
    assert expected > 1.005


def test_ess_is_that_of_an_autoregressive_chain():
    rho, draws = 0.6, 20_000
    function, sigma = chains(0, 0, 0, 0, draws=draws, rho=rho, seed=4)
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
    return list(diagnostics.of_trajectories(good | changed, 0.8, 10, LIMITS))


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
    one = {name: np.ones((1, 1)) for name in ("diverging", "tree_depth", "energy")}
    single = trajectories(**one, acceptance_rate=np.full((1, 1), 0.8))
    assert found(single)["ebfmi"] == "not measurable"


def test_ebfmi_is_the_published_formula():
    energy = np.array([[0.0, 1, 3, 2, 5, 1, 0, 2]])
    stats_ = {
        "diverging": np.zeros((1, 8)),
        "tree_depth": np.ones((1, 8)),
        "energy": energy,
        "acceptance_rate": np.full((1, 8), 0.8),
    }
    value = next(
        f.value
        for f in diagnostics.of_trajectories(stats_, 0.8, 10, LIMITS)
        if f.diagnostic == "ebfmi"
    )
    steps, off = np.diff(energy[0]), energy[0] - energy.mean()
    assert value == pytest.approx((steps**2).mean() / (off**2).mean())


def test_a_funnel_raises_an_alarm():
    """Neal's funnel, whose neck no one step size reaches (Neal, 2003, section 8)."""

    def funnel():
        v = pyro.sample("v", dist.Normal(0.0, 3.0))
        pyro.sample("x", dist.Normal(torch.zeros(9), torch.exp(v / 2)).to_event(1))

    torch.set_num_threads(1)
    settings = {"warmup": 500, "draws": 500, "target_accept": 0.8, "max_tree_depth": 8}
    settings |= {"sampler": "nutpie", "mass_matrix": "diagonal", "init": "uniform"}
    density = LogDensity(funnel, engine="compiled")
    runs = [nuts.sample_chain(density, seed=seed, **settings) for seed in range(4)]
    v = np.stack([draws["v"] for draws, _ in runs])
    stats_ = {name: np.stack([stats[name] for _, stats in runs]) for name in runs[0][1]}
    findings = diagnostics.of_trajectories(stats_, 0.8, 8, LIMITS)
    told = {**found(findings), **found(of_chains(np.stack([v, v], axis=2), np.exp(v)))}
    assert verdicts.worst(told.values()) == "fail"
    assert "fail" in (told["divergences"], told["ebfmi"], told["ess_bulk_sigma"])


def losses(end, steps=10_000, seed=7):
    """Noisy losses that come down to 0, or go on falling by `end` in the last tenth."""
    random = np.random.default_rng(seed)
    step = np.arange(steps)
    level = 100 * np.exp(-step / (steps / 50)) - end * step / (steps / 10)
    return level + random.standard_t(3, size=steps) * 2


def of_loss(values):
    return diagnostics.of_loss(values, 100, LIMITS)


def test_a_bound_that_has_stopped_passes_and_one_that_rises_does_not():
    assert {of_loss(losses(0, seed=seed)).verdict for seed in range(20)} <= {"pass"}
    assert of_loss(losses(3)).verdict == "fail"
    assert of_loss(-losses(3)).verdict == "fail"  # it may not get worse either
    assert of_loss(losses(0)[:100]).verdict == "not measurable"


def test_a_noisy_bound_is_judged_by_wider_parts_or_not_at_all():
    """Noise that hides a fall in tenths shows it in fifths, where it is four times as large."""
    random, step = np.random.default_rng(0), np.arange(4000)
    noise = 300 * random.normal(size=4000)
    falling = of_loss(noise - 0.1 * step)
    assert falling.verdict == "fail"
    assert "last fifth" in falling.reason
    still = of_loss(noise)
    assert still.verdict == "not measurable"
    assert "too noisy" in still.reason


def test_a_bound_that_was_stopped_early_rises():
    def model(x, y):
        theta = pyro.sample("theta", dist.Normal(0.0, 10.0))
        with pyro.plate("data", len(x)):
            pyro.sample("obs", dist.Normal(theta, 1.0), obs=y)

    y = torch.full((50,), 5.0)
    density = LogDensity(model, y, y, engine="compiled")
    verdict = {}
    for steps in (200, 5000):
        streams = [torch.Generator().manual_seed(0)]
        settings = {"learning_rate": 0.01, "schedule": "constant", "steps": steps}
        ((_, values),) = svi.fit(density, streams, guide="AutoDiagonalNormal", **settings)
        verdict[steps] = diagnostics.of_loss(values, 50, LIMITS).verdict
    assert verdict == {200: "fail", 5000: "pass"}


def test_starts_that_end_apart_are_told():
    for elbos, verdict in (
        ([-100.0], "not measurable"),
        ([-100, -100.2, -100.1], "pass"),
        ([-100, -110, -120], "warn"),
        ([-100, -900, -1000], "fail"),
        ([-100, np.nan, np.nan], "fail"),
        ([-100, -100, np.nan], "pass"),
    ):
        finding = diagnostics.of_starts(np.array(elbos), 100, LIMITS)
        assert finding.verdict == verdict, elbos
    assert finding.reason == "3 starts, of which 1 diverged"


@pytest.mark.parametrize("scale", [0.3, 0.7, 1.0])
def test_pareto_k_is_that_of_a_normal_guide(scale):
    """Of a standard normal posterior and a narrower guide: 1 - scale², a collapsed one near 1.

    The weight exp(z² (1 - scale²) / 2) of a standard normal z has a tail of that shape, up to
    slowly varying factors.
    """
    z = np.random.default_rng(8).normal(size=20_000) * scale
    weights = stats.norm.logpdf(z) - stats.norm.logpdf(z, scale=scale)
    finding = diagnostics.of_weights(weights, LIMITS)
    assert finding.value == pytest.approx(1 - scale**2, abs=0.15) or scale == 1
    assert finding.verdict == {0.3: "warn", 0.7: "pass", 1.0: "pass"}[scale]


def test_pareto_k_of_pareto_weights():
    for k in (0.3, 0.6, 1.2):
        weights = np.random.default_rng(9).exponential(k, size=20_000)
        finding = diagnostics.of_weights(weights, LIMITS)
        # The tail has 3 √n draws, of which the error of k is (1 + k) / √(3 √n).
        error = (1 + k) / np.sqrt(3 * np.sqrt(20_000))
        assert finding.value == pytest.approx(k, abs=4 * error)
    assert finding.verdict == "fail"
    assert diagnostics.of_weights(weights[:10], LIMITS).verdict == "not measurable"


def test_weights_that_are_not_finite_fail():
    weights = np.zeros(1000)
    weights[3] = np.nan
    finding = diagnostics.of_weights(weights, LIMITS)
    assert finding.verdict == "fail"
    assert finding.reason == "1 of 1000 log weights is not finite"


def test_agreement_is_the_distance_of_distributions():
    probability = (np.arange(1000) + 0.5) / 1000
    normal = stats.norm.ppf(probability)[:, None] * np.ones(2)
    near = normal + np.array([0.0, 2.0])

    def agreement(ours):
        return list(diagnostics.of_agreement(ours, normal, X, "mcmc", REGIONS, LIMITS))

    findings = agreement(near)
    assert found(findings) == {"disagreement left": "pass", "disagreement right": "fail"}
    # A shift moves every quantile by itself, a scale by its mean absolute value.
    assert findings[1].value == pytest.approx(2, rel=0.01)
    assert agreement(1.5 * normal)[0].value == pytest.approx(0.5 * np.sqrt(2 / np.pi), rel=0.01)
    assert findings[0].reason == "from mcmc"


def test_an_update_is_judged_by_what_it_forgets_and_learns():
    old, new = np.array([True, True, False, False]), np.array([False, False, True, True])
    densities = {
        "source": np.array([1.0, 1, -9, -9]),
        "updated": np.array([0.0, 0, 1, 1]),
        "joint": np.array([1.0, 1, 1, 1.02]),
        "alone": np.array([-9.0, -9, 1.3, 1.3]),
    }
    findings = list(diagnostics.of_update(densities, old, new, LIMITS))
    assert [
        (f"{f.diagnostic} {f.region}", pytest.approx(f.value), f.verdict) for f in findings
    ] == [
        ("forgetting old data", 1.0, "fail"),
        ("transfer new data", 10.0, "pass"),
        ("behind_joint old data", 1.0, "fail"),
        ("behind_joint new data", 0.01, "pass"),
        ("behind_alone new data", 0.3, "warn"),
    ]
    alone = {name: densities[name] for name in ("source", "updated")}
    rest = list(diagnostics.of_update(alone, old, new, LIMITS))[2:]
    assert {f.verdict for f in rest} == {"not measurable"}
    worse = diagnostics.of_update(densities | {"source": np.full(4, 2.0)}, old, new, LIMITS)
    assert found(worse)["transfer new data"] == "fail"


def test_calibration_is_judged_by_region():
    metrics = pd.DataFrame(
        [
            ("left", "lppd", 9.0),
            ("left", "calibration_error", 0.05),
            ("right", "calibration_error", 0.3),
        ],
        columns=["region", "metric", "value"],
    )
    verdict = found(diagnostics.of_scores(metrics, LIMITS))
    assert verdict == {"calibration_error left": "pass", "calibration_error right": "fail"}


def test_limits_lie_above_or_below():
    for limits, value, verdict, threshold in (
        ((1.0, 2.0), 1.0, "pass", 1.0),
        ((1.0, 2.0), 1.5, "warn", 1.0),
        ((1.0, 2.0), 2.5, "fail", 2.0),
        ((2.0, 1.0), 2.0, "pass", 2.0),
        ((2.0, 1.0), 1.5, "warn", 2.0),
        ((2.0, 1.0), 0.5, "fail", 1.0),
        ((1.0, 1.0), 1.5, "fail", 1.0),
    ):
        finding = diagnostics.judged("rhat", value, limits)
        assert (finding.verdict, finding.threshold) == (verdict, threshold)
    for value in (np.nan, np.inf):
        assert diagnostics.judged("rhat", value, (1.0, 2.0)).verdict == "fail"


def test_the_engine_that_was_not_compiled_is_told():
    assert list(diagnostics.of_engine({"engine": "compiled"})) == []
    (finding,) = diagnostics.of_engine({"engine": "pyro", "engine_reason": "no compiler"})
    assert finding.verdict == "warn"
    assert "no compiler" in finding.reason


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
    both = "R-hat of the function (everywhere); bulk ESS of the function (data)"
    assert verdicts.reasons(table) == both
    assert verdicts.reasons(table, 1) == "R-hat of the function (everywhere); 1 more"
    assert verdicts.stamp(table) == ("fail", both)
    assert verdicts.stamp(table, "pareto_k") == ("warn", "Pareto k: 500 draws")
    assert verdicts.stamp(table[3:4]) == ("", "")
    assert verdicts.worst(["pass", "not measurable"]) == "not measurable"
    assert verdicts.worst(["warn", "not measurable"]) == "warn"


def test_a_summary_has_a_row_for_every_fit_and_for_the_generating_process():
    metrics = pd.DataFrame(
        [
            (fit, region, metric, value)
            for fit, value in (("mine", 1.0), ("oracle", 2.0))
            for region in REGIONS
            for metric in verdicts.HEADLINES
        ],
        columns=["fit", "region", "metric", "value"],
    )
    columns = ["fit", "diagnostic", "region", "verdict", "reason"]
    rows = [
        ("mine", "rhat_function", side, v, "") for side, v in (("left", "fail"), ("right", "pass"))
    ]
    mine, oracle = verdicts.summary(metrics, pd.DataFrame(rows, columns=columns)).to_dict("records")
    assert (mine["verdict"], mine["verdict_left"], mine["verdict_right"]) == (
        "fail",
        "fail",
        "pass",
    )
    assert mine["reasons"] == "R-hat of the function (left)"
    assert (oracle["fit"], oracle["verdict"], oracle["lppd_left"]) == ("oracle", "", 2.0)
