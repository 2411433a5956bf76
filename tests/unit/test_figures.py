from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from matplotlib.colors import to_hex

from bnnflow.data import tutorial
from bnnflow.figures import canvas, frame
from bnnflow.figures.calibration import draw_calibration, envelope
from bnnflow.figures.chains import draw_chains
from bnnflow.figures.data import draw_data
from bnnflow.figures.fit import draw_fit, draw_sheet, update_role
from bnnflow.figures.groups import draw_group, over_one_input
from bnnflow.figures.inputs import Axis
from bnnflow.figures.loss import draw_loss
from bnnflow.figures.prior import View, draw_prior
from bnnflow.figures.scores import draw_scores
from bnnflow.files.columns import Column
from bnnflow.files.encodings import Encoding

STYLE = ROOT / "config" / "bnnflow.mplstyle"
SETS = ["old", "new", *"abcdef"]
FRAME = frame.Frame(SETS, (-1, 1), (-2, 2), tutorial.truth([-1, 1, 50]))
X = np.linspace(-1, 1, 21)
# Two targets, of which no truth is known, over an input of another name.
SEVERAL = frame.Frame(SETS, (-1, 1), (-2, 2), None, "age", ("height", "weight"))


@pytest.fixture(autouse=True)
def _style():
    with canvas.styled(STYLE):
        yield


def panel(title="A fit", names=("old",), mean=X, about=FRAME, **others):
    table = pd.DataFrame(
        {about.input: [0.0, 0.5]} | {target: [0.1, 0.4] for target in about.targets}
    )
    middle = np.array([mean] * len(about.targets))
    bands = [np.array([middle - reach, middle + reach]) for reach in (1, 0.5)]
    return frame.Panel("mine", title, dict.fromkeys(names, table), X, middle, *bands, **others)


def legend(axes):
    return dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))


def texts(figure):
    return [text.get_text() for own in figure.legends for text in own.get_texts()]


def marks(axes):
    """Places and directions of what leaves the axes."""
    lines = [line for line in axes.lines if line.get_marker() in ("^", "v")]
    return [(x, line.get_marker()) for line in lines for x in line.get_xdata()]


def test_the_bands_are_two_standard_deviations_about_the_mean():
    (axes,) = draw_fit(FRAME, panel()).axes
    drawn = legend(axes)
    assert list(frame.legend_entries(axes)) == [
        "true function",
        "old observations",
        "± 2 sd of a new observation",
        "± 2 sd of the function alone",
        "predictive mean",
    ]
    for of, reach in ((frame.TOTAL, 2), (frame.ALONE, 1.5)):
        band = drawn[f"± 2 sd {of}"].get_paths()[0].vertices
        assert band[:, 1].min() == -reach
        assert band[:, 1].max() == reach
    np.testing.assert_allclose(drawn["predictive mean"].get_ydata(), X)
    assert axes.get_xlim() == FRAME.xlim
    assert axes.get_ylim() == FRAME.ylim
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x", "y")
    assert axes.figure.get_suptitle() == "mine: A fit"


def test_what_leaves_the_axes_is_marked_and_told():
    (axes,) = draw_fit(FRAME, panel()).axes
    assert not marks(axes)
    assert frame.BEYOND not in texts(axes.figure)
    # The upper edge of the band, 4x + 1, leaves at x = 1/4; its lower one at -1/4, at the bottom.
    (axes,) = draw_fit(FRAME, panel(mean=4 * X)).axes
    (up, above), (down, below) = marks(axes)
    assert (above, below) == ("^", "v")
    assert up > 0.25
    assert down < -0.25
    # There the band still shows: its other edge is within.
    assert abs(4 * up - 1) <= 2
    assert frame.BEYOND in texts(axes.figure)
    # A curve that jumps out is marked where it does; one that is never within, at all.
    (axes,) = draw_fit(FRAME, panel(mean=np.where(X > 0.501, 9, 0))).axes
    assert marks(axes) == [(pytest.approx(0.6), "^")]
    (axes,) = draw_fit(FRAME, panel(mean=0 * X + 9)).axes
    assert [way for _, way in marks(axes)] == ["^"]


