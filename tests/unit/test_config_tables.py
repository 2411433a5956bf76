"""Configs of a table of one's own: what is allowed, what is told, what a run then makes."""

import copy

import pytest

from bnnflow.config.checks import ConfigError, checked, spelled_out
from bnnflow.run.plan import Plan
from bnnflow.run.targets import unknown_target

TABLE = {"table": "own.csv", "targets": ["y"]}


def config(models=None, **data):
    fits = {"mine": {"model": "own"} if models else {}}
    return {"data": TABLE | data, "fits": fits} | ({"models": {"own": models}} if models else {})


def refused(given):
    with pytest.raises(ConfigError) as caught:
        checked(given)
    return str(caught.value)


@pytest.mark.parametrize(
    ("held_out", "completed"),
    [
        (None, {"share": 0.2}),
        (0.3, {"share": 0.3}),
        ({"group": "plant"}, {"group": "plant", "share": 0.2}),
        ({"gap": "a"}, {"gap": "a", "share": 1 / 3}),
        ({"tail": "a", "share": 0.1}, {"tail": "a", "share": 0.1}),
        ({"where": {"a": [None, 2]}}, {"where": {"a": [None, 2]}}),
        ({"table": "other.csv"}, {"table": "other.csv"}),
    ],
)
def test_held_out_rows_are_spelled_out_as_they_are_meant(held_out, completed):
    given = config(**({} if held_out is None else {"held_out": held_out}))
    valid = checked(copy.deepcopy(given))
    assert valid["data"]["held_out"] == completed
    assert checked(spelled_out(given, copy.deepcopy(valid))) == valid


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"targets": []}, "data.targets: is []; allowed is the name of a column"),
        ({"target": "y"}, "data: has the unknown key target (did you mean targets?)"),
        ({"held_out": 1.5}, "data.held_out.share: is 1.5"),
        ({"held_out": {"gap": "a", "tail": "a"}}, "allowed is one of gap, tail"),
        ({"held_out": {"where": {"a": [0, 1]}, "share": 0.2}}, "allowed is share or where"),
        ({"held_out": {"where": {"a": "b"}}}, "allowed is a mapping of columns to levels, such as"),
        ({"sets": {"held_out": {"a": [0, 1]}}}, "data.sets.held_out: is 'held_out', which is the"),
        ({"transform": {"a": "exp"}}, "data.transform.a: is 'exp'"),
        ({"missing": "guess"}, "data.missing: is 'guess'"),
        ({"predict": {"New Rows": "a.csv"}}, "allowed is a name of lower-case letters"),
        ({"predict": ["a.csv"]}, "data.predict: is ['a.csv']"),
        ({"truth": {"z": {"mean": "m"}}}, "data.truth: is 'z', which is not among the targets"),
    ],
)
def test_faults_of_a_table_are_told_with_their_key(data, told):
    assert told in refused(config(**data))


@pytest.mark.parametrize("transform", ["log", "log1p", "sqrt"])
def test_a_logarithm_with_heavy_tails_has_no_mean(transform):
    heavy = {"likelihood": {"family": "student_t"}}
    for of, name in (("y", "target"), ("a", "input")):
        given = config(heavy, transform={of: transform})
        if name == "target" and transform != "sqrt":
            told = f"data.transform.y: is {transform}, after which the target has no mean by the"
            assert told in refused(given)
        else:
            assert checked(given)
    assert checked(config({"likelihood": {"family": "normal"}}, transform={"y": transform}))


def test_new_rows_are_results_of_every_fit_and_of_nothing_else():
    given = config(predict={"new": "new.csv"})
    given["fits"]["other"] = {}
    plan, without = (Plan(checked(own)) for own in (copy.deepcopy(given), config()))
    files = {f"results/predictions/{fit}/new.csv" for fit in ("mine", "other")}
    assert files <= {*plan.results()}
    assert not any(path.endswith("/new.csv") for path in without.results())
    assert plan.source.read_by_split == without.source.read_by_split
    assert unknown_target(files, plan, set()) is None
    told = unknown_target(["results/predictions/mine/old.csv"], plan, set())
    assert told == (
        "results/predictions/mine/old.csv cannot be made: data.predict of this config has new.csv,"
        " and no old.csv"
    )
    told = unknown_target(["results/predictions/none/new.csv"], plan, set())
    assert "there is no fit 'none'; this config has mine, other" in told
