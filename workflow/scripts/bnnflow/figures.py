"""The figures. Their look is the style file's, whose colours have these meanings:

C0 the true function, C1 the prediction, the following the data sets in the order of the config,
but the first, which has the colour of text.
"""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import rc_context, rc_params_from_file, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BAND, MEAN = "± 2 standard deviations", "predictive mean"


@dataclass(frozen=True)
class Frame:
    """What all figures over x share.

    Attributes:
        truth: the true function, columns x and y.
        sets: names of all data sets; a set's place among them is its colour in every figure.
        xlim, ylim: ranges of the axes.
    """

    truth: pd.DataFrame
    sets: list[str]
    xlim: tuple[float, float]
    ylim: tuple[float, float]


@dataclass(frozen=True)
class Panel:
    """What the picture of one fit shows.

    Attributes:
        title: its heading.
        observations: data sets by name.
        predictions: the content of the fit's predictions file.
    """

    title: str
    observations: dict[str, pd.DataFrame]
    predictions: xr.Dataset


@contextmanager
def styled(path: str | Path) -> Iterator[None]:
    """Draw and save in the style of a Matplotlib style file.

    Raises:
        ValueError: if there is no such file, or a line of it is wrong.
    """
    complaints = _Complaints()
    logger = logging.getLogger("matplotlib")
    logger.addHandler(complaints)
    try:
        style = rc_params_from_file(str(path), use_default_template=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"figures.style: {path} is no Matplotlib style file: {error}") from error
    finally:
        logger.removeHandler(complaints)
    if complaints.messages:
        raise ValueError(f"figures.style: {'; '.join(complaints.messages)}")
    with rc_context(style):
        if len(rcParams["axes.prop_cycle"].by_key().get("color", [])) < 3:
            raise ValueError(
                f"figures.style: {path} has fewer than three colours in its prop_cycle"
            )
        yield


def save(figure: Figure, *paths: str) -> None:
    """Save in the format of every path's ending; the same figure gives the same bytes."""
    for path in paths:
        figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None)


def data(frame: Frame, observations: dict[str, pd.DataFrame]) -> Figure:
    """Data sets and the true function."""
    figure = Figure()
    axes = figure.subplots()
    _draw_truth(axes, frame)
    _draw_observations(axes, frame, observations)
    _finish(axes, frame)
    axes.legend()
    return figure


def predictive(frame: Frame, panel: Panel) -> Figure:
    """Predictive mean and band of one fit."""
    figure = Figure()
    axes = figure.subplots()
    _draw_panel(axes, frame, panel)
    axes.legend()
    return figure


def sheet(frame: Frame, panels: list[Panel], columns: int) -> Figure:
    """Predictive means and bands of many fits, on the same axes, with one legend."""
    rows = math.ceil(len(panels) / columns)
    width, height = (1.45 / columns * side for side in rcParams["figure.figsize"])
    figure = Figure(figsize=(width * columns, height * rows))
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    legend = {}
    for axes, panel in zip(grid, panels, strict=False):
        _draw_panel(axes, frame, panel)
        axes.label_outer()
        axes.locator_params(axis="x", nbins=5)
        handles, labels = axes.get_legend_handles_labels()
        legend |= dict(zip(labels, handles, strict=True))
    # A data set that only a later panel shows still stands with the others, before the prediction.
    legend = dict(sorted(legend.items(), key=lambda entry: entry[0] in (BAND, MEAN)))
    if len(panels) < len(grid):
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        grid[len(panels)].legend(legend.values(), legend.keys(), loc="center")
        for axes in grid[len(panels) - columns : len(panels)]:
            axes.xaxis.set_tick_params(labelbottom=True)
            axes.set_xlabel("x")
    else:
        place = {"loc": "outside lower center", "ncols": min(len(legend), 5)}
        figure.legend(legend.values(), legend.keys(), **place)
    return figure


def loss(title: str, steps: np.ndarray, losses: np.ndarray, observations: int) -> Figure:
    """The loss of a variational fit and its running median.

    Args:
        title: heading.
        steps, losses: arrays (steps,); the negative evidence lower bound in nats.
        observations: number of them, by which the loss is divided.
    """
    window = max(1, len(steps) // 100)
    scaled = pd.Series(losses / observations)
    figure = Figure()
    axes = figure.subplots()
    # As a path of one point a step it would make the SVG many megabytes large.
    thin = {"alpha": 0.35, "linewidth": 0.6, "rasterized": True}
    axes.plot(steps, scaled, color="C1", label="each step", **thin)
    smooth = scaled.rolling(window, center=True, min_periods=1).median()
    label = f"median of {window} steps" if window > 1 else None
    axes.plot(steps, smooth, color="C1", label=label)
    axes.set_yscale("symlog", linthresh=1)
    axes.set_title(title, parse_math=False)
    axes.set(xlabel="step", ylabel="−ELBO per observation, nats")
    axes.set_xlim(steps[0], max(steps[-1], steps[0] + 1))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(loc="upper right")
    return figure


class _Complaints(logging.Handler):
    """Collects what Matplotlib logs about a style file, of which it only warns."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage().split("You probably need")[0]
        self.messages.append(" ".join(message.split()))


def _draw_panel(axes: Axes, frame: Frame, panel: Panel) -> None:
    _draw_truth(axes, frame)
    _draw_observations(axes, frame, panel.observations)
    x, mean, stddev = (panel.predictions[name].to_numpy() for name in ("x", "mean", "stddev"))
    axes.fill_between(
        x, mean - 2 * stddev, mean + 2 * stddev, color="C1", alpha=0.3, linewidth=0, label=BAND
    )
    axes.plot(x, mean, color="C1", label=MEAN)
    axes.set_title(panel.title, parse_math=False)
    _finish(axes, frame)


def _draw_truth(axes: Axes, frame: Frame) -> None:
    axes.plot(frame.truth["x"], frame.truth["y"], color="C0", label="true function")


def _draw_observations(axes: Axes, frame: Frame, observations: dict[str, pd.DataFrame]) -> None:
    colors = rcParams["axes.prop_cycle"].by_key()["color"][2:]
    for name, table in observations.items():
        place = frame.sets.index(name)
        color = colors[(place - 1) % len(colors)] if place else rcParams["text.color"]
        style = {"linestyle": "none", "marker": ".", "color": color}
        axes.plot(table["x"], table["y"], label=f"{name} observations", **style)


def _finish(axes: Axes, frame: Frame) -> None:
    axes.set(xlim=frame.xlim, ylim=frame.ylim, xlabel="x", ylabel="y")
