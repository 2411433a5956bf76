"""Classes, beside a number: from a mixture to scores, calibration and findings."""

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import weighting_of

from bnnflow.data import points
from bnnflow.files import arrays, posterior, predictions
from bnnflow.files.columns import Column
from bnnflow.judge import calibration, classes, fit, scores, verdicts
from bnnflow.model.components import Labels, of_labels
from bnnflow.model.likelihoods.normal import Normals
from bnnflow.predict import evaluation, levels, predictive, reliability
from bnnflow.predict.labels import Labelled
from bnnflow.predict.mixture import Mixture

DRAWS, COUNT = 60, 300
TARGETS = (
    Column("size", 3.0, 2.0),
    Column("kind", kind="classes", levels=("a", "b", "c")),
    Column("sold", kind="binary", levels=("no", "yes")),
)
LIMITS = dict.fromkeys(("rhat", "calibration_error"), (0.1, 0.2)) | {"ess": (400, 100)}


def labelled(logits):
    return Labels(*of_labels(torch.tensor(logits, dtype=torch.float32).log_softmax(-1)))


@pytest.fixture(scope="module")
def case():
    """Mixtures of the targets, and held-out points whose targets are drawn from the mixtures."""
    random = np.random.default_rng(0)
    mean = torch.tensor(random.normal(size=(DRAWS, COUNT))).float()
    own = [Mixture(Normals(mean, torch.ones_like(mean)))]
    own += [
        Labelled(
            labelled(random.normal(size=(1, COUNT, k)) + 0.5 * random.normal(size=(DRAWS, 1, k)))
        )
        for k in (3, 2)
    ]
    stream = torch.Generator().manual_seed(0)
    y = [next(each.samples(DRAWS, stream))[7].numpy() for each in own]
    columns = {"x": random.normal(size=COUNT), "size": 3 + 2 * y[0], "kind": y[1], "sold": y[2]}
    inside = {"low": columns["x"] < 0, "all": np.ones(COUNT, bool)}
    names = [column.name for column in TARGETS]
    held_out = points.held_out(pd.DataFrame(columns), ["x"], names, inside, {"old": inside["all"]})
    return own, held_out


@pytest.fixture(scope="module")
def found(case):
    own, held_out = case
    stream = torch.Generator().manual_seed(1)
    return evaluation.evaluated(own, TARGETS, held_out, levels.LEVELS, weighting_of([1.0]), stream)


def probability_of(mixture):
    return mixture.components.probability().double().mean(0).numpy()


def test_an_evaluation_has_the_probability_of_every_class_of_a_target(case, found, tmp_path):
    own, _ = case
    assert found["class_probability"].dims == predictions.SCORED_CLASSES["class_probability"]
    at = found["class_probability"][0].transpose("target", "point", "class").to_numpy()
    assert not at[0].any()
    np.testing.assert_allclose(at[1], probability_of(own[1]), rtol=1e-6)
    np.testing.assert_allclose(at[2, :, :2], probability_of(own[2]), rtol=1e-6)
    assert not at[2, :, 2].any()
    np.testing.assert_allclose(found["mean"][0, 2], at[2, :, 1], rtol=1e-5)
    arrays.write(found, tmp_path / "e.nc")
    assert predictions.read_evaluation(tmp_path / "e.nc").equals(found)


def test_replicates_of_probabilities_leave_groups_of_draws_out(case):
    (_, own, _), _ = case
    kept = np.r_[6:DRAWS]
    expected = own.components.probability()[kept].double().mean(0).mT
    np.testing.assert_allclose(own.probability()[1], expected, rtol=1e-5)


def test_quantiles_and_the_ranked_score_are_those_of_places(case):
    """Of the mixture's probabilities, level by level."""
    (_, own, _), held_out = case
    at_most = probability_of(own).cumsum(1)
    given = torch.tensor([0.03, 0.4, 0.5, 0.97]).double()
    for row, level in zip(own.quantiles(given).numpy(), given.numpy(), strict=True):
        np.testing.assert_array_equal(row, (at_most < level).sum(1))
    y = held_out["targets"].to_numpy()[1]
    exact = ((at_most - (np.arange(3) >= y[:, None])) ** 2).sum(1)
    np.testing.assert_allclose(own.crps(torch.tensor(y).float())[0], exact, rtol=1e-4, atol=1e-6)


