"""A table split several times: which rows are held out, which fits there are, what is compared."""

import copy

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnflow.config import studies
from bnnflow.config.checks import ConfigError, checked, spelled_out
from bnnflow.config.seeds import derived
from bnnflow.data import observed, splits
from bnnflow.data.reading import TableError
from bnnflow.data.table import describe
from bnnflow.files import safe
from bnnflow.files.encodings import of_names
from bnnflow.judge import scores
from bnnflow.judge import splits as over
from bnnflow.run import updates
from bnnflow.run.plan import Plan
from bnnflow.run.report import differences
from bnnflow.run.report import given as given_in_report
from bnnflow.run.report.found import Picture, Run
from bnnflow.run.targets import unknown_target

SVI = {"inference": {"method": "svi", "seed": 3}}


def config(fits=None, **data):
    return {"data": {"table": "own.csv", "targets": ["y"]} | data, "fits": fits or {"mine": {}}}


def plan(fits=None, **data):
    return Plan(checked(config(fits, **data)))


def parts(rows, regions=None, **data):
    """What the job of every split makes of a table, by split."""
    source = plan(**data).source
    several = len(source.splits) > 1
    return {
        name: observed.divided(rows, source.read_by_split(name), regions or {}, None, several)
        for name in source.splits
    }


def table(count=40, seed=0, **columns):
    """Rows of an input, a, and a target, y, whose numbers are all different."""
    at = np.random.default_rng(seed)
    return pd.DataFrame({"a": at.normal(size=count), "y": at.normal(size=count)} | columns)


def held_out(found):
    return {name: sorted(own.held_out.columns["a"]) for name, own in found.items()}


# Folds.


@given(st.integers(2, 9), st.lists(st.integers(18, 30), min_size=1, max_size=4), st.integers(0, 99))
def test_every_row_is_in_one_fold_and_all_folds_are_alike(number, sizes, seed):
    strata = pd.Series(np.repeat(np.arange(len(sizes)), sizes))
    count = len(strata)
    at = np.random.default_rng(seed)
    strata = strata.iloc[at.permutation(count)].reset_index(drop=True)
    for own in (None, strata):
        fold = splits.folds(count, number, np.random.default_rng(seed), own)
        assert np.ptp(np.bincount(fold, minlength=number)) <= 1
    for _, rows in strata.groupby(strata):
        assert np.ptp(np.bincount(fold[rows.index], minlength=number)) <= 1


@given(st.lists(st.integers(1, 20), min_size=2, max_size=12), st.integers(0, 99), st.data())
def test_groups_stay_together_in_folds_that_are_about_alike(sizes, seed, data):
    number = data.draw(st.integers(2, len(sizes)))
    at = np.random.default_rng(seed)
    groups = pd.Series(at.permutation(np.repeat(np.arange(len(sizes)), sizes)), name="g")
    fold = splits.folds_of_groups(groups, number, at)
    assert set(fold) == set(range(number))
    assert pd.Series(fold).groupby(groups).nunique().eq(1).all()
    # The fold that took the last group of the fullest was the emptiest one then.
    assert np.ptp(np.bincount(fold)) <= max(sizes)


@pytest.mark.parametrize("how", [{}, {"held_out": {"group": "g"}}])
def test_every_row_is_held_out_once(how):
    rows = table(g=np.arange(40) % 7)
    found = parts(rows, folds=5, seed=1, inputs=["a"], **how)
    assert list(found) == [f"fold_{n}" for n in range(1, 6)]
    assert sorted(a for own in held_out(found).values() for a in own) == sorted(rows["a"])
    for own in found.values():
        seen, out = (set(each.columns["a"]) for each in (own.sets["train"], own.held_out))
        assert not seen & out
        assert seen | out == set(rows["a"])
    again, other = (parts(rows, folds=5, seed=seed, inputs=["a"], **how) for seed in (1, 2))
    assert held_out(again) == held_out(found) != held_out(other)


