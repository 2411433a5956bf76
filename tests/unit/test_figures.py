from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import ROOT

from bnnflow.data import datasets
from bnnflow.figures import pictures

STYLE = ROOT / "config" / "bnnflow.mplstyle"
SETS = ["old", "new", *"abcdef"]
FRAME = pictures.Frame(datasets.truth([-1, 1, 50]), SETS, (-1, 1), (-2, 2))


@pytest.fixture(autouse=True)
def _style():
    with pictures.styled(STYLE):
        yield


def panel(title="A fit", names=("old",)):
    x = np.linspace(-1, 1, 20)
    predictions = xr.Dataset(
        {
            name: ("point", value)
            for name, value in (
                ("x", x),
                ("mean", x),
                ("stddev", 0 * x + 0.5),
                ("function_stddev", 0 * x + 0.25),
            )
        }
    )
    tables = {name: pd.DataFrame({"x": [0.0, 0.5], "y": [0.1, 0.4]}) for name in names}
    return pictures.Panel("mine", title, tables, predictions)


def legend(axes):
    return dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))


def test_the_band_is_two_standard_deviations_about_the_mean():
    (axes,) = pictures.predictive(FRAME, panel()).axes
    drawn = legend(axes)
    assert set(drawn) == {
        "true function",
        "old observations",
        "predictive mean",
        "± 2 sd, total",
        "± 2 sd, epistemic",
    }
    for label, reach in (("± 2 sd, total", 2), ("± 2 sd, epistemic", 1.5)):
        band = drawn[label].get_paths()[0].vertices
        assert band[:, 1].min() == -reach
        assert band[:, 1].max() == reach
    at_zero = panel().predictions["x"].values
    np.testing.assert_allclose(drawn["predictive mean"].get_ydata(), at_zero)
    assert axes.get_xlim() == FRAME.xlim
    assert axes.get_ylim() == FRAME.ylim
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x", "y")
    assert axes.figure.get_suptitle() == "A fit"


def test_colours_keep_their_meaning():
    (axes,) = pictures.data(FRAME, panel(names=("old", "new")).observations).axes
    alone = legend(axes)
    (axes,) = pictures.predictive(FRAME, panel(names=("old", "new"))).axes
    fitted = legend(axes)
    for label in alone:
        assert alone[label].get_color() == fitted[label].get_color()
    assert fitted["old observations"].get_color() == "black"
    assert len({line.get_color() for line in axes.lines}) == 4


def test_a_data_set_has_the_same_colour_in_every_panel():
    names = [("old",), ("new",), ("new", "old"), ("f", "new")]
    sheet = pictures.sheet(FRAME, [panel("fit", sets) for sets in names], columns=2)
    found = {}
    for axes in sheet.axes[:4]:
        for label, handle in legend(axes).items():
            if "observations" in label:
                found.setdefault(label, set()).add(handle.get_color())
    assert all(len(colors) == 1 for colors in found.values())
    assert len({*found["old observations"], *found["new observations"]}) == 2
    everything = pictures.data(FRAME, panel(names=SETS).observations).axes[0].lines
    assert all(line.get_color() != everything[0].get_color() for line in everything[1:])


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6])
def test_a_sheet_has_a_panel_for_each_fit_and_one_legend(count):
    panels = [panel(f"fit {i}", ("old", "new")[: 1 + (i == 1)]) for i in range(count)]
    figure = pictures.sheet(FRAME, panels, columns=2)
    titles = [axes.get_title(loc="left") for axes in figure.axes][:count]
    assert titles == [f"mine: {p.title}" for p in panels]
    legends = figure.legends + [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    (only,) = legends
    labels = [text.get_text() for text in only.get_texts()]
    assert labels.count("old observations") == 1
    assert "new observations" in labels
    figure.draw_without_rendering()
    box = only.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    # The last of either column.
    assert all(figure.axes[i].get_xlabel() == "x" for i in range(count - 2, count))
    assert all(axes.xaxis.get_tick_params()["labelbottom"] for axes in figure.axes[:count])


def test_the_loss_and_the_parts_of_it_that_are_compared():
    steps, losses = np.arange(1, 201), np.linspace(100, -5, 200)
    (axes,) = pictures.loss("A fit", steps, losses, compared=20).axes
    np.testing.assert_allclose(axes.lines[0].get_ydata(), losses)
    assert "median of 2 steps" in legend(axes)
    spans = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches]
    assert spans == [(161, 181), (181, 200)]
    (axes,) = pictures.loss("A fit", steps[:1], losses[:1], compared=0).axes
    axes.figure.draw_without_rendering()


