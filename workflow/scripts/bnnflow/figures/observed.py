"""Figures of what was observed beside what was predicted: of one fit, and of many on one sheet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import xarray as xr

from ..data.observed import FAR, NEAR
from ..judge.scores import by_target, has_classes, inside_of
from .canvas import Axes, Figure, head, legend_below, region
from .confusion import draw_confusion
from .frame import legend_entries
from .inputs import (
    BINNED,
    LETTERS,
    PANELS,
    UPRIGHT,
    Axis,
    labelled,
    left_out,
    means,
    of_all,
    sheet,
    thinned,
    wrapped,
)
from .sheets import Heading, draw_cells

# The central interval that is drawn, in words and by its ends.
INTERVAL, ENDS = "95 % predictive interval", (0.025, 0.975)

SAME = "observed = predicted"
AVERAGE = "mean by tenths or levels"

# Pairs of targets whose residuals are shown, and dots of a panel of many.
PAIRS, FEW = 6, 400

GUIDE = {"color": "0.6", "linewidth": 0.8, "zorder": 0}


@dataclass(frozen=True)
class Outcome:
    """Held-out observations of a target beside their predictive distributions.

    Attributes:
        observed, mean, stddev, low, high: (n,); the last two are the ends of the interval.
    """

    observed: np.ndarray
    mean: np.ndarray
    stddev: np.ndarray
    low: np.ndarray
    high: np.ndarray

    # What it is that stands over inputs, and where its guides are.
    words = "residual, in predictive sd"
    guides = (0, -2, 2)

    @property
    def judged(self) -> np.ndarray:
        """By how many predictive standard deviations each observation is above the mean: (n,)."""
        return (self.observed - self.mean) / self.stddev

    @property
    def reach(self) -> tuple[float, float]:
        """Limits of the residuals."""
        high = max(4.0, 1.05 * np.abs(self.judged).max())
        return -high, high

    @property
    def drawn(self) -> np.ndarray:
        """All values that are drawn."""
        return np.concatenate([self.observed, self.mean, self.low, self.high])


@dataclass(frozen=True)
class Classified:
    """Held-out observations of a target of classes beside the probabilities of these.

    Attributes:
        observed: places of the classes that were observed, (n,).
        probability: of every class, (class, n).
    """

    observed: np.ndarray
    probability: np.ndarray

    words = "probability of what was observed"
    guides = (0, 1)
    reach = (-0.03, 1.03)

    @property
    def judged(self) -> np.ndarray:
        """The probability of the class that was observed: (n,)."""
        return self.probability[self.observed.astype(int), np.arange(len(self.observed))]


def outcomes(evaluation: xr.Dataset) -> list[Outcome | Classified]:
    """Outcomes of every target of an evaluation."""
    found = []
    for own in by_target(evaluation).values():
        if has_classes(own):
            found.append(
                Classified(own["targets"].to_numpy(), own["class_probability"][0].to_numpy())
            )
            continue
        ends = (
            own["quantiles"][0].sel(level=end, method="nearest").to_numpy().astype(float)
            for end in ENDS
        )
        parts = (own[name][0].to_numpy().astype(float) for name in ("mean", "stddev"))
        found.append(Outcome(own["targets"].to_numpy(), *parts, *ends))
    return found


def parted(evaluation: xr.Dataset) -> dict[str, tuple[np.ndarray, dict]]:
    """Held-out rows near to training rows and far from them, each with its look in all figures.

    Returns:
        By name which rows (n,) they are, and colour and mark; all of them together where there
        are no such regions.
    """
    regions = inside_of(evaluation)
    looks = {name: region(place) for place, name in enumerate(regions)}
    if NEAR in regions:
        return {f"held-out, {name}": (regions[name], looks[name]) for name in (NEAR, FAR)}
    every = np.ones(evaluation.sizes["point"], dtype=bool)
    return {"held-out": (every, {"color": "0.3", "marker": "o"})}


def draw_observed(
    fit: str,
    title: str,
    verdict: tuple[str, str],
    inputs: Sequence[Axis],
    targets: Sequence[Axis],
    evaluation: xr.Dataset,
    order: Sequence[int],
) -> Figure:
    """Observed against predicted, and residuals against predictions, inputs and each other.

    Args:
        fit, title, verdict: heading.
        inputs, targets: as axes.
        evaluation: of the fit.
        order: places of the inputs, those first that matter most.
    """
    found, parts = outcomes(evaluation), parted(evaluation)
    most = max(1, PANELS // len(targets) - 2)
    shown, rest = order[:most], order[most:]
    numbers = [place for place, own in enumerate(found) if isinstance(own, Outcome)]
    pairs = correlated([found[place].judged for place in numbers])[:PAIRS]
    learnt = learnt_correlation(evaluation)
    blocks = [2 + len(shown)] * len(targets) + ([len(pairs)] if pairs else [])
    figure, cells = sheet(blocks, high=0.7)
    values = evaluation["inputs"].to_numpy()
    for target, own, places in zip(targets, found, cells, strict=False):
        first, second, *others = (figure.add_subplot(place) for place in places)
        if isinstance(own, Classified):
            draw_confusion(first, target, own.observed, own.probability)
            _draw_judged(second, target.spread(own.observed), own, parts)
            target.prepare(second, "x", wrapped(f"observed {target.name}", LETTERS))
        else:
            draw_outcome(first, target, own, parts)
            draw_diagonal(first, target.ends(own.drawn))
            _draw_judged(second, own.mean, own, parts)
            target.prepare(
                second, "x", wrapped(f"predicted {labelled(target.name, target.unit)}", LETTERS)
            )
        for axes, place in zip(others, shown, strict=True):
            _draw_judged(axes, inputs[place].spread(values[:, place]), own, parts)
            if len(values) >= BINNED:
                at, centre = means(inputs[place], values[:, place], own.judged)
                joined = "none" if inputs[place].levels else "-"
                look = {"color": "C1", "marker": "o", "linestyle": joined, "label": AVERAGE}
                axes.plot(at, centre, **look)
            inputs[place].prepare(axes, "x")
        for axes in (second, *others):
            axes.set_ylim(own.reach)
            if axes is second or axes.get_subplotspec().is_first_col():
                axes.set_ylabel(wrapped(own.words, UPRIGHT), fontsize="medium")
    for place, (one, other, correlation) in zip(cells[-1], pairs, strict=False):
        axes = figure.add_subplot(place)
        one, other = numbers[one], numbers[other]
        _draw_judged(axes, found[one].judged, found[other], parts)
        told = f"correlation {correlation:.2f}"
        if learnt is not None:
            low, middle, high = learnt[:, one, other]
            told += f"\nlearnt {middle:.2f} ({low:.2f} to {high:.2f})"
        axes.set_title(told.replace("-", "−"), fontsize="medium")
        for number, say in ((one, axes.set_xlabel), (other, axes.set_ylabel)):
            words = wrapped(f"residual of {targets[number].name}", UPRIGHT)
            say(words, fontsize="medium", parse_math=False)
    names = [inputs[place].name for place in rest]
    entries = legend_entries(*figure.axes)
    head(figure, fit, title, verdict)
    legend_below(figure, entries.values(), entries, left_out(names))
    return figure


def learnt_correlation(evaluation: xr.Dataset) -> np.ndarray | None:
    """Lower end, middle and upper end of the correlations (3, target, target), if learnt."""
    return evaluation["correlation"].to_numpy() if "correlation" in evaluation else None


def correlated(residuals: Sequence[np.ndarray]) -> list[tuple[int, int, float]]:
    """Pairs of targets with the correlation of their residuals, the strongest first.

    Args:
        residuals: of every target (n,).
    """
    if len(residuals) < 2:
        return []
    found = np.corrcoef(residuals)
    pairs = [(i, j, float(found[i, j])) for i, j in combinations(range(len(residuals)), 2)]
    return sorted(pairs, key=lambda pair: -abs(pair[2]))


def draw_outcome(axes: Axes, target: Axis, own: Outcome, parts: Mapping) -> None:
    """Observations against predictive means, each with its interval, about the diagonal."""
    chosen = _shown(len(own.observed))
    faint = {"color": "C1", "alpha": 0.3, "linewidth": 1, "zorder": 1, "label": INTERVAL}
    axes.vlines(own.mean[chosen], own.low[chosen], own.high[chosen], **faint)
    _draw_dots(axes, own.mean, own.observed, parts, markersize=3, zorder=2)
    target.prepare(axes, "x", wrapped(f"predicted {labelled(target.name, target.unit)}", LETTERS))
    target.prepare(axes, "y", wrapped(f"observed {labelled(target.name, target.unit)}", UPRIGHT))


def draw_diagonal(axes: Axes, ends: tuple[float, float]) -> None:
    """Where what was predicted is what was observed, from one end of both axes to the other."""
    axes.plot(ends, ends, label=SAME, **GUIDE)
    axes.set(xlim=ends, ylim=ends)


@dataclass(frozen=True)
class Judged:
    """A fit with what it predicts for held-out rows.

    Attributes:
        heading: of its panels.
        outcomes: of every target.
        parts: of the rows, as `parted` has them.
    """

    heading: Heading
    outcomes: Sequence[Outcome | Classified]
    parts: Mapping[str, tuple[np.ndarray, dict]]


def draw_outcomes(judged: Sequence[Judged], targets: Sequence[Axis], heading: str = "") -> Figure:
    """Observed against predicted of many fits on the same axes, with one legend."""

    def draw(place: int, number: int, axes: Axes) -> None:
        target, own = targets[number], judged[place].outcomes[number]
        if isinstance(own, Classified):
            draw_confusion(axes, target, own.observed, own.probability)
            return
        draw_outcome(axes, target, own, judged[place].parts)
        drawn = [fit.outcomes[number].drawn for fit in judged]
        draw_diagonal(axes, target.ends(np.concatenate(drawn)))

    headings = [own.heading for own in judged]
    return draw_cells(headings, len(targets), draw, heading)


def _draw_judged(axes: Axes, x: np.ndarray, own: Outcome | Classified, parts: Mapping) -> None:
    """Residuals, or probabilities of what was observed, over something (n,)."""
    _draw_dots(axes, x, own.judged, parts, markersize=2.5, alpha=0.7)
    for height in own.guides:
        axes.axhline(height, **GUIDE | {"linestyle": "-" if not height else ":"})
    axes.tick_params(labelsize="small")


def _draw_dots(axes: Axes, x: np.ndarray, y: np.ndarray, parts: Mapping, **dots: float) -> None:
    """A dot a row, of many rows the same few in every panel, with the look of its part.

    Args:
        axes: on which.
        x, y: of all rows, (n,).
        parts: of the rows, as `parted` has them.
        dots: what all parts share of their look.
    """
    chosen = _shown(len(x))
    for name, (inside, look) in parts.items():
        rows = inside & chosen
        label = f"{name}, {of_all(int(rows.sum()), int(inside.sum()))}"
        axes.plot(x[rows], y[rows], linestyle="none", label=label, **dots, **look)


def _shown(count: int) -> np.ndarray:
    """Which of so many rows have a dot: (n,)."""
    chosen = np.zeros(count, dtype=bool)
    chosen[thinned(count, FEW)] = True
    return chosen