def test_classes_are_in_every_fold_in_their_shares():
    found = parts(table(y=["p", "q", "q", "q"] * 10), folds=5)
    assert [own.held_out.columns["y"].value_counts().tolist() for own in found.values()] == [
        [6, 2]
    ] * 5


@pytest.mark.parametrize(
    ("rows", "data", "told"),
    [
        (
            table(12),
            {"folds": 7},
            "data.folds: is 7, but the table has 12 rows, and every fold needs 2; allowed is 6 or",
        ),
        (
            table(y=["p"] * 36 + ["q"] * 4),
            {"folds": 5},
            "data.folds: is 5, but the target y is q in 4 rows, and every fold needs one of them;"
            " take fewer folds, or data.repeats",
        ),
        (
            table(g=np.arange(40) % 3),
            {"folds": 4, "held_out": {"group": "g"}},
            "data.held_out.group: is g, which has 3 groups and 0 blanks; needed are 4 groups or",
        ),
    ],
)
def test_more_folds_than_there_can_be_are_refused(rows, data, told):
    with pytest.raises(TableError) as caught:
        parts(rows, inputs=["a"], **data)
    assert str(caught.value).startswith(told)


# Repeats.


@pytest.mark.parametrize("how", [{}, {"held_out": 0.4}, {"held_out": {"group": "g"}}])
def test_the_first_repeat_is_the_split_of_an_ordinary_run(how):
    rows = table(g=np.arange(40) % 7)
    (once,) = parts(rows, seed=5, inputs=["a"], **how).values()
    few, more = (parts(rows, repeats=n, seed=5, inputs=["a"], **how) for n in (3, 12))
    assert list(few) == ["repeat_01", "repeat_02", "repeat_03"]
    pd.testing.assert_frame_equal(once.held_out.columns, few["repeat_01"].held_out.columns)
    assert once.points.identical(few["repeat_01"].points)
    assert once.facts == few["repeat_01"].facts
    # More repeats change none that are there, and all are different.
    assert held_out(few).items() <= held_out(more).items()
    assert len(set(map(tuple, held_out(few).values()))) == 3


# What no fit of a split can see.


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([{"folds": 3}, {"folds": 3, "held_out": {"group": "g"}}, {"repeats": 2}]),
    st.sampled_from(["median", "indicator"]),
    st.integers(0, 999),
)
def test_changed_rows_that_a_split_holds_out_change_nothing_of_its_training(how, missing, seed):
    rows = table(30, seed, c=np.arange(30.0), g=np.arange(30) % 5)
    rows.loc[::7, "a"] = np.nan
    how = how | {"missing": missing, "seed": seed, "inputs": ["a", "c"]}
    for name, own in parts(rows, **how).items():
        out = rows["c"].isin(own.held_out.columns["c"])
        changed = rows.assign(
            y=rows["y"].where(~out, 9.5 - rows["y"]), a=rows["a"].where(~out, 3 * rows["a"] - 1)
        )
        again = parts(changed, **how)[name]
        assert again.held_out.about == own.held_out.about
        pd.testing.assert_frame_equal(
            again.sets["train"].columns, own.sets["train"].columns, check_exact=True
        )


def test_a_region_is_left_out_of_splits_that_hold_out_none_of_its_rows():
    rows = table(a=np.arange(40) + 0.5)
    regions = {"first": {"a": [None, 1]}}
    found = parts(rows, regions, folds=4)
    assert sum("first" in own.facts["regions"] for own in found.values()) == 1
    for data in ({"folds": 4}, {"repeats": 2}):
        with pytest.raises(TableError, match=r"regions\.none: has no held-out row"):
            parts(rows, {"none": {"a": [99, None]}}, **data)


# The config.

MANY = {
    "mine": SVI | {"note": "A note."},
    "up": {"prior": {"posterior_of": "mine"}},
    "study": {"grid": {"prior.stddev": [1.0, 3.0]}, "replicates": 2},
}