def test_predictions_on_a_grid_have_probabilities(case, tmp_path):
    own, held_out = case
    grid = points.grid({"x": held_out["inputs"].to_numpy()[:, 0]})
    kept = predictive.summarised(own, TARGETS, grid, [0.1, 0.9], 5)
    assert kept["class_probability"].dims == predictions.CLASSES
    expected = probability_of(own[1]).T
    np.testing.assert_allclose(kept["class_probability"].isel(target=1), expected, rtol=1e-5)
    arrays.write(kept, tmp_path / "p.nc")
    assert "class_probability" in predictions.read(tmp_path / "p.nc")
    alone = predictive.summarised(own[:1], TARGETS[:1], grid, [0.1, 0.9], 5)
    assert "class_probability" not in alone


def test_scores_of_classes_are_what_they_say(case, found):
    own, held_out = case
    table = scores.table(found).set_index(["region", "target", "metric"])["value"]
    for place, name in ((1, "kind"), (2, "sold")):
        p, y = probability_of(own[place]), held_out["targets"].to_numpy()[place].astype(int)
        for region, inside in scores.inside_of(held_out).items():
            shares, seen = p[inside], np.eye(p.shape[1])[y[inside]]
            expected = {
                "points": inside.sum(),
                "lppd": np.log((shares * seen).sum(1)).mean(),
                "brier": ((shares - seen) ** 2).sum(1).mean(),
                "error_rate": (shares.argmax(1) != y[inside]).mean(),
            }
            for metric, value in expected.items():
                assert table[region, name, metric] == pytest.approx(value, rel=1e-5), metric
    assert ("all", "kind", "rmse") not in table
    assert ("all", "size", "brier") not in table
    assert table["all", "size", "rmse"] > 0


def test_reliability_is_frequency_against_probability():
    """Of 10 points at which yes has the probability 0.75, and was seen at 6."""
    logits = np.broadcast_to([0.0, np.log(3)], (1, 10, 2)).copy()
    own = Labelled(labelled(logits))
    y = np.array([1.0] * 6 + [0.0] * 4)
    means = reliability.gaps(own.probability()[0].numpy(), y).mean(-1)
    np.testing.assert_allclose(reliability.reliability_errors(means), [0.15, 0.15], atol=1e-6)
    table = pd.DataFrame({"x": np.zeros(10), "sold": y})
    inside = {"all": np.ones(10, bool)}
    held_out = points.held_out(table, ["x"], ["sold"], inside, inside)
    stream = torch.Generator()
    given = [own], TARGETS[2:], held_out, levels.LEVELS, weighting_of([1.0]), stream
    (part,) = scores.by_target(evaluation.evaluated(*given)).values()
    found = classes.reliability(part, inside["all"])
    assert found["points"][1].to_numpy().tolist() == [0] * 7 + [10] + [0] * 2
    assert found["probability"][1, 7].item() == pytest.approx(0.75)
    assert found["frequency"][1, 7].item() == pytest.approx(0.6)
    assert found["frequency"][1].isnull().sum() == 9


