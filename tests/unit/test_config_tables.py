"""Configs of a table of one's own: what is allowed, what is told, what a run then makes."""

import copy
from contextlib import suppress

import pytest

from bnnflow.config.checks import ConfigError, checked, spelled_out
from bnnflow.data import reading
from bnnflow.data.reading import TableError
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
        (
            {"targets": [2020]},
            "allowed is the name of a column (in quotes, if the name is a number, yes or no)",
        ),
        (
            {"table": "my{own}.csv"},
            "data.table: is 'my{own}.csv'; allowed is a path without braces",
        ),
        ({"predict": {"new": "{a}.csv"}}, "data.predict.new: is '{a}.csv'; allowed is a path"),
        ({"target": "y"}, "data: has the unknown key target (did you mean targets?)"),
        ({"held_out": 1.5}, "data.held_out.share: is 1.5"),
        ({"held_out": {"gap": "a", "tail": "a"}}, "allowed is one of gap, tail"),
        ({"held_out": {"where": {"a": [0, 1]}, "share": 0.2}}, "allowed is share or where"),
        ({"held_out": {"where": {"a": "b"}}}, "allowed is a mapping of columns to levels, such as"),
        ({"sets": 1}, "data.sets: is 1; allowed is a mapping of names to conditions, or a number"),
        ({"sets": {"first": {"a": "b"}}}, "data.sets.first: is {'a': 'b'}; allowed is a mapping"),
        ({"levels": {"a": [[1]]}}, "data.levels.a: is [[1]]; allowed is a list of different"),
        ({"sets": {"held_out": {"a": [0, 1]}}}, "data.sets.held_out: is 'held_out', which is the"),
        ({"transform": {"a": "exp"}}, "data.transform.a: is 'exp'"),
        ({"missing": "guess"}, "data.missing: is 'guess'"),
        ({"missing": "mean"}, "data.missing: is 'mean' (did you mean median?); allowed are refuse"),
        ({"predict": {"New Rows": "a.csv"}}, "allowed is a name of lower-case letters"),
        ({"predict": ["a.csv"]}, "allowed is a mapping of names to paths, such as {new: new.csv}"),
        ({"held_out": "20%"}, "data.held_out: is '20%'; allowed is a share, such as 0.2, or a map"),
        ({"truth": {"z": {"mean": "m"}}}, "data.truth: is 'z', which is not among the targets"),
    ],
)
def test_faults_of_a_table_are_told_with_their_key(data, told):
    assert told in refused(config(**data))


# Every key of the data, and of what is of a table.
WHOLE = config(
    {"likelihood": {"y": {"family": "student_t", "df": 4}}},
    inputs=["a", "b"],
    levels={"b": ["p", "q"]},
    transform={"a": "log"},
    units={"a": "kg"},
    scaling="standard",
    missing="median",
    held_out={"where": {"a": [None, 2], "b": ["p"], "c": [[0, 1], [2, None]]}},
    sets={"first": {"a": [0, 1]}},
    truth={"y": {"mean": "m", "stddev": "s"}},
    predict={"new": "new.csv"},
    seed=1,
) | {"evaluation": {"regions": {"thick": {"a": [1, None]}}}}
VALUES = (-1, 5, 0.5, True, "x", "", [], [1], [[1]], [None, 1], {}, {"x": 1}, {"x": {}}, [{}])


def places(value, at=()):
    for key in value if isinstance(value, dict) else range(len(value)):
        yield (*at, key)
        if isinstance(value[key], dict | list):
            yield from places(value[key], (*at, key))


@pytest.mark.parametrize("place", [*places(WHOLE)], ids=lambda place: ".".join(map(str, place)))
def test_whatever_stands_somewhere_is_taken_or_told(place):
    """Any other error fails the test."""
    *above, last = place
    for value in VALUES:
        given = inner = copy.deepcopy(WHOLE)
        for key in above:
            inner = inner[key]
        inner[last] = value
        with suppress(ConfigError):
            checked(given)


