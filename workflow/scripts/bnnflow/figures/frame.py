"""What all figures over one input share: the axes, the observations, the truth, the bands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from ..data.sets import TRAINING
from ..files.encodings import Encoding
from .canvas import Axes, rcParams
from .inputs import DOTS, LETTERS, UPRIGHT, labelled, wrapped

MEAN = "predictive mean"
DEVIATIONS, TOTAL, ALONE = "± 2 sd", "of a new observation", "of the function alone"
TRUTH, HELD_OUT, BEYOND = "true function", "held-out observations", "goes on beyond the axes"

# Ends of labels in legends: the data sets come between the first and these.
LAST = (HELD_OUT, TOTAL, ALONE, MEAN, BEYOND)

# How they look.
FAINT = {"color": "0.6", "markersize": 2, "zorder": 1}

# Half a dot, and some room, as a share of an axis.
DOT = 0.02

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Frame:
    """The axes of all figures over one input.

    Attributes:
        sets: names of all data sets; a set's place among them is its colour in every figure.
        xlim: range of the input.
        ylim: range of the target; where there is none, or more than one target, what is observed
            and true decides.
        truth: the true function where one is known, with columns of the input and the targets.
        input, targets: their names.
        units: of columns by name, where somebody has said them.
        not_negative: names of the targets that are never below 0.
    """

    sets: Sequence[str]
    xlim: tuple[float, float]
    ylim: tuple[float, float] | None = None
    truth: pd.DataFrame | None = None
    input: str = "x"
    targets: Sequence[str] = ("y",)
    units: Mapping[str, str] = field(default_factory=dict)
    not_negative: Sequence[str] = ()

    def limits(self, target: str, tables: Sequence[pd.DataFrame]) -> tuple[float, float]:
        """Range of a target in axes that show these tables."""
        if self.ylim is not None and len(self.targets) == 1:
            return tuple(self.ylim)
        known = [*tables, *([] if self.truth is None else [self.truth])]
        values = np.concatenate([table[target].to_numpy() for table in known] or [np.zeros(1)])
        margin = (np.ptp(values) or 1.0) / 4
        low, high = values.min() - margin, values.max() + margin
        # Dots at 0 are shown whole.
        return max(low, -DOT * high) if target in self.not_negative else low, high


@dataclass(frozen=True)
class Panel:
    """What the picture of one fit shows.

    Attributes:
        fit: its name.
        title: its heading.
        observations: data sets by name, with columns of the input and the targets.
        x: inputs (point,), ascending.
        mean: of the predictive distribution, (target, point).
        band, function_band: of the predictive distribution, and of the function without the noise,
            (2, target, point).
        extent: what both reach from and to, in words.
        verdict: on the fit, and why; the first empty for one that passes.
        held_out: observations that no fit has seen, where they are to be shown.
        role: what the fit is beside the others of a sheet, in words.
    """

    fit: str
    title: str
    observations: Tables
    x: np.ndarray
    mean: np.ndarray
    band: np.ndarray
    function_band: np.ndarray
    extent: str = DEVIATIONS
    verdict: tuple[str, str] = ("", "")
    held_out: pd.DataFrame | None = None
    role: str = ""


def frame_of(
    about: Encoding, settings: Mapping, tables: Tables, truth: pd.DataFrame | None
) -> Frame:
    """The frame of data of one input.

    Args:
        about: what the columns are.
        settings: attributes of the frame that are settings; without a range of the input the tables
            have it.
        tables: data sets by name.
        truth: the true function, where one is known.
    """
    name = about.inputs[0].name
    values = np.concatenate([table[name].to_numpy() for table in tables.values()])
    room = DOT * np.ptp(values)
    own = {**settings, "xlim": settings["xlim"] or (values.min() - room, values.max() + room)}
    targets = tuple(column.name for column in about.targets)
    least = not_negative(about)
    return Frame(**own, input=name, targets=targets, truth=truth, not_negative=least)


def not_negative(about: Encoding) -> tuple[str, ...]:
    """Names of the targets that are never below 0: counts, and those on a logarithmic scale."""
    return tuple(
        column.name
        for column in about.targets
        if column.kind == "count" or column.transform == "log"
    )


def panel_of(
    predictions: xr.Dataset,
    fit: str,
    title: str,
    observations: Tables,
    quantiles: bool = False,
    **others,
) -> Panel:
    """The panel of a fit from its predictions on the grid; others are attributes of a panel.

    Args:
        predictions: on the grid.
        fit, title, observations: of the panel.
        quantiles: whether bands lie between the lowest and the highest quantile that are kept, as
            those of counts and of logarithms do, which stay above zero; else two standard
            deviations about the mean.
    """
    mean, extent = predictions["mean"].to_numpy(), DEVIATIONS
    if quantiles:
        levels = predictions["quantile"].to_numpy()
        outer, extent = [int(levels.argmin()), int(levels.argmax())], between(levels)
        bands = [
            predictions[name].to_numpy()[outer] for name in ("quantiles", "function_quantiles")
        ]
    else:
        reach = (2 * predictions[name].to_numpy() for name in ("stddev", "function_stddev"))
        bands = [np.array([mean - own, mean + own]) for own in reach]
    x = only_input(predictions)
    return Panel(fit, title, observations, x, mean, *bands, extent=extent, **others)


def between(levels: Sequence[float]) -> str:
    """A band in words: 2.5–97.5 % quantiles."""
    return f"{100 * min(levels):g}–{100 * max(levels):g} % quantiles"


def names_of(predictions: xr.Dataset) -> dict:
    """How the input and the targets of predictions are called, as attributes of a frame."""
    return {
        "input": str(predictions["input"].to_numpy()[0]),
        "targets": tuple(map(str, predictions["target"].to_numpy())),
    }


def held_out_of(evaluation: xr.Dataset) -> pd.DataFrame:
    """The held-out points of an evaluation, with columns of the inputs and the targets."""
    columns = {
        str(name): values
        for kind, dim in (("inputs", "input"), ("targets", "target"))
        for name, values in zip(
            evaluation[dim].to_numpy(), evaluation[kind].transpose(dim, "point"), strict=True
        )
    }
    return pd.DataFrame({name: values.to_numpy() for name, values in columns.items()})


def only_input(predictions: xr.Dataset) -> np.ndarray:
    """The inputs (point,) of predictions, as figures over one input need them.

    Raises:
        ValueError: if there are several, of which no such figure can be drawn.
    """
    inputs = predictions["inputs"].to_numpy()
    if inputs.shape[1] != 1:
        raise ValueError(f"a figure over one input cannot show {inputs.shape[1]} of them")
    return inputs[:, 0]


def prepare(axes: Axes, frame: Frame, target: str, ylim: tuple[float, float]) -> None:
    """Limits and labels, before anything is drawn: what leaves the limits is marked."""
    axes.set(xlim=frame.xlim, ylim=ylim)
    for name, say, letters in (
        (frame.input, axes.set_xlabel, LETTERS),
        (target, axes.set_ylabel, UPRIGHT),
    ):
        say(wrapped(labelled(name, frame.units.get(name, "")), letters), parse_math=False)


def draw_truth(axes: Axes, frame: Frame, target: str) -> None:
    """The true function, where one is known."""
    if frame.truth is not None:
        x, y = (frame.truth[name].to_numpy() for name in (frame.input, target))
        axes.plot(x, y, color="C0", label=TRUTH)
        mark_stretches(axes, x, y, y, "C0")


def draw_observations(axes: Axes, frame: Frame, tables: Tables, target: str) -> None:
    """Data sets, each in its colour."""
    for name, table in tables.items():
        color = color_of(name, frame.sets)
        _dots(axes, frame, table, target, label=set_label(name), color=color)


def set_label(name: str) -> str:
    """What the observations of a data set are called."""
    return "training observations" if name == TRAINING else f"{name} observations"


def color_of(name: str, sets: Sequence[str]) -> str:
    """The colour of a data set, by its place among all."""
    colors = rcParams["axes.prop_cycle"].by_key()["color"][2:]
    place = list(sets).index(name)
    return colors[(place - 1) % len(colors)] if place else rcParams["text.color"]


def draw_held_out(axes: Axes, frame: Frame, table: pd.DataFrame, target: str) -> None:
    """Observations that no fit has seen, behind the others."""
    _dots(axes, frame, table, target, label=HELD_OUT, **FAINT)


def draw_panel(axes: Axes, frame: Frame, panel: Panel, target: str) -> None:
    """The prediction of one target by one fit, over what it has learnt from."""
    draw_truth(axes, frame, target)
    if panel.held_out is not None:
        draw_held_out(axes, frame, panel.held_out, target)
    draw_observations(axes, frame, panel.observations, target)
    place = list(frame.targets).index(target)
    mean = panel.mean[place]
    for (low, high), alpha, of in (
        (panel.band[:, place], 0.2, TOTAL),
        (panel.function_band[:, place], 0.45, ALONE),
    ):
        band = {"color": "C1", "alpha": alpha, "linewidth": 0, "label": f"{panel.extent} {of}"}
        axes.fill_between(panel.x, low, high, **band)
    axes.plot(panel.x, mean, color="C1", label=MEAN)
    mark_stretches(axes, panel.x, *panel.band[:, place], "C1")


def legend_entries(*shown: Axes) -> dict[str, object]:
    """What a legend of all these axes has to explain, by label."""
    found = {}
    for axes in shown:
        handles, labels = axes.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    # A data set that only a later panel shows still stands with the others.
    order = sorted(
        found, key=lambda label: max(k if label.endswith(end) else -1 for k, end in enumerate(LAST))
    )
    return {label: found[label] for label in order}


def _dots(axes: Axes, frame: Frame, table: pd.DataFrame, target: str, **look) -> None:
    x, y = (table[name].to_numpy() for name in (frame.input, target))
    # Many are a picture within an SVG, which would have megabytes of dots.
    axes.plot(x, y, linestyle="none", marker=".", rasterized=len(x) > DOTS, **look)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    # One mark where many are close to each other.
    step = (right - left) / 50
    for upwards, out in ((True, y > top), (False, y < bottom)):
        close = np.unique(np.floor((x[out & (left <= x) & (x <= right)] - left) / step))
        _mark(axes, left + step * (close + 0.5), look["color"], upwards)


def mark_stretches(axes: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, color) -> None:
    """Mark every stretch where a curve, or the edge of a band, leaves the axes.

    The mark stands where some of the band still shows, or else where all of it leaves.

    Args:
        axes: with their limits.
        x: inputs (point,), ascending.
        low, high: edges of the band (point,); the same for a curve.
        color: of the band.
    """
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    shown = np.flatnonzero((left <= x) & (x <= right))
    x, low, high = x[shown], low[shown], high[shown]
    for upwards, out, partly in (
        (True, high > top, low <= top),
        (False, low < bottom, high >= bottom),
    ):
        ends = np.flatnonzero(np.diff(np.pad(out, 1).astype(int)))
        places = []
        for begin, end in ends.reshape(-1, 2):
            seen = begin + np.flatnonzero(partly[begin:end])
            places.append(seen[len(seen) // 2] if len(seen) else begin if begin else end - 1)
        _mark(axes, x[places], color, upwards)


def _mark(axes: Axes, x: np.ndarray, color, upwards: bool) -> None:
    if len(x):
        look = {"linestyle": "none", "markeredgecolor": "white"}
        if BEYOND not in axes.get_legend_handles_labels()[1]:
            axes.plot([], [], marker="^", markersize=4, color="0.4", label=BEYOND, **look)
        look |= {"markersize": 7, "color": color, "clip_on": False, "zorder": 5}
        place = axes.get_xaxis_transform()
        axes.plot(
            x, np.full(len(x), float(upwards)), "^" if upwards else "v", transform=place, **look
        )
