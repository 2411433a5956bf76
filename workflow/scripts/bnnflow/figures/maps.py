"""Maps of what a fit predicts over two inputs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from ..data.slices import BOTH
from .canvas import CLASSES, Figure, class_colors
from .inputs import UPRIGHT, Axis, thinned

# Colours from low to high of a mean, and of what is not known.
HEIGHT, UNKNOWN = "viridis", "magma_r"

WHERE = "training rows on the maps"


@dataclass(frozen=True)
class Surface:
    """Predictions over a regular grid of two inputs.

    Attributes:
        x, y: values of the inputs (columns,), (rows,), ascending.
        mean, stddev, function_stddev: of the predictive distribution, and of the function without
            the noise, (target, rows, columns).
        classes: probabilities of classes, (class, target, rows, columns); none where no target
            has classes.
    """

    x: np.ndarray
    y: np.ndarray
    mean: np.ndarray
    stddev: np.ndarray
    function_stddev: np.ndarray
    classes: np.ndarray | None = None


def map_of(predictions: xr.Dataset) -> Surface | None:
    """The surface of predictions on the grid of a table; none where both inputs are not varied."""
    both = predictions["along"].to_numpy() == BOTH
    if not both.any():
        return None
    own = predictions.isel(point=both)
    x, y = (np.unique(values) for values in own["inputs"].to_numpy().T)
    parts = (
        own[name].to_numpy().reshape(-1, len(y), len(x))
        for name in ("mean", "stddev", "function_stddev")
    )
    probability = own.get("class_probability")
    if probability is not None:
        probability = probability.to_numpy().reshape(*probability.shape[:2], len(y), len(x))
    return Surface(x, y, *parts, probability)


def draw_maps(
    figure: Figure,
    cells: Sequence,
    inputs: Sequence[Axis],
    target: Axis,
    surface: Surface,
    place: int,
    training: pd.DataFrame,
    classes: Sequence[int] = (),
) -> None:
    """The mean of one target, and what is not known of its function.

    Args:
        figure: that has the cells.
        cells: of a grid, two.
        inputs: two, as axes.
        target: its axis.
        surface: of all targets.
        place: of the target among them.
        training: rows from which the fit has learnt, which are dots.
        classes: places of the target's classes in the order of their colours.
    """
    across, up = inputs
    parts = _parts(surface, place, target, classes)
    own = training.iloc[thinned(len(training))]
    for cell, (values, colors, words) in zip(cells, parts, strict=True):
        axes = figure.add_subplot(cell)
        shown = axes.pcolormesh(surface.x, surface.y, values, rasterized=True, **colors)
        look = {"color": "white", "markeredgecolor": "0.2", "markeredgewidth": 0.4}
        look |= {"marker": "o", "markersize": 2.5, "linestyle": "none", "label": WHERE}
        axes.plot(own[across.name], own[up.name], **look)
        across.prepare(axes, "x")
        up.prepare(axes, "y")
        axes.set(xlim=surface.x[[0, -1]], ylim=surface.y[[0, -1]])
        bar = figure.colorbar(shown, ax=axes)
        bar.set_label(f"{words}\n{target.label(UPRIGHT)}", fontsize="small", parse_math=False)
        bar.ax.tick_params(labelsize="small")
        if "norm" in colors:
            bar.set_ticks([])
            bar.minorticks_off()


def _parts(
    surface: Surface, place: int, target: Axis, classes: Sequence[int]
) -> list[tuple[np.ndarray, dict, str]]:
    """Both maps: values (rows, columns), colours, and what they are."""
    smooth = {"shading": "gouraud"}
    if len(target.levels) <= 2:
        mean = f"probability of {target.levels[1]}" if target.levels else "predictive mean"
        # A model of one draw says nothing of the function alone.
        known, words = surface.function_stddev[place], "sd of the function alone"
        if not known.any():
            known, words = surface.stddev[place], "sd of a new observation"
        return [
            (surface.mean[place], smooth | {"cmap": HEIGHT}, mean),
            (known, smooth | {"cmap": UNKNOWN}, words),
        ]
    probability = surface.classes[:, place]
    # The order of the colours; classes without one are as the last of them.
    rank = np.full(len(probability), len(CLASSES) - 1)
    rank[classes] = np.arange(len(classes))
    steps = {"shading": "nearest"} | class_colors()
    return [
        (rank[probability.argmax(0)], steps, "likeliest class, in its colour"),
        (probability.max(0), smooth | {"cmap": UNKNOWN, "vmin": 0, "vmax": 1}, "its probability"),
    ]