def test_observations_beyond_the_axes_are_marked_in_their_colour():
    far = pd.DataFrame({"x": [0.0, 0.001, 0.5, 7.0], "y": [9.0, 9.0, 0.0, 9.0]})
    (axes,) = draw_data(FRAME, "data", {"new": far}).axes
    ((place, way),) = marks(axes)
    assert (round(place, 1), way) == (0.0, "^")
    line = next(line for line in axes.lines if line.get_marker() == "^" and len(line.get_xdata()))
    assert line.get_color() == legend(axes)["new observations"].get_color()


def test_colours_keep_their_meaning():
    (axes,) = draw_data(FRAME, "data", panel(names=("old", "new")).observations).axes
    alone = legend(axes)
    (axes,) = draw_fit(FRAME, panel(names=("old", "new"))).axes
    fitted = legend(axes)
    for label in alone:
        assert alone[label].get_color() == fitted[label].get_color()
    assert fitted["old observations"].get_color() == "black"
    assert len({line.get_color() for line in axes.lines}) == 4


def test_a_data_set_has_the_same_colour_in_every_panel():
    names = [("old",), ("new",), ("new", "old"), ("f", "new")]
    sheet = draw_sheet(FRAME, [panel("fit", sets) for sets in names])
    found = {}
    for axes in sheet.axes[:4]:
        for label, handle in legend(axes).items():
            if "observations" in label:
                found.setdefault(label, set()).add(handle.get_color())
    assert all(len(colors) == 1 for colors in found.values())
    assert len({*found["old observations"], *found["new observations"]}) == 2
    everything = draw_data(FRAME, "data", panel(names=SETS).observations).axes[0].lines
    assert all(line.get_color() != everything[0].get_color() for line in everything[1:])


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (3, 2), (4, 2), (20, 4)])
def test_a_sheet_has_a_panel_for_each_fit_and_one_legend(count, columns):
    panels = [panel(f"fit {i}", ("old", "new")[: 1 + (i == 1)]) for i in range(count)]
    figure = draw_sheet(FRAME, panels)
    assert [axes.texts[0].get_text() for axes in figure.axes[:count]] == [
        f"mine: {p.title}" for p in panels
    ]
    assert not any(axes.axison for axes in figure.axes[count:])
    (only,) = figure.legends
    assert texts(figure).count("old observations") == 1
    assert ("new observations" in texts(figure)) == (count > 1)
    figure.draw_without_rendering()
    box = only.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    # The last of every column.
    assert all(axes.get_xlabel() == "x" for axes in figure.axes[count - columns : count])


def test_the_panels_of_an_update_are_told_by_their_roles():
    before, new = ["old", "a"], ["new"]
    roles = [update_role(role, before, new) for role in ("source", "updated", "joint", "alone")]
    assert roles == [
        "Before the update: fitted to old and a",
        "After the update: old and a, then new",
        "Fitted to old and a and new together",
        "Fitted to new alone",
    ]
    figure = draw_sheet(FRAME, [panel(role=role) for role in roles], "mine beside its prior")
    headings = [axes.texts[0].get_text() for axes in figure.axes]
    assert headings == [f"{role}\nmine: A fit" for role in roles]
    assert figure.get_suptitle() == "mine beside its prior"


def test_the_loss_and_the_parts_of_it_that_are_compared():
    steps, losses = np.arange(1, 201), np.linspace(100, -5, 200)
    (axes,) = draw_loss("mine", "A fit", steps, losses, compared=20).axes
    np.testing.assert_allclose(axes.lines[0].get_ydata(), losses)
    assert "median of 2 steps" in legend(axes)
    spans = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches]
    assert spans == [(161, 181), (181, 200)]
    (axes,) = draw_loss("mine", "A fit", steps[:1], losses[:1], compared=0).axes
    assert not axes.patches
    axes.figure.draw_without_rendering()