SIMULATED = {"all": np.random.default_rng(2).beta(5, 5, size=(200, 19))}
SIMULATED["all"].sort(axis=1)
FAILS = ("fail", "R-hat of the function (gap); divergences")


def test_a_fit_that_does_not_pass_says_so_on_its_face():
    steps = np.arange(1, 201)
    pit = {"all": np.linspace(0, 1, 50)}
    traces = np.random.default_rng(0).normal(size=(2, 30, 1)), np.zeros(1), {"gap": 0.0}
    for verdict, said in (
        (("", ""), ""),
        (FAILS, "FAIL: R-hat of the function (gap); divergences"),
    ):
        for figure in (
            pictures.predictive(FRAME, replace(panel(), verdict=verdict)),
            pictures.chains("A fit", *traces, verdict),
            pictures.calibration("A fit", pit, SIMULATED, verdict),
            pictures.loss("A fit", steps, steps, 20, verdict),
        ):
            texts = [text for text in figure.texts if text is not figure._suptitle]
            assert [text.get_text().replace("\n", " ") for text in texts] == [said] * bool(said)
            assert figure.get_suptitle().rstrip() == "A fit"
            figure.draw_without_rendering()
            for text in texts:
                box = text.get_window_extent()
                assert 0 <= box.x0 < box.x1 <= figure.bbox.width
                # Below the title and above what is drawn.
                assert box.y1 < figure.bbox.height - 14 / 72 * figure.dpi
                assert all(box.y0 > axes.get_tightbbox().y1 for axes in figure.axes)


@pytest.mark.parametrize("lines", [1, 4])
def test_verdicts_stand_above_the_panels_of_a_sheet(lines):
    told = ("fail", "; ".join(["a diagnostic of a rather long name (everywhere)"] * lines))
    panels = [replace(panel(), verdict=told), panel(), panel()]
    figure = pictures.sheet(FRAME, panels, columns=2)
    figure.draw_without_rendering()
    first, second, third = figure.axes[:3]
    (text,) = first.texts
    assert text.get_text().replace("\n", " ") == f"FAIL: {told[1]}"
    assert not any(t.get_text() for t in (*second.texts, *third.texts))
    box, title = text.get_window_extent(), first._left_title.get_window_extent()
    assert first.bbox.y1 < box.y0 < box.y1 <= title.y0
    assert box.x1 <= second.bbox.x0
    # The next row's is below this one's labels.
    assert third._left_title.get_window_extent().y1 < first.get_tightbbox().y0


def test_what_belongs_together_is_not_broken():
    assert pictures._worded(("fail", "a; b; 5 more"), 15) == "FAIL: a; b;\n5\u00a0more"
    assert pictures._worded(("warn", "+0.1 ± 0.2 nats"), 12) == "WARN:\n+0.1\u00a0±\u00a00.2\nnats"
    assert pictures._worded(("", ""), 12) == ""


