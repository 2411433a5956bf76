"""The figure of the data of a table: every target over every input."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from .canvas import Figure, head, legend_below
from .frame import FAINT, HELD_OUT, Tables, color_of, legend_entries, set_label
from .inputs import PANELS, Axis, association, left_out, of_all, sheet, thinned

# Dots of a panel that can be told from each other.
FEW = 2_000


def draw_scatter(
    name: str,
    inputs: Sequence[Axis],
    targets: Sequence[Axis],
    observations: Tables,
    held_out: pd.DataFrame,
    sets: Sequence[str],
) -> Figure:
    """Every target over every input, or over those that go furthest in explaining it by themselves.

    Args:
        name: of the figure.
        inputs, targets: as axes.
        observations: data sets by name.
        held_out: observations that no fit has seen.
        sets: names of all data sets, by which each has its colour.
    """
    every = pd.concat(observations.values(), ignore_index=True)
    most = max(2, PANELS // len(targets))
    shown = by_association(inputs, targets, every)[:most]
    figure, blocks = sheet([len(shown)] * len(targets))
    for target, cells in zip(targets, blocks, strict=True):
        for axis, cell in zip(shown, cells, strict=True):
            axes = figure.add_subplot(cell)
            axis.prepare(axes, "x")
            target.prepare(axes, "y", "" if cell.colspan.start else None)
            # Only levels stand at the same heights in all panels.
            axes.tick_params(labelleft=not (cell.colspan.start and target.levels))
            parts = {
                set_label(own): (table, {"color": color_of(own, sets)})
                for own, table in observations.items()
            } | {HELD_OUT: (held_out, FAINT)}
            for label, (table, look) in parts.items():
                places = thinned(len(table))
                told = f"{label}, {of_all(len(places), len(table))}"
                own = table.iloc[places]
                x = axis.spread(own[axis.name].to_numpy(), "x")
                y = target.spread(own[target.name].to_numpy(), "y")
                dots = {"marker": ".", "linestyle": "none", "alpha": 1.0}
                if len(places) > FEW:
                    # As a picture within an SVG; and where many lie is darker.
                    dots |= {"alpha": 0.35, "rasterized": True}
                axes.plot(x, y, label=told, **dots, **look)
    entries = legend_entries(*figure.axes)
    head(figure, name, " and ".join(map(set_label, observations)))
    names = [axis.name for axis in inputs if axis not in shown]
    legend_below(figure, entries.values(), entries, left_out(names))
    return figure


def by_association(
    inputs: Sequence[Axis], targets: Sequence[Axis], table: Mapping[str, pd.Series]
) -> list[Axis]:
    """Inputs, those first that explain most of a target by themselves; a few in their order."""
    if len(inputs) <= PANELS // len(targets):
        return list(inputs)
    explained = [
        max(
            association(axis, table[axis.name].to_numpy(), table[target.name].to_numpy())
            for target in targets
        )
        for axis in inputs
    ]
    return [inputs[place] for place in np.argsort(explained, kind="stable")[::-1]]