SIMULATED = {("", "all"): np.random.default_rng(2).beta(5, 5, size=(200, 19))}
SIMULATED["", "all"].sort(axis=1)
FAILS = ("fail", "R-hat of the function (gap); divergences")
STILL, EQUAL = np.zeros((2, 30), dtype=bool), np.full(2, 0.5)


@pytest.mark.parametrize("title", ["A fit", "a long title " * 15])
def test_a_figure_has_its_fits_name_and_says_of_one_that_does_not_pass(title):
    steps = np.arange(1, 201)
    pit = {("", "all"): np.linspace(0, 1, 50)}
    traces = {("f(0.00)", "gap"): np.random.default_rng(0).normal(size=(2, 30))}
    for verdict, said in (
        (("", ""), ""),
        (FAILS, "FAIL: R-hat of the function (gap); divergences"),
    ):
        for figure in (
            draw_fit(FRAME, replace(panel(title), verdict=verdict)),
            draw_chains("mine", title, traces, STILL, EQUAL, verdict),
            draw_calibration("mine", title, pit, SIMULATED, verdict),
            draw_loss("mine", title, steps, steps, 20, verdict),
        ):
            words = [text for text in figure.texts if text is not figure._suptitle]
            assert [text.get_text().replace("\n", " ") for text in words] == [said] * bool(said)
            shown = figure.get_suptitle().rstrip()
            assert shown.startswith(f"mine: {title[:5]}")
            figure.draw_without_rendering()
            heading = figure._suptitle.get_window_extent()
            assert 0 <= heading.x0 < heading.x1 <= figure.bbox.width
            for text in words:
                box = text.get_window_extent()
                assert 0 <= box.x0 < box.x1 <= figure.bbox.width
                # Below the title and above what is drawn.
                lines = shown.count("\n") + 1
                assert box.y1 < figure.bbox.height - 14 * lines / 72 * figure.dpi
                assert all(box.y0 > axes.get_tightbbox().y1 for axes in figure.axes)


@pytest.mark.parametrize("lines", [1, 4])
def test_verdicts_stand_above_the_panels_of_a_sheet(lines):
    told = ("fail", "; ".join(["a diagnostic of a rather long name (everywhere)"] * lines))
    panels = [replace(panel(), verdict=told), panel(), panel()]
    figure = draw_sheet(FRAME, panels)
    figure.draw_without_rendering()
    first, second, third = figure.axes[:3]
    title, text = first.texts
    assert text.get_text().replace("\n", " ") == f"FAIL: {told[1]}"
    assert not any(axes.texts[1].get_text() for axes in (second, third))
    box, title = text.get_window_extent(), title.get_window_extent()
    assert first.bbox.y1 < box.y0 < box.y1 <= title.y0
    assert box.x1 <= second.bbox.x0
    # The next row's is below this one's labels.
    assert third.texts[0].get_window_extent().y1 < first.get_tightbbox().y0


def test_traces_and_ranks_of_chains():
    """Of chains apart the ranks are apart, and draws whose transitions diverged are marked."""
    function = np.random.default_rng(1).normal(size=(2, 100))
    traces = {
        ("f(0.00)", "left"): function,
        ("f(1.00)", "right"): function + np.array([[0], [100]]),
    }
    diverging = np.zeros((2, 100), dtype=bool)
    diverging[1, [3, 50]] = True
    figure = draw_chains("mine", "A fit", traces, diverging, EQUAL, ("", ""))
    trace, _, apart, ranks = figure.axes
    assert [axes.get_ylabel() for axes in (trace, apart)] == ["f(0.00)\nleft", "f(1.00)\nright"]
    np.testing.assert_array_equal(trace.lines[1].get_ydata(), function[1])
    low, high = (patch.get_data().values for patch in ranks.patches)
    half = len(low) // 2
    assert (low[:half] == 2).all()
    assert (low[half:] == 0).all()
    assert (high[half:] == 2).all()
    assert "below: diverged, 2 of 200 transitions" in texts(figure)
    for axes in (trace, apart):
        none, second = axes.collections
        assert not none.get_segments()
        assert [segment[0, 0] for segment in second.get_segments()] == [3, 50]
        assert to_hex(second.get_color()[0]) == to_hex(axes.lines[1].get_color())
        # Below all that is drawn of the traces.
        lowest = min(line.get_ydata().min() for line in axes.lines[:2])
        highest = max(segment[:, 1].max() for segment in second.get_segments())
        assert axes.transLimits.transform((0, lowest))[1] > highest


