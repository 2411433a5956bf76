"""Figures of what fits predict over one input: one fit by itself, and many on one sheet."""

from collections.abc import Sequence

import pandas as pd

from .canvas import Axes, Figure, head, legend_below, rcParams
from .frame import Frame, Panel, draw_panel, legend_entries, prepare
from .sheets import Heading, draw_cells


def draw_fit(frame: Frame, panel: Panel) -> Figure:
    """Predictive mean and bands of one fit, a panel a target."""
    width, height = rcParams["figure.figsize"]
    figure = Figure(figsize=(width, 1.2 * height * len(frame.targets)))
    grid = figure.subplots(len(frame.targets), 1, squeeze=False, sharex=True)[:, 0]
    for axes, target in zip(grid, frame.targets, strict=True):
        prepare(axes, frame, target, frame.limits(target, _shown([panel])))
        draw_panel(axes, frame, panel, target)
        axes.label_outer()
    head(figure, panel.fit, panel.title, panel.verdict)
    entries = legend_entries(*grid)
    legend_below(figure, entries.values(), entries)
    return figure


def draw_sheet(frame: Frame, panels: Sequence[Panel], heading: str = "") -> Figure:
    """Predictive means and bands of many fits on the same axes, with one legend.

    Every fit has a cell of one panel a target. Its heading is its role, where it has one, and its
    name and title.
    """
    limits = {target: frame.limits(target, _shown(panels)) for target in frame.targets}

    def draw(place: int, number: int, axes: Axes) -> None:
        target = frame.targets[number]
        prepare(axes, frame, target, limits[target])
        draw_panel(axes, frame, panels[place], target)

    headings = [Heading(own.fit, own.title, own.verdict, own.role) for own in panels]
    return draw_cells(headings, len(frame.targets), draw, heading)


def update_role(role: str, before: Sequence[str], new: Sequence[str]) -> str:
    """What a fit is in the picture of an update, by the names of data sets.

    Args:
        role: `source`, the fit whose posterior is the update's prior; `updated`; `joint`, fitted
            to all data together; or `alone`, to those of the update.
        before, new: data from which the source has learnt, and those of the update.
    """
    old, new, both = (
        " and ".join(dict.fromkeys(names)) for names in (before, new, [*before, *new])
    )
    return {
        "source": f"Before the update: fitted to {old}",
        "updated": f"After the update: {old}, then {new}",
        "joint": f"Fitted to {both} together",
        "alone": f"Fitted to {new} alone",
    }[role]


def _shown(panels: Sequence[Panel]) -> list[pd.DataFrame]:
    """All tables of observations that panels show."""
    tables = [table for panel in panels for table in panel.observations.values()]
    return [*tables, *(panel.held_out for panel in panels if panel.held_out is not None)]