def test_every_entry_is_a_group_with_a_fit_for_every_split():
    found = checked(config(MANY, folds=2))
    names = [f"study-stddev_3-{n}-fold_{k}" for n in (0, 1) for k in (1, 2)]
    assert found["groups"]["study"]["cells"]["stddev=3"] == names
    assert found["groups"]["mine"] == {
        "title": "Mine", "note": "A note.", "cells": {"": ["mine-fold_1", "mine-fold_2"]},
    }  # fmt: skip
    assert {name: name.rpartition("-")[2] for name in found["fits"]} == found["splits"]
    assert len(found["fits"]) == 12
    assert found["fits"]["mine-fold_2"]["title"] == "Mine (fold 2)"
    assert found["fits"]["study-stddev_3-1-fold_2"]["title"].endswith("replicate 1) (fold 2)")
    seeds = [found["fits"][f"mine-fold_{k}"]["inference"]["seed"] for k in (1, 2)]
    assert seeds == [3, derived(3, "fold_2")]
    assert checked(spelled_out(config(MANY, folds=2), copy.deepcopy(found))) == found


def test_fits_are_related_within_their_split():
    own = plan(
        {"chains": {}, "mine": SVI, "up": {"prior": {"posterior_of": "mine"}} | SVI}, folds=2
    )
    for k in (1, 2):
        assert own.relatives[f"mine-fold_{k}"] == {"reference": f"chains-fold_{k}"}
        assert own.relatives[f"up-fold_{k}"]["source"] == f"mine-fold_{k}"
        assert updates.prior(own, f"up-fold_{k}") == {
            "prior": f"results/fits/mine-fold_{k}/parameters.safetensors"
        }


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"folds": 1}, "data.folds: is 1; allowed is 2 or more"),
        ({"folds": 3, "repeats": 4}, "data.repeats: is 4; allowed is one of data.folds and data.r"),
        ({"folds": 3, "held_out": 0.2}, "data.held_out: is 0.2; allowed beside data.folds is"),
        ({"folds": 3, "held_out": {"gap": "a"}}, "allowed beside data.folds is {group: <column>},"),
        ({"folds": 3, "held_out": {"table": "b.csv"}}, "allowed beside data.folds is {group: <col"),
        ({"repeats": 3, "held_out": {"tail": "a"}}, "would hold out the same rows by tail"),
        ({"repeats": 3, "held_out": {"where": {"a": [0, 1]}}}, "hold out the same rows by where"),
        ({"folds": 1000, "fits": {"a": {"replicates": 11}}}, "over 1000 splits of the table; at m"),
    ],
)
def test_splits_that_cannot_be_are_told(data, told):
    with pytest.raises(ConfigError) as caught:
        checked(config(**data))
    assert told in str(caught.value)


def test_a_fault_of_a_fit_is_told_once_and_by_the_name_that_was_given():
    fits = {"up": {"prior": {"posterior_of": "min"}}, "mine": SVI}
    with pytest.raises(ConfigError) as caught:
        checked(config(fits, folds=5))
    assert len(str(caught.value).splitlines()) == 3
    assert "fits.up.prior.posterior_of: is 'min', which is not among the fits" in str(caught.value)
    with pytest.raises(ConfigError, match="two rules would be called 'a_posterior'"):
        checked(config({"a": {}, "a_posterior": {}}, folds=2))


# The plan.


