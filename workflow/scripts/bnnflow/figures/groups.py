"""The figure of a group of fits: combinations of settings, and replicates of each."""

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

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
    repeats,
    scaled,
    settings,
)
from .dependence import (
    PROBABILITY,
    Dependence,
    averaged,
    classes_of,
    draw_seen,
    limits_of,
    probability_of,
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
from .inputs import ACROSS, UPRIGHT, Axis

# Of the metrics the first two that there are, with their names and whether they may be negative.
SHOWN = {
    "lppd": ("LPPD, nats per point", True),
    "rmse_function": ("RMSE from true function", False),
    "crps": ("CRPS", False),
    "brier": ("Brier score", False),
}


# Draws a panel of means, in colours by combination of settings.
Panel = Callable[[Axes, Mapping[str, str]], None]


@dataclass(frozen=True)
class Above:
    """What the figure of a group shows above its scores.

    Attributes:
        targets: names of the targets.
        panels: of a target by its place.
    """

    targets: Sequence[str]
    panels: Callable[[int], list[Panel]]


def draw_group(
    name: str,
    title: str,
    cells: Mapping[str, Sequence[str]],
    above: Above,
    metrics: pd.DataFrame,
    verdicts: Mapping[str, str],
) -> Figure:
    """Predictive means of all fits of a group, and their scores by combination of settings.

    Every combination has a colour, of its curves above and of a square before its row below.

    Args:
        name: of the group.
        title: heading.
        cells: by combination of settings, in words, the names of its fits.
        above: the predictive means.
        metrics: rows of fit, region, metric, value, and of target where there are several.
        verdicts: of the fits by name.
    """
    places = {fit: -number for number, fits in enumerate(cells.values()) for fit in fits}
    own = metrics[metrics["fit"].isin(places)]
    there = [metric for metric in SHOWN if metric in set(own["metric"])]
    shown = {metric: SHOWN[metric] for metric in there[:2]}
    regions, targets = list(dict.fromkeys(metrics["region"])), above.targets
    row = min(ROW, TALLEST / (len(cells) * len(targets)))
    width, height = rcParams["figure.figsize"]
    heights = [1.2 * height, row * (len(cells) + 1) + 0.1 * height] * len(targets)
    figure = Figure(figsize=(1.2 * width, sum(heights) + 1))
    grid = figure.add_gridspec(len(heights), len(shown), height_ratios=heights)
    colors = settings(len(cells))
    explained = "predictive means" + (", in the colours of the rows" if len(cells) > 1 else "")
    entries = {}
    for number, target in enumerate(targets):
        panels = above.panels(number)
        spec = grid[2 * number, :].subgridspec(1, len(panels))
        line = [figure.add_subplot(spec[column]) for column in range(len(panels))]
        for axes, draw in zip(line, panels, strict=True):
            draw(axes, dict(zip(cells, colors, strict=True)))
        line[0].plot([], [], color=colors[len(colors) // 2], linewidth=0.9, label=explained)
        entries |= legend_entries(*line)
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
    count = f"{len(places)} fits"
    told = count if repeats(name, title) else f"{title}, {count}"
    head(figure, name, told, _verdict(verdicts, places))
    entries |= legend_entries(below)
    legend_below(figure, entries.values(), entries)
    return figure


def over_one_input(
    frame: Frame,
    observations: Tables,
    cells: Mapping[str, Sequence[str]],
    means: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> Above:
    """Predictive means of many fits as curves over the only input.

    Args:
        frame: of the figures over one input.
        observations: data sets by name.
        cells: by combination of settings the names of its fits.
        means: by fit its inputs (point,) and its mean (target, point).
    """

    def panels(number: int) -> list[Panel]:
        target = frame.targets[number]

        def draw(axes: Axes, colors: Mapping[str, str]) -> None:
            prepare(axes, frame, target, frame.limits(target, list(observations.values())))
            draw_truth(axes, frame, target)
            draw_observations(axes, frame, observations, target)
            strength = _strength(cells)
            for words, fits in cells.items():
                curves = [(means[fit][0], means[fit][1][number]) for fit in fits]
                _draw_means(axes, curves, colors[words], strength)

        return [draw]

    return Above(list(frame.targets), panels)


def over_inputs(
    inputs: Sequence[Axis],
    targets: Sequence[Axis],
    cells: Mapping[str, Sequence[str]],
    found: Mapping[str, Sequence[Dependence]],
    training: pd.DataFrame,
) -> Above:
    """Predictive means of many fits over the inputs that matter most.

    Args:
        inputs, targets: as axes.
        cells: by combination of settings the names of its fits.
        found: by fit the dependences on all inputs, in their order.
        training: rows from which the fits have learnt, at one split of the table.
    """
    shown = averaged(list(found.values()))[:ACROSS]
    curves = {words: [found[fit] for fit in fits] for words, fits in cells.items()}

    def panels(number: int) -> list[Panel]:
        target, kept = targets[number], None
        label = target.label(UPRIGHT)
        if target.levels:
            # Of two classes the second, of more the likeliest.
            first = [own[shown[0]] for own in found.values()]
            kept = 1 if len(target.levels) == 2 else classes_of(first, number)[0]
            label = probability_of(target, kept)
        means = [own[place].curve(number, kept) for own in found.values() for place in shown]
        ylim = PROBABILITY if target.levels else limits_of(target, np.concatenate(means))

        def over(place: int) -> Panel:
            axis = inputs[place]
            every = np.unique(np.concatenate([own[place].values for own in found.values()]))

            def draw(axes: Axes, colors: Mapping[str, str]) -> None:
                axis.prepare(axes, "x")
                if not target.levels:
                    target.prepare(axes, "y")
                axes.tick_params(labelsize="small")
                said = label if place == shown[0] else ""
                axes.set_ylabel(said, fontsize="medium", parse_math=False)
                axes.set_ylim(ylim)
                if not axis.levels:
                    axes.set_xlim(every[[0, -1]])
                for words, fits in curves.items():
                    look = {"color": colors[words], "alpha": _strength(cells), "linewidth": 0.9}
                    look |= {"marker": "o"} if axis.levels else {}
                    for own in fits:
                        axes.plot(own[place].values, own[place].curve(number, kept), **look)
                draw_seen(axes, axis, training[axis.name].to_numpy(), every)

            return draw

        return [over(place) for place in shown]

    return Above([target.name for target in targets], panels)


def _strength(cells: Mapping[str, Sequence[str]]) -> float:
    """Of lines, by the number of fits, so that one sees where many lie."""
    return min(0.9, max(0.05, 8 / sum(map(len, cells.values()))))


def _named(words: str, fits: int) -> str:
    text = words or f"{fits} fits"
    return "\n".join(textwrap.wrap(text, 44, max_lines=2, placeholder=" …"))


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
    offsets = np.linspace(0.3, -0.3, len(regions)) * (len(regions) > 1)
    reach = 0.9 / (2 * len(regions))
    for number, (name, offset) in enumerate(zip(regions, offsets, strict=True)):
        rows = metrics[metrics["region"] == name]
        look, y = region(number), rows["fit"].map(places).astype(float)
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
