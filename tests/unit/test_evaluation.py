"""From a posterior to verdicts: three inputs, two targets, with and without a truth, weights."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import weighting_of
from scipy import stats

from bnnflow.config import studies
from bnnflow.data import points, regions
from bnnflow.files import arrays, posterior, predictions
from bnnflow.files.columns import Column
from bnnflow.files.errors import FileError
from bnnflow.judge import findings, fit, scores, verdicts
from bnnflow.judge.settings import Diagnostics
from bnnflow.methods.running.method import METHODS
from bnnflow.model.correlation import Correlation
from bnnflow.model.likelihoods.normal import Normals
from bnnflow.predict import evaluation, levels
from bnnflow.predict.mixture import Mixture

LIMITS = dict.fromkeys(("rhat", "calibration_error", "pareto_k", "disagreement"), (0.1, 0.2))
LIMITS |= dict.fromkeys(("forgetting", "behind", "elbo_drift", "restart_spread"), (0.1, 0.2))
LIMITS |= {"ess": (400, 100), "transfer": (0.0, -0.05)}
TARGETS = (Column("a", 0.0, 1.0), Column("b c", 100.0, 5.0))
WEIGHT = np.array([0.2, 0.5, 0.3])
CHAINS, DRAWS, COUNT = 3, 60, 90


def held_out(truth=True):
    random = np.random.default_rng(0)
    names = ["dose", "age", "mass", "a", "b c"]
    table = pd.DataFrame(random.normal(size=(COUNT, 5)), columns=names)
    table["b c"] = 100 + 5 * table["b c"]
    table = table.assign(**{"true a": 0.0, "true b": 100.0})
    young = (table["age"] < 0).to_numpy()
    inside = {"young": young, "old people": ~young, "all": young | ~young}
    of_set = {"first": young, "second": ~young}
    true = ["true a", "true b"] if truth else []
    return points.held_out(table, names[:3], names[3:], inside, of_set, truth=true)


def mixtures(weight=WEIGHT):
    random = torch.Generator().manual_seed(1)
    weights = torch.tensor(np.repeat(weight / DRAWS, DRAWS))
    parts = []
    for _ in TARGETS:
        mean = 0.3 * torch.randn(CHAINS * DRAWS, COUNT, generator=random)
        parts.append(Mixture.of(Normals(mean, torch.ones_like(mean)), weights))
    return parts


def evaluated(truth=True, weight=WEIGHT, only=slice(None)):
    stream, own = torch.Generator().manual_seed(0), held_out(truth).isel(target=only)
    given = mixtures(weight)[only], TARGETS[only], own, levels.LEVELS, weighting_of(weight), stream
    return evaluation.evaluated(*given)


@pytest.fixture(scope="module")
def whole():
    return evaluated()


def test_an_evaluation_is_written_and_read_as_it_is(tmp_path, whole):
    arrays.write(whole, tmp_path / "e.nc")
    found = predictions.read_evaluation(tmp_path / "e.nc")
    assert found.equals(whole)
    parts = predictions.POINTS | predictions.TRUTH | predictions.SCORED | predictions.PROBED
    assert {name: found[name].dims for name in parts} == parts
    assert found["region"].values.tolist() == ["young", "old people", "all"]
    arrays.write(evaluated(truth=False), tmp_path / "e.nc")
    assert "truth" not in predictions.read_evaluation(tmp_path / "e.nc")


def test_an_evaluation_without_masks_or_names_is_refused(tmp_path, whole):
    arrays.write(whole.assign(inside=whole["inside"] + 0.5), tmp_path / "e.nc")
    with pytest.raises(FileError, match="inside is not of yes and no"):
        predictions.read_evaluation(tmp_path / "e.nc")
    arrays.write(whole.drop_vars("region"), tmp_path / "e.nc")
    with pytest.raises(FileError, match="regions have no names"):
        predictions.read_evaluation(tmp_path / "e.nc")


def test_points_are_written_and_read_as_they_are(tmp_path):
    for truth in (True, False):
        arrays.write(held_out(truth), tmp_path / "points.nc")
        assert points.read(tmp_path / "points.nc").equals(held_out(truth))


def test_scores_of_a_target_are_in_its_units(whole):
    plain = evaluation.scored(
        mixtures()[1:],
        [Column("b c", 0.0, 1.0)],
        (held_out()["targets"].to_numpy()[1:] - 100) / 5,
        levels.LEVELS,
        torch.Generator(),
    )
    own = whole.isel(target=1)
    # Sums in double precision of terms rounded to single.
    close = {"rtol": 1e-5, "atol": 1e-5}
    for name in ("stddev", "function_stddev", "crps"):
        np.testing.assert_allclose(own[name], 5 * plain[name][:, 0], **close)
    for name in ("mean", "quantiles"):
        expected = 100 + 5 * plain[name].isel(target=0)
        np.testing.assert_allclose(own[name], expected, **close)
    np.testing.assert_allclose(own["log_density"], plain["log_density"][:, 0] - np.log(5), **close)
    np.testing.assert_array_equal(own["pit"], plain["pit"][:, 0])


def test_the_table_of_two_targets_is_that_of_each(whole):
    table = scores.table(whole)
    assert list(table) == ["region", "target", *scores.COLUMNS[1:]]
    for number, column in enumerate(TARGETS):
        alone = scores.table(evaluated(only=slice(number, number + 1)))
        assert list(alone) == list(scores.COLUMNS)
        own = table[table["target"] == column.name].drop(columns="target").reset_index(drop=True)
        pd.testing.assert_frame_equal(own, alone)


def test_all_targets_together_have_the_density_of_their_residuals():
    """By SciPy, at every draw a normal distribution of two; and the units of both."""
    weight, partial = np.array([0.5, 0.5]), np.array([0.3, -0.8])
    mean = np.array([[[0.1, 2.0], [-0.5, 1.0]], [[0.7, 0.0], [0.2, 0.4]]])  # target, draw, point
    scale = np.array([[[1.0], [0.5]], [[2.0], [1.5]]])
    parts = [
        Mixture.of(Normals(*map(torch.tensor, np.broadcast_arrays(m, s))), torch.tensor(weight))
        for m, s in zip(mean, scale, strict=True)
    ]
    seen = np.array([[0.2, 1.0], [0.5, -1.0]])
    units = [[1.0, 0.0], [5.0, 100.0]]
    targets = [Column(name, own, size) for name, (size, own) in zip("ab", units, strict=True)]
    y = np.array([own * at + start for at, (own, start) in zip(seen, units, strict=True)])
    correlation = Correlation(torch.tensor(partial)[:, None])
    found = evaluation.scored(parts, targets, y, levels.LEVELS, torch.Generator(), correlation)
    for point in range(2):
        density = [
            stats.multivariate_normal(
                mean[:, draw, point],
                np.outer(size := scale[:, draw, 0], size) * [[1, r], [r, 1]],
            ).pdf(seen[:, point])
            for draw, r in enumerate(partial)
        ]
        exact = np.log(np.mean(density)) - np.log(5)
        assert found["joint_log_density"][0, point] == pytest.approx(exact, rel=1e-6)
    middle = found["correlation"].sel(certainty=0.5).to_numpy()
    np.testing.assert_allclose(np.diag(middle), 1, rtol=1e-6)
    assert middle[0, 1] == middle[1, 0] == pytest.approx(partial.mean(), rel=1e-5)
    independent = evaluation.scored(parts, targets, y, levels.LEVELS, torch.Generator())
    assert "correlation" not in independent
    assert independent["joint_log_density"][0, 0] != found["joint_log_density"][0, 0]


def test_the_joint_score_stands_beside_those_of_the_targets(whole, tmp_path):
    table = scores.table(whole)
    own = table[table["target"] == scores.JOINTLY]
    assert list(own["metric"].unique()) == ["points", "lppd"]
    value = own.set_index(["region", "metric"])["value"]["all", "lppd"]
    assert value == pytest.approx(whole["joint_log_density"][0].mean().item())
    alone = scores.table(evaluated(only=slice(0, 1)))
    assert "target" not in alone
    scores.write(table, tmp_path / "scores.csv")
    assert scores.read(tmp_path / "scores.csv")["target"].nunique() == 3


def test_without_a_truth_only_its_scores_are_missing(whole):
    table, without = scores.table(whole), scores.table(evaluated(truth=False))
    known = table[table["metric"] != "rmse_function"].reset_index(drop=True)
    pd.testing.assert_frame_equal(without, known)


def test_a_table_of_two_targets_is_written_and_read_as_it_is(tmp_path, whole):
    table = scores.table(whole)
    scores.write(table, tmp_path / "scores.csv")
    found = scores.read(tmp_path / "scores.csv")
    assert found["target"].tolist() == table["target"].tolist()


def left(own, sampled=True):
    random = np.random.default_rng(3)
    if sampled:
        draws = {"sigma": random.normal(size=(DRAWS, 2))}
        chains = [posterior.of_chain(draws, {"lp": np.zeros(DRAWS)}) for _ in range(CHAINS)]
        return fit.Left(own, posterior.merged(chains), ["trajectories"], ["sigma"], {})
    stats = {"lp": random.normal(size=DRAWS), "log_q": random.normal(size=DRAWS)}
    tree = posterior.merged([posterior.of_chain({"sigma": random.normal(size=DRAWS)}, stats)])
    return fit.Left(own, tree, ["guide", "loss"], ["sigma"], {}, COUNT, np.zeros(10))


def test_a_fit_is_judged_by_what_its_method_leaves_and_by_all_sites_of_its_likelihood(whole):
    table = scores.table(whole)

    def names(fitted):
        return {f.diagnostic for f in fit.diagnosed(fitted, table, LIMITS, {})}

    sampled, guided = left(whole), left(whole, sampled=False)
    chains = {f"{kind}_sigma" for kind in ("rhat", "rhat_chain", "ess_bulk", "ess_tail")}
    assert chains <= names(sampled)
    assert not chains & names(guided)
    neither = {"calibration_error"}
    assert names(guided) == {"elbo_drift", "pareto_k"} | neither
    assert names(replace(guided, leaves=["guide"])) == {"pareto_k"} | neither
    assert names(replace(sampled, leaves=[])) == neither
    draws = sampled.posterior["posterior"]
    draws["scale"], draws["skew.x"] = draws["sigma"], draws["sigma"]
    told = names(replace(sampled, sites=["scale", "skew.x"]))
    assert {name.replace("sigma", site) for name in chains for site in ("scale", "skew.x")} <= told
    assert not chains & told


def test_what_a_posterior_must_have_follows_from_what_its_method_leaves():
    assert fit.needed([], []) == []
    assert fit.needed(["loss", "guide"], ["scale"]) == [
        "posterior/scale",
        "sample_stats/lp",
        "sample_stats/log_q",
    ]
    needed = {name: fit.needed(METHODS.made({"method": name}).leaves, []) for name in METHODS}
    assert {name for name, needs in needed.items() if not needs} == {
        "baseline",
        "ensemble",
        "mclmc",
    }
    assert needed["laplace"] == ["sample_stats/lp", "sample_stats/log_q"]
    assert "starts/elbo" in needed["svi"]
    assert "sample_stats/diverging" in needed["nuts"]


def test_a_mixture_of_starts_is_judged_by_its_pooled_prediction_alone(whole):
    mixture = replace(
        left(whole),
        leaves=METHODS.made({"method": "svi", "combine": "mixture"}).leaves,
        observations=COUNT,
        loss=np.zeros(10),
    )
    limits = Diagnostics().model_dump()
    found = {f.diagnostic for f in fit.diagnosed(mixture, scores.table(whole), limits, {})}
    pooled = {"effective_chains", "computation_error"}
    assert found == {"elbo_drift", "calibration_error", *pooled}


def test_chains_are_judged_without_a_look_at_observations(whole):
    """As with it, and whatever is observed."""
    points = held_out()
    points["targets"] = points["targets"] + np.nan
    found = evaluation.unscored(mixtures(), TARGETS, points, weighting_of(WEIGHT))
    limits = Diagnostics().model_dump()
    told = [list(fit.of_pooled(own, series=True, limits=limits)) for own in (found, whole)]
    assert told[0]
    assert list(map(str, told[0])) == list(map(str, told[1]))
    assert {*found.data_vars} == {"inside", "stddev", "weight", "without", "function"} | {
        f"probe_{name}" for name in ("inputs", "inside", "quantiles")
    }


@pytest.mark.parametrize("truth", [True, False])
def test_every_finding_on_predictions_is_by_target(truth):
    own = evaluated(truth)
    table = scores.table(own)
    around = regions.around(scores.inside_of(own))
    learning = {"old": ["first"], "new": ["second"]}
    sampled = fit.diagnosed(left(own), table, LIMITS, {})
    rows = findings.table(sampled, around)
    beside = {
        "source": fit.Other("before", own),
        "joint": fit.Other("together", own, rows),
        "reference": fit.Other("sampled", own, rows),
    }
    guided = fit.diagnosed(left(own, sampled=False), table, LIMITS, beside, learning)
    updated = findings.table(guided, around)
    for told, names in (
        (rows, ("rhat_function", "ess_tail_function", "calibration_error")),
        (updated, ("disagreement", "calibration_error")),
    ):
        for name in names:
            places = told[told["diagnostic"] == name][["region", "target"]].to_numpy().tolist()
            expected = [[r, c.name] for c in TARGETS for r in ("young", "old people", "all")]
            assert places == expected, name
    assert updated[updated["diagnostic"] == "forgetting"]["target"].tolist() == ["a", "b c"]
    # Beside itself nothing is lost or different.
    same = updated[updated["diagnostic"].isin(["forgetting", "behind_joint", "disagreement"])]
    assert (same["value"] == 0).all()
    touched = updated[updated["diagnostic"] == "transfer"]["counts_for"]
    assert set(touched) == {"old people all"}
    assert "of a" not in verdicts.reasons(rows.assign(target=""))


def test_a_summary_of_two_targets_names_them():
    metrics = scores.table(evaluated(truth=False)).assign(fit="oracle")
    row = verdicts.of_fits(metrics, pd.DataFrame(columns=["fit", *verdicts.COLUMNS]))
    assert {"lppd_a_young", "coverage_95_b c_all", "error_lppd_a_all"} <= set(row)
    assert not [name for name in row if "rmse_function" in name]


def test_groups_of_two_targets_are_spread_by_target():
    metrics = scores.table(evaluated(truth=False)).assign(fit="g-0")
    summary = pd.DataFrame({"fit": ["g-0"], "verdict": ["pass"], "verdict_all": ["fail"]})
    spread = studies.spreads(metrics, summary, {"g": {"": ["g-0"]}})
    own = spread[spread["metric"] == "lppd"]
    expected = metrics[metrics["metric"] == "lppd"]
    for name, other in (("region", "region"), ("target", "target"), ("mean", "value")):
        assert own[name].tolist() == expected[other].tolist()
    assert spread[spread["metric"] == "pass"]["mean"].tolist() == [1, 0]


def test_probes_do_not_feel_the_weights(whole):
    equal = evaluated(weight=np.full(3, 1 / 3))
    np.testing.assert_array_equal(whole["function"], equal["function"])
    assert (whole["probe_quantiles"] != equal["probe_quantiles"]).any()


def test_a_chain_without_weight_says_nothing_of_predictions():
    alone, ours = mixtures(np.array([0.5, 0.5, 0.0])), mixtures(np.array([0.5, 0.5, 0.0]))
    far = ours[0].components.mean.clone()
    far[2 * DRAWS :] += 1e3
    moved = Mixture(Normals(far, ours[0].components.stddev), ours[0].weights)
    y = held_out()["targets"].to_numpy()[:1]
    first, second = (
        evaluation.scored([one], TARGETS[:1], y, levels.LEVELS, torch.Generator())
        for one in (alone[0], moved)
    )
    for name in ("mean", "stddev", "log_density", "crps", "pit"):
        np.testing.assert_allclose(first[name], second[name], rtol=1e-5, atol=1e-5)
