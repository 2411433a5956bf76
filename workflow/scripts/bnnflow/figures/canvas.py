"""What figures are drawn on: Matplotlib by itself, the style, headings, legends and axes.

Colours of the style file have these meanings in every figure: C0 the true function, C1 the
prediction, the following the data sets in the order of the config, but the first, which has the
colour of text. Regions and settings have colours of their own, by `region` and `settings`.
"""

import logging
import math
import os
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import chdir, contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ..files import safe
from . import style


@contextmanager
def _alone() -> Iterator[None]:
    """Matplotlib's own settings: not those of the user, of a notebook, or of the folder."""
    own = Path(find_spec("matplotlib").origin).parent / "mpl-data"
    before = {name: os.environ.get(name) for name in ("MPLBACKEND", "MATPLOTLIBRC")}
    os.environ |= {"MPLBACKEND": "agg", "MATPLOTLIBRC": str(own / "matplotlibrc")}
    try:
        # A matplotlibrc in the working directory comes before all others.
        with chdir(own):
            yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


# They are read when it is imported, so this is the one place where it is.
with _alone():
    from matplotlib import colormaps, rc_context, rc_params_from_file, rcdefaults, rcParams
    from matplotlib.axes import Axes
    from matplotlib.colors import BoundaryNorm, ListedColormap, to_hex
    from matplotlib.figure import Figure
    from matplotlib.ticker import (
        FixedLocator,
        FuncFormatter,
        Locator,
        LogLocator,
        NullFormatter,
        NullLocator,
    )
    from matplotlib.transforms import ScaledTranslation

# Colours of verdicts that are not `pass`.
ALARM = {"fail": "#b3261e", "warn": "#8a5a00", "not measurable": "#5f6368"}

# Of regions, in their order: colours that mean nothing else, and marks (Paul Tol's muted scheme).
REGIONS = ("#332288", "#882255", "#999933", "0.45", "#ddcc77", "#661100")
MARKS = "osD^vP"

# Of classes that a target may be, those first that are likeliest (Paul Tol's vibrant scheme).
CLASSES = ("#ee7733", "#0077bb", "#ee3377", "#33bbee", "#cc3311", "#009988", "#bbbbbb")

# Of combinations of settings: this part of a scale from light to dark.
SETTINGS, LIGHTEST = "YlOrBr", 0.4

# Inches of a row of a table of scores, and of all of them at most.
ROW, TALLEST = 0.45, 60.0

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@contextmanager
def styled(path: str | Path) -> Iterator[None]:
    """Draw and save in the style of a Matplotlib style file, and as Matplotlib does by default.

    Raises:
        ValueError: if there is no such file, or a line of it is wrong or not about looks.
    """
    style.check(path)
    complaints = _Complaints()
    logger = logging.getLogger("matplotlib")
    logger.addHandler(complaints)
    try:
        # As a whole path, which is taken for no address on the web.
        found = rc_params_from_file(str(Path(path).resolve()), use_default_template=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"figures.style: {path} is no Matplotlib style file: {error}") from error
    finally:
        logger.removeHandler(complaints)
    if complaints.messages:
        raise ValueError(f"figures.style: {'; '.join(complaints.messages)}")
    with rc_context():
        rcdefaults()
        rcParams.update(found)
        if len(rcParams["axes.prop_cycle"].by_key().get("color", [])) < 3:
            raise ValueError(
                f"figures.style: {path} has fewer than three colours in its prop_cycle"
            )
        yield


def save(figure: Figure, *paths: str) -> None:
    """Save in the format of every path's ending; the same figure gives the same bytes."""
    for path in paths:
        form = Path(path).suffix[1:]
        with safe.whole(path) as part:
            metadata = {"Date": None} if form == "svg" else None
            figure.savefig(part, format=form, metadata=metadata)
        # It takes a third of the time, and holds for the other formats too.
        figure.set_layout_engine("none")


