"""Figures of tables of several inputs: what is averaged, chosen, thinned and drawn."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import ROOT

from bnnflow.data import slices
from bnnflow.data.table import Table
from bnnflow.figures import canvas, dependence, inputs, observed
from bnnflow.figures.calibration import draw_calibration, reliability_by_region
from bnnflow.figures.confusion import confusion
from bnnflow.figures.groups import draw_group, over_inputs
from bnnflow.figures.maps import map_of
from bnnflow.figures.scatter import by_association, draw_scatter
from bnnflow.figures.sheets import Heading
from bnnflow.files.columns import Column
from bnnflow.files.encodings import Encoding

FAILS = ("fail", "divergences")

# What the foot of a panel takes of the rest of its height.
FOOT = dependence.FOOT / (1 - dependence.FOOT)

# The quantile at 0.975 of the standard normal distribution.
NORMAL_END = 1.959964

WIDTH, AGE = Column("width"), Column("age")
ALLOY = Column("alloy", kind="classes", levels=("A", "B", "C"))
ABOUT = Encoding((WIDTH, AGE, ALLOY), (Column("strength"), Column("colour")))
UNITS = {"width": "mm", "strength": "MPa"}
AXES = inputs.axes_of(ABOUT, UNITS)


@pytest.fixture(autouse=True)
def _style():
    with canvas.styled(ROOT / "config/bnnflow.mplstyle"):
        yield


def rows(count=60, about=ABOUT, seed=0):
    random = np.random.default_rng(seed)
    own = {
        column.name: random.integers(0, len(column.levels), count).astype(float)
        if column.levels
        else random.uniform(0, 10, count)
        for column in (*about.inputs, *about.targets)
    }
    return pd.DataFrame(own)


def predicted(function, about=ABOUT, samples=(-1.0, 1.0), noise=3.0):
    """Predictions on the grid of a table whose draws are a function of inputs, and shifts of it."""
    grid = slices.along(Table(rows(about=about), about), Table(rows(30, about, 1), about))
    targets = len(about.targets)
    mean = np.tile(function(*grid["inputs"].to_numpy().T), (targets, 1))
    kept = {
        "mean": mean,
        "stddev": np.full_like(mean, noise),
        "function_stddev": np.full_like(mean, np.std(samples)),
    }
    found = {name: (("target", "point"), values) for name, values in kept.items()}
    draws = mean + np.array(samples)[:, None, None]
    found["function"] = (("sample", "target", "point"), draws)
    quantiles = np.stack([mean + 2 * noise, mean - noise, mean])
    found["quantiles"] = (("quantile", "target", "point"), quantiles)
    names = [column.name for column in about.targets]
    return grid.assign(found).assign_coords(target=names, quantile=[0.975, 0.025, 0.5])


def evaluated(count=60, regions=("near", "far", "all"), about=ABOUT):
    """Observations that are one standard deviation of 2 above their means."""
    table = rows(count, about)
    mean = np.stack([table[column.name].to_numpy() for column in about.targets])
    own = np.ones((1, *mean.shape))
    inside = np.ones((len(regions), count), dtype=bool)
    inside[: len(regions) - 1] = np.arange(count) % 2 == np.arange(len(regions) - 1)[:, None]
    moments = ("replicate", "target", "point")
    return xr.Dataset(
        {
            "inputs": (("point", "input"), table[[c.name for c in about.inputs]].to_numpy()),
            "targets": (("target", "point"), mean + 2),
            "inside": (("region", "point"), inside),
            "mean": (moments, mean[None]),
            "stddev": (moments, 2 * own),
            "quantiles": (
                ("replicate", "level", "target", "point"),
                np.stack([mean - 4, mean, mean + 4])[None],
            ),
        },
        coords={
            "level": [0.025, 0.5, 0.975],
            "target": [column.name for column in about.targets],
            "region": list(regions),
        },
    )


def texts(figure):
    legend = figure.legends[0]
    return [text.get_text() for text in legend.get_texts()], legend.get_title().get_text()


def test_dependence_is_the_mean_over_rows_with_the_bands_of_averages():
    training = rows()
    width, age, alloy = dependence.dependences(predicted(lambda w, a, k: 2 * w + a), training)
    chosen = rows(30, seed=1).iloc[np.linspace(0, 29, 20).round().astype(int)]
    np.testing.assert_allclose(width.mean[0], 2 * width.values + chosen["age"].mean())
    np.testing.assert_allclose(age.mean[1], age.values + 2 * chosen["width"].mean())
    assert width.values[0] < training["width"].min() < training["width"].max() < width.values[-1]
    assert alloy.values.tolist() == [0, 1, 2]
    assert np.ptp(alloy.mean[0]) < 1e-12
    # Of the outermost quantiles, in whichever order they are kept.
    assert width.ends == (0.025, 0.975)
    np.testing.assert_allclose(
        width.band - width.mean, np.broadcast_to([[[-3]], [[6]]], (2, 2, width.values.size))
    )
    # Of two draws, one below and one above: 2.5 % of the way from either.
    np.testing.assert_allclose(
        width.function_band - width.mean,
        np.broadcast_to([[[-0.95]], [[0.95]]], (2, 2, width.values.size)),
    )
    # Twice as steep over values of nearly the same spread.
    spread = training[["width", "age"]].std(ddof=0)
    np.testing.assert_allclose(width.moved / age.moved, 2 * spread["width"] / spread["age"], 0.05)
    assert dependence.most_moving([width, age, alloy]) == [0, 1, 2]
    assert dependence.most_moving([alloy, age, width]) == [2, 1, 0]


def test_draws_that_differ_by_a_row_differ_less_on_average():
    """Where draws err independently at every row, the average knows more than any row."""
    found = predicted(lambda w, a, k: 0 * w, samples=np.zeros(500))
    random = np.random.default_rng(3)
    found["function"].values[:] = random.normal(size=found["function"].shape)
    width, *_ = dependence.dependences(found, rows())
    low, high = width.function_band.mean((1, 2)) * 20**0.5 / NORMAL_END
    # Of 20 rows; a quantile of 500 draws errs by 0.06 of itself, and the mean over 50 values less.
    assert abs(low + 1) < 0.05
    assert abs(high - 1) < 0.05


def test_an_input_whose_rows_go_different_ways_matters_as_if_they_went_one_way():
    way, ways = (
        dependence.dependences(predicted(function), rows())[0]
        for function in (lambda w, a, k: w + 0 * a, lambda w, a, k: np.where(k == 1, w, -w))
    )
    assert np.ptp(ways.mean[0]) < np.ptp(way.mean[0])
    np.testing.assert_allclose(ways.moved, way.moved)


def test_shares_are_of_the_nearest_values():
    found = dependence.shares(np.array([0.0, 1.0, 2.0]), np.array([-5, 0.4, 0.6, 1.4, 1.6, 9]))
    np.testing.assert_allclose(found, [2 / 6, 2 / 6, 2 / 6])


def test_a_target_in_large_units_does_not_decide_alone_which_inputs_matter():
    moved = np.array([[1000.0, 0.0], [10.0, 1.0], [500.0, 0.2]])
    assert dependence.by_importance(moved) == [0, 1, 2]
    assert dependence.by_importance(moved * 0) == [0, 1, 2]


def test_a_panel_an_input_for_every_target_with_names_and_units():
    found = predicted(lambda w, a, k: w + 3 * a)
    figure = dependence.draw_dependences("mine", "A fit", FAILS, *AXES, found, rows())
    assert [axes.get_xlabel() for axes in figure.axes] == ["age", "width (mm)", "alloy"] * 2
    assert figure.axes[0].get_ylabel() == "strength (MPa)"
    assert figure.axes[3].get_ylabel() == "colour"
    names = [text.get_text() for text in figure.axes[2].get_xticklabels()]
    assert names == ["A", "B", "C"]
    told, note = texts(figure)
    assert set(told) == {
        dependence.MEAN,
        "2.5–97.5 % quantiles of a new observation",
        "2.5–97.5 % quantiles of the averaged function",
        dependence.SEEN,
    }
    assert note == ""
    assert figure.get_suptitle().rstrip() == "mine: A fit"
    assert [text.get_text() for text in figure.texts if text is not figure._suptitle] == [
        "FAIL: divergences"
    ]
    # The bands of all panels of a target lie within the same limits.
    low, high = figure.axes[0].get_ylim()
    assert all(axes.get_ylim() == (low, high) for axes in figure.axes[:3])
    assert low < found["mean"].min() - 3
    assert high > 2 * 3.0


def many(count):
    columns = tuple(Column(f"a rather long name of the input number {i}") for i in range(count))
    return Encoding(columns, (Column("y"),))


@pytest.mark.parametrize(("count", "panels"), [(2, 4), (5, 5), (12, 12), (30, 12)])
def test_at_most_twelve_inputs_have_a_panel_and_the_others_are_named(count, panels):
    about = many(count)
    found = predicted(lambda *x: x[-1] + 0.5 * x[0], about)
    figure = dependence.draw_dependences(
        "mine", "", ("", ""), *inputs.axes_of(about, {}), found, rows(about=about)
    )
    shown = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    assert len(shown) == panels
    assert shown[0].get_xlabel().endswith(f"number {count - 1}")
    _, note = texts(figure)
    assert note.startswith("Not shown: ") == (count > panels)
    assert note.count("number") == max(0, count - panels)
    figure.draw_without_rendering()
    for axes in shown:
        box = axes.xaxis.label.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width


def test_two_inputs_of_numbers_have_a_map_and_others_none():
    about = many(2)
    surface = map_of(predicted(lambda a, b: 10 * a + b, about))
    np.testing.assert_allclose(surface.mean[0], 10 * surface.x + surface.y[:, None])
    assert surface.mean.shape == (1, slices.SIDE, slices.SIDE)
    assert map_of(predicted(lambda w, a, k: w)) is None
    mixed = Encoding((WIDTH, ALLOY), ABOUT.targets)
    assert map_of(predicted(lambda w, k: w, mixed)) is None


def test_an_input_that_is_transformed_is_varied_evenly_as_a_network_sees_it():
    about = Encoding((Column("a", transform="log"), AGE), (Column("y"),))
    grid = slices.along(Table(rows(about=about) + 1, about), Table(rows(2, about), about))
    a, *_ = (grid["inputs"].to_numpy()[(grid["along"] == 0) & (grid["row"] == 0)]).T
    assert (a > 0).all()
    np.testing.assert_allclose(np.diff(np.log(a)), np.log(a[-1] / a[0]) / (len(a) - 1))


def test_the_data_are_drawn_over_every_input_and_held_out_rows_apart():
    training, held_out = rows(5000), rows(30, seed=1)
    figure = draw_scatter("data", *AXES, {"train": training}, held_out, ["train"])
    assert [axes.get_xlabel() for axes in figure.axes] == ["width (mm)", "age", "alloy"] * 2
    (told, other), _ = texts(figure)
    assert told == "training observations, 2,000 of 5,000 rows"
    assert other == "held-out observations, 30 rows"
    seen, unseen = figure.axes[0].lines
    assert len(seen.get_xdata()) == 2000
    assert seen.get_color() != unseen.get_color()
    np.testing.assert_array_equal(unseen.get_xdata(), held_out["width"])
    # Dots of a level lie about its place, and beside each other.
    places = figure.axes[2].lines[1].get_xdata()
    assert (np.abs(places - held_out["alloy"]) < 0.5).all()
    assert len(np.unique(places)) == 30


def test_of_many_inputs_those_are_drawn_that_explain_most():
    about = many(30)
    own, targets = inputs.axes_of(about, {})
    table = rows(2000, about)
    table["y"] = np.sin(table[about.inputs[17].name]) + 0.01 * table[about.inputs[3].name]
    assert by_association(own, targets, table)[0].name == about.inputs[17].name
    figure = draw_scatter("data", own, targets, {"train": table}, table[:10], ["train"])
    assert len(figure.axes) == 12
    assert texts(figure)[1].startswith("Not shown: ")


def test_the_share_of_a_variance_between_levels():
    axis = inputs.Axis(ALLOY)
    levels = np.array([0.0, 0, 1, 1, 2, 2])
    assert inputs.association(axis, levels, levels) == 1
    assert inputs.association(axis, levels, np.array([0.0, 1, 0, 1, 0, 1])) == 0
    # Within levels ± 1, between them -2, 0, 2: 8/3 of 8/3 + 1.
    of = np.array([-3.0, -1, -1, 1, 1, 3])
    np.testing.assert_allclose(inputs.association(axis, levels, of), (8 / 3) / (8 / 3 + 1))
    assert inputs.association(axis, levels, np.ones(6)) == 0


@pytest.mark.parametrize(("count", "left"), [(1, 1), (2000, 2000), (50_000, 2000)])
def test_rows_are_thinned_evenly(count, left):
    places = inputs.thinned(count)
    assert len(np.unique(places)) == left
    assert (places[0], places[-1]) == (0, count - 1)
    if left > 1:
        assert np.ptp(np.diff(places)) <= 1


def test_names_that_are_cut_keep_both_ends():
    assert inputs.cut("short", 5) == "short"
    cut = inputs.cut("temperature of the oven, morning", 12)
    assert len(cut) == 12
    assert cut.startswith("tempera")
    assert cut.endswith("ning")
    assert inputs.left_out([]) == ""
    told = inputs.left_out([f"x{i}" for i in range(25)])
    assert told.endswith("x19, 5 more")


@pytest.mark.parametrize("letters", [inputs.UPRIGHT, inputs.LETTERS])
def test_a_label_has_two_lines_that_are_nearly_full(letters):
    name = "Number of visits of the inspector in the following year, by the district"
    lines = inputs.wrapped(name, letters).split("\n")
    assert len(lines) == 2
    assert max(map(len, lines)) <= letters
    # What is left empty is less than the longest of the words at the ends of the first line.
    assert sum(map(len, lines)) >= 2 * letters - len("inspector")
    assert inputs.wrapped("a short name", letters) == "a short name"


def test_labels_of_long_names_end_within_the_figure():
    names = [f"measurement number {i} of the long questionnaire, item {i}" for i in range(12)]
    answer = Column("letter", kind="binary", levels=("no, not at all", "yes, certainly"))
    about = Encoding(tuple(map(Column, names)), (answer,))
    table = rows(30, about)
    figure = draw_scatter("data", *inputs.axes_of(about, {}), {"old": table}, table, ["old"])
    figure.draw_without_rendering()
    for axes in figure.axes:
        extent = axes.xaxis.label.get_window_extent()
        assert 0 <= extent.x0 < extent.x1 <= figure.bbox.width
    # Names of levels stand beside the first column alone.
    named = [axes.yaxis.get_tick_params()["labelleft"] for axes in figure.axes]
    assert named == [True, False, False] * 4


def test_twelve_levels_are_named_and_a_hundred_in_part():
    for count, named in ((12, 12), (100, 13)):
        axis = inputs.Axis(Column("k", kind="classes", levels=tuple(map(str, range(count)))))
        axes = canvas.Figure().subplots()
        axis.prepare(axes, "x")
        assert len(axes.get_xticks()) == named


def test_levels_that_begin_alike_are_told_apart():
    axes = canvas.Figure().subplots()
    inputs.write_levels(
        axes, "x", ["quarter of Brixton", "quarter of Islington", "quarter of Acton"]
    )
    named = [label.get_text() for label in axes.get_xticklabels()]
    assert named == ["quarter of…ixton", "quarter of…ngton", "quarter of Acton"]
    levels = [f"quarter of {name}" for name in ("Brixton", "Islington", "Acton", "A", "B", "C")]
    inputs.write_levels(axes, "x", levels)
    named = [label.get_text() for label in axes.get_xticklabels()]
    assert named == ["…Brixton", "…Islington", "…Acton", "…A", "…B", "…C"]


def test_a_flag_says_yes_or_no():
    assert inputs.Axis(Column("age is blank", kind="flag", of="age")).levels == ("no", "yes")


def test_observations_are_drawn_against_predictions_with_their_intervals():
    found = evaluated()
    figure = observed.draw_observed("mine", "A fit", FAILS, *AXES, found, [2, 0, 1])
    first, second, *others = figure.axes
    bars = first.collections[0].get_segments()
    table = rows()
    assert len(bars) == 60
    np.testing.assert_allclose(
        np.array(bars)[:, :, 1] - table["strength"].to_numpy()[:, None], [[-4, 4]] * 60
    )
    near, far, diagonal = first.lines
    np.testing.assert_allclose(near.get_ydata() - near.get_xdata(), 2)
    assert near.get_color() != far.get_color()
    assert len(near.get_xdata()) == len(far.get_xdata()) == 30
    assert diagonal.get_xdata().tolist() == diagonal.get_ydata().tolist()
    assert second.get_xlabel() == "predicted strength (MPa)"
    assert [axes.get_xlabel() for axes in others[:3]] == ["alloy", "width (mm)", "age"]
    # One standard deviation above, everywhere.
    np.testing.assert_allclose(others[1].lines[0].get_ydata(), 1)
    means = others[1].lines[-1]
    np.testing.assert_allclose(means.get_ydata(), 1)
    told, _ = texts(figure)
    assert {"held-out, near, 30 rows", "held-out, far, 30 rows", observed.INTERVAL} < {*told}
    assert figure.get_suptitle().rstrip() == "mine: A fit"


def test_without_regions_of_distance_rows_are_of_one_colour():
    (name,) = observed.parted(evaluated(regions=("warm", "all")))
    assert name == "held-out"


def test_residuals_of_several_targets_are_correlated():
    random = np.random.default_rng(0)
    one, other = random.normal(size=(2, 50))
    (pair,) = observed.correlated([one, -2 * one + 3])
    assert pair == (0, 1, pytest.approx(-1))
    pairs = observed.correlated([one, other, one + 0.1 * other])
    assert pairs[0][:2] == (0, 2)
    assert observed.correlated([one]) == []


def test_a_learnt_correlation_stands_beside_that_of_the_residuals():
    about = Encoding((WIDTH,), (Column("strength"), Column("price")))
    found = evaluated(about=about)
    noise = np.random.default_rng(0).normal(size=found["targets"].shape)
    found["targets"] = found["targets"] + noise
    learnt = np.array([[[1, own], [own, 1]] for own in (-0.25, 0.125, 0.5)])
    own, targets = inputs.axes_of(about, {})
    for more, expected in ({}, ""), ({"correlation": learnt}, "\nlearnt 0.12 (−0.25 to 0.50)"):
        dims = ("certainty", "target", "other")
        given = found.assign({name: (dims, values) for name, values in more.items()})
        figure = observed.draw_observed("mine", "", ("", ""), own, targets, given, [0])
        (title,) = filter(None, (axes.get_title() for axes in figure.axes))
        outcomes = observed.outcomes(found)
        value = np.corrcoef([each.judged for each in outcomes])[0, 1]
        assert title == f"correlation {value:.2f}".replace("-", "−") + expected


def test_residuals_beyond_twelve_panels_are_left_out_and_named():
    about = many(30)
    figure = observed.draw_observed(
        "mine", "", ("", ""), *inputs.axes_of(about, {}), evaluated(about=about), [*range(30)]
    )
    assert len(figure.axes) == 12
    assert texts(figure)[1].startswith("Not shown: ")


def test_a_sheet_of_tables_compares_fits_on_the_same_axes():
    found = evaluated()
    parts, outcomes = observed.parted(found), observed.outcomes(found)
    fits = [observed.Judged(Heading(name, "A fit", FAILS), outcomes, parts) for name in "abc"]
    figure = observed.draw_outcomes(fits, AXES[1], "a beside its prior")
    shown = [axes for axes in figure.axes if axes.axison]
    assert len(shown) == 6
    assert len({axes.get_xlim() for axes in shown}) == 2
    # Each target is predicted on an axis of its own, whose label stands below the last of a column.
    labels = {axes.get_xlabel() for axes in shown}
    assert labels == {"", "predicted strength (MPa)", "predicted colour"}
    headings = [text.get_text() for axes in shown for text in axes.texts[:1]]
    assert sorted(headings) == ["a: A fit", "b: A fit", "c: A fit"]
    assert figure.get_suptitle() == "a beside its prior"


def test_a_sheet_names_every_class():
    count = 12
    kind = inputs.Axis(Column("kind", kind="classes", levels=tuple("abcdefghijkl")))
    outcome = observed.Classified(np.arange(count), np.eye(count))
    (axes,) = observed.draw_outcomes(
        [observed.Judged(Heading("a", ""), [outcome], {})], [kind]
    ).axes
    named = [label.get_text() for label in axes.get_xticklabels()]
    assert named == list("abcdefghijkl")


def test_a_study_of_a_table_shows_the_inputs_that_matter_most():
    training = rows()
    cells = {"width 2": ["g-0", "g-1"], "width 5": ["g-2"]}
    curves = {
        fit: dependence.dependences(predicted(lambda w, a, k, n=n: 3 * w + n * a), training)
        for n, fit in enumerate(("g-0", "g-1", "g-2"))
    }
    above = over_inputs(*AXES, cells, curves, training)
    table = pd.DataFrame(
        [
            {"fit": fit, "region": "all", "target": target, "metric": metric, "value": 1.0}
            for fit in curves
            for target in ("strength", "colour")
            for metric in ("lppd", "crps")
        ]
    )
    figure = draw_group("g", "A study", cells, above, table, dict.fromkeys(curves, "pass"))
    assert [axes.get_xlabel() for axes in figure.axes[:3]] == ["width (mm)", "age", "alloy"]
    colors = [line.get_color() for line in figure.axes[0].lines[:3]]
    assert colors[0] == colors[1] != colors[2]
    assert figure.axes[3].get_xlabel().startswith("LPPD")
    assert figure.axes[4].get_xlabel().startswith("CRPS")
    figure.draw_without_rendering()


@pytest.mark.parametrize(("levels", "rows_of", "left"), [(2, 1, 0), (3, 3, 0), (6, 4, 2)])
def test_a_study_of_targets_of_several_kinds_has_no_empty_panel(levels, rows_of, left):
    kind = Column("kind", kind="classes", levels=tuple("abcdef"[:levels]))
    about = Encoding((WIDTH, AGE), (Column("strength"), kind))
    found = predicted(lambda w, a: 3 * w + a, about)
    shares = np.arange(1.0, levels + 1) / sum(range(1, levels + 1))
    each = np.zeros((levels, 2, found.sizes["point"]))
    each[:, 1] = shares[:, None]
    found = found.assign(class_probability=(("class", "target", "point"), each))
    found["mean"][1] = shares[1]
    training = rows(about=about)
    curves = {"g-0": dependence.dependences(found, training)}
    above = over_inputs(*inputs.axes_of(about, {}), {"": ["g-0"]}, curves, training)
    names = {"strength": ("lppd", "crps"), "kind": ("brier", "lppd", "error_rate")}
    table = pd.DataFrame(
        {"fit": "g-0", "region": "all", "target": target, "metric": metric, "value": 0.5}
        for target, own in names.items()
        for metric in own
    )
    figure = draw_group("g", "", {"": ["g-0"]}, above, table, {"g-0": "pass"})
    means, scores = figure.axes[:2], figure.axes[2:4]
    panels, below = figure.axes[4:-2], figure.axes[-2:]
    assert [axes.get_xlabel() for axes in means] == ["width", "age"]
    told = [axes.get_xlabel().partition("\n")[0] for axes in [*scores, *below]]
    assert told == ["LPPD, nats per point", "CRPS", "LPPD, nats per point", "Brier score"]
    assert all(axes.lines for axes in figure.axes)
    # In their order, the likeliest of many.
    shown = [1] if levels == 2 else range(levels)[-rows_of:]
    assert [axes.get_ylabel().replace("\n", " ") for axes in panels[::2]] == [
        f"probability that kind is {kind.levels[place]}" for place in shown
    ]
    for axes, place in zip(panels[::2], shown, strict=True):
        np.testing.assert_allclose(axes.lines[0].get_ydata(), shares[place])
    assert [axes.get_xlabel() for axes in panels] == [""] * 2 * (rows_of - 1) + ["width", "age"]
    said = [text for text in texts(figure)[0] if "less likely" in text]
    assert said == ([f"{left} less likely classes: no panels"] if left else [])


KINDS = Encoding((WIDTH, AGE), (Column("kind", kind="classes", levels=("a", "b", "c")),))
YES = Encoding((WIDTH, AGE), (Column("broken", kind="binary", levels=("no", "yes")),))


def with_classes(found, probability):
    """Predictions, or an evaluation, with probabilities (class, point) of the only target."""
    dims = ("class", "target", "point")
    own = probability[:, None]
    if "pit" in found or "region" in found.dims:
        return found.assign(class_probability=(("replicate", *dims), own[None]))
    return found.assign(class_probability=(dims, own))


def of_kinds():
    """The first class is likely where the width is small, the others are alike."""
    found = predicted(lambda w, a: 0 * w, KINDS)
    first = 1 / (1 + np.exp(found["inputs"].to_numpy()[:, 0] - 5))
    return with_classes(found, np.stack([first, (1 - first) / 2, (1 - first) / 2]))


def test_probabilities_of_classes_are_averaged_and_count_for_importance():
    width, age = dependence.dependences(of_kinds(), rows(about=KINDS))
    np.testing.assert_allclose(width.classes[0, 0], 1 / (1 + np.exp(width.values - 5)))
    np.testing.assert_allclose(width.classes.sum(0), 1)
    # The others move half as much: the root of 1 + 1/4 + 1/4 times the first.
    first = dependence.shares(width.values, rows(about=KINDS)["width"].to_numpy())
    mean = (first * width.classes[0, 0]).sum()
    spread = np.sqrt((first * (width.classes[0, 0] - mean) ** 2).sum())
    np.testing.assert_allclose(width.moved, 1.5**0.5 * spread)
    assert age.moved < 1e-12


def test_every_class_has_a_line_and_a_colour_on_the_map():
    axes = inputs.axes_of(KINDS, {})
    figure = dependence.draw_dependences("mine", "", ("", ""), *axes, of_kinds(), rows(about=KINDS))
    first = figure.axes[0]
    assert first.get_ylabel() == "probability of kind"
    told, _ = texts(figure)
    assert {"a", "b", "c"} < {*told}
    colors = {line.get_label(): line.get_color() for line in first.lines}
    assert len({*colors.values()}) == 3
    # To the left the first class is the likeliest.
    likeliest = figure.axes[2].collections[0]
    left = likeliest.to_rgba(likeliest.get_array())[0, 0]
    assert canvas.to_hex(left) == colors["a"]


def test_over_an_only_input_classes_have_their_probabilities():
    about = Encoding((WIDTH,), YES.targets)
    assert not inputs.is_curve(about)
    assert inputs.is_curve(Encoding((WIDTH,), (Column("strength"),)))
    found = predicted(lambda w: np.full(len(w), 0.4), about, samples=(-0.1, 0.1))
    found = with_classes(found, np.stack([1 - found["mean"].values[0], found["mean"].values[0]]))
    axes = inputs.axes_of(about, {})
    figure = dependence.draw_dependences("mine", "", ("", ""), *axes, found, rows(about=about))
    (only,) = figure.axes
    assert only.get_ylabel() == "probability that broken is\nyes"
    told, _ = texts(figure)
    assert {"probability", "2.5–97.5 % quantiles of the function"} <= {*told}


def test_of_two_classes_the_second_has_the_band():
    found = predicted(lambda w, a: np.full(len(w), 0.4), YES, samples=(-0.1, 0.1))
    found = with_classes(found, np.stack([1 - found["mean"].values[0], found["mean"].values[0]]))
    axes = inputs.axes_of(YES, {})
    figure = dependence.draw_dependences("mine", "", ("", ""), *axes, found, rows(about=YES))
    first = figure.axes[0]
    assert first.get_ylabel() == "probability that broken is\nyes"
    band = first.collections[0].get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose([band.min(), band.max()], [0.305, 0.495], rtol=1e-6)
    assert not any(dependence.TOTAL in told for told in texts(figure)[0])


def classified():
    """Every row has its class at a probability of 0.85, but each third, which has it at 0.35."""
    found = evaluated(about=KINDS)
    seen = found["targets"].to_numpy()[0].astype(int) - 2
    found["targets"] = found["targets"] - 2
    right = np.where(np.arange(len(seen)) % 3, 0.85, 0.35)
    probability = np.zeros((3, len(seen)))
    probability[seen, np.arange(len(seen))] = right
    probability[(seen + 1) % 3, np.arange(len(seen))] = 1 - right
    return with_classes(found, probability), seen, right


def test_classes_have_a_confusion_matrix_and_the_probability_of_what_was_observed():
    found, seen, right = classified()
    (own,) = observed.outcomes(found)
    np.testing.assert_array_equal(own.judged, right)
    counts = confusion(own.observed, own.probability)
    assert counts.trace() == (right > 0.5).sum()
    assert counts.sum(1).tolist() == np.bincount(seen).tolist()
    assert counts[0, 1] == ((seen == 0) & (right < 0.5)).sum()
    assert counts[1, 0] == 0
    axes = inputs.axes_of(KINDS, {})
    figure = observed.draw_observed("mine", "", ("", ""), *axes, found, [0, 1])
    first, second, width, _ = figure.axes
    assert (first.get_xlabel(), first.get_ylabel()) == ("likeliest kind", "observed kind")
    assert sorted(int(text.get_text()) for text in first.texts) == sorted(counts.ravel())
    assert second.get_xlabel() == "observed kind"
    near, far = width.lines[:2]
    assert sorted([*near.get_ydata(), *far.get_ydata()]) == sorted(right)
    parts = observed.parted(found)
    sheet = observed.draw_outcomes([observed.Judged(Heading("a", ""), [own], parts)], axes[1])
    assert sheet.axes[0].get_ylabel() == "observed kind"


def test_reliability_of_classes_takes_the_place_of_coverage():
    found, *_ = classified()
    reliable = reliability_by_region(found)
    assert list(reliable) == [("", "near"), ("", "far"), ("", "all")]
    pit = dict.fromkeys(reliable, np.linspace(0, 1, 30))
    shares = dict.fromkeys(reliable, np.sort(np.random.default_rng(0).random((200, 19))))
    figure = draw_calibration("mine", "", pit, shares, ("", ""), reliable)
    dots = figure.axes[2].collections[1].get_offsets()
    # What has a probability of 0.85 is always seen, and so is what has 0.35; the others never.
    expected = {0.85: 1, 0.35: 1, 0.15: 0, 0.65: 0, 0.0: 0}
    assert {round(float(p), 2): float(seen) for p, seen in dots} == expected


def test_of_many_classes_the_likeliest_have_colours_of_their_own():
    empty = np.zeros((2, 1, 1))
    own = dependence.Dependence(0, np.zeros(1), empty[0], (0.0, 1.0), empty, empty, np.zeros(1))
    share = np.arange(1.0, 13) / 78
    (*likeliest,) = dependence.classes_of([replace(own, classes=share[:, None, None])], 0)
    assert likeliest == [11, 10, 9, 8, 7, 6]
    (*few,) = dependence.classes_of([replace(own, classes=share[:7, None, None])], 0)
    assert few == [6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("maps", [True, False])
def test_classes_without_a_colour_are_grey_on_maps_where_there_are_some(maps):
    kind = inputs.Axis(Column("kind", kind="classes", levels=tuple("abcdefgh")))
    empty = np.zeros((2, 1, 2))
    own = dependence.Dependence(0, np.arange(2.0), empty[0], (0.0, 1.0), empty, empty, np.zeros(1))
    own = replace(own, classes=np.full((8, 1, 2), 1 / 8))
    axes = canvas.Figure().subplots()
    dependence.draw_classes(axes, AXES[0][0], kind, own, 0, [0, 1, 2, 3, 4, 5], maps)
    labels = axes.get_legend_handles_labels()[1]
    assert "2 less likely ones: no line" + ", grey on maps" * maps in labels


def test_a_logarithmic_axis_has_ticks_that_are_apart_and_can_be_read():
    price = inputs.Axis(Column("price", transform="log"))
    for limits, ticks in (((0.5, 4), ["0.5", "1", "2"]), ((0.01, 2e6), ["0.01", "10⁶"])):
        axes = canvas.Figure().subplots()
        price.prepare(axes, "x")
        axes.set_xlim(limits)
        axes.figure.draw_without_rendering()
        assert axes.get_xscale() == "log"
        shown = [label.get_text() for label in axes.get_xticklabels()]
        assert {*ticks} <= {*shown}
        assert len(shown) < 7


def test_an_axis_of_logarithms_of_one_more_is_linear_about_zero_and_equally_wide_beyond():
    mileage = inputs.Axis(Column("mileage", transform="log1p"))
    for limits, ticks in (((-0.5, 4), ["0", "1"]), ((0, 40_000), ["0", "1", "100", "10000"])):
        axes = canvas.Figure().subplots()
        mileage.prepare(axes, "x")
        axes.set_xlim(limits)
        axes.figure.draw_without_rendering()
        shown = [label.get_text() for label in axes.get_xticklabels()]
        assert {*ticks} <= {*shown}
        assert len(shown) < 7
    low, high = mileage.ends(np.array([0.0, np.e**4 - 1]))
    assert (low, high) == pytest.approx((-np.expm1(0.12), np.expm1(4.12)))
    # Bars of training rows are equally wide, but where the axis turns.
    values = np.array([10.0, 1e5])
    dependence.draw_seen(axes, mileage, np.geomspace(10, 1e5, 50), values)
    ends = np.log([[bar.get_x(), bar.get_x() + bar.get_width()] for bar in axes.patches[1:]])
    np.testing.assert_allclose(np.diff(ends), np.log(1e4) / 30, rtol=0.06)


def test_bands_of_a_target_whose_logarithm_is_learnt_lie_above_the_training_rows():
    about = Encoding((WIDTH, AGE), (Column("price", transform="log"),))
    found = predicted(lambda w, a: 10 + w, about)
    figure = dependence.draw_dependences(
        "mine", "", ("", ""), *inputs.axes_of(about, {}), found, rows(about=about)
    )
    first, second, *_ = figure.axes
    assert first.get_yscale() == "log"
    assert first.get_ylim() == second.get_ylim()
    low, high = dependence.limits_of(inputs.Axis(about.targets[0]), np.array([1.0, np.e]))
    assert np.log([low, high]) == pytest.approx([-0.05 - 1.1 * FOOT, 1.05])
    low, high = dependence.limits_of(inputs.Axis(WIDTH), np.array([0.0, 1.0]))
    assert (low, high) == pytest.approx((-0.05 - 1.1 * FOOT, 1.05))
    figure.draw_without_rendering()


def test_a_model_of_one_draw_has_no_band_and_no_map_of_its_function():
    about = many(2)
    axes = inputs.axes_of(about, {})
    for samples, words in (((0.0,), "a new observation"), ((-1.0, 1.0), "the function alone")):
        found = predicted(lambda a, b: a + b, about, samples)
        figure = dependence.draw_dependences("mine", "", ("", ""), *axes, found, rows(about=about))
        function = f"2.5–97.5 % quantiles {dependence.FUNCTION}"
        assert (function in texts(figure)[0]) == (len(samples) > 1)
        bars = [own.get_ylabel() for own in figure.axes if own.get_label() == "<colorbar>"]
        assert bars[1].startswith(f"sd of {words}")


def test_names_of_levels_stand_on_one_line():
    column = Column("alloy", kind="classes", levels=("a", "Ü", "g"))
    axes = canvas.Figure().subplots()
    inputs.Axis(column).prepare(axes, "x")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "Ü", "g"]
    assert {label.get_verticalalignment() for label in axes.get_xticklabels()} == {"baseline"}
