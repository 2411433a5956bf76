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

# Of the metrics of a target the first two that there are, with their names and whether they may be
# negative.
SHOWN = {
    "lppd": ("LPPD, nats per point", True),
    "rmse_function": ("RMSE from true function", False),
    "crps": ("CRPS", False),
    "brier": ("Brier score", False),
}

# How many there are.
SCORES = 2

# Of a target of classes, those that have a row of panels.
CLASSES = 4

# Heights of the means of a target, and of each of several rows, as shares of a figure's by itself.
WHOLE, EACH = 1.2, 0.6

# Draws a panel of means, in colours by combination of settings.
Panel = Callable[[Axes, Mapping[str, str]], None]


@dataclass(frozen=True)
class Above:
    """What the figure of a group shows above its scores.

    Attributes:
        targets: names of the targets.
        rows: of panels, of a target by its place.
    """

    targets: Sequence[str]
    rows: Callable[[int], list[list[Panel]]]


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
    regions, targets = list(dict.fromkeys(metrics["region"])), above.targets
    row = min(ROW, TALLEST / (len(cells) * len(targets)))
    width, height = rcParams["figure.figsize"]
    rows = [above.rows(number) for number in range(len(targets))]
    below = row * (len(cells) + 1) + 0.1 * height
    heights = [each for own in rows for each in (max(WHOLE, EACH * len(own)) * height, below)]
    figure = Figure(figsize=(1.2 * width, sum(heights) + 1))
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    colors = settings(len(cells))
    explained = "predictive means" + (", in the colours of the rows" if len(cells) > 1 else "")
    entries = {}
    for number, target in enumerate(targets):
        draws = [draw for line in rows[number] for draw in line]
        spec = grid[2 * number].subgridspec(len(rows[number]), len(rows[number][0]))
        panels = [figure.add_subplot(cell) for cell in spec]
        for axes, draw in zip(panels, draws, strict=True):
            draw(axes, dict(zip(cells, colors, strict=True)))
        panels[0].plot([], [], color=colors[len(colors) // 2], linewidth=0.9, label=explained)
        entries |= legend_entries(*panels)
        table = own[own["target"] == target] if "target" in own else own
        shown = [metric for metric in SHOWN if metric in set(table["metric"])][:SCORES]
        spec = grid[2 * number + 1].subgridspec(1, len(shown))
        for column, metric in enumerate(shown):
            below = figure.add_subplot(spec[column])
            _draw_spread(below, table[table["metric"] == metric], places, regions, SHOWN[metric])
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

    def rows(number: int) -> list[list[Panel]]:
        target = frame.targets[number]

        def draw(axes: Axes, colors: Mapping[str, str]) -> None:
            prepare(axes, frame, target, frame.limits(target, list(observations.values())))
            draw_truth(axes, frame, target)
            draw_observations(axes, frame, observations, target)
            strength = _strength(cells)
            for words, fits in cells.items():
                curves = [(means[fit][0], means[fit][1][number]) for fit in fits]
                _draw_means(axes, curves, colors[words], strength)

        return [[draw]]

    return Above(list(frame.targets), rows)


def over_inputs(
    inputs: Sequence[Axis],
    targets: Sequence[Axis],
    cells: Mapping[str, Sequence[str]],
    found: Mapping[str, Sequence[Dependence]],
    training: pd.DataFrame,
) -> Above:
    """Predictive means of many fits over the inputs that matter most.

    Of a target of classes they are probabilities, in a row of panels for each of the likeliest.

    Args:
        inputs, targets: as axes.
        cells: by combination of settings the names of its fits.
        found: by fit the dependences on all inputs, in their order.
        training: rows from which the fits have learnt, at one split of the table.
    """
    shown = averaged(list(found.values()))[:ACROSS]
    curves = {words: [found[fit] for fit in fits] for words, fits in cells.items()}

    def rows(number: int) -> list[list[Panel]]:
        target = targets[number]
        if target.levels:
            first = [own[shown[0]] for own in found.values()]
            kept = [1] if len(target.levels) == 2 else sorted(classes_of(first, number)[:CLASSES])
            labels, ylim = {each: probability_of(target, each) for each in kept}, PROBABILITY
        else:
            means = [own[place].curve(number) for own in found.values() for place in shown]
            labels = {None: target.label(UPRIGHT)}
            ylim = limits_of(target, np.concatenate(means))
        last = [*labels][-1]
        left = len(target.levels) - len(labels) if len(target.levels) > 2 else 0

        def over(place: int, kept: int | None) -> Panel:
            axis = inputs[place]
            every = np.unique(np.concatenate([own[place].values for own in found.values()]))

            def draw(axes: Axes, colors: Mapping[str, str]) -> None:
                axis.prepare(axes, "x", None if kept == last else "")
                if not target.levels:
                    target.prepare(axes, "y")
                axes.tick_params(labelsize="small")
                said = labels[kept] if place == shown[0] else ""
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
                if left:
                    axes.plot([], [], " ", label=f"{left} less likely classes: no panels")

            return draw

        return [[over(place, kept) for place in shown] for kept in labels]

    return Above([target.name for target in targets], rows)


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