def head(figure: Figure, fit: str, title: str, verdict: tuple[str, str] = ("", "")) -> None:
    """The fit's name and title, and below them the verdict on a fit that does not pass.

    Args:
        figure: to which it is added.
        fit: name of the fit, or of what else the figure is of.
        title: the heading after the name, which may be empty.
        verdict: on the fit, and why; the first empty for one that passes.
    """
    lines = named(fit, title, 10 * figure.get_figwidth(), lines=3)
    text = worded(verdict, 13.5 * figure.get_figwidth())
    # Empty lines of the title are the room for the smaller lines of the verdict.
    room = math.ceil(0.75 * (text.count("\n") + 1)) if text else 0
    shown = figure.suptitle(lines + "\n" * room, parse_math=False)
    if text:
        down = (1.6 + 1.2 * lines.count("\n")) * shown.get_fontsize() / 72
        below = ScaledTranslation(0.1, -down, figure.dpi_scale_trans)
        words = {"fontsize": "small", "color": ALARM[verdict[0]], "parse_math": False}
        figure.text(0, 1, text, va="top", transform=figure.transFigure + below, **words)


def repeats(name: str, title: str) -> bool:
    """Whether a title says no more than the name of what it is of."""
    return title.casefold() in ("", name.replace("_", " ").strip().casefold())


def named(fit: str, title: str, width: float, lines: int = 1) -> str:
    """A fit's name and title in so many lines of so many letters at most.

    A title that is the name in words is left out.
    """
    text = fit if repeats(fit, title) else f"{fit}: {title}"
    return "\n".join(textwrap.wrap(text, round(width), max_lines=lines, placeholder=" …"))


def worded(verdict: tuple[str, str], width: float) -> str:
    """A verdict in lines of so many letters; empty where there is none to tell."""
    name, reason = verdict
    text = f"{name.upper()}: {reason}" if name else ""
    # The number of others, and a number and its error, stay together.
    text = re.sub(r" (more\b|± ?)", lambda found: "\u00a0" + found[1].replace(" ", "\u00a0"), text)
    return "\n".join(textwrap.wrap(text, round(width)))


def legend_below(figure: Figure, handles: Iterable, labels: Iterable[str], note: str = "") -> None:
    """In as few rows as the figure's width allows, below a sentence."""
    labels = [textwrap.fill(label, 45) for label in labels]
    if not labels:
        return
    columns = next(n for n in range(len(labels), 0, -1) if n == 1 or _fits(figure, labels, n))
    look = {"columnspacing": 1.2, "handlelength": 1.6, "handletextpad": 0.6}
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=columns, **look)
    if note:
        lines = textwrap.fill(note, round(14 * figure.get_figwidth()))
        legend.set_title(lines, {"size": "small"})
    for text in (*legend.get_texts(), legend.get_title()):
        text.set_parse_math(False)


def _fits(figure: Figure, labels: Sequence[str], columns: int) -> bool:
    """Whether entries of a legend in so many columns are no wider than the figure."""
    lines = [max(map(len, label.split("\n"))) for label in labels]
    longest = [column.max() for column in np.array_split(lines, columns)]
    # In widths of the font: a letter is about 0.55, a sign with its gaps 3.4.
    wide = sum(0.55 * letters + 3.4 for letters in longest)
    return wide * rcParams["font.size"] / 72 <= figure.get_figwidth()


def region(number: int) -> dict[str, str]:
    """Colour and mark of a region, by its place among all."""
    return {"color": REGIONS[number % len(REGIONS)], "marker": MARKS[number % len(MARKS)]}


def class_colors() -> dict[str, object]:
    """How the places 0, 1, … of CLASSES are coloured on a map."""
    edges = np.arange(len(CLASSES) + 1) - 0.5
    return {"cmap": ListedColormap(CLASSES), "norm": BoundaryNorm(edges, len(CLASSES))}


def settings(count: int) -> list[str]:
    """Colours of so many combinations of settings; a single one has that of the prediction."""
    places = np.linspace(LIGHTEST, 1, count)
    return list(map(to_hex, colormaps[SETTINGS](places))) if count > 1 else ["C1"]


