"""Maps of what a fit predicts over two inputs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from ..data.slices import BOTH
from .canvas import Figure
from .inputs import Axis, thinned

# Colours from low to high of a mean, and of what is not known.
HEIGHT, UNKNOWN = "viridis", "magma_r"

WHERE = "training rows on the maps"


@dataclass(frozen=True)
class Surface:
    """Predictions over a regular grid of two inputs.

    Attributes:
        x, y: values of the inputs (columns,), (rows,), ascending.
        mean, function_stddev: of the predictive distribution, and of the function without the
            noise, (target, rows, columns).
    """

    x: np.ndarray
    y: np.ndarray
    mean: np.ndarray
    function_stddev: np.ndarray


def map_of(predictions: xr.Dataset) -> Surface | None:
    """The surface of predictions on the grid of a table; none where both inputs are not varied."""
    both = predictions["along"].to_numpy() == BOTH
    if not both.any():
        return None
    own = predictions.isel(point=both)
    x, y = (np.unique(values) for values in own["inputs"].to_numpy().T)
    parts = (
        own[name].to_numpy().reshape(-1, len(y), len(x)) for name in ("mean", "function_stddev")
    )
    return Surface(x, y, *parts)


def draw_maps(
    figure: Figure,
    cells: Sequence,
    inputs: Sequence[Axis],
    target: Axis,
    surface: Surface,
    place: int,
    training: pd.DataFrame,
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
    """
    across, up = inputs
    parts = (
        (surface.mean, HEIGHT, "predictive mean"),
        (surface.function_stddev, UNKNOWN, "sd of the function alone"),
    )
    own = training.iloc[thinned(len(training))]
    for cell, (values, colors, words) in zip(cells, parts, strict=True):
        axes = figure.add_subplot(cell)
        shown = axes.pcolormesh(
            surface.x, surface.y, values[place], cmap=colors, shading="gouraud", rasterized=True
        )
        look = {"color": "white", "markeredgecolor": "0.2", "markeredgewidth": 0.4}
        look |= {"marker": "o", "markersize": 2.5, "linestyle": "none", "label": WHERE}
        axes.plot(own[across.name], own[up.name], **look)
        across.prepare(axes, "x")
        up.prepare(axes, "y")
        axes.set(xlim=surface.x[[0, -1]], ylim=surface.y[[0, -1]])
        bar = figure.colorbar(shown, ax=axes)
        bar.set_label(f"{words}\n{target.label()}", fontsize="small", parse_math=False)
        bar.ax.tick_params(labelsize="small")