def test_files_of_a_split_lie_in_its_folder():
    own = plan({"mine": SVI}, folds=2, sets=2)
    assert own.observed("mine-fold_2") == [f"results/data/fold_2/batch{n}.csv" for n in (1, 2)]
    assert own.source.columns("fold_2") == {"columns": "results/data/fold_2/columns.json"}
    assert own.source.baselines("fold_2")["linear"] == "results/evaluations/linear-fold_2.nc"
    results = own.results()
    assert len(results) == len(set(results))
    for path in (
        "results/data/fold_1/points.nc",
        "results/evaluations/constant-fold_2.csv",
        "results/tables/groups.csv",
        "results/tables/differences.csv",
        "results/figures/mine.png",
    ):
        assert path in results
        assert unknown_target([path], own, set()) is None
    told = unknown_target(["results/data/fold_3/batch1.csv"], own, set())
    assert "no data set 'fold_3/batch1', but fold_1/batch1, fold_1/batch2, fold_2/batch1" in told
    assert "all_fits" not in "".join(results)
    # Splits are compared by their scores.
    assert own.rows() == {}


def test_another_fit_and_more_repeats_leave_the_others_alone():
    less, more = (plan({"mine": {}} | others, folds=3) for others in ({}, {"other": {}}))
    assert set(less.results()) < set(more.results())
    assert less.seeds().items() < more.seeds().items()
    few, many = (plan(repeats=number) for number in (3, 12))
    assert set(few.results()) < set(many.results())
    assert few.seeds().items() < many.seeds().items()
    for split in few.source.splits:
        assert few.source.read_by_split(split) == many.source.read_by_split(split)
    five, six = (plan(folds=number).source.read_by_split("fold_1") for number in (5, 6))
    assert five != six


# What splits say together.


def test_differences_are_paired_and_their_error_counts_what_splits_share():
    fits = [f"{name}-{n}" for name in ("a", "b", "linear") for n in "123"]
    values = [1.0, 2.0, 6.0, 0.0, 0.0, 3.0, 0.5, 0.5, 0.5]
    metrics = pd.DataFrame({"fit": fits, "region": "all", "metric": "lppd", "value": values})
    lost = metrics.assign(region="far").drop(index=[2, 5, 7])
    other = metrics.assign(metric="points")
    cells = {(name, ""): [f"{name}-{n}" for n in "123"] for name in ("a", "b", "linear")}
    found = over.by_split(pd.concat([metrics, lost, other]), cells, {fit: fit[-1] for fit in fits})
    fits = [("a", ""), ("b", "")]
    assert over.leader(found, fits) == ("a", "")
    compared = list(over.pairs(fits, [("linear", ""), ("a", ""), ("a", "")]))
    assert compared == [
        (("a", ""), ("linear", "")), (("b", ""), ("linear", "")), (("b", ""), ("a", "")),
    ]  # fmt: skip
    told = over.paired_differences(found, compared, overlap=0.25)
    told = told.set_index(["group", "other", "region"])
    assert set(told["metric"]) == {"lppd"}
    # Differences of -1, -2 and -3 have the variance 1.
    assert told.loc[("b", "a", "all"), "difference"] == -2
    assert told.loc[("b", "a", "all"), "splits"] == 3
    np.testing.assert_allclose(told.loc[("b", "a", "all"), "error"], np.sqrt(1 / 3 + 0.25))
    # Of the three splits two have a score of both there, and one of these has the linear model's.
    far = told.xs("far", level="region")
    assert far["splits"].tolist() == [1, 1, 2]
    assert far["difference"].tolist() == [0.5, -0.5, -1.5]
    assert far["error"].isna().tolist() == [True, True, False]