def test_traces_and_ranks_of_chains():
    """At the points nearest to those wanted; of chains apart the ranks are apart."""
    function = np.random.default_rng(1).normal(size=(2, 100, 3))
    function[1, :, 2] += 100
    x, points = np.array([0.0, 0.5, 1.0]), {"right": 0.9, "left": 0.1}
    figure = pictures.chains("A fit", function, x, points, ("", ""))
    trace, _, apart, ranks = figure.axes
    assert [axes.get_ylabel() for axes in (trace, apart)] == ["f(0.00)\nleft", "f(1.00)\nright"]
    np.testing.assert_array_equal(trace.lines[1].get_ydata(), function[1, :, 0])
    low, high = (patch.get_data().values for patch in ranks.patches)
    half = len(low) // 2
    assert (low[:half] == 2).all()
    assert (low[half:] == 0).all()
    assert (high[half:] == 2).all()


def test_ranks_of_a_single_chain_are_of_its_halves():
    function = np.arange(51.0).reshape(1, 51, 1)  # a chain that drifts
    figure = pictures.chains("A fit", function, np.zeros(1), {"all": 0.0}, ("", ""))
    trace, ranks = figure.axes
    assert legend(trace).keys() == {"first half", "second half"}
    np.testing.assert_array_equal(
        trace.lines[1].get_xydata(), np.repeat(range(26, 51), 2).reshape(-1, 2)
    )
    first, second = (patch.get_data() for patch in ranks.patches)
    # Every bin holds equally many ranks.
    assert len(set(np.diff(first.edges))) == 1
    assert (first.values + second.values == 2).all()
    for draws in (1, 2, 7):
        few = function[:, :draws]
        pictures.chains("A fit", few, np.zeros(1), {"all": 0.0}, ("", "")).draw_without_rendering()


def test_calibration_is_drawn_region_by_region():
    pit = {"good": (np.arange(1000) + 0.5) / 1000, "sure": np.repeat([0.0, 1.0], 500)}
    simulated = dict.fromkeys(pit, SIMULATED["all"])
    figure = pictures.calibration("A fit", pit, simulated, ("", ""))
    heights, sure_heights, below, sure_below, inside, sure_inside = figure.axes
    assert [axes.get_title() for axes in (heights, sure_heights)] == list(pit)
    flat, heaped = (axes.patches[1].get_data().values for axes in (heights, sure_heights))
    np.testing.assert_allclose(flat, 1)
    np.testing.assert_allclose(heaped, [5, *[0] * 8, 5])
    np.testing.assert_allclose(below.lines[0].get_ydata(), 0, atol=1e-3)
    np.testing.assert_allclose(inside.lines[0].get_ydata(), np.linspace(0, 1, 101), atol=1e-3)
    assert (sure_inside.lines[0].get_ydata()[:-1] == 0).all()
    levels = np.linspace(0, 1, 101)
    np.testing.assert_allclose(sure_below.lines[0].get_ydata()[:-1], (0.5 - levels)[:-1])


def test_bands_of_calibration_are_those_of_simulated_sets():
    """Of one set, each of three bands is that set itself."""
    shares = np.linspace(0.05, 0.95, 19) ** 2
    figure = pictures.calibration(
        "A fit", {"all": np.array([0.5])}, {"all": shares[None]}, ("", "")
    )
    heights, below, inside = figure.axes
    edges = np.linspace(0, 1, 11)
    np.testing.assert_allclose(heights.patches[0].get_data().values, np.diff(edges**2) * 10)
    for axes, curve in ((below, lambda p: p**2 - p), (inside, lambda p: p)):
        # The share within (1 ± p) / 2 of the distribution p² is p.
        x, y = axes.collections[0].get_paths()[0].vertices.T
        np.testing.assert_allclose(y, curve(x), atol=1e-12)


