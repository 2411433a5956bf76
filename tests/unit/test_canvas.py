import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from conftest import ROOT

from bnnflow.figures import canvas

STYLE = ROOT / "config" / "bnnflow.mplstyle"

DRAW = f"""
import sys
sys.path.insert(0, {str(ROOT / "workflow/scripts")!r})
from bnnflow.figures import canvas

with canvas.styled({str(STYLE)!r}):
    figure = canvas.Figure()
    axes = figure.subplots()
    axes.plot([1000, 2000], [0.5, 1.5], label="a line")
    axes.legend()
    canvas.head(figure, "mine", "A fit")
    canvas.save(figure, "a.png", "a.svg")
"""


def drawn(folder, **environment):
    """Bytes of a figure that a process of its own draws in a folder, which may have settings."""
    folder.mkdir(exist_ok=True)
    # Where fonts are listed, which takes a while, but not where settings are.
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]} | environment
    command = [sys.executable, "-W", "error", "-c", DRAW]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return (folder / "a.png").read_bytes(), (folder / "a.svg").read_bytes()


def test_figures_know_nothing_of_the_settings_of_users_notebooks_and_folders(tmp_path):
    plain = drawn(tmp_path / "plain")
    settings = """
font.size: 30
axes.formatter.use_locale: True
axes.prop_cycle: cycler(color=["red"])
backend: qtagg
svg.fonttype: none
no.such.setting: 1
"""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "matplotlibrc").write_text(settings)
    assert drawn(tmp_path / "folder") == plain
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "matplotlibrc").write_bytes(b"font.size: \xff\xfe")
    notebook = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    assert drawn(tmp_path / "broken", **notebook) == plain
    (tmp_path / "matplotlib").mkdir()
    (tmp_path / "matplotlib" / "matplotlibrc").write_text(settings)
    assert drawn(tmp_path / "home", XDG_CONFIG_HOME=str(tmp_path)) == plain
    assert drawn(tmp_path / "named", MATPLOTLIBRC=str(tmp_path / "matplotlib")) == plain


def test_only_one_module_imports_matplotlib():
    """All others have it from there, where the user's settings are left out."""
    folder = ROOT / "workflow/scripts"
    importing = [p for p in folder.rglob("*.py") if "from matplotlib" in p.read_text("utf-8")]
    assert [path.name for path in importing] == ["canvas.py"]


def test_settings_of_this_process_do_not_show_either():
    with canvas.rc_context({"font.size": 40}):
        with canvas.styled(STYLE):
            assert canvas.rcParams["font.size"] == 11
            # One that the style does not set.
            assert canvas.rcParams["xtick.labelsize"] == "medium"
        assert canvas.rcParams["font.size"] == 40


def test_what_belongs_together_is_not_broken():
    assert canvas.worded(("fail", "a; b; 5 more"), 15) == "FAIL: a; b;\n5\u00a0more"
    assert canvas.worded(("warn", "+0.1 ± 0.2 nats"), 12) == "WARN:\n+0.1\u00a0±\u00a00.2\nnats"
    assert canvas.worded(("", ""), 12) == ""


@pytest.mark.parametrize(
    ("values", "signed", "words", "labels"),
    [
        # What made no ticks at all: less than a decade, between two powers of ten.
        ([1.1, 1.4], True, "", None),
        ([0.02, 0.04], False, "", None),
        ([], True, "", None),
        ([-770, 2], True, "logarithmic beyond ±1", ["−1000", "−100", "−10", "−1", "0", "1"]),
        ([-1e30, 2], True, "logarithmic beyond ±1", None),
        ([-8.3, -2.0], True, "", None),
        ([-11.0, -2.0], True, "logarithmic beyond ±1", None),
        ([0.02, 2], False, "logarithmic", ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"]),
        ([1e-9, 1e12], False, "logarithmic", None),
        ([7.0, 70.0, np.inf, np.nan, -1.0], False, "logarithmic", ["10", "20", "50"]),
        ([3.0, 3.0], False, "", None),
    ],
)
def test_every_axis_has_ticks_that_can_be_read(values, signed, words, labels):
    with canvas.styled(STYLE):
        axes = canvas.Figure().subplots()
        axes.plot(values, [0] * len(values), ".")
        assert canvas.scaled(axes, "x", values, signed, gap=0.1) == words
        axes.figure.draw_without_rendering()
        low, high = axes.get_xlim()
        shown = [
            tick
            for tick in axes.xaxis.get_major_ticks()
            if low <= tick.get_loc() <= high and tick.label1.get_text()
        ]
        assert 2 <= len(shown) <= 10
        finite = [value for value in values if np.isfinite(value) and (signed or value > 0)]
        assert all(low <= value <= high for value in finite)
        if labels:
            assert [tick.label1.get_text() for tick in shown] == labels
        boxes = [tick.label1.get_window_extent() for tick in shown]
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_numbers_are_written_as_people_do():
    numbers = [0, 0.01, -100, 20000, 1e5, -2e-7]
    shown = ["0", "0.01", "−100", "20000", "10⁵", "−2·10⁻⁷"]
    assert list(map(canvas.tick_label, numbers)) == shown


def test_a_legend_is_as_wide_as_the_figure_at_most():
    with canvas.styled(STYLE):
        for labels in (["a"] * 5, ["a rather long label of a curve"] * 7, ["w" * 90, "a", "b"]):
            figure = canvas.Figure()
            axes = figure.subplots()
            for label in labels:
                axes.plot([0, 1], label=label)
            canvas.legend_below(figure, *axes.get_legend_handles_labels())
            figure.draw_without_rendering()
            box = figure.legends[0].get_window_extent()
            assert 0 <= box.x0 < box.x1 <= figure.bbox.width


def test_a_missing_style_file_is_named(tmp_path):
    missing = canvas.styled(tmp_path / "my.mplstyle")
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
    bad = canvas.styled(path)
    with pytest.raises(ValueError, match=rf"figures\.style: .*{message}"), bad:
        pass
