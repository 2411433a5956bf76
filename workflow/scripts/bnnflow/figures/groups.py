"""The figure of a group of fits: combinations of settings, and replicates of each."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from .canvas import (
    ALARM,
    ROW,
    TALLEST,
    Axes,
    Figure,
    head,
    legend_below,
    rcParams,
    region,
    scaled,
    settings,
)
from .frame import (
    Frame,
    Tables,
    draw_observations,
    draw_truth,
    legend_entries,
    mark_stretches,
    prepare,
)

# Of the metrics those that are shown, with their names and whether they may be negative.
SHOWN = {
    "lppd": ("LPPD, nats per point", True),
    "rmse_function": ("RMSE from true function", False),
}


def draw_group(
    frame: Frame,
    name: str,
    title: str,
    observations: Tables,
    cells: Mapping[str, Sequence[str]],
    means: Mapping[str, tuple[np.ndarray, np.ndarray]],
    metrics: pd.DataFrame,
    verdicts: Mapping[str, str],
) -> Figure:
    """Predictive means of all fits of a group, and their scores by combination of settings.

    Every combination has a colour, of its curves above and of a square before its row below.

    Args:
        frame: of the figures over one input.
        name: of the group.
        title: heading.
        observations: data sets by name.
        cells: by combination of settings, in words, the names of its fits.
        means: by fit its inputs (point,) and its mean (target, point).
        metrics: rows of fit, region, metric, value, and of target where there are several.
        verdicts: of the fits by name.
    """
    shown = {metric: told for metric, told in SHOWN.items() if metric in set(metrics["metric"])}
    regions, targets = list(dict.fromkeys(metrics["region"])), list(frame.targets)
    row = min(ROW, TALLEST / (len(cells) * len(targets)))
    width, height = rcParams["figure.figsize"]
    heights = [1.2 * height, row * (len(cells) + 1) + 0.1 * height] * len(targets)
    figure = Figure(figsize=(1.2 * width, sum(heights) + 1))
    grid = figure.add_gridspec(len(heights), len(shown), height_ratios=heights)
    colors = settings(len(cells))
    places = {fit: -number for number, fits in enumerate(cells.values()) for fit in fits}
    own = metrics[metrics["fit"].isin(places)]
    for number, target in enumerate(targets):
        above = figure.add_subplot(grid[2 * number, :])
        prepare(above, frame, target, frame.limits(target, list(observations.values())))
        draw_truth(above, frame, target)
        draw_observations(above, frame, observations, target)
        for fits, color in zip(cells.values(), colors, strict=True):
            curves = [(means[fit][0], means[fit][1][number]) for fit in fits]
            _draw_means(above, curves, color, strength=min(0.9, max(0.05, 8 / len(places))))
        _explain(above, colors)
        table = own[own["target"] == target] if "target" in own else own
        for column, (metric, told) in enumerate(shown.items()):
            below = figure.add_subplot(grid[2 * number + 1, column])
            _draw_spread(below, table[table["metric"] == metric], places, regions, told)
            below.set_ylim(0.4 - len(cells), 0.6)
            names = [] if column else [_named(words, len(fits)) for words, fits in cells.items()]
            size = min(rcParams["font.size"], 60 * row)
            below.set_yticks(-np.arange(len(cells)), names, fontsize=size)
            if not column and len(cells) > 1:
                _draw_key(below, colors, row)
    head(figure, name, f"{title}, {len(places)} fits", _verdict(verdicts, places))
    legend_below(figure, *below.get_legend_handles_labels())
    return figure


def _named(words: str, fits: int) -> str:
    text = words or f"{fits} replicates"
    return "\n".join(textwrap.wrap(text, 44, max_lines=2, placeholder=" …"))


def _explain(axes: Axes, colors: Sequence[str]) -> None:
    """A legend of the axes with the means, below them."""
    label = (
        "predictive means, in the colours of the rows" if len(colors) > 1 else "predictive means"
    )
    axes.plot([], [], color=colors[len(colors) // 2], linewidth=0.9, label=label)
    entries = legend_entries(axes)
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.13)}
    axes.legend(entries.values(), entries, ncols=min(4, len(entries)), **place)


def _draw_means(axes: Axes, curves: Iterable[tuple], color: str, strength: float) -> None:
    """Curves (x, mean) of the fits of one combination."""
    for x, mean in curves:
        axes.plot(x, mean, color=color, linewidth=0.9, alpha=strength)
        mark_stretches(axes, x, mean, mean, color)


def _draw_spread(
    axes: Axes,
    metrics: pd.DataFrame,
    places: Mapping[str, int],
    regions: Sequence[str],
    told: tuple[str, bool],
) -> None:
    """A dot for each fit, and a bar at the mean of each combination, by region."""
    offsets = np.linspace(0.3, -0.3, len(regions))
    reach = 0.9 / (2 * len(regions))
    for number, (name, offset) in enumerate(zip(regions, offsets, strict=True)):
        rows = metrics[metrics["region"] == name]
        look, y = region(number), rows["fit"].map(places)
        dots = {"markersize": 3, "linestyle": "none", "alpha": 0.5, "label": name}
        axes.plot(rows["value"], y + offset, **look, **dots)
        centre = rows["value"].groupby(y).mean()
        at = centre.index + offset
        axes.vlines(centre, at - reach, at + reach, color=look["color"], linewidth=2)
    label, signed = told
    how = scaled(axes, "x", metrics["value"], signed)
    axes.set_xlabel(f"{label}\n{how}", fontsize="medium")
    axes.grid(axis="y", alpha=0.3)


def _draw_key(axes: Axes, colors: Sequence[str], row: float) -> None:
    """A square of the colour of every combination before its row."""
    look = {"marker": "s", "markersize": min(6, 40 * row), "clip_on": False, "linestyle": "none"}
    for number, color in enumerate(colors):
        axes.plot(0, -number, color=color, transform=axes.get_yaxis_transform(), **look)


def _verdict(verdicts: Mapping[str, str], fits: Iterable[str]) -> tuple[str, str]:
    """The worst verdict on these fits, and how many have which."""
    counts = pd.Series([verdicts[fit] for fit in fits]).value_counts()
    worst = next((name for name in ALARM if name in counts), "")
    told = ", ".join(f"{counts[name]} {name}" for name in ("pass", *ALARM) if name in counts)
    return (worst, f"of {counts.sum()} fits {told}") if worst else ("", "")