def test_an_envelope_holds_95_of_100_curves_as_a_whole():
    random = np.random.default_rng(3)
    for curves in (random.normal(size=(1000, 20)), random.integers(0, 3, size=(1000, 4))):
        low, high = pictures.envelope(curves)
        held = ((low <= curves) & (curves <= high)).all(axis=1).mean()
        assert held >= 0.95
    # Single places hold more, or the whole would hold less.
    curves = random.normal(size=(1000, 20))
    low, high = pictures.envelope(curves)
    assert 0.95 <= ((low <= curves) & (curves <= high)).all(axis=1).mean() < 0.97
    assert ((low <= curves) & (curves <= high)).mean() > 0.99


def test_scores_have_errors_and_verdicts():
    rows = [
        (fit, region, metric, 0.9 if metric == "coverage_95" else value, 0.3, 0.4)
        for fit, value in (("mine", -2.0), ("oracle", 2.0))
        for region in ("data", "gap")
        for metric in ("lppd", "crps", "rmse_function", "coverage_95")
    ]
    columns = ["fit", "region", "metric", "value", "error_draws", "error_points"]
    figure = pictures.scores(pd.DataFrame(rows, columns=columns), {"mine": "warn"})
    lppd = figure.axes[0]
    assert [label.get_text() for label in lppd.get_yticklabels()] == ["mine\nwarn", "oracle"]
    (bars,) = lppd.containers[0].lines[2]
    np.testing.assert_allclose(bars.get_segments()[0][:, 0], [-3.0, -1.0])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["data", "gap"]
    # Where coverage ends its error does.
    (bars,) = figure.axes[3].containers[0].lines[2]
    assert bars.get_segments()[0][:, 0].tolist() == [0, 1]


@pytest.mark.parametrize("end", ["png", "svg"])
def test_the_same_figure_is_the_same_bytes(tmp_path, end):
    for name in ("a", "b"):
        pictures.save(pictures.predictive(FRAME, panel()), str(tmp_path / f"{name}.{end}"))
    assert (tmp_path / f"a.{end}").read_bytes() == (tmp_path / f"b.{end}").read_bytes()


def test_a_missing_style_file_is_named(tmp_path):
    missing = pictures.styled(tmp_path / "my.mplstyle")
    with pytest.raises(ValueError, match=r"figures\.style: .*my\.mplstyle is no Matpl"), missing:
        pass


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lines.linewidth: thick", "lines.linewidth: thick"),
        ("lines.width: 3", "lines.width"),
        ("text.usetex: True", "line 1: text.usetex is not a setting of how figures look"),
        ("text.latex.preamble: \\\\input{x}", "text.latex.preamble is not a setting"),
        ("backend: module://evil", "backend is not a setting"),
        ("figure.hooks: os:abort", "figure.hooks is not a setting"),
        ("animation.convert_path: /bin/sh", "animation.convert_path is not"),
        ("svg.image_inline: False", "svg.image_inline is not"),
        ("savefig.directory: /", "savefig.directory is not"),
        ("font.size: 1e9", "font.size has a number beyond 10000"),
        ("figure.figsize: 900, 900", "a figure would have 8.1e.09 pixels"),
        ("figure.figsize: 40, 40\nsavefig.dpi: 9999", "pixels; at most"),
        ("savefig.pad_inches: 200", "pixels; at most"),
        ('axes.prop_cycle: cycler(c="rgb") * 1000000000', "axes.prop_cycle has a product"),
        ("axes.titlecolor: \x1b[31m", "characters that are no text"),
        (f"# {'x' * 70_000}", "more than the 65536 that are read"),
        ("lines.linewidth: 1\nlines.linewidth: 2", "Duplicate key"),
        ('axes.prop_cycle: cycler(color=["tomatoe", "b", "g"])', "tomatoe"),
        ('axes.prop_cycle: cycler(color=["r", "b"])', "fewer than three colours"),
    ],
)
def test_a_bad_line_of_a_style_file_is_named(tmp_path, line, message):
    path = tmp_path / "my.mplstyle"
    path.write_text(f"{line}\n")
    bad = pictures.styled(path)
    with pytest.raises(ValueError, match=rf"figures\.style: .*{message}"), bad:
        pass