def test_chains_of_different_weights_say_so():
    traces = {("f", ""): np.random.default_rng(1).normal(size=(2, 30))}
    for weights, names in (
        (EQUAL, ["chain 0", "chain 1"]),
        (np.array([0.75, 0.25]), ["chain 0, weight 0.75", "chain 1, weight 0.25"]),
    ):
        assert texts(draw_chains("mine", "A fit", traces, STILL, weights, ("", ""))) == names


def test_ranks_of_a_single_chain_are_of_its_halves():
    function = np.arange(51.0)[None]  # a chain that drifts
    still = np.zeros((1, 51), dtype=bool)
    trace, ranks = draw_chains(
        "mine", "A fit", {("f", ""): function}, still, np.ones(1), ("", "")
    ).axes
    assert legend(trace).keys() == {"first half", "second half"}
    np.testing.assert_array_equal(
        trace.lines[1].get_xydata(), np.repeat(range(26, 51), 2).reshape(-1, 2)
    )
    first, second = (patch.get_data() for patch in ranks.patches)
    # Every bin holds equally many ranks.
    assert len(set(np.diff(first.edges))) == 1
    assert (first.values + second.values == 2).all()
    for draws in (1, 2, 7):
        few = {("f", ""): function[:, :draws]}
        draw_chains(
            "mine", "A fit", few, still[:, :draws], np.ones(1), ("", "")
        ).draw_without_rendering()


def test_calibration_is_drawn_region_by_region_and_coverage_first():
    pit = {("", "good"): (np.arange(1000) + 0.5) / 1000, ("", "sure"): np.repeat([0.0, 1.0], 500)}
    simulated = dict.fromkeys(pit, SIMULATED["", "all"])
    figure = draw_calibration("mine", "A fit", pit, simulated, ("", ""))
    inside, sure_inside, below, sure_below, heights, sure_heights = figure.axes
    assert [axes.get_title() for axes in (inside, sure_inside)] == ["good", "sure"]
    flat, heaped = (axes.patches[1].get_data().values for axes in (heights, sure_heights))
    np.testing.assert_allclose(flat, 1)
    np.testing.assert_allclose(heaped, [5, *[0] * 8, 5])
    for axes in (heights, sure_heights):  # nothing is cut off
        assert axes.get_ylim()[0] == 0
        assert axes.get_ylim()[1] > 5
    np.testing.assert_allclose(below.lines[0].get_ydata(), 0, atol=1e-3)
    np.testing.assert_allclose(inside.lines[0].get_ydata(), np.linspace(0, 1, 101), atol=1e-3)
    assert (sure_inside.lines[0].get_ydata()[:-1] == 0).all()
    levels = np.linspace(0, 1, 101)
    np.testing.assert_allclose(sure_below.lines[0].get_ydata()[:-1], (0.5 - levels)[:-1])


def test_bands_of_calibration_are_those_of_simulated_sets():
    """Of one set, each of three bands is that set itself."""
    shares = np.linspace(0.05, 0.95, 19) ** 2
    key = ("", "all")
    figure = draw_calibration(
        "mine", "A fit", {key: np.array([0.5])}, {key: shares[None]}, ("", "")
    )
    inside, below, heights = figure.axes
    edges = np.linspace(0, 1, 11)
    np.testing.assert_allclose(heights.patches[0].get_data().values, np.diff(edges**2) * 10)
    for axes, curve in ((below, lambda p: p**2 - p), (inside, lambda p: p)):
        # The share within (1 ± p) / 2 of the distribution p² is p.
        x, y = axes.collections[0].get_paths()[0].vertices.T
        np.testing.assert_allclose(y, curve(x), atol=1e-12)


