"""The figure of how far a fit's predictive distribution is calibrated."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from ..judge import classes
from ..judge.scores import by_target, has_classes, inside_of
from ..predict.levels import CALIBRATION
from .canvas import Axes, Figure, head, legend_below, rcParams

BY_CHANCE = "95 % of data sets made by the fit itself"
OBSERVED = "held-out observations"
INDEPENDENT = "± 2 sd by chance"
FREQUENCY = "a class where its probability is p"

# Probabilities with the ends, where shares are known, and of them the ends of central intervals.
KNOWN = np.concatenate([[0], CALIBRATION, [1]])
LOWER = np.arange(len(KNOWN) // 2, -1, -1)
UPPER = len(KNOWN) - 1 - LOWER

IDEAL = {"color": "0.6", "linewidth": 0.8, "zorder": 0}
CHANCE = {"color": "0.85", "linewidth": 0, "zorder": -1, "label": BY_CHANCE}


def draw_calibration(
    fit: str,
    title: str,
    pit: Mapping[tuple[str, str], np.ndarray],
    simulated: Mapping[tuple[str, str], np.ndarray],
    verdict: tuple[str, str],
    reliable: Mapping[tuple[str, str], xr.Dataset] | None = None,
) -> Figure:
    """Calibration region by region, each with what is to be expected of a fit that is right.

    Coverage of central intervals comes first; then by how much the share of observations below
    predictive quantiles differs from their probability; and the histogram of the probability
    integral transform.

    Args:
        fit: its name.
        title: heading.
        pit: by target and region, the predictive probability of less than each held-out
            observation (n,); the target is empty where there is only one.
        simulated: likewise, shares below the quantiles of probabilities `levels.CALIBRATION` of
            data sets that the fit itself makes (set, level).
        verdict: on the fit, and why.
        reliable: likewise, of targets of classes what `judge.classes.reliability` finds, which
            takes the place of coverage.
    """
    targets, regions = (list(dict.fromkeys(names)) for names in zip(*pit, strict=True))
    rows = {
        "share in central\ninterval of p": (_coverage, "p"),
        "share of u ≤ p,\nless p": (_below, "p"),
        "density of u": (_histogram, "u"),
    }
    width, height = rcParams["figure.figsize"]
    figure = Figure(figsize=(max(width, 2 * len(regions)), (1.4 * len(targets) + 0.2) * height))
    grid = figure.subplots(
        len(rows) * len(targets), len(regions), squeeze=False, sharey="row", sharex=True
    )
    for t, target in enumerate(targets):
        for (label, (draw, name)), row in zip(rows.items(), grid[t * len(rows) :], strict=False):
            for axes, region in zip(row, regions, strict=True):
                values = pit[target, region]
                shares = np.pad(simulated[target, region], ((0, 0), (1, 1)), constant_values=(0, 1))
                if draw is _coverage and (target, region) in (reliable or {}):
                    _reliability(axes, reliable[target, region])
                elif len(values):
                    draw(axes, values, shares)
                else:
                    axes.text(0.5, 0.5, "no points", ha="center", transform=axes.transAxes)
                axes.set(xlabel=name, xlim=(0, 1))
                axes.xaxis.set_tick_params(labelbottom=True)
                axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
            if draw is _coverage and (target, regions[0]) in (reliable or {}):
                label = "frequency at\nprobability p"
            row[0].set_ylabel(label, fontsize="medium")
        row[0].set_ylim(bottom=0)
        for axes, region in zip(grid[t * len(rows)], regions, strict=True):
            heading = f"{target}, {region}" if target else region
            axes.set_title(heading, parse_math=False)
    entries = {}
    for axes in grid.flat:
        handles, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    legend_below(figure, entries.values(), entries)
    head(figure, fit, title, verdict)
    return figure


def by_region(evaluation: xr.Dataset) -> tuple[dict, dict]:
    """What `draw_calibration` takes of a fit's evaluation: the transform, and simulated shares."""
    pit, simulated = {}, {}
    for target, own in by_target(evaluation).items():
        for place, (region, inside) in enumerate(inside_of(own).items()):
            pit[target, region] = own["pit"][0].to_numpy()[inside.astype(bool)]
            simulated[target, region] = own["shares"][place].to_numpy()
    return pit, simulated


