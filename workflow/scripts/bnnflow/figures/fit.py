"""Figures of what fits predict over one input: one fit by itself, and many on one sheet."""

import math
from collections.abc import Sequence

import pandas as pd

from .canvas import ALARM, Figure, head, legend_below, named, rcParams, worded
from .frame import Frame, Panel, draw_panel, legend_entries, prepare


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
    columns = min(len(panels), max(2, math.ceil((len(panels) / 2) ** 0.5)))
    rows, targets = math.ceil(len(panels) / columns), len(frame.targets)
    share = 0.72 if columns < 3 else 0.55
    width, height = (share * side for side in rcParams["figure.figsize"])
    told = [_heading(panel, width) for panel in panels]
    # Points above the axes: of the heading's lines, and below them of the verdict's.
    above = 13 * max(title.count("\n") + 1 for title, _ in told)
    room = 11 * max(text.count("\n") + 1 if text else 0 for _, text in told)
    tall = (height * targets + (above + room + 14) / 72) * rows
    figure = Figure(figsize=(width * columns, tall + 0.8))
    grid = figure.subplots(rows * targets, columns, squeeze=False)
    limits = {target: frame.limits(target, _shown(panels)) for target in frame.targets}
    used = []
    for place, (panel, texts) in enumerate(zip(panels, told, strict=True)):
        row, column = divmod(place, columns)
        own = grid[row * targets : (row + 1) * targets, column]
        for axes, target in zip(own, frame.targets, strict=True):
            prepare(axes, frame, target, limits[target])
            draw_panel(axes, frame, panel, target)
            axes.locator_params(axis="x", nbins=5)
            if column:
                axes.set_ylabel("")
                axes.yaxis.set_tick_params(labelleft=False)
            if axes is not own[-1] or place + columns < len(panels):
                axes.set_xlabel("")
        _write_above(own[0], *texts, ALARM.get(panel.verdict[0]), above, room)
        used += list(own)
    for axes in grid.flat:
        if axes not in used:
            axes.set_axis_off()
    entries = legend_entries(*used)
    legend_below(figure, entries.values(), entries)
    if heading:
        figure.suptitle(heading, parse_math=False)
    figure.get_layout_engine().set(wspace=0.05, hspace=0.04)
    return figure


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


def _heading(panel: Panel, width: float) -> tuple[str, str]:
    """A panel's heading, and its verdict, in lines that fit so many inches."""
    title = named(panel.fit, panel.title, 12 * (width - 0.9), lines=2)
    lines = [panel.role, title] if panel.role else [title]
    return "\n".join(lines), worded(panel.verdict, 16.5 * (width - 0.8))


def _write_above(axes, title: str, verdict: str, color, above: float, room: float) -> None:
    """A heading and the verdict below it, so that headings of a row stand at one height."""
    # Empty, it keeps the room free of what is above.
    axes.set_title(" ", loc="left", pad=above + room - 4)
    look = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "top"}
    look |= {"parse_math": False, "annotation_clip": False}
    size = rcParams["axes.titlesize"]
    axes.annotate(title, (0, 1), (0, 10 + above + room), fontsize=size, **look)
    axes.annotate(verdict, (0, 1), (0, 6 + room), fontsize="x-small", color=color, **look)


def _shown(panels: Sequence[Panel]) -> list[pd.DataFrame]:
    """All tables of observations that panels show."""
    tables = [table for panel in panels for table in panel.observations.values()]
    return [*tables, *(panel.held_out for panel in panels if panel.held_out is not None)]