def test_an_envelope_holds_95_of_100_curves_as_a_whole():
    random = np.random.default_rng(3)
    for curves in (random.normal(size=(1000, 20)), random.integers(0, 3, size=(1000, 4))):
        low, high = envelope(curves)
        held = ((low <= curves) & (curves <= high)).all(axis=1).mean()
        assert held >= 0.95
    # Single places hold more, or the whole would hold less.
    curves = random.normal(size=(1000, 20))
    low, high = envelope(curves)
    assert 0.95 <= ((low <= curves) & (curves <= high)).all(axis=1).mean() < 0.97
    assert ((low <= curves) & (curves <= high)).mean() > 0.99


def metrics(fits, names=("lppd", "crps", "rmse_function", "coverage_95"), **others):
    rows = [
        (fit, region, metric, 0.9 if metric == "coverage_95" else value, 0.3, 0.4)
        for fit, value in fits.items()
        for region in ("data", "gap")
        for metric in names
    ]
    columns = ["fit", "region", "metric", "value", "error_draws", "error_points"]
    return pd.DataFrame(rows, columns=columns).assign(**others)


def test_scores_have_errors_and_verdicts():
    figure = draw_scores(metrics({"mine": -2.0, "oracle": 2.0}), {"mine": "warn"})
    lppd = figure.axes[0]
    assert [label.get_text() for label in lppd.get_yticklabels()] == ["mine\nwarn", "oracle"]
    (bars,) = lppd.containers[0].lines[2]
    np.testing.assert_allclose(bars.get_segments()[0][:, 0], [-3.0, -1.0])
    assert texts(figure) == ["data", "gap"]
    # Where coverage ends its error does.
    (bars,) = figure.axes[3].containers[0].lines[2]
    assert bars.get_segments()[0][:, 0].tolist() == [0, 1]


def test_scores_of_what_is_known_only():
    without = metrics({"mine": 1.0}, names=("lppd", "coverage_95"))
    assert len(draw_scores(without, {"mine": "pass"}).axes) == 2
    several = pd.concat([metrics({"mine": 1.0}, target=target) for target in ("height", "weight")])
    figure = draw_scores(several, {"mine": "pass"})
    assert len(figure.axes) == 8
    assert [figure.axes[i].get_title(loc="left") for i in (0, 4)] == ["height", "weight"]


def test_scores_of_targets_of_several_kinds_stand_side_by_side():
    """Each at the left, whatever scores the others have."""
    classes, count = ("lppd", "brier", "error_rate"), ("lppd", "crps", "coverage_95")
    own = [metrics({"mine": 1.0}, classes, target="kind")]
    own += [metrics({"mine": 1.0}, count, target="count")]
    own.append(metrics({"mine": 1.0}, ("lppd",), target="jointly"))
    axes = draw_scores(pd.concat(own), {"mine": "pass"}).axes
    told = [each.get_xlabel().split("\n")[0] for each in axes]
    lppd = "LPPD, nats per point"
    assert told == [lppd, "Brier score", "Error rate", lppd, "CRPS", "Coverage of", lppd]
    assert [each.get_subplotspec().colspan.start for each in axes] == [0, 1, 2, 0, 1, 2, 0]


def test_a_single_region_needs_no_legend():
    found = metrics({"mine": 1.0})
    figure = draw_scores(found[found["region"] == "gap"], {"mine": "pass"})
    assert not figure.legends
    assert draw_scores(found, {"mine": "pass"}).legends


@pytest.mark.parametrize(
    ("title", "shown"),
    [("A fit", "my_fit: A fit"), ("My fit", "my_fit"), ("", "my_fit"), ("Fit", "my_fit: Fit")],
)
def test_a_title_that_is_the_name_in_words_is_left_out(title, shown):
    assert canvas.named("my_fit", title, 80) == shown