def test_replicates_count_by_their_mean_and_means_have_errors():
    fits = [f"a-{r}-{n}" for r in "01" for n in "12"] + [f"linear-{n}" for n in "12"]
    metrics = pd.DataFrame(
        {"fit": fits, "region": "all", "metric": "lppd", "value": [1.0, 3.0, 3.0, 9.0, 1.0, 1.0]}
    )
    verdicts = pd.DataFrame({"fit": fits, "verdict": ["pass"] * 4 + [""] * 2})
    groups = {"a": {"": fits[:4]}}
    references = {"linear": {"linear-1": "1", "linear-2": "2"}}
    of_split = {fit: fit[-1] for fit in fits[:4]}
    spread, apart = studies.over_splits(
        metrics, verdicts, groups, references, of_split, overlap=0.5
    )
    row = spread.set_index(["group", "metric"]).loc[("a", "lppd")]
    assert (row["fits"], row["mean"]) == (4, 4)
    # 2 and 6 have the variance 8.
    np.testing.assert_allclose(row["error"], np.sqrt(8 * (1 / 2 + 0.5)))
    assert apart["difference"].tolist() == [3.0]
    assert "linear" not in set(spread.loc[spread["metric"] == "pass", "group"])
    means = studies.as_scores(spread).set_index("fit")
    assert means["value"].to_dict() == {"a": 4, "linear": 1}
    assert means.loc["linear", "error_points"] == 0


def test_the_best_of_several_targets_is_that_of_all_together():
    rows = [
        (fit, target, metric, value)
        for fit, values in {"a": (9.0, 1.0), "b": (2.0, 3.0)}.items()
        for target, value in zip(("y", scores.JOINTLY), values, strict=True)
        for metric in ("lppd", "points")
    ]
    metrics = pd.DataFrame(rows, columns=["fit", "target", "metric", "value"]).assign(region="all")
    cells = {(name, ""): [name] for name in ("a", "b")}
    assert over.leader(over.by_split(metrics, cells, {"a": "1", "b": "1"}), cells) == ("b", "")


def test_differences_row_by_row_are_paired():
    random = np.random.default_rng(0)
    shared, ups = random.normal(size=(2, 400))
    densities = {
        "mine": {"": shared + 0.25},
        "study-0": {"": shared + ups},
        "study-1": {"": shared - ups + 1},
        "linear": {"": shared - 0.5},
    }
    inside = {"all": np.ones(400, bool), "one": np.arange(400) == 7}
    cells = {"study": {"": ["study-0", "study-1"]}}
    told = studies.by_rows(densities, cells, ["linear"], inside)
    assert list(told) == list(over.COLUMNS)
    told = told.set_index(["group", "other", "region"])
    # The mean of the replicates is 0.5 above what all share, at every row; it is the best.
    assert set(told.index.droplevel("region")) == {
        ("mine", "linear"), ("mine", "study"), ("study", "linear"),
    }  # fmt: skip
    apart = told["difference"].xs("all", level="region")
    np.testing.assert_allclose(apart.to_numpy(), [0.75, -0.25, 1.0])
    np.testing.assert_allclose(told["error"].xs("all", level="region"), 0, atol=1e-15)
    assert told["error"].xs("one", level="region").isna().all()
    alone = studies.by_rows(densities, {}, ["linear"], inside)
    alone = alone.set_index(["group", "other", "region"]).loc[("study-0", "linear", "all")]
    assert alone["error"] == pytest.approx(ups.std(ddof=1) / np.sqrt(400))


def test_differences_of_several_targets_are_of_each_and_of_all_that_both_know():
    density = {
        fit: {"y": np.full(3, own), "z": np.zeros(3), scores.JOINTLY: np.full(3, -own)}
        for fit, own in (("a", 1.0), ("b", 2.0))
    }
    density["oracle"] = {"y": np.zeros(3), "z": np.zeros(3)}
    told = studies.by_rows(density, {}, ["oracle"], {"all": np.ones(3, bool)})
    told = told.set_index(["group", "other", "target"])["difference"].sort_index()
    assert told["a", "oracle"].to_dict() == {"y": 1, "z": 0}
    assert told["b", "a"].to_dict() == {"y": 1, "z": 0, scores.JOINTLY: -1}
    assert ("a", "b") not in told.index


def test_held_out_rows_for_each_training_row():
    facts = [{"rows": 50, "left out": 5, "held out": out} for out in (9, 15)]
    np.testing.assert_allclose(over.overlap(facts), (9 / 36 + 15 / 30) / 2)


# The report.