def test_a_misspelt_table_is_no_simulated_data():
    message = refused({"data": {"tabel": "own.csv", "target": "y"}, "fits": {"mine": {}}})
    assert "data: lacks the keys table, targets" in message
    assert "unknown keys tabel (did you mean table?), target (did you mean targets?)" in message
    assert "data: has the unknown key target (write table: as well, for a table of y" in refused(
        {"data": {"target": "y"}, "fits": {"mine": {}}}
    )
    assert "data: has the unknown key noize (did you mean noise?)" in refused(
        {"data": {"noize": 1.0}, "fits": {"mine": {}}}
    )


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
    assert plan.source.read_by_split("") == without.source.read_by_split("")
    assert unknown_target(files, plan, set()) is None
    told = unknown_target(["results/predictions/mine/old.csv"], plan, set())
    assert told == (
        "results/predictions/mine/old.csv cannot be made: data.predict of this config has new.csv,"
        " and no old.csv"
    )
    told = unknown_target(["results/predictions/none/new.csv"], plan, set())
    assert "there is no fit 'none'; this config has mine, other" in told


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("3,B", None),
        (
            "3,D",
            "new.csv: the column b has the levels D, which no fit knows, first in row 2; known",
        ),
        (",B", "new.csv: the column a is blank in 1 row, first in row 2; fits have seen no blank"),
        ("wide,B", "new.csv: the column a is of numbers, but here it has 'wide', first in row 2"),
    ],
)
def test_new_rows_that_no_fit_can_take_are_told_before_any_job(tmp_path, monkeypatch, row, told):
    monkeypatch.chdir(tmp_path)
    table = "".join(f"{n / 2},{'ABC'[n % 3]},{n % 7}\n" for n in range(20))
    (tmp_path / "own.csv").write_text(f"a,b,y\n{table}")
    (tmp_path / "new.csv").write_text(f"a,b\n0,A\n{row}\n")
    source = Plan(checked(config(predict={"new": "new.csv"}))).source
    seen = tmp_path / "seen.json"
    if told is None:
        source.check(seen)
    else:
        for _ in range(2):
            with pytest.raises(TableError) as caught:
                source.check(seen)
            assert str(caught.value).startswith(told)


def test_new_rows_that_were_right_are_read_again_after_a_change(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.csv").write_text("a,y\n" + "".join(f"{n},{n % 7}\n" for n in range(20)))
    (tmp_path / "new.csv").write_text("a\n1\n")
    seen, read, whole = tmp_path / "seen.json", [], reading.read
    monkeypatch.setattr(reading, "read", lambda path: read.append(path) or whole(path))

    def tables(**data):
        Plan(checked(config(predict={"new": "new.csv"}, **data))).source.check(seen)
        return [read.pop(0) for _ in read[:]]

    held_out = {"where": {"a": [None, 5]}}
    assert tables() == ["own.csv", "new.csv"]
    assert tables() == []
    assert tables(held_out=held_out, missing="median") == ["own.csv", "new.csv"]
    assert tables(held_out=held_out, missing="median") == []
    (tmp_path / "new.csv").write_text("a\n1\n2\n")
    assert tables(held_out=held_out, missing="median") == ["own.csv", "new.csv"]
    (tmp_path / "new.csv").write_text("a\n,\n")
    with pytest.raises(TableError):
        tables()


def test_blanks_of_new_rows_are_filled_where_blanks_of_the_table_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.csv").write_text("a,y\n" + "".join(f"{n},{n % 7}\n" for n in range(20)))
    (tmp_path / "new.csv").write_text("a,z\n,1\n")
    Plan(checked(config(predict={"new": "new.csv"}, missing="median"))).source.check(
        tmp_path / "seen"
    )


LEVELS = "names clya; the column's levels are 2, 10, clay"


@pytest.mark.parametrize(
    ("conditions", "told"),
    [
        ({"held_out": {"where": {"soil": ["clya"]}}}, f"data.held_out.where.soil: {LEVELS}"),
        ({"sets": {"few": {"soil": ["clya"]}}}, f"data.sets.few.soil: {LEVELS}"),
        ({"regions": {"wet": {"soil": ["clya"]}}}, f"evaluation.regions.wet.soil: {LEVELS}"),
        (
            {"regions": {"wet": {"siol": ["clay"]}}},
            "evaluation.regions.wet: names the column siol (did you mean soil?); the table has",
        ),
        ({"regions": {"wet": {"soil": ["clay"], "code": ["3"], "a": [0, 9]}}}, None),
        ({"sets": 2}, None),
    ],
)
def test_conditions_are_looked_at_before_any_job(tmp_path, monkeypatch, conditions, told):
    """By the levels as declared, and of the rows that stay."""
    monkeypatch.chdir(tmp_path)
    soils = "clay", "2", "10", "", "clay"
    rows = "".join(f"{n / 2},{soils[n % 5]},{n % 3 + 1},{n % 7}\n" for n in range(40))
    (tmp_path / "own.csv").write_text(f"a,soil,code,y\n{rows}")
    given = config(
        missing="drop",
        levels={"soil": ["2", "10", "clay"], "code": [1, 2, 3]},
        **{key: value for key, value in conditions.items() if key != "regions"},
    )
    if regions := conditions.get("regions"):
        given["evaluation"] = {"regions": regions}
    source, seen = Plan(checked(given)).source, tmp_path / "seen.json"
    if told is None:
        source.check(seen)
        assert seen.exists() == bool(regions)
        return
    for _ in range(2):
        with pytest.raises(TableError) as caught:
            source.check(seen)
        assert str(caught.value).startswith(told)