CELLS = {"width 2": ["g-0", "g-1"], "width 5": ["g-2"]}


def drawn_group(about=FRAME, cells=CELLS, names=("lppd", "rmse_function"), title="A study"):
    fits = [fit for own in cells.values() for fit in own]
    means = {fit: (X, np.array([X] * len(about.targets))) for fit in fits}
    tables = [metrics(dict.fromkeys(fits, 1.0), names, target=target) for target in about.targets]
    table = pd.concat(tables) if len(tables) > 1 else tables[0].drop(columns="target")
    observations = panel(about=about).observations
    verdicts = dict.fromkeys(fits, "pass") | {"g-0": "warn"}
    above = over_one_input(about, observations, cells, means)
    return draw_group("g", title, cells, above, table, verdicts)


def test_in_a_study_settings_have_colours_of_their_own():
    figure = drawn_group()
    means, lppd, _ = figure.axes
    own = [to_hex(line.get_color()) for line in means.lines if line.get_linewidth() == 0.9]
    settings = set(own[:3])
    assert own[0] == own[1] != own[2]
    taken = {to_hex(color) for color in ("C0", "C1", "C2", *canvas.REGIONS)}
    assert not settings & taken
    squares = [line for line in lppd.lines if line.get_marker() == "s" and not line.get_clip_on()]
    assert [to_hex(line.get_color()) for line in squares] == [own[0], own[2]]
    assert figure.get_suptitle().rstrip() == "g: A study, 3 fits"
    assert drawn_group(title="G").get_suptitle().rstrip() == "g: 3 fits"
    assert "WARN: of 3 fits 2 pass, 1 warn" in [text.get_text() for text in figure.texts]
    # Replicates alone are predictions like others.
    figure = drawn_group(cells={"": ["g-0", "g-1"]})
    lines = [line for line in figure.axes[0].lines if line.get_linewidth() == 0.9]
    assert {line.get_color() for line in lines} == {"C1"}


def test_regions_have_colours_that_mean_nothing_else():
    cycle = {to_hex(f"C{i}") for i in range(6)}
    assert not cycle & {to_hex(canvas.region(i)["color"]) for i in range(10)}


def test_an_axis_of_counts_begins_at_0_with_its_dots_whole():
    table = pd.DataFrame({"x": [0.0, 10.0], "visits": [0.0, 100.0], "balance": [0.0, 100.0]})
    counts, real = Column("visits", kind="count"), Column("balance")
    about = Encoding((Column("x"),), (counts, real))
    settings = {"sets": ["old"], "xlim": None, "ylim": None}
    own = frame.frame_of(about, settings, {"old": table}, None)
    above, below = draw_data(own, "data", {"old": table}).axes
    # Of 100, and of the room above it, a dot's share.
    assert above.get_ylim() == (-125 * frame.DOT, 125)
    assert below.get_ylim() == (-25, 125)
    assert above.get_xlim() == (-10 * frame.DOT, 10 * (1 + frame.DOT))


@pytest.mark.parametrize(("rows", "picture"), [(2_000, False), (2_001, True)])
def test_many_dots_are_a_picture_within_an_svg(rows, picture):
    table = pd.DataFrame({"x": np.linspace(-1, 1, rows), "y": 0.0})
    (axes,) = draw_data(FRAME, "data", {"old": table}).axes
    assert bool(legend(axes)["old observations"].get_rasterized()) == picture


