"""The figure of the data alone."""

import pandas as pd

from .canvas import Figure, head, legend_below, rcParams
from .frame import (
    Frame,
    Tables,
    draw_held_out,
    draw_observations,
    draw_truth,
    legend_entries,
    prepare,
    set_label,
)


def draw_data(
    frame: Frame, name: str, observations: Tables, held_out: pd.DataFrame | None = None
) -> Figure:
    """Data sets and the true function where one is known, a panel a target.

    Args:
        frame: of the figures over one input.
        name: of the figure.
        observations: data sets by name.
        held_out: observations that no fit has seen, where they are to be shown.
    """
    width, height = rcParams["figure.figsize"]
    figure = Figure(figsize=(width, 1.2 * height * len(frame.targets)))
    shown = [*observations.values(), *([] if held_out is None else [held_out])]
    grid = figure.subplots(len(frame.targets), 1, squeeze=False, sharex=True)[:, 0]
    for axes, target in zip(grid, frame.targets, strict=True):
        prepare(axes, frame, target, frame.limits(target, shown))
        draw_truth(axes, frame, target)
        if held_out is not None:
            draw_held_out(axes, frame, held_out, target)
        draw_observations(axes, frame, observations, target)
        axes.label_outer()
    entries = legend_entries(*grid)
    head(figure, name, " and ".join(map(set_label, observations)))
    legend_below(figure, entries.values(), entries)
    return figure