@pytest.mark.parametrize(("sharper", "right"), [(1.0, True), (4.0, False), (0.1, False)])
def test_classes_of_false_certainty_and_doubt_are_found(sharper, right):
    """In 40 data sets, of which a right fit is told to be wrong in a few."""
    random = np.random.default_rng(2)
    logits = 1.5 * random.normal(size=(1, 400, 3))
    true, own = (Labelled(labelled(factor * logits)) for factor in (1.0, sharper))
    inside = np.ones((1, 400), bool)
    stream = torch.Generator().manual_seed(3)
    by_chance = evaluation.simulations([own], inside, stream)["reliability_errors"]
    limits = np.quantile(by_chance.to_numpy()[0, 0], 0.975, axis=0)
    p = own.probability()[0].numpy()
    wrong = 0
    for _ in range(40):
        (y,) = true.samples(1, stream)
        errors = reliability.reliability_errors(reliability.gaps(p, y[0].numpy()).mean(-1))
        (finding,) = calibration.of_calibration(
            {"all": errors},
            {"all": limits},
            {"calibration_error": (0.0, 1.0)},
            calibration.OF_CLASSES,
        )
        assert "frequenc" in finding.reason
        wrong += finding.value > 0
    # Of 5 in 100, more than 8 of 40 has a probability of 1e-4.
    assert (wrong <= 8) if right else (wrong == 40)


def test_fits_to_classes_and_a_number_have_findings_and_verdicts(found):
    random = np.random.default_rng(3)
    draws = {"sigma": random.normal(size=DRAWS)}
    tree = posterior.merged([posterior.of_chain(draws, {"lp": np.zeros(DRAWS)})])
    table = scores.table(found)
    left = fit.Left(found, tree, [], ["sigma"], {})
    rows = [
        each
        for each in fit.diagnosed(left, table, LIMITS, {})
        if each.diagnostic == "calibration_error"
    ]
    assert len(rows) == 6
    summary = verdicts.of_fits(
        table.assign(fit="oracle"), pd.DataFrame(columns=["fit", *verdicts.COLUMNS])
    )
    assert {"lppd_kind_all", "lppd_size_all", "coverage_95_size_all"} <= set(summary)
    assert "coverage_95_kind_all" not in summary


def test_chains_that_are_sure_of_a_class_are_measured_by_what_they_leave_open():
    """All quantiles are one class; where no draw leaves anything open, chains are not apart."""
    chains, draws = 4, 50
    random = np.random.default_rng(4)
    logits = np.zeros((chains * draws, 2, 3))
    logits[:, 0, 0] = 1
    logits[:, 0, 1] = 7 + np.repeat(random.normal(size=chains), draws)
    logits[:, 1, 1] = 200
    own, stream = Labelled(labelled(logits)), torch.Generator()
    inside = {"open": np.array([True, False]), "both": np.ones(2, bool)}
    table = pd.DataFrame({"x": [0.0, 1.0], "kind": [1.0, 1.0]})
    held_out = points.held_out(table, ["x"], ["kind"], inside, {"old": inside["both"]})
    weight = weighting_of(np.full(chains, 1 / chains))
    sure = evaluation.evaluated([own], TARGETS[1:2], held_out, levels.LEVELS, weight, stream)
    assert (sure["probe_quantiles"] == 1).all()

    limits = LIMITS | dict.fromkeys(("computation_error", "half_drift"), (0.2, 0.5))
    limits |= {"effective_chains": (2, 1), "spread_growth": (1.25, 1.4)}
    tree = posterior.merged([posterior.of_chain({"level": np.zeros(draws)})] * chains)
    left = fit.Left(sure, tree, ["ensemble", "sampled"], [], {})
    rows = fit.diagnosed(left, scores.table(sure), limits, {})
    found = {(each.diagnostic, each.region): each.value for each in rows}
    share = own.components.probability().double().numpy().reshape(chains, draws, 2, 3)[:, :, 0]
    place = (share @ np.arange(3)).mean(1)
    mean = share.mean((0, 1))
    spread = np.sqrt(mean @ np.arange(3) ** 2 - (mean @ np.arange(3)) ** 2)
    # Of each chain all draws are alike, so that the mean has the error of four numbers.
    assert found["computation_error", "open"] >= place.std(ddof=1) / 2 / spread * (1 - 1e-5)
    assert np.isfinite(found["computation_error", "open"])
    assert found["computation_error", "both"] == pytest.approx(
        found["computation_error", "open"] / 2
    )
    assert found["half_drift", "both"] == found["half_drift", "open"] == 0