def test_several_targets_have_a_row_each_and_no_truth_is_no_curve():
    bands = panel(about=SEVERAL, held_out=pd.DataFrame({"age": [0], "height": [5], "weight": [50]}))
    for figure, rows in (
        (draw_fit(SEVERAL, bands), 1),
        (draw_data(SEVERAL, "data", bands.observations), 1),
        (draw_sheet(SEVERAL, [bands, bands]), 2),
    ):
        axes = figure.axes
        assert len(axes) == 2 * rows
        assert [axes[i * rows].get_ylabel() for i in range(2)] == ["height", "weight"]
        assert axes[-1].get_xlabel() == "age"
        assert "true function" not in texts(figure)
        figure.draw_without_rendering()
    # The limits of the config are of one target; here what is observed decides.
    height, weight = draw_fit(SEVERAL, bands).axes
    assert height.get_ylim()[1] < 10 < 50 < weight.get_ylim()[1]
    figure = drawn_group(SEVERAL, names=("lppd",))
    assert [axes.get_ylabel() for axes in figure.axes] == ["height", "", "weight", ""]
    key = [(target, region) for target in SEVERAL.targets for region in ("data", "gap")]
    shares = dict.fromkeys(key, SIMULATED["", "all"])
    figure = draw_calibration("mine", "", dict.fromkeys(key, np.ones(3) / 2), shares, ("", ""))
    assert len(figure.axes) == 12
    assert figure.axes[7].get_title() == "weight, gap"


@pytest.mark.parametrize("end", ["png", "svg"])
def test_the_same_figure_is_the_same_bytes(tmp_path, end):
    for name in ("a", "b"):
        canvas.save(draw_fit(FRAME, panel()), str(tmp_path / f"{name}.{end}"))
    assert (tmp_path / f"a.{end}").read_bytes() == (tmp_path / f"b.{end}").read_bytes()


def view(name="x", levels=(), targets=1):
    """Functions -1, 0 and 1; half of all observations within ±2, and 95 in 100 within ±4."""
    x = np.arange(len(levels), dtype=float) if levels else X
    quantiles = np.array([-4.0, -2, 2, 4])[:, None, None] + 0 * x
    functions = np.array([-1.0, 0, 1])[:, None, None] + 0 * x
    kind = "classes" if levels else "real"
    axis = Axis(Column(name, kind=kind, levels=levels))
    return View(axis, x, *(np.repeat(each, targets, 1) for each in (quantiles, functions)))


def test_a_prior_is_functions_and_areas_of_observations():
    tables = {"old": pd.DataFrame({"x": [0.0, 0.5], "y": [0.0, 9.0]})}
    figure = draw_prior("mine", [Column("y")], [view()], tables, SETS)
    (axes,) = figure.axes
    assert figure.get_suptitle() == "mine: its prior, before anything is learnt"
    drawn = legend(axes)
    assert sorted(drawn) == sorted(texts(figure))
    for label, reach in (("95 in 100 new observations", 4), ("half of all new observations", 2)):
        band = drawn[label].get_paths()[0].vertices
        assert (band[:, 1].min(), band[:, 1].max()) == (-reach, reach)
    lines = [line for line in axes.lines if len(line.get_xdata()) == len(X)]
    assert [line.get_ydata()[0] for line in lines] == [-1, 0, 1]
    assert "3 functions" in drawn
    # All of both areas and all observations are shown, so that nothing is marked.
    low, high = axes.get_ylim()
    assert low < -4 < 9 < high
    assert not marks(axes)


def test_the_prior_of_several_inputs_and_targets_has_a_panel_each():
    levels = ("air", "oil", "water")
    views = [view(f"x{i}", levels if i == 1 else (), targets=2) for i in range(8)]
    columns = {f"x{i}": [0.0, 1.0] for i in range(8)} | {"a": [0.0, 1.0], "b": [0.0, 1.0]}
    figure = draw_prior(
        "mine", [Column("a"), Column("b")], views, {"old": pd.DataFrame(columns)}, SETS
    )
    assert figure.get_suptitle().endswith("(the first 6 of 8 inputs)")
    shown = [axes for axes in figure.axes if axes.axison]
    assert {axes.get_xlabel() for axes in shown} == {f"x{i}" for i in range(6)}
    assert len(shown) == 12
    of_levels = next(axes for axes in shown if axes.get_xlabel() == "x1")
    assert [label.get_text() for label in of_levels.get_xticklabels()] == [*levels]
    left, right = of_levels.get_xlim()
    assert left < 0 < 2 < right
    # A function has a value at each level, and none between.
    line = max(of_levels.lines, key=lambda line: len(line.get_xdata()))
    assert np.isnan(line.get_xdata()).sum() == 3


