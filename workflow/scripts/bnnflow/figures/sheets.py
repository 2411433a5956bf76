"""Sheets of many fits: a cell each, with a heading and a verdict above its panels."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .canvas import ALARM, Axes, Figure, fewer_ticks, legend_below, named, rcParams, worded
from .frame import legend_entries


@dataclass(frozen=True)
class Heading:
    """What stands above the panels of a fit.

    Attributes:
        fit: its name.
        title: its heading.
        verdict: on the fit, and why; the first empty for one that passes.
        role: what the fit is beside the others of a sheet, in words.
    """

    fit: str
    title: str
    verdict: tuple[str, str] = ("", "")
    role: str = ""


def draw_cells(
    headings: Sequence[Heading],
    targets: int,
    draw: Callable[[int, int, Axes], None],
    heading: str = "",
) -> Figure:
    """Many fits on the same axes, with one legend.

    Args:
        headings: of the fits. The heading of a cell is its role, where it has one, and its name
            and title.
        targets: panels of every fit, one below the other, whose limits are those of the other
            fits.
        draw: draws the panel of a fit and a target, by their places.
        heading: of the sheet.
    """
    columns = min(len(headings), max(2, math.ceil((len(headings) / 2) ** 0.5)))
    rows = math.ceil(len(headings) / columns)
    share = 0.72 if columns < 3 else 0.55
    width, height = (share * side for side in rcParams["figure.figsize"])
    told = [_worded(own, width) for own in headings]
    # Points above the axes: of the heading's lines, and below them of the verdict's.
    above = 13 * max(title.count("\n") + 1 for title, _ in told)
    room = 11 * max(text.count("\n") + 1 if text else 0 for _, text in told)
    tall = (height * targets + (above + room + 14) / 72) * rows
    figure = Figure(figsize=(width * columns, tall + 0.8))
    grid = figure.subplots(rows * targets, columns, squeeze=False)
    used = []
    for place, (own, texts) in enumerate(zip(headings, told, strict=True)):
        row, column = divmod(place, columns)
        cell = grid[row * targets : (row + 1) * targets, column]
        for target, axes in enumerate(cell):
            draw(place, target, axes)
            fewer_ticks(axes, "x")
            if column:
                axes.set_ylabel("")
                axes.yaxis.set_tick_params(labelleft=False)
        for axes in cell:
            last = axes is cell[-1] or axes.get_xlabel() != cell[-1].get_xlabel()
            if place + columns < len(headings) or not last:
                axes.set_xlabel("")
        _write_above(cell[0], *texts, ALARM.get(own.verdict[0]), above, room)
        used += list(cell)
    for axes in grid.flat:
        if axes not in used:
            axes.set_axis_off()
    entries = legend_entries(*used)
    legend_below(figure, entries.values(), entries)
    if heading:
        figure.suptitle(heading, parse_math=False)
    figure.get_layout_engine().set(wspace=0.05, hspace=0.04)
    return figure


def _worded(own: Heading, width: float) -> tuple[str, str]:
    """A cell's heading, and its verdict, in lines that fit so many inches."""
    title = named(own.fit, own.title, 12 * (width - 0.9), lines=2)
    lines = [own.role, title] if own.role else [title]
    return "\n".join(lines), worded(own.verdict, 16.5 * (width - 0.8))


def _write_above(axes, title: str, verdict: str, color, above: float, room: float) -> None:
    """A heading and the verdict below it, so that headings of a row stand at one height."""
    # Empty, it keeps the room free of what is above.
    axes.set_title(" ", loc="left", pad=above + room - 4)
    look = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "top"}
    look |= {"parse_math": False, "annotation_clip": False}
    size = rcParams["axes.titlesize"]
    axes.annotate(title, (0, 1), (0, 10 + above + room), fontsize=size, **look)
    axes.annotate(verdict, (0, 1), (0, 6 + room), fontsize="x-small", color=color, **look)
