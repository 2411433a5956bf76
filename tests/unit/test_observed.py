"""A table of one's own: what its columns are, which rows no fit sees, and what is refused."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bnnflow.data import distances, kinds, observed, splits
from bnnflow.data.reading import TableError
from bnnflow.data.settings import Own
from bnnflow.data.table import Table
from bnnflow.files.columns import Column
from bnnflow.files.encodings import of_names

ROWS = 40


def table(**columns):
    """Rows of two inputs, a and b, and a target, y."""
    at = np.random.default_rng(0)
    own = {"a": at.normal(size=ROWS), "b": at.choice(["u", "v", "w"], ROWS)}
    found = pd.DataFrame(own | {"y": at.normal(size=ROWS)} | columns)
    return found.drop(columns=[name for name in found if found[name].astype(str).eq("-").all()])


def divided(rows, regions=None, unseen=None, **data):
    data = {"table": "own.csv", "targets": ["y"]} | data
    own = Own.model_validate(data).model_dump(exclude_none=True, warnings=False)
    # As the job has them, which is told no paths.
    own = {key: value for key, value in own.items() if key not in ("table", "predict", "scaling")}
    return observed.divided(rows, own, regions or {}, unseen)


def refused(rows, regions=None, unseen=None, **data):
    with pytest.raises(TableError) as caught:
        divided(rows, regions, unseen, **data)
    return str(caught.value)


def about(found, name):
    columns = (*found.held_out.about.inputs, *found.held_out.about.targets)
    return next(column for column in columns if column.name == name)


def some(*values):
    """So many rows of these values in turn."""
    return (list(values) * ROWS)[:ROWS]


WITH_BLANKS = [None, *some(1.0, 2.0, 6.0)[1:]]


# What columns are.


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (Column("a"), some(0.5, 1, 2)),
        (Column("a"), some(0, 1)),
        (Column("a", kind="binary", levels=("no", "yes")), some("yes", "no")),
        (Column("a", kind="binary", levels=("false", "true")), some("true", "false")),
        (Column("a", kind="classes", levels=("2", "10", "x")), some("x", "10", "2", "x", "x")),
    ],
)
def test_inputs_by_their_values(column, values):
    assert about(divided(table(a=values)), "a") == column


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (Column("y"), some(0.5, 1, 2)),
        (Column("y"), some(-1, 1, 2)),
        (Column("y", kind="whole"), some(20, 30, 25)),
        (Column("y", kind="whole"), some(0, 1001)),
        (Column("y", kind="count"), some(0, 3, 1)),
        (Column("y", kind="count"), some(10, 1000)),
        (Column("y", kind="binary", levels=("0", "1")), some(0, 1, 1)),
        (Column("y", kind="binary", levels=("no", "yes")), some("yes", "no")),
        (Column("y", kind="classes", levels=("a", "b", "c")), some("c", "b", "a")),
    ],
)
def test_targets_by_their_values(column, values):
    assert about(divided(table(y=values)), "y") == column


@pytest.mark.parametrize(
    ("usual", "strange", "told"),
    [
        ((0.0, 1.0), 0.5, "the target y is 0 or 1 in the training rows, but something else in 1"),
        ((0.0, 7.0), -3, "the target y is whole numbers from 0 in the training rows, but somethin"),
        (("u", "v"), "w", "the target y has the levels w in held-out rows alone; list all of them"),
        ((50.0, 70.0), 0.5, None),
    ],
)
def test_held_out_targets_of_another_kind_are_told(usual, strange, told):
    """But for whole numbers that nothing tells from measurements."""
    rows = table(a=np.arange(ROWS) + 0.5, y=[*some(*usual)[:-1], strange])
    data = {"held_out": {"where": {"a": [35, None]}}}
    if told:
        assert refused(rows, **data).startswith(told)
    else:
        assert about(divided(rows, **data), "y") == Column("y", kind="whole")


def test_declared_levels_hold_in_their_order_for_numbers_too():
    levels = {"a": [3, 1, 2], "y": ["w", "v", "u"]}
    found = divided(table(a=some(1.0, 2.0, 3.0), y=some("u", "v")), levels=levels)
    assert about(found, "a") == Column("a", kind="classes", levels=("3", "1", "2"))
    assert about(found, "y").levels == ("w", "v", "u")
    rows = pd.concat([own.columns for own in (found.sets["train"], found.held_out)])
    assert sorted(rows["a"].unique()) == [0, 1, 2]
    truth = divided(table(a=some("true", "false")), levels={"a": [True, False]})
    assert about(truth, "a").levels == ("true", "false")


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        ({"b": ["u", "v"]}, "the column b has the levels w, which data.levels.b does not list"),
        ({"b": ["u", "v", "w", 1, "1"]}, "data.levels.b: has 1 twice"),
        ({"c": [1, 2]}, "data.levels: names the column c; the table has a, b, y"),
    ],
)
def test_levels_that_do_not_fit_are_refused(levels, told):
    assert refused(table(), levels=levels) == told


def test_transforms_are_kept_and_their_domains_told():
    found = divided(table(a=some(1.0, 2.0)), transform={"a": "log"})
    assert about(found, "a") == Column("a", transform="log")
    for transform, value, words in (("log", 0, "more than 0"), ("log1p", -1, "more than -1")):
        assert refused(table(a=some(value, 2.0)), transform={"a": transform}) == (
            f"the column a has {ROWS // 2} values of which {transform} is no number, the least"
            f" {value}; needed are values of {words}"
        )
    assert "sqrt is no number, the least -1;" in refused(
        table(a=some(-1, 2)), transform={"a": "sqrt"}
    )
    for name, values in (("b", some("u", "v")), ("y", some("u", "v"))):
        told = refused(table(**{name: values}), transform={name: "log"})
        assert told == f"data.transform.{name}: is log, but the column is of levels"


# What is done about blanks.


def test_blanks_are_refused_with_counts():
    rows = table(a=WITH_BLANKS, y=[None, None, *some(1.5, 2)[2:]])
    assert refused(rows).startswith("the table has blanks: a 1, y 2. `missing: drop` under data")
    for missing in ("median", "indicator"):
        assert refused(rows, missing=missing).startswith("the table has blanks: y 2.")
    found = divided(rows, missing="drop")
    assert (found.facts["rows"], found.facts["left out"]) == (ROWS, 2)


def test_medians_and_most_frequent_levels_are_those_of_training_rows():
    rows = table(a=WITH_BLANKS, b=some(None, "u", "v", "v"))
    for missing in ("median", "indicator"):
        found = divided(rows, missing=missing)
        train = found.sets["train"].columns
        kept = [*found.sets["train"].columns["y"]]
        seen = rows[rows["y"].isin(kept)]
        assert about(found, "a").fill == seen["a"].median()
        place = about(found, "b").levels.index(seen["b"].mode()[0])
        assert about(found, "b").fill == place
        blank = seen["b"].isna().to_numpy()
        assert (train["b"][blank] == place).all()
        flags = [c for c in found.held_out.about.inputs if c.kind == "flag"]
        if missing == "median":
            assert not flags
            continue
        assert [flag.of for flag in flags] == ["a", "b"]
        assert train["b is missing"].tolist() == blank.astype(float).tolist()


def test_a_level_that_only_blanks_are_beside_is_refused():
    rows = table(a=[None, *[5.0] * (ROWS - 1)])
    assert refused(rows, missing="median").startswith("the column a is always '5', of which")
    assert [c.kind for c in divided(rows, missing="indicator").held_out.about.inputs][-1] == "flag"


def test_the_name_of_a_flag_may_be_taken():
    rows = table(a=WITH_BLANKS, **{"a is missing": some(1.0, 2.0, 5.0)})
    told = refused(rows, missing="indicator")
    assert told.startswith(
        "the blanks of the column a are marked by an input 'a is missing', whose"
    )


# What is refused.

NUMBERED = [float(n) for n in range(7, 7 + ROWS)]


@pytest.mark.parametrize(
    ("rows", "data", "told"),
    [
        *(
            (
                {"a": [None] * ROWS, "c": [None] * ROWS},
                {"missing": missing},
                "the column a is empty; the column c is empty; leave them out under data, by"
                " inputs: [b]",
            )
            for missing in ("refuse", "drop", "median", "indicator")
        ),
        ({"a": [1.5] * ROWS}, {}, "the column a is always '1.5', of which nothing can be learnt;"),
        ({"b": ["u"] * ROWS}, {}, "the column b is always 'u', of which nothing can be learnt;"),
        (
            {"c": "copy of a"},
            {},
            "the column c is the same as the column a; leave it out under data, by inputs: [a, b]",
        ),
        ({"c": "copy of y"}, {}, "the column c is the same as the target y; leave it out under"),
        (
            {"a": [1.5] * ROWS, "b": [f"{n}.3.2024" for n in range(ROWS)], "Ofen [°C]": NUMBERED},
            {},
            "the column a is always '1.5', of which nothing can be learnt; the column b has 40"
            " different texts in 40 rows, as an identifier or a note has, for example '0.3.2024';"
            " of dates make numbers, such as days since the first; leave them out under data, by"
            " inputs: ['Ofen [°C]']",
        ),
        (
            {f"c{n}": [n] * ROWS for n in range(5)},
            {},
            "the column c0 is always '0', of which nothing can be learnt; the column c1 is always"
            " '1', of which nothing can be learnt; the column c2 is always '2', of which nothing"
            " can be learnt; nor can c3, c4 be inputs; leave them out under data, by inputs: [a,",
        ),
        (
            {"b": ["u"] * ROWS} | {"c" * 190 + str(n): some(n, n + 1.5) for n in range(4)},
            {},
            "the column b is always 'u', of which nothing can be learnt; leave it out under data,"
            " by naming the inputs",
        ),
        (
            {"a": [1.5] * ROWS, "b": ["u"] * ROWS},
            {},
            "the column a is always '1.5', of which nothing can be learnt; the column b is always"
            " 'u', of which nothing can be learnt; no input is left",
        ),
        ({"y": [2.5] * ROWS}, {}, "the target y is always '2.5' in the training rows, so that"),
        ({}, {"inputs": ["a", "y"]}, "data.inputs: the target y cannot be an input too"),
        (
            {},
            {"targets": ["Y"]},
            "data.targets: names the column Y (did you mean y?); the table has a, b, y",
        ),
        (
            {"width": 1},
            {"inputs": ["widht"]},
            "data.inputs: names the column widht (did you mean width?)",
        ),
        (
            {"Höhe": some(1.5, 2.5, 4.0)},
            {"units": {"hohe": "m"}},
            "data.units: names the column hohe (did you mean Höhe?)",
        ),
        ({}, {"units": {"z": "mm"}}, "data.units: names the column z; the table has a, b, y"),
        ({}, {"transform": {"z": "log"}}, "data.transform: names the column z; the table has"),
        ({"a": "-", "b": "-"}, {}, "data: leaves no column that could be an input"),
        ({"a": some(1.0, np.inf)}, {}, "the column a has 20 infinite numbers; remove these rows"),
        ({"y": some(1.0, -np.inf)}, {}, "the column y has 20 infinite numbers; remove these rows"),
        ({"y": NUMBERED}, {}, "the target y looks like an identifier, because it counts the rows"),
        ({"y": [f"no {n}" for n in range(ROWS)]}, {}, "the column y has 32 different texts in 32"),
        ({"b": [f"no {n}" for n in range(ROWS)]}, {}, "the column b has 40 different texts in 40"),
        (
            {"b": [f"{n} mm" for n in range(ROWS)]},
            {},
            "the column b has 40 different texts in 40 rows, as an identifier or a note has, for"
            " example '0 mm'; if these are numbers, write them without units and signs between",
        ),
        (
            {"b": ["<0,5", *(f"{n},25" for n in range(1, ROWS))]},
            {},
            "the column b is of numbers, but for 1 row, such as '<0,5'; correct them, leave them",
        ),
        (
            {"b": ["1,5", *map(str, some(1, 2, 3)[1:])]},
            {},
            "the column b is of numbers, but for 1 row, such as '1,5'; correct them, leave them"
            " blank, or list all levels under data.levels.b",
        ),
        *(
            (
                {"b": ["cm", *some("1.5", "2.5", "4.0")[1:]], "a": [None, *some(1.5, 2.5)[1:]]},
                {"missing": missing},
                "the column b is of numbers, but for 1 row, such as 'cm'; correct them",
            )
            for missing in ("refuse", "drop", "median")
        ),
        *(
            (
                {"b": some(*numbers)},
                {},
                f"the column b has numbers such as {told}, whose marks may be of thousands or",
            )
            for numbers, told in (
                (("1,000", "500"), "'1,000' and '500'"),
                (("2,5", "3,5"), "'2,5'"),
                (("1'000.5", "2 000,5"), '"1\'000.5"'),
            )
        ),
        ({"b": [f"${n}.50" for n in range(ROWS)]}, {}, "the column b has 40 different texts in 4"),
        ({"b": some("1.2.3", "1.2.4", "2024-01")}, {}, None),
        ({"b": some("1,000", "500")}, {"levels": {"b": ["500", "1,000"]}}, None),
        ({"b": some("u\nv", "w")}, {}, "the column b has the text 'u\\nv'; allowed are levels of"),
        ({"b": some("u" * 201, "w")}, {}, "the column b has the text 'uuu"),
        (
            {"a": some(1e308, -1e308, 1)},
            {},
            "the column a has numbers of up to 1e+308, whose squares",
        ),
        ({"y": some(0, 1)}, {"held_out": {"where": {"a": [0, None]}}}, None),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(rows, data, told):
    copies = {name: table()[of[-1]] for name, of in rows.items() if str(of).startswith("copy")}
    own = table(**(rows | copies))
    if told is None:
        assert divided(own, **data)
    else:
        assert refused(own, **data).startswith(told)


def test_held_out_rows_that_are_training_rows_are_counted():
    assert observed.copies(divided(table())) == 0
    twice = pd.concat([table(), table()], ignore_index=True)
    first = np.repeat([0, 1], ROWS)
    own = {"inputs": ["a", "b"], "held_out": {"where": {"first": [1, 1]}}}
    assert observed.copies(divided(twice.assign(first=first), **own)) == ROWS
    other = twice.assign(first=first, y=twice["y"] + first * (np.arange(2 * ROWS) < ROWS + 3))
    assert observed.copies(divided(other, **own)) == ROWS - 3


def test_too_few_rows_are_refused():
    assert refused(table().head(11)) == "the table leaves 9 training rows; needed are 10 or more"
    where = {"held_out": {"where": {"a": [100, None]}}}
    assert refused(table(), **where) == "the table leaves 0 held-out rows; needed are 2 or more"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (range(ROWS), True),
        (range(7, ROWS + 7), True),
        (np.arange(ROWS) + 0.5, False),
        (range(0, 2 * ROWS, 2), False),
        ([None, *range(1, ROWS)], False),
        ([f"{n}" for n in range(ROWS)], False),
        (range(20), False),
    ],
)
def test_what_counts_the_rows(values, expected):
    assert kinds.counts_rows(pd.Series(values)) == expected


def test_a_sorted_target_of_whole_numbers_is_no_identifier():
    at = np.random.default_rng(1)
    rows = table(y=np.sort(at.choice(10_000, ROWS, replace=False)))
    assert about(divided(rows), "y").kind == "whole"


def test_too_many_levels_are_refused():
    names = [f"level {n}" for n in range(1001)] * 2
    rows = pd.DataFrame({"a": names, "y": np.random.default_rng(0).normal(size=len(names))})
    assert refused(rows).startswith("the column a has 1001 levels; allowed are 1000 or fewer, with")


# Which rows no fit sees.


def places(found, rows):
    """Places of held-out rows in the table, whose numbers are all different."""
    return [rows.index[rows["y"] == y][0] for y in found.held_out.columns["y"]]


def test_a_share_at_random_by_seed():
    rows = table()
    first, again, other = (divided(rows, held_out=0.3, seed=seed) for seed in (1, 1, 2))
    assert places(first, rows) == places(again, rows) != places(other, rows)
    assert abs(len(first.held_out) - 0.3 * ROWS) < 1
    assert len(first.held_out) + len(first.sets["train"]) == ROWS


@pytest.mark.parametrize("values", [["p", "q", "q", "q"], [0, 1, 1, 1]])
def test_classes_are_held_out_in_their_shares(values):
    found = divided(table(y=some(*values)), held_out=0.4)
    assert found.held_out.columns["y"].value_counts().tolist() == [12, 4]


def test_groups_stay_together_and_are_no_input():
    rows = table(plant=some("p", "q", "r", "s", "t"))
    found = divided(rows, held_out={"group": "plant", "share": 0.4})
    assert [c.name for c in found.held_out.about.inputs] == ["a", "b"]
    out = rows["plant"][places(found, rows)]
    assert out.nunique() == 2
    assert out.value_counts().eq(ROWS // 5).all()


@pytest.mark.parametrize(
    ("kind", "expected"), [("gap", range(10, 30)), ("tail", [*range(10), *range(30, 40)])]
)
def test_gaps_and_tails_of_a_column(kind, expected):
    rows = table(a=np.arange(ROWS) + 0.5)
    found = divided(rows, held_out={kind: "a", "share": 0.5})
    assert places(found, rows) == list(expected)


def test_conditions_on_levels_intervals_and_truth_values():
    rows = table(c=some("true", "false", "true"))
    cases = [
        ({"b": ["u", "v"]}, rows["b"] != "w"),
        ({"a": [0, None]}, rows["a"] >= 0),
        ({"a": [[None, -1], [0, 0.5]]}, (rows["a"] <= -1) | rows["a"].between(0, 0.5)),
        ({"c": [True], "b": ["u"]}, (rows["c"] == "true") & (rows["b"] == "u")),
    ]
    for where, mask in cases:
        found = divided(rows, held_out={"where": where})
        assert places(found, rows) == rows.index[mask].tolist()


def test_a_second_table_is_held_out():
    rows, other = table(), table().head(5).assign(y=[10.5, 11, 12, 13, 14])
    found = divided(rows, unseen=other, held_out={"table": "other.csv"})
    assert found.held_out.columns["y"].tolist() == other["y"].tolist()
    assert len(found.sets["train"]) == ROWS
    given = {"held_out": {"table": "other.csv"}}
    told = refused(rows, unseen=other.drop(columns="b"), **given)
    assert told == "other.csv: lacks the column b; the table has a, y"
    told = refused(rows, unseen=other.assign(b=1.0), **given)
    assert told.startswith("other.csv: the column b is of numbers, but of texts in data.table;")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            {"held_out": {"group": "c"}},
            "data.held_out.group: is c, which has 2 groups and 10 blanks",
        ),
        ({"held_out": {"gap": "d"}}, "data.held_out: a gap or a tail needs a column with a number"),
        (
            {"held_out": {"tail": "b"}},
            "data.held_out: a gap or a tail needs a column with a number",
        ),
        ({"held_out": {"gap": "z"}}, "data.held_out.gap: names the column z; the table has a, b,"),
        (
            {"held_out": {"where": {"c": ["p"]}}},
            "data.held_out.where.c: is blank in 10 rows, of wh",
        ),
        ({"sets": {"one": {"d": [0, 1]}}}, "data.sets.one.d: is blank in 10 rows, of which nobody"),
        ({"sets": {"one": {"a": [99, None]}}}, "data.sets.one: has no training row"),
        ({"sets": {"one": {"a": [1, 0]}}}, "data.sets.one.a: is [1, 0], from 1 to 0; turn it"),
        (
            {"held_out": {"where": {"e": [0, 1]}}},
            "data.held_out.where: names the column e; the tab",
        ),
        (
            {"held_out": {"where": {"b": ["x"]}}},
            "data.held_out.where.b: names x; the column's leve",
        ),
        (
            {"held_out": {"where": {"a": ["x"]}}},
            "data.held_out.where.a: is ['x']; the column is of",
        ),
    ],
)
def test_blanks_and_strangers_in_what_splits_a_table_are_told(data, told):
    rows = table(c=some("p", "q", "p", None), d=some(1.0, 2.0, 3.0, None))
    assert refused(rows, inputs=["a"], **data).startswith(told)


def test_sets_by_condition_and_by_order():
    rows = table()
    found = divided(rows, sets={"low": {"a": [None, 0]}, "u": {"b": ["u"]}})
    train = pd.concat([rows.drop(index=places(found, rows))])
    assert len(found.sets["low"]) == (train["a"] <= 0).sum()
    assert (
        found.points["of_set"].sel(set="u").sum() == (rows["b"][places(found, rows)] == "u").sum()
    )
    parts = divided(rows, sets=4).sets
    assert list(parts) == ["batch1", "batch2", "batch3", "batch4"]
    order = [y for part in parts.values() for y in part.columns["y"]]
    assert order == [y for y in rows["y"] if y in set(order)]


def test_regions_of_ones_own_and_those_that_every_table_has():
    rows = table(a=[*np.linspace(0, 1, ROWS - 10), *np.linspace(50, 60, 10)], b="-")
    where = {"held_out": {"where": {"y": [None, 0]}}}
    near = rows.assign(y=some(-1.5, 1.5, -1, 2))
    found = divided(near, {"left": {"a": [None, 0.5]}}, **where)
    assert found.points["region"].to_numpy().tolist() == ["left", "all"]
    far = divided(near.assign(y=[*near["y"][:30], *[-1.5] * 10]), **where)
    assert far.points["region"].to_numpy().tolist() == ["near", "far", "all"]
    assert far.facts["regions"] == {"near": 15, "far": 10, "all": 25}
    told = refused(near, {"none": {"a": [70, None]}}, **where)
    assert told.startswith("evaluation.regions.none: has no held-out row; leave the region out")


def test_the_process_that_made_a_table():
    rows = table(f=np.arange(ROWS) + 0.5, s=[1.0] * ROWS)
    found = divided(rows, truth={"y": {"mean": "f", "stddev": "s"}})
    assert [c.name for c in found.held_out.about.inputs] == ["a", "b"]
    assert found.points["truth"][0].to_numpy().tolist() == rows["f"][places(found, rows)].tolist()
    assert found.points["noise"].to_numpy().tolist() == [[1.0] * len(found.held_out)]
    for strange in (["x"] * ROWS, [None] * ROWS, [np.inf] * ROWS):
        told = refused(rows.assign(f=strange), inputs=["a"], truth={"y": {"mean": "f"}})
        assert told == "data.truth: names f, which must have a number in every held-out row"


# Distances.


@given(st.integers(1, 30), st.integers(2, 40), st.integers(1, 4), st.integers(0, 99))
def test_distances_are_to_the_nearest_row(count, seen, width, seed):
    at = np.random.default_rng(seed)
    rows, training = at.normal(size=(count, width)), at.normal(size=(seen, width))
    apart = np.sqrt(((rows[:, None] - training[None]) ** 2).mean(-1))
    np.testing.assert_allclose(distances.to_nearest(rows, training), apart.min(1), atol=1e-7)
    own = np.sqrt(((training[:, None] - training[None]) ** 2).mean(-1))
    own[np.diag_indices(seen)] = np.inf
    found = distances.to_nearest(training, training, itself=True)
    np.testing.assert_allclose(found, own.min(1), atol=1e-7)


def test_distances_are_over_the_usual_one_whatever_the_unit():
    for unit in (1.0, 1e-9, 1e9):
        training = Table(pd.DataFrame({"x": unit * np.arange(11.0), "y": 0.0}), of_names("x", "y"))
        rows = Table(pd.DataFrame({"x": unit * np.array([3.5, 10, 12]), "y": 0.0}), training.about)
        np.testing.assert_allclose(distances.relative(rows, training), [0.5, 0, 2], atol=1e-6)


def test_rows_of_other_inputs_than_the_training_rows_have_no_distance():
    found = divided(table())
    training, rows = found.sets["train"], found.held_out
    a, b = rows.about.inputs
    others = replace(rows.about, inputs=(replace(a, transform="log"), replace(b, name="c")))
    with pytest.raises(TableError, match=r"differ from those .* in a, b, c; give the config"):
        distances.relative(replace(rows, about=others), training)
    scaled = replace(rows.about, inputs=(replace(a, centre=3.0, scale=2.0), b))
    same = distances.relative(replace(rows, about=scaled), training)
    np.testing.assert_array_equal(same, distances.relative(rows, training))


def test_an_even_choice_stands_for_many_rows(monkeypatch):
    x = np.random.default_rng(0).normal(size=2000)
    training = Table(pd.DataFrame({"x": x, "y": 0.0}), of_names("x", "y"))
    rows = Table(pd.DataFrame({"x": [0.0, 9.0], "y": 0.0}), training.about)
    whole = distances.relative(rows, training)
    monkeypatch.setattr(distances, "MOST", 500)
    assert (distances.relative(rows, training) <= 1).tolist() == (whole <= 1).tolist()


def test_copies_of_one_row_have_a_distance_of_their_own():
    training = Table(pd.DataFrame({"x": [0.0] * 95 + [1.0] * 5, "y": 0.0}), of_names("x", "y"))
    assert np.isfinite(distances.relative(training, training)).all()


# No held-out target leaves a trace.

KINDS = {
    "real": st.floats(-1e3, 1e3).map(lambda v: round(v, 3) + 0.0005),
    "whole": st.integers(1001, 5000).map(float),
    "count": st.integers(0, 30).map(float),
    "binary": st.sampled_from([0.0, 1.0]),
    "classes": st.sampled_from(["a", "b", "c"]),
    "log": st.floats(0.01, 1e3),
}


@st.composite
def cases(draw):
    kind = draw(st.sampled_from(sorted(KINDS)))
    count = draw(st.integers(14, 30))
    y, other = (draw(st.lists(KINDS[kind], min_size=count, max_size=count)) for _ in range(2))
    seed = draw(st.integers(0, 999))
    how = draw(st.sampled_from(["where", "group", "gap", "tail", "share", "table"]))
    missing = draw(st.sampled_from(["median", "indicator"]))
    return kind, y, other, seed, how, missing


@settings(max_examples=60, deadline=None)
@given(cases())
def test_changed_targets_of_held_out_rows_change_nothing_else(case):
    """But for shares of classes, which are taken class by class."""
    kind, y, other, seed, how, missing = case
    assume(how != "share" or kind not in ("classes", "binary"))
    at, count = np.random.default_rng(seed), len(y)
    rows = pd.DataFrame({"a": at.normal(size=count), "b": at.choice(["u", "v"], count), "y": y})
    rows.loc[::5, "a"] = np.nan
    rows["c"] = at.permutation(count).astype(float)
    rows["g"] = at.choice(["p", "q", "r"], count)
    held_out = {"where": {"c": [None, 4]}, "share": 0.3, "table": "other.csv"}.get(how, "c")
    held_out = {how: "g" if how == "group" else held_out}
    data = {"held_out": held_out, "missing": missing, "seed": seed, "inputs": ["a", "b", "c"]}
    data |= {"levels": {"y": ["a", "b", "c"]}} if kind == "classes" else {}
    data |= {"transform": {"y": "log"}} if kind == "log" else {}
    given = rows if how != "table" else rows[5:].reset_index(drop=True)
    unseen = rows[:5].reset_index(drop=True) if how == "table" else None
    try:
        first = divided(given, unseen=unseen, **data)
    except TableError:
        assume(False)
    out = first.held_out.columns["c"]
    changed = rows.assign(
        y=[o if c in set(out) else v for v, o, c in zip(y, other, rows["c"], strict=True)]
    )
    given = changed if how != "table" else changed[5:].reset_index(drop=True)
    unseen = changed[:5].reset_index(drop=True) if how == "table" else None
    second = divided(given, unseen=unseen, **data)
    assert first.held_out.about == second.held_out.about
    assert first.facts == second.facts
    for name, own in first.sets.items():
        pd.testing.assert_frame_equal(own.columns, second.sets[name].columns, check_exact=True)
    inputs = [column.name for column in first.held_out.about.inputs]
    pd.testing.assert_frame_equal(first.held_out.columns[inputs], second.held_out.columns[inputs])
    assert first.grid.identical(second.grid)
    same = ["inputs", "inside", "of_set", "probe"]
    assert first.points[same].identical(second.points[same])


# Splits.


@given(st.integers(2, 200), st.floats(0.01, 0.99), st.integers(0, 99), st.integers(1, 5))
def test_a_share_of_every_stratum_is_held_out(count, share, seed, kinds):
    at = np.random.default_rng(seed)
    strata = pd.Series(at.choice(kinds, count))
    found = splits.at_random(count, share, at, strata)
    assert found.any()
    for _, rows in strata.groupby(strata):
        out, size = found[rows.index].sum(), len(rows)
        assert out <= np.ceil(share * size)
        assert size - 1 <= out or out >= np.floor(share * size)


def test_a_sentence_has_no_control_codes():
    told = str(TableError("a\x1b[2J\nb" + "c" * 2000))
    assert re.fullmatch(r"a\\x1b\[2J bc+\.*", told)
    assert len(told) < 1000
