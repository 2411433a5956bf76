"""Figures of how predictions depend on each of several inputs: one fit by itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from .canvas import CLASSES, Axes, Figure, head, legend_below
from .frame import TOTAL, between, legend_entries
from .inputs import PANELS, UPRIGHT, WORD, Axis, cut, left_out, sheet, wrapped
from .maps import draw_maps, map_of

AVERAGED = ", averaged over rows"
MEAN = f"predictive mean{AVERAGED}"
FUNCTION = "of the averaged function"
SEEN = "where the training rows are"
LIKELY = f"probability{AVERAGED}"

# Limits of probabilities, above a foot.
PROBABILITY = -0.17, 1.03

# Of a panel's height, what shows where the training rows are; and the number of bars.
FOOT, BARS = 0.12, 30


@dataclass(frozen=True)
class Dependence:
    """How predictions depend on an input, on average over rows (partial dependence).

    Attributes:
        place: of the input among all.
        values: of the input (n,), ascending.
        mean: of the predictive distribution, averaged over the rows, (target, n).
        ends: probabilities of the lowest and the highest quantile that are kept.
        band: these quantiles of an observation in a row, averaged over the rows, (2, target, n).
        function_band: of the function averaged over the rows, from its samples, (2, target, n).
        moved: how far the mean moves when the input does: the root mean square over the rows of
            its standard deviation over the training rows' values, (target,). Of a target of
            classes their probabilities count, all together.
        classes: probabilities of classes, averaged over the rows, (class, target, n); none where
            no target has classes.
    """

    place: int
    values: np.ndarray
    mean: np.ndarray
    ends: tuple[float, float]
    band: np.ndarray
    function_band: np.ndarray
    moved: np.ndarray
    classes: np.ndarray | None = None

    def curve(self, target: int, shown: int | None = None) -> np.ndarray:
        """One curve (n,) that stands for a target: its mean, or the probability of a class."""
        return self.mean[target] if shown is None else self.classes[shown, target]


def dependences(predictions: xr.Dataset, training: pd.DataFrame) -> list[Dependence]:
    """Dependences on all inputs, in their order.

    Args:
        predictions: on the grid of a table, with `along` and `row`.
        training: rows from which the fit has learnt.
    """
    along, row = (predictions[name].to_numpy() for name in ("along", "row"))
    levels = predictions["quantile"].to_numpy()
    outer = [int(levels.argmin()), int(levels.argmax())]
    ends = float(levels.min()), float(levels.max())
    found = []
    for place, name in enumerate(predictions["input"].to_numpy().tolist()):
        own = predictions.isel(point=along == place)
        rows = len(np.unique(row[along == place]))
        values = own["inputs"].to_numpy()[: own.sizes["point"] // rows, place]
        # Points of an input and a row stand together.
        mean, quantiles, function = (
            own[part].to_numpy().astype(float).reshape(*own[part].shape[:-1], rows, len(values))
            for part in ("mean", "quantiles", "function")
        )
        weights = shares(values, training[name].to_numpy())
        moved = _moved(mean, weights)
        classes = None
        if "class_probability" in own:
            each = own["class_probability"].to_numpy().astype(float)
            each = each.reshape(*each.shape[:2], rows, len(values))
            moved = np.where(each.any((0, 2, 3)), np.hypot.reduce(_moved(each, weights)), moved)
            classes = each.mean(2)
        found.append(
            Dependence(
                place,
                values,
                mean.mean(1),
                ends,
                quantiles[outer].mean(2),
                np.quantile(function.mean(2), ends, axis=0),
                moved,
                classes,
            )
        )
    return found


def _moved(mean: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How far means (..., rows, n) move over values with weights (n,): (...)."""
    about = mean - (mean * weights).sum(-1, keepdims=True)
    return np.sqrt((about**2 * weights).sum(-1).mean(-1))