def scaled(
    axes: Axes, which: str, values: Iterable[float], signed: bool = False, gap: float = 0.15
) -> str:
    """Scale an axis so that all values can be told apart, with ticks that can be read.

    Args:
        axes: that have the axis.
        which: "x" or "y".
        values: that are shown, among them ends of error bars; those not finite do not count.
        signed: whether numbers may be negative; the axis is then linear between -1 and 1.
        gap: smallest distance of two ticks, as a part of the axis.

    Returns:
        How it is scaled, in words; empty for a linear axis.
    """
    axis = {"x": axes.xaxis, "y": axes.yaxis}[which]
    values = np.asarray(list(values), dtype=float)
    values = values[np.isfinite(values) & (signed | (values > 0))]
    low, high = (values.min(), values.max()) if len(values) else (0.0, 0.0)
    if high <= 5 * low or (signed and (high - low <= 5 or low >= 5 * high)):
        axes.locator_params(axis=which, nbins=max(2, int(0.75 / gap)))
        return ""
    set_scale = {"x": axes.set_xscale, "y": axes.set_yscale}[which]
    set_scale("symlog", linthresh=1) if signed else set_scale("log")
    transform = axis.get_transform().transform
    low, high = transform([low, high])
    margin = 0.05 * (high - low)
    limits = axis.get_transform().inverted().transform([low - margin, high + margin])
    {"x": axes.set_xlim, "y": axes.set_ylim}[which](limits)
    ticks = _ticks(*limits, transform, signed, gap)
    axis.set_ticks(ticks, list(map(tick_label, ticks)))
    axis.set_minor_formatter(NullFormatter())
    if signed:
        axis.set_minor_locator(NullLocator())
    return "logarithmic beyond ±1" if signed else "logarithmic"


def logarithmic(axes: Axes, which: str, signed: bool = False) -> None:
    """Make an axis logarithmic, with ticks that can be read, whatever its limits will be.

    Args:
        axes: that have the axis.
        which: "x" or "y".
        signed: whether the axis is linear between -1 and 1.
    """
    set_scale = {"x": axes.set_xscale, "y": axes.set_yscale}[which]
    set_scale("symlog", linthresh=1) if signed else set_scale("log")
    axis = {"x": axes.xaxis, "y": axes.yaxis}[which]
    axis.set_major_locator(_SignedApart() if signed else _Apart())
    if signed:
        axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick_label(value)))
    axis.set_minor_formatter(NullFormatter())


def fewer_ticks(axes: Axes, which: str) -> None:
    """Five ticks at most, where an axis is of numbers and not logarithmic."""
    axis = {"x": axes.xaxis, "y": axes.yaxis}[which]
    if axis.get_scale() == "linear" and not isinstance(axis.get_major_locator(), FixedLocator):
        axes.locator_params(axis=which, nbins=5)


def tick_label(value: float) -> str:
    """A round number as it is written: 0.01, −100, 10⁵."""
    sign, size = "−" if value < 0 else "", abs(value)
    if size == 0 or 1e-3 <= size < 1e5:
        return f"{sign}{size:g}"
    factor, _, power = f"{size:e}".partition("e")
    factor = "" if float(factor) == 1 else f"{float(factor):g}·"
    return f"{sign}{factor}10{str(int(power)).translate(SUPERSCRIPTS)}"


def _ticks(low: float, high: float, transform, signed: bool, gap: float) -> Sequence[float]:
    """Powers of ten, and where there is room between them, their doubles and halves."""
    sizes = np.abs([low, high])
    first = 0 if signed else math.floor(math.log10(low))
    powers = range(first, math.ceil(math.log10(max(*sizes, 1e-300))) + 1)
    candidates = [0.0] if signed else []
    for factors in ((1,), (5, 2)):
        sized = [float(f"{factor}e{power}") for power in powers for factor in factors]
        candidates += [sign * size for size in sized for sign in ((1, -1) if signed else (1,))]
    between = gap * abs(np.subtract(*transform([low, high])))
    ticks, places = [], []
    for tick in candidates:
        if low <= tick <= high:
            place = float(transform([tick])[0])
            if all(abs(place - other) >= between for other in places):
                ticks.append(tick)
                places.append(place)
    return sorted(ticks)


class _Apart(LogLocator):
    """Ticks at round numbers that are not too close to each other."""

    def __call__(self):
        low, high = sorted(self.axis.get_view_interval())
        return np.array(_ticks(low, high, np.log10, signed=False, gap=0.17))


class _SignedApart(Locator):
    """The same on an axis that is linear between -1 and 1."""

    def __call__(self):
        low, high = sorted(self.axis.get_view_interval())
        return np.array(_ticks(low, high, self.axis.get_transform().transform, True, gap=0.17))


class _Complaints(logging.Handler):
    """Collects what Matplotlib logs about a style file, of which it only warns."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage().split("You probably need")[0]
        self.messages.append(" ".join(message.split()))