@pytest.fixture
def run(tmp_path):
    """Of a config with a table, what there is of its results."""

    def made(**data):
        own = checked(config(**data))
        for split in plan(**data).source.splits:
            region = {"near": 5} if split.endswith("2") else {}
            facts = {"rows": 40, "left out": 0, "held out": 8, "training": {"train": 32}}
            folder = tmp_path / "data" / split
            folder.mkdir(parents=True)
            facts |= {"regions": {**region, "all": 8}}
            describe(of_names(["a"], ["y"]), facts, folder / "columns.json")
        return Run(own, tmp_path, {})

    return made


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            {"folds": 5},
            "Each of 5 folds of the rows is held out once, drawn with seed 42. In fold_1 8 rows",
        ),
        (
            {"folds": 5, "held_out": {"group": "g"}},
            "Each of 5 folds of whole groups of g is held out once, drawn with seed 42. In fold_1",
        ),
        (
            {"repeats": 3, "held_out": 0.3},
            "Rows are held out 3 times. In repeat_01 8 rows are held out, 30 % drawn with seed 42,",
        ),
    ],
)
def test_the_report_says_how_a_table_was_split(run, data, told):
    own = run(**data)
    assert told in given_in_report.of_table(own)
    assert own.regions == ["near", "all"]
    assert own.held_out == (
        f"what its own of {len(own.splits)} splits holds out, which the fit has not seen"
    )


COMPARED = {"scores": Picture("scores.png", "")}


def test_the_report_has_every_difference_with_its_error(run):
    own = run(folds=2)
    own = Run(own.config, own.results, COMPARED)
    assert own.differences is None
    keys = {"group": "mine", "settings": "k=1", "other": "linear", "other_settings": ""}
    rows = [
        keys | {"region": "all", "metric": metric, "splits": 2, "difference": -0.5, "error": 0.04}
        for metric in ("lppd", "rmse", "crps")
    ]
    (own.results / "tables").mkdir()
    safe.write_table(pd.DataFrame(rows), own.results / "tables/differences.csv")
    page = differences.of_run(Run(own.config, own.results, COMPARED))
    assert "<b>mine k=1</b> less <b>linear</b></td><td>2</td>" in page
    assert page.count("−0.5 ± 0.04") == 2
    # The quantile of a Student t with one degree of freedom is 12.7.
    assert "<b>−0.5" not in page
    rows[0]["error"] = 0.039
    safe.write_table(pd.DataFrame(rows), own.results / "tables/differences.csv")
    page = differences.of_run(Run(own.config, own.results, COMPARED))
    assert "<b>−0.5 ± 0.039</b>" in page
    # An earlier run's are of no use where not all fits are compared.
    assert Run(own.config, own.results, {}).differences is None
    assert "<div>LPPD</div><div>RMSE</div>" in page


def test_studies_of_one_split_are_compared_by_rows(tmp_path):
    fits = {"study": SVI | {"replicates": 2}, "mine": SVI}
    keys = {"settings": "", "other": "linear", "other_settings": "", "region": "all"}
    keys |= {"metric": "lppd", "splits": 1, "difference": -0.5}
    rows = [keys | {"group": name, "error": 0.25} for name in fits]
    (tmp_path / "tables").mkdir()
    safe.write_table(pd.DataFrame(rows)[list(over.COLUMNS)], tmp_path / "tables/differences.csv")
    (tmp_path / "data").mkdir()
    facts = {"rows": 9, "regions": {"all": 8}}
    describe(of_names(["a"], ["y"]), facts, tmp_path / "data/columns.json")
    page = differences.of_run(Run(checked(config(fits)), tmp_path, COMPARED))
    # Of a normal variable 1.96 errors are the level; a fit of no study has its own place.
    assert "<b>−0.5 ± 0.25</b>" in page
    assert "<b>mine</b>" not in page
    assert "<th>splits</th>" not in page
    assert "independent" in page