def reliability_by_region(evaluation: xr.Dataset) -> dict[tuple[str, str], xr.Dataset]:
    """By target of classes and region how often classes are seen where they have a probability."""
    return {
        (target, region): classes.reliability(own, inside.astype(bool))
        for target, own in by_target(evaluation).items()
        if has_classes(own)
        for region, inside in inside_of(own).items()
    }


def envelope(curves: np.ndarray) -> np.ndarray:
    """Lower and upper ends (2, k) of a band that holds 95 of 100 curves (n, k) as a whole.

    Each of its places leaves out equally many (Säilynoja et al., 2022,
    doi:10.1007/s11222-022-10090-6).
    """
    count, ordered = len(curves), np.sort(curves, axis=0)
    depth = np.full(count, count)
    for values, sorted_ in zip(curves.T, ordered.T, strict=True):
        at_most = np.searchsorted(sorted_, values, side="right")
        at_least = count - np.searchsorted(sorted_, values, side="left")
        depth = np.minimum(depth, np.minimum(at_most, at_least))
    least = np.sort(depth)[count // 20]
    return ordered[[least - 1, count - least]]


def _coverage(axes: Axes, values: np.ndarray, shares: np.ndarray) -> None:
    central = envelope(shares[:, UPPER] - shares[:, LOWER])
    axes.fill_between(KNOWN[UPPER] - KNOWN[LOWER], *central, **CHANCE)
    levels = np.linspace(0, 1, 101)
    covered = [(np.abs(2 * values - 1) <= level).mean() for level in levels]
    axes.plot(levels, covered, color="C1", label=OBSERVED)
    axes.plot([0, 1], [0, 1], **IDEAL)
    axes.set_ylim(0, 1)


def _reliability(axes: Axes, found: xr.Dataset) -> None:
    """Of all classes, a dot a class and bin; the larger, the more points."""
    points = found["points"].to_numpy().ravel()
    p, seen = (found[name].to_numpy().ravel()[points > 0] for name in ("probability", "frequency"))
    points = points[points > 0]
    reach = 2 * np.sqrt(p * (1 - p) / points)
    look = {"color": CHANCE["color"], "linewidth": 3, "zorder": -1, "label": INDEPENDENT}
    axes.vlines(p, np.maximum(0, p - reach), np.minimum(1, p + reach), **look)
    sizes = 4 + 60 * points / points.max()
    axes.scatter(p, seen, sizes, color="C1", alpha=0.8, linewidth=0, clip_on=False, label=FREQUENCY)
    axes.plot([0, 1], [0, 1], **IDEAL)
    axes.set_ylim(-0.03, 1.03)


def _below(axes: Axes, values: np.ndarray, shares: np.ndarray) -> None:
    axes.fill_between(KNOWN, *(envelope(shares) - KNOWN), **CHANCE)
    levels = np.linspace(0, 1, 101)
    share = np.array([(values <= level).mean() for level in levels])
    axes.plot(levels, share - levels, color="C1")
    axes.axhline(0, **IDEAL)


def _histogram(axes: Axes, values: np.ndarray, shares: np.ndarray) -> None:
    bins = KNOWN[::2]
    low, high = envelope(np.diff(shares[:, ::2], axis=1) / np.diff(bins))
    axes.stairs(high, bins, baseline=low, fill=True, **CHANCE)
    density = np.histogram(values, bins)[0] / len(values) / np.diff(bins)
    axes.stairs(density, bins, color="C1")
    axes.axhline(1, **IDEAL)
