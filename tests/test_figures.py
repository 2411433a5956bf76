import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import ROOT

from bnnflow import datasets, figures

STYLE = ROOT / "config" / "bnnflow.mplstyle"
SETS = ["old", "new", *"abcdef"]
FRAME = figures.Frame(datasets.truth([-1, 1, 50]), SETS, (-1, 1), (-2, 2))


@pytest.fixture(autouse=True)
def _style():
    with figures.styled(STYLE):
        yield


def panel(title="A fit", names=("old",)):
    x = np.linspace(-1, 1, 20)
    predictions = xr.Dataset(
        {name: ("point", value) for name, value in (("x", x), ("mean", x), ("stddev", 0 * x + 0.5))}
    )
    tables = {name: pd.DataFrame({"x": [0.0, 0.5], "y": [0.1, 0.4]}) for name in names}
    return figures.Panel(title, tables, predictions)


def legend(axes):
    return dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))


def test_the_band_is_two_standard_deviations_about_the_mean():
    (axes,) = figures.predictive(FRAME, panel()).axes
    drawn = legend(axes)
    assert set(drawn) == {
        "true function",
        "old observations",
        "predictive mean",
        "± 2 standard deviations",
    }
    band = drawn["± 2 standard deviations"].get_paths()[0].vertices
    assert band[:, 1].min() == -2
    assert band[:, 1].max() == 2
    at_zero = panel().predictions["x"].values
    np.testing.assert_allclose(drawn["predictive mean"].get_ydata(), at_zero)
    assert axes.get_xlim() == FRAME.xlim
    assert axes.get_ylim() == FRAME.ylim
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("x", "y", "A fit")


def test_colours_keep_their_meaning():
    (axes,) = figures.data(FRAME, panel(names=("old", "new")).observations).axes
    alone = legend(axes)
    (axes,) = figures.predictive(FRAME, panel(names=("old", "new"))).axes
    fitted = legend(axes)
    for label in alone:
        assert alone[label].get_color() == fitted[label].get_color()
    assert fitted["old observations"].get_color() == "black"
    assert len({line.get_color() for line in axes.lines}) == 4


def test_a_data_set_has_the_same_colour_in_every_panel():
    names = [("old",), ("new",), ("new", "old"), ("f", "new")]
    sheet = figures.sheet(FRAME, [panel("fit", sets) for sets in names], columns=2)
    found = {}
    for axes in sheet.axes[:4]:
        for label, handle in legend(axes).items():
            if "observations" in label:
                found.setdefault(label, set()).add(handle.get_color())
    assert all(len(colors) == 1 for colors in found.values())
    assert len({*found["old observations"], *found["new observations"]}) == 2
    everything = figures.data(FRAME, panel(names=SETS).observations).axes[0].lines
    assert all(line.get_color() != everything[0].get_color() for line in everything[1:])


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6])
def test_a_sheet_has_a_panel_for_each_fit_and_one_legend(count):
    panels = [panel(f"fit {i}", ("old", "new")[: 1 + (i == 1)]) for i in range(count)]
    figure = figures.sheet(FRAME, panels, columns=2)
    assert [axes.get_title() for axes in figure.axes][:count] == [p.title for p in panels]
    legends = figure.legends + [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    (only,) = legends
    labels = [text.get_text() for text in only.get_texts()]
    assert labels.count("old observations") == 1
    assert "new observations" in labels
    figure.canvas.draw()
    box = only.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    lowest = figure.axes[count - 2 : count]
    assert all(axes.get_xlabel() == "x" for axes in lowest)


def test_the_loss_is_per_observation():
    steps, losses = np.arange(1, 201), np.linspace(1000, -50, 200)
    (axes,) = figures.loss("A fit", steps, losses, observations=10).axes
    np.testing.assert_allclose(axes.lines[0].get_ydata(), losses / 10)
    assert "median of 2 steps" in legend(axes)
    (axes,) = figures.loss("A fit", steps[:1], losses[:1], observations=10).axes
    axes.figure.canvas.draw()


@pytest.mark.parametrize("end", ["png", "svg"])
def test_the_same_figure_is_the_same_bytes(tmp_path, end):
    for name in ("a", "b"):
        figures.save(figures.predictive(FRAME, panel()), str(tmp_path / f"{name}.{end}"))
    assert (tmp_path / f"a.{end}").read_bytes() == (tmp_path / f"b.{end}").read_bytes()


def test_a_missing_style_file_is_named(tmp_path):
    missing = figures.styled(tmp_path / "my.mplstyle")
    with pytest.raises(ValueError, match=r"figures\.style: .*my\.mplstyle is no Matpl"), missing:
        pass


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lines.linewidth: thick", "lines.linewidth: thick"),
        ("lines.width: 3", "lines.width"),
        ("lines.linewidth: 1\nlines.linewidth: 2", "Duplicate key"),
        ('axes.prop_cycle: cycler(color=["tomatoe", "b", "g"])', "tomatoe"),
        ('axes.prop_cycle: cycler(color=["r", "b"])', "fewer than three colours"),
    ],
)
def test_a_bad_line_of_a_style_file_is_named(tmp_path, line, message):
    path = tmp_path / "my.mplstyle"
    path.write_text(f"{line}\n")
    bad = figures.styled(path)
    with pytest.raises(ValueError, match=rf"figures\.style: .*{message}"), bad:
        pass