def shares(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The share of numbers that lie nearest to each of the values (n,), which ascend: (n,)."""
    place = np.searchsorted((values[1:] + values[:-1]) / 2, seen)
    return np.bincount(place, minlength=len(values)) / len(seen)


def by_importance(moved: np.ndarray) -> list[int]:
    """Places of inputs, those first that move a target most, each beside what moves it furthest.

    Args:
        moved: how far they move the targets (input, target).
    """
    largest = moved.max(0)
    relative = (moved / np.where(largest > 0, largest, 1)).max(1)
    return np.argsort(-relative, kind="stable").tolist()


def most_moving(found: Sequence[Dependence]) -> list[int]:
    """Places of the inputs of one fit, those first that matter most."""
    return by_importance(np.array([own.moved for own in found]))


def averaged(fits: Sequence[Sequence[Dependence]]) -> list[int]:
    """Places of inputs, those first that matter most to many fits together."""
    return by_importance(np.mean([[own.moved for own in found] for found in fits], axis=0))


def draw_dependences(
    fit: str,
    title: str,
    verdict: tuple[str, str],
    inputs: Sequence[Axis],
    targets: Sequence[Axis],
    predictions: xr.Dataset,
    training: pd.DataFrame,
) -> Figure:
    """Each target over the inputs that matter most, and over both where there are two numbers.

    Args:
        fit, title, verdict: heading.
        inputs, targets: as axes.
        predictions: on the grid of a table.
        training: rows from which the fit has learnt.
    """
    found = dependences(predictions, training)
    order, most = most_moving(found), max(2, PANELS // len(targets))
    shown = [found[place] for place in order[:most]]
    surface = map_of(predictions)
    both = 2 if surface else 0
    figure, blocks = sheet([len(shown) + both] * len(targets))
    for number, (target, cells) in enumerate(zip(targets, blocks, strict=True)):
        every = [[own.mean[number], *own.band[:, number]] for own in shown]
        ylim = PROBABILITY if target.levels else limits_of(target, np.concatenate(every, axis=1))
        for own, cell in zip(shown, cells, strict=False):
            axes = figure.add_subplot(cell)
            axis = inputs[own.place]
            axis.prepare(axes, "x")
            if target.levels:
                colored = classes_of(shown, number)
                draw_classes(axes, axis, target, own, number, colored, maps=bool(surface))
            else:
                target.prepare(axes, "y")
                draw_dependence(axes, axis, own, number)
            if cell.colspan.start:
                axes.set_ylabel("")
            axes.set_ylim(ylim)
            draw_seen(axes, axis, training[axis.name].to_numpy(), own.values)
        if surface:
            classes = classes_of(shown, number) if target.levels else ()
            maps = cells[-both:]
            draw_maps(figure, maps, inputs, target, surface, number, training, classes)
    head(figure, fit, title, verdict)
    names = [inputs[place].name for place in order[most:]]
    entries = legend_entries(*figure.axes)
    # Over an only input nothing is averaged.
    words = [told if len(inputs) > 1 else _not_averaged(told) for told in entries]
    legend_below(figure, entries.values(), words, left_out(names))
    return figure


def _not_averaged(label: str) -> str:
    return label.replace(AVERAGED, "").replace(FUNCTION, "of the function")


def limits_of(target: Axis, values: np.ndarray) -> tuple[float, float]:
    """Range of a target in which all values lie, above a foot for the training rows."""
    forward, back = target.placed
    low, high = forward(np.array([values.min(), values.max()]))
    margin = 0.05 * (high - low)
    high += margin
    limits = low - margin - FOOT / (1 - FOOT) * (high - low + margin), high
    return tuple(back(np.array(limits)))


def draw_dependence(axes: Axes, axis: Axis, own: Dependence, target: int) -> None:
    """The mean and the bands of one target; over levels a point each."""
    mean = own.mean[target]
    for band, alpha, of in ((own.band, 0.2, TOTAL), (own.function_band, 0.45, FUNCTION)):
        low, high = band[:, target]
        look = {"color": "C1", "alpha": alpha, "label": f"{between(own.ends)} {of}"}
        if np.array_equal(low, high):
            continue
        if axis.levels:
            axes.vlines(own.values, low, high, linewidth=5, **look)
        else:
            axes.fill_between(own.values, low, high, linewidth=0, **look)
    look = {"linestyle": "none", "marker": "o"} if axis.levels else {}
    axes.plot(own.values, mean, color="C1", label=MEAN, **look)
    if not axis.levels:
        axes.set_xlim(own.values[0], own.values[-1])


def classes_of(found: Sequence[Dependence], target: int) -> list[int]:
    """Places of the classes that have colours, those first that are likeliest on average.

    The last colour is of one class, or of all that have no other.
    """
    likely = np.mean([own.classes[:, target].mean(-1) for own in found], axis=0)
    count = len(CLASSES) - (np.count_nonzero(likely) > len(CLASSES))
    return np.argsort(-likely, kind="stable")[:count].tolist()


def probability_of(target: Axis, place: int) -> str:
    """How the axis of a class's probability is called."""
    return wrapped(f"probability that {target.name} is {target.levels[place]}", UPRIGHT)


def draw_classes(
    axes: Axes,
    axis: Axis,
    target: Axis,
    own: Dependence,
    number: int,
    shown: Sequence[int],
    maps: bool,
) -> None:
    """Probabilities of classes; of two classes that of the second, with what is not known of it.

    Args:
        axes: of the panel.
        axis: the input.
        target: its axis.
        own: the dependence on the input.
        number: place of the target.
        shown: places of the classes that are shown.
        maps: whether maps of the target stand beside the panel.
    """
    look = {"linestyle": "none", "marker": "o"} if axis.levels else {}
    axes.tick_params(labelsize="small")
    if not axis.levels:
        axes.set_xlim(own.values[0], own.values[-1])
    if len(target.levels) == 2:
        axes.set_ylabel(probability_of(target, 1), fontsize="medium", parse_math=False)
        low, high = own.function_band[:, number]
        band = {"color": "C1", "alpha": 0.45, "label": f"{between(own.ends)} {FUNCTION}"}
        if axis.levels:
            axes.vlines(own.values, low, high, linewidth=5, **band)
        else:
            axes.fill_between(own.values, low, high, linewidth=0, **band)
        axes.plot(own.values, own.mean[number], color="C1", label=LIKELY, **look)
        return
    words = wrapped(f"probability of {target.name}", UPRIGHT)
    axes.set_ylabel(words, fontsize="medium", parse_math=False)
    for place, color in zip(shown, CLASSES, strict=False):
        label = cut(target.levels[place], WORD)
        axes.plot(own.values, own.classes[place, number], color=color, label=label, **look)
    if len(target.levels) > len(shown):
        left = len(target.levels) - len(shown)
        axes.plot([], [], " ", label=f"{left} less likely ones: no line{', grey on maps' * maps}")


def draw_seen(axes: Axes, axis: Axis, seen: np.ndarray, values: np.ndarray) -> None:
    """How many of the training rows are where, at the foot of a panel.

    Args:
        axes: of the panel.
        axis: the input.
        seen: its values in the training rows (rows,).
        values: at which predictions are, ascending.
    """
    look = {"transform": axes.get_xaxis_transform(), "color": "0.75", "label": SEEN, "zorder": 0}
    if axis.levels:
        counts = np.bincount(seen.astype(int), minlength=len(axis.levels))
        axes.bar(np.arange(len(counts)), FOOT * counts / counts.max(), width=0.6, **look)
        return
    # Equally wide as they are drawn.
    forward, back = axis.placed
    edges = back(np.linspace(*forward(values[[0, -1]]), BARS + 1))
    counts, _ = np.histogram(seen, edges)
    axes.stairs(FOOT * counts / counts.max(), edges, fill=True, **look)
