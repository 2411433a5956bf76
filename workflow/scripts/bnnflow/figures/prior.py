"""The figure of what a prior means: predictions before anything is learnt."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from ..files.columns import Column
from .canvas import Figure, head, legend_below, logarithmic, rcParams, scaled
from .dependence import probability_of
from .frame import Frame, Tables, draw_observations, legend_entries, prepare
from .inputs import LOGARITHMIC, Axis, write_levels

HALF, MOST = "half of all new observations", "95 in 100 new observations"
FUNCTIONS = "functions"

# Inputs that are shown.
VIEWS = 6

# An axis is logarithmic where the areas are more than so many times as wide as what is observed.
STRIPE = 100

# Limits of probabilities.
UNIT = -0.03, 1.03

# How far to either side of a level its areas and lines go.
REACH = 0.35


@dataclass(frozen=True)
class View:
    """What a prior says while one input varies.

    Attributes:
        input: as an axis.
        x: its values (point,), ascending; of levels their places.
        quantiles: of a new observation, at 0.025, 0.25, 0.75 and 0.975, (4, target, point).
        functions: drawn from the prior, (draw, target, point); of a target of classes the
            probability of the second.
    """

    input: Axis
    x: np.ndarray
    quantiles: np.ndarray
    functions: np.ndarray

    @classmethod
    def of(cls, column: Column, x: np.ndarray, found: xr.Dataset) -> "View":
        """Of an input, from what `predict.prior` has found at its values."""
        shown = (found[name].to_numpy() for name in ("quantiles", "function"))
        return cls(Axis(column), x, *shown)


def draw_prior(
    fit: str,
    targets: Sequence[Column],
    views: Sequence[View],
    observations: Tables,
    sets: Sequence[str],
    units: Mapping[str, str] | None = None,
) -> Figure:
    """Functions drawn from a prior, and where observations would lie; a panel a target and input.

    Args:
        fit: its name.
        targets: their columns.
        views: one for every input, of which the first VIEWS are shown.
        observations: data sets by name, with columns of inputs and targets.
        sets: names of all data sets, by which they have their colours.
        units: of columns by name, where somebody has said them.
    """
    told = "its prior, before anything is learnt"
    if len(views) > VIEWS:
        told += f" (the first {VIEWS} of {len(views)} inputs)"
        views = views[:VIEWS]
    columns = min(len(views), 3)
    rows = len(targets) * math.ceil(len(views) / columns)
    width, height = rcParams["figure.figsize"]
    across, down = (1.0, 1.2) if columns == 1 else (0.6, 0.85)
    size = width * max(1.0, across * columns), height * down * rows
    figure = Figure(figsize=size)
    grid = figure.subplots(rows, columns, squeeze=False)
    used = []
    for place, view in enumerate(views):
        row, column = divmod(place, columns)
        for number, about in enumerate(targets):
            target = about.name
            axes = grid[row * len(targets) + number, column]
            beyond = REACH + 0.1 if view.input.levels else 0
            limits = view.x[0] - beyond, view.x[-1] + beyond
            frame = Frame(sets, limits, input=view.input.name, targets=(target,), units=units or {})
            tables = _as_shown(about, observations)
            seen = np.concatenate([table[target] for table in tables.values()])
            said = np.concatenate([each.quantiles[:, number].ravel() for each in views])
            prepare(axes, frame, target, Axis(about).ends(np.concatenate([seen, said])))
            if about.levels:
                axes.set_ylim(UNIT)
                words = probability_of(Axis(about), 1)
                axes.set_ylabel(words, fontsize="medium", parse_math=False)
            elif about.transform == "log" or np.ptp(said) > STRIPE * np.ptp(seen):
                how = scaled(axes, "y", [*seen, *said], signed=about.transform != "log")
                words = f"{axes.get_ylabel()}\n({how})"
                axes.set_ylabel(words, fontsize="small", parse_math=False)
            _draw(axes, view, number, areas=not about.levels)
            draw_observations(axes, frame, tables, target)
            if column:
                axes.set_ylabel("")
            if view.input.levels:
                write_levels(axes, "x", view.input.levels)
            elif view.input.column.transform in LOGARITHMIC:
                logarithmic(axes, "x", signed=view.input.column.transform != "log")
            used.append(axes)
    for axes in grid.flat:
        if axes not in used:
            axes.set_axis_off()
    entries = legend_entries(*used)
    head(figure, fit, told)
    legend_below(figure, entries.values(), entries)
    return figure


def _as_shown(target: Column, observations: Tables) -> Tables:
    """Data sets whose target is 1 where it is the second class and else 0, if it has classes."""
    if not target.levels:
        return observations
    name = target.name
    return {
        own: pd.DataFrame(table).assign(**{name: np.equal(table[name], 1.0).astype(float)})
        for own, table in observations.items()
    }


def _draw(axes, view: View, target: int, areas: bool) -> None:
    """Functions, and areas of new observations; between classes there are no areas."""
    x, quantiles, functions = view.x, view.quantiles[:, target], view.functions[:, target]
    if view.input.levels:
        # Between levels there is nothing.
        x = (x[:, None] + [-REACH, REACH, np.nan]).ravel()
        quantiles, functions = (np.repeat(each, 3, axis=1) for each in (quantiles, functions))
    if areas:
        low, lower, upper, high = quantiles
        look = {"color": "C1", "linewidth": 0}
        axes.fill_between(x, low, high, alpha=0.15, label=MOST, **look)
        axes.fill_between(x, lower, upper, alpha=0.3, label=HALF, **look)
    lines = axes.plot(x, functions.T, color="C1", linewidth=0.6, alpha=0.7)
    lines[0].set_label(f"{len(functions)} {FUNCTIONS}")