def test_the_prior_of_classes_is_the_probability_of_the_second():
    kind = Column("kind", kind="classes", levels=("red", "green", "blue"))
    tables = {"old": pd.DataFrame({"x": [0.0, 0.5, 1.0], "kind": [0.0, 2.0, 1.0]})}
    (axes,) = draw_prior("mine", [kind], [view()], tables, SETS).axes
    assert axes.get_ylabel() == "probability that kind is\ngreen"
    low, high = axes.get_ylim()
    assert low < 0 < 1 < high < 1.1
    assert legend(axes)["old observations"].get_ydata().tolist() == [0, 0, 1]
    assert not axes.collections


def test_the_label_of_a_logarithmic_prior_is_no_longer_than_its_panel():
    name = "Number of visits of the inspector in the following year"
    tables = {"old": pd.DataFrame({"x": [0.0, 0.5], name: [0.0, 1.0]})}
    views = [replace(view(f"x{i}"), quantiles=1000 * view().quantiles) for i in range(3)]
    tables["old"] = tables["old"].assign(x0=0.0, x1=0.0, x2=0.0)
    figure = draw_prior("mine", [Column(name)], views, tables, SETS, {name: "1/a"})
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert "logarithmic" in axes.get_ylabel()
    assert "(1/a)" in axes.get_ylabel().replace("\n", " ")
    assert axes.yaxis.label.get_window_extent().height <= axes.get_window_extent().height


def test_the_prior_of_a_logarithm_has_a_logarithmic_axis():
    price = Column("price", transform="log")
    tables = {"old": pd.DataFrame({"x": [0.0, 0.5], "price": [1.0, 20.0]})}
    said = replace(view(), quantiles=np.exp(view().quantiles))
    (axes,) = draw_prior("mine", [price], [said], tables, SETS).axes
    assert axes.get_yscale() == "log"
    low, high = axes.get_ylim()
    assert 0 < low < np.exp(-4) < np.exp(4) < high


def test_the_prior_of_a_logarithm_has_its_axis_and_a_flag_has_its_words():
    said = replace(view(), quantiles=np.exp(view().quantiles), functions=np.exp(view().functions))
    area = replace(said, input=Axis(Column("area", transform="log")), x=np.exp(X))
    flag = replace(said, input=Axis(Column("blank", kind="flag", of="area")), x=np.arange(len(X)))
    tables = {"old": pd.DataFrame({"area": [1.0, 2.0], "blank": [0.0, 1.0], "y": [1.0, 2.0]})}
    drawn = draw_prior("mine", [Column("y", transform="log")], [area, flag], tables, SETS).axes
    assert [axes.get_xscale() for axes in drawn] == ["log", "linear"]
    for axes in drawn:
        assert axes.get_yscale() == "log"
        # The same room above as below, on the logarithm.
        assert np.log(axes.get_ylim()).sum() == pytest.approx(0, abs=1e-12)
    assert [label.get_text() for label in drawn[1].get_xticklabels()] == ["no", "yes"]


@pytest.mark.parametrize(("wide", "scale"), [(99, "linear"), (101, "symlog")])
def test_a_prior_far_wider_than_what_is_observed_has_a_logarithmic_axis(wide, scale):
    """The areas are so many times as wide as the observations."""
    tables = {"old": pd.DataFrame({"x": [0.0, 0.5], "y": [0.0, 8.0]})}
    said = replace(view(), quantiles=wide * view().quantiles)
    (axes,) = draw_prior("mine", [Column("y")], [said], tables, SETS).axes
    assert axes.get_yscale() == scale
    assert ("logarithmic" in axes.get_ylabel()) == (scale == "symlog")
