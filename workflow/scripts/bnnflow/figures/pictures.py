"""The figures. Their look is the style file's, whose colours have these meanings:

C0 the true function, C1 the prediction, the following the data sets in the order of the config,
but the first, which has the colour of text.
"""

import logging
import math
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import rc_context, rc_params_from_file, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from matplotlib.transforms import ScaledTranslation

from ..files import safe
from ..predict.levels import CALIBRATION
from . import style

MEAN = "predictive mean"
TOTAL, EPISTEMIC = "± 2 sd, total", "± 2 sd, epistemic"

BY_CHANCE = "95 % of data sets made by the fit itself"

# Of ranks, at most, and how many of a chain's draws are to fall to each.
RANK_BINS, FEWEST_IN_BIN = 20, 5

# Inches of a row of a group's scores, and of all of them at most.
ROW, TALLEST = 0.45, 60.0

# Colours of verdicts that are not `pass`; the style's own are taken by what they mean.
ALARM = {"fail": "#b3261e", "warn": "#8a5a00", "not measurable": "#5f6368"}


@dataclass(frozen=True)
class Frame:
    """What all figures over x share.

    Attributes:
        truth: the true function, columns x and y.
        sets: names of all data sets; a set's place among them is its colour in every figure.
        xlim, ylim: ranges of the axes.
    """

    truth: pd.DataFrame
    sets: list[str]
    xlim: tuple[float, float]
    ylim: tuple[float, float]


@dataclass(frozen=True)
class Panel:
    """What the picture of one fit shows.

    Attributes:
        fit: its name.
        title: its heading.
        observations: data sets by name.
        predictions: the content of the fit's predictions file.
        verdict: on the fit, and why; the first empty for one that passes.
        held_out: observations that no fit has seen, where they are to be shown.
    """

    fit: str
    title: str
    observations: dict[str, pd.DataFrame]
    predictions: xr.Dataset
    verdict: tuple[str, str] = ("", "")
    held_out: pd.DataFrame | None = None


@contextmanager
def styled(path: str | Path) -> Iterator[None]:
    """Draw and save in the style of a Matplotlib style file.

    Raises:
        ValueError: if there is no such file, or a line of it is wrong or not about looks.
    """
    style.check(path)
    complaints = _Complaints()
    logger = logging.getLogger("matplotlib")
    logger.addHandler(complaints)
    try:
        # As a whole path, which is taken for no address on the web.
        found = rc_params_from_file(str(Path(path).resolve()), use_default_template=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"figures.style: {path} is no Matplotlib style file: {error}") from error
    finally:
        logger.removeHandler(complaints)
    if complaints.messages:
        raise ValueError(f"figures.style: {'; '.join(complaints.messages)}")
    with rc_context(found):
        if len(rcParams["axes.prop_cycle"].by_key().get("color", [])) < 3:
            raise ValueError(
                f"figures.style: {path} has fewer than three colours in its prop_cycle"
            )
        yield


def save(figure: Figure, *paths: str) -> None:
    """Save in the format of every path's ending; the same figure gives the same bytes."""
    for path in paths:
        form = Path(path).suffix[1:]
        with safe.whole(path) as part:
            metadata = {"Date": None} if form == "svg" else None
            figure.savefig(part, format=form, metadata=metadata)


def data(frame: Frame, observations: dict[str, pd.DataFrame]) -> Figure:
    """Data sets and the true function."""
    figure = Figure()
    axes = figure.subplots()
    _draw_truth(axes, frame)
    _draw_observations(axes, frame, observations)
    _finish(axes, frame)
    axes.legend()
    return figure


def predictive(frame: Frame, panel: Panel) -> Figure:
    """Predictive mean and band of one fit."""
    width, height = rcParams["figure.figsize"]
    figure = Figure(figsize=(width, 1.2 * height))
    axes = figure.subplots()
    _draw_panel(axes, frame, panel)
    _head(figure, panel.title, panel.verdict)
    _legend_below(figure, *axes.get_legend_handles_labels())
    return figure


def sheet(frame: Frame, panels: list[Panel], columns: int) -> Figure:
    """Predictive means and bands of many fits, on the same axes, with one legend."""
    rows = math.ceil(len(panels) / columns)
    width, height = (1.45 / columns * side for side in rcParams["figure.figsize"])
    told = [_worded(panel.verdict, 15 * (width - 0.8)) for panel in panels]
    room = 11 * max(text.count("\n") + 1 if text else 0 for text in told)
    figure = Figure(figsize=(width * columns, (height + room / 72) * rows))
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    legend = {}
    for axes, panel, verdict in zip(grid, panels, told, strict=False):
        _draw_panel(axes, frame, panel)
        # The verdict is written from below the title downwards, so that titles of a row align.
        heading = textwrap.shorten(f"{panel.fit}: {panel.title}", 70, placeholder=" …")
        axes.set_title(heading, loc="left", pad=8 + room, parse_math=False)
        style = {"fontsize": "x-small", "color": ALARM.get(panel.verdict[0]), "parse_math": False}
        above = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "top"}
        axes.annotate(verdict, (0, 1), (0, 3 + room), **above, **style)
        axes.label_outer()
        # So that rows are equally high where the last one is not full.
        axes.xaxis.set_tick_params(labelbottom=True)
        axes.locator_params(axis="x", nbins=5)
        handles, labels = axes.get_legend_handles_labels()
        legend |= dict(zip(labels, handles, strict=True))
    # A data set that only a later panel shows still stands with the others, before the prediction.
    legend = dict(sorted(legend.items(), key=lambda entry: entry[0] in (TOTAL, EPISTEMIC, MEAN)))
    if len(panels) < len(grid):
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        for axes in grid[len(panels) - columns : len(panels)]:
            axes.set_xlabel("x")
        grid[len(panels)].legend(legend.values(), legend.keys(), loc="center")
    else:
        _legend_below(figure, list(legend.values()), list(legend))
    figure.get_layout_engine().set(wspace=0.05, hspace=0.06)
    return figure


def chains(
    title: str,
    function: np.ndarray,
    x: np.ndarray,
    points: dict[str, float],
    verdict: tuple[str, str],
) -> Figure:
    """Traces of the network's function at some points, and how its ranks fall to the chains.

    Ranks of chains that explore the same distribution are uniform (Vehtari et al., 2021,
    doi:10.1214/20-BA1221). The halves of a single chain stand for two.

    Args:
        title: heading.
        function: (chain, draw, probe).
        x: of the probes (probe,).
        points: by region the x that is wanted; the nearest probe is shown.
        verdict: on the fit, and why.
    """
    names = [f"chain {chain}" for chain in range(len(function))]
    first = np.zeros(len(function), dtype=int)
    if len(function) == 1 and (half := function.shape[1] // 2):
        names, first = ["first half", "second half"], np.array([0, function.shape[1] - half])
        function = np.stack([function[0, :half], function[0, -half:]])
    count, draws = function.shape[:2]
    ranked = count * draws
    most = min(RANK_BINS, max(1, draws // FEWEST_IN_BIN))
    number = max(bins for bins in range(1, most + 1) if ranked % bins == 0)
    bins = np.linspace(0, ranked, number + 1)
    width, height = rcParams["figure.figsize"]
    figure = Figure(figsize=(width, 0.35 * height * len(points) + 0.4 * height))
    grid = figure.subplots(len(points), 2, squeeze=False, sharex="col", width_ratios=(2, 1))
    for (trace, rank), region in zip(grid, sorted(points, key=points.get), strict=True):
        probe = int(np.abs(x - points[region]).argmin())
        values = function[:, :, probe]
        ranks = values.ravel().argsort().argsort().reshape(values.shape)
        for part, name in enumerate(names):
            color = f"C{(part + 1) % 10}"
            steps = first[part] + np.arange(draws)
            trace.plot(steps, values[part], color=color, linewidth=0.6, label=name)
            share = np.histogram(ranks[part], bins)[0] * number / draws
            rank.stairs(share, bins, color=color)
        rank.axhline(1, color="0.6", linewidth=0.8, zorder=0)
        rank.set_ylim(bottom=0)
        place = f"{x[probe]:.2f}".replace("-", "−")
        trace.set_ylabel(f"f({place})\n{region}", parse_math=False)
        rank.set_ylabel("share, relative\nto uniform", fontsize="small")
        trace.locator_params(axis="x", integer=True)
    grid[-1, 0].set_xlabel("draw")
    grid[-1, 1].set_xlabel("rank among all draws")
    _head(figure, title, verdict)
    if count > 1:
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(count, 6))
    return figure


def calibration(
    title: str,
    pit: dict[str, np.ndarray],
    simulated: dict[str, np.ndarray],
    verdict: tuple[str, str],
) -> Figure:
    """Calibration region by region, each with what is to be expected of a fit that is right.

    Histogram of the probability integral transform; by how much the share of observations below
    predictive quantiles differs from their probability; and coverage of central intervals.

    Args:
        title: heading.
        pit: by region, the predictive probability of less than each held-out observation (n,).
        simulated: by region, shares below the quantiles of probabilities `levels.CALIBRATION` of
            data sets that the fit itself makes (set, level).
        verdict: on the fit, and why.
    """
    width, height = rcParams["figure.figsize"]
    figure = Figure(figsize=(width, 1.5 * height))
    grid = figure.subplots(3, len(pit), squeeze=False, sharey="row", sharex=True)
    levels = np.linspace(0, 1, 101)
    # With the ends, where shares are known.
    known = np.concatenate([[0], CALIBRATION, [1]])
    bins, lower = known[::2], np.arange(len(known) // 2, -1, -1)
    upper = len(known) - 1 - lower
    ideal = {"color": "0.6", "linewidth": 0.8, "zorder": 0}
    chance = {"color": "0.85", "linewidth": 0, "zorder": -1, "label": BY_CHANCE}
    for (heights, below, inside), (region, values) in zip(grid.T, pit.items(), strict=True):
        shares = np.pad(simulated[region], ((0, 0), (1, 1)), constant_values=(0, 1))
        low, high = envelope(np.diff(shares[:, ::2], axis=1) / np.diff(bins))
        heights.stairs(high, bins, baseline=low, fill=True, **chance)
        heights.stairs(
            np.histogram(values, bins)[0] / len(values) / np.diff(bins), bins, color="C1"
        )
        heights.axhline(1, **ideal)
        heights.set_title(region, parse_math=False)

        below.fill_between(known, *(envelope(shares) - known), **chance)
        share = np.array([(values <= level).mean() for level in levels])
        below.plot(levels, share - levels, color="C1", label="held-out observations")
        below.axhline(0, **ideal)

        central = envelope(shares[:, upper] - shares[:, lower])
        inside.fill_between(known[upper] - known[lower], *central, **chance)
        covered = [(np.abs(2 * values - 1) <= level).mean() for level in levels]
        inside.plot(levels, covered, color="C1")
        inside.plot([0, 1], [0, 1], **ideal)
    for axes, label in zip(
        grid[:, 0],
        ("density of u", "share of u ≤ p,\nless p", "share in central\ninterval of p"),
        strict=True,
    ):
        axes.set_ylabel(label, fontsize="medium")
    for row, label in zip(grid, ("u", "p", "p"), strict=True):
        for axes in row:
            axes.set(xlabel=label, xlim=(0, 1))
            axes.xaxis.set_tick_params(labelbottom=True)
            axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
    grid[0, 0].set_ylim(bottom=0)
    grid[2, 0].set_ylim(0, 1)
    _legend_below(figure, *grid[1, 0].get_legend_handles_labels())
    _head(figure, title, verdict)
    return figure


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


def scores(metrics: pd.DataFrame, verdicts: dict[str, str]) -> Figure:
    """Scores of all fits by region, with the generating process beside them.

    Args:
        metrics: rows of fit, region, metric, value, error_draws, error_points.
        verdicts: of the fits by name, in their order.
    """
    shown = {
        "lppd": "LPPD, nats per point\nlogarithmic beyond ±1",
        "crps": "CRPS\nlogarithmic",
        "rmse_function": "RMSE from f\nlogarithmic",
        "coverage_95": "95 % coverage\n",
    }
    fits = list(dict.fromkeys(metrics["fit"]))
    regions = list(dict.fromkeys(metrics["region"]))
    width, height = rcParams["figure.figsize"]
    figure = Figure(figsize=(1.4 * width, 0.14 * height * (len(fits) + 4)))
    grid = figure.subplots(1, len(shown), sharey=True, width_ratios=(1.5, 1, 1, 1))
    offsets = np.linspace(0.25, -0.25, len(regions))
    for axes, (metric, label) in zip(grid, shown.items(), strict=True):
        for number, (region, offset) in enumerate(zip(regions, offsets, strict=True)):
            rows = metrics[(metrics["metric"] == metric) & (metrics["region"] == region)]
            rows = rows.set_index("fit").loc[fits]
            error = np.hypot(rows["error_draws"].fillna(0), rows["error_points"].fillna(0))
            places = np.arange(len(fits))[::-1] + offset
            style = {"color": f"C{number}", "fmt": "o", "markersize": 4, "linewidth": 1}
            reach = np.array([2 * error, 2 * error])
            if metric == "coverage_95":
                reach = np.minimum(reach, [rows["value"], 1 - rows["value"]])
            axes.errorbar(rows["value"], places, xerr=reach, label=region, **style)
        axes.set_xlabel(label, fontsize="medium")
        axes.grid(axis="y", alpha=0.3)
    grid[0].set_xscale("symlog", linthresh=1)
    grid[0].xaxis.get_major_locator().set_params(numticks=4)
    grid[3].set_xlim(-0.03, 1.03)
    for axes in grid[1:3]:
        axes.set_xscale("log")
    grid[3].axvline(0.95, color="0.6", linewidth=0.8, zorder=0)
    names = [f"{fit}\n{verdicts[fit]}" if fit in verdicts else fit for fit in fits]
    grid[0].set_yticks(range(len(fits))[::-1], names)
    for tick, fit in zip(grid[0].get_yticklabels(), fits, strict=True):
        tick.set_color(ALARM.get(verdicts.get(fit, ""), rcParams["text.color"]))
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(regions))
    return figure


def group(
    frame: Frame,
    title: str,
    observations: dict[str, pd.DataFrame],
    cells: dict[str, list[str]],
    means: dict[str, xr.Dataset],
    metrics: pd.DataFrame,
    verdicts: dict[str, str],
) -> Figure:
    """Predictive means of all fits of a group, and their scores by combination of settings.

    Args:
        frame: of the figures over x.
        title: heading.
        observations: data sets by name.
        cells: by combination of settings, in words, the names of its fits.
        means: by fit its x and mean.
        metrics: rows of fit, region, metric, value.
        verdicts: of the fits by name.
    """
    shown = {"lppd": "LPPD, nats per point", "rmse_function": "RMSE from f"}
    regions = list(dict.fromkeys(metrics["region"]))
    offsets = np.linspace(0.3, -0.3, len(regions))
    row = min(ROW, TALLEST / len(cells))
    width, height = rcParams["figure.figsize"]
    below = row * (len(cells) + 1) + 0.1 * height
    figure = Figure(figsize=(1.2 * width, 1.3 * height + below))
    axes = figure.subplot_mosaic([["means"] * 2, list(shown)], height_ratios=(1.1 * height, below))

    _draw_truth(axes["means"], frame)
    _draw_observations(axes["means"], frame, observations)
    apart = len(cells) < len(rcParams["axes.prop_cycle"])
    for number, (words, fits) in enumerate(cells.items()):
        style = {"color": f"C{number + 1 if apart else 1}", "linewidth": 0.8}
        style["alpha"] = min(0.8, max(0.05, 6 / len(means)))
        for fit in fits:
            axes["means"].plot(means[fit]["x"], means[fit]["mean"], **style)
        if apart:
            label = words or "predictive means"
            axes["means"].plot([], [], color=style["color"], label=label)
    _finish(axes["means"], frame)
    axes["means"].legend(loc="center left", bbox_to_anchor=(1, 0.5))

    places = {fit: -number for number, fits in enumerate(cells.values()) for fit in fits}
    own = metrics[metrics["fit"].isin(places)]
    for metric, label in shown.items():
        for number, (region, offset) in enumerate(zip(regions, offsets, strict=True)):
            rows = own[(own["metric"] == metric) & (own["region"] == region)]
            y = rows["fit"].map(places)
            dots = {"color": f"C{number}", "marker": ".", "linestyle": "none", "alpha": 0.4}
            axes[metric].plot(rows["value"], y + offset, **dots)
            centre = rows["value"].groupby(y).mean()
            bars = {"color": f"C{number}", "linewidth": 2, "label": region}
            reach = 0.9 / (2 * len(regions))
            at = centre.index + offset
            axes[metric].vlines(centre, at - reach, at + reach, **bars)
        axes[metric].set_xlabel(label)
        axes[metric].set_ylim(0.6 - len(cells), 0.6)
        axes[metric].grid(axis="y", alpha=0.3)
    axes["lppd"].set_xscale("symlog", linthresh=1)
    axes["lppd"].xaxis.get_major_locator().set_params(numticks=4)
    axes["rmse_function"].set_xscale("log")
    axes["rmse_function"].xaxis.set_minor_formatter(NullFormatter())
    names = [words or f"{len(fits)} replicates" for words, fits in cells.items()]
    fontsize = min(rcParams["font.size"], 60 * row)
    axes["lppd"].set_yticks(-np.arange(len(cells)), names, fontsize=fontsize)
    axes["rmse_function"].set_yticks(-np.arange(len(cells)), [])
    handles, labels = axes["lppd"].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(regions))
    figure.suptitle(title, parse_math=False)
    counts = pd.Series([verdicts[fit] for fit in places]).value_counts()
    told = ", ".join(f"{counts[name]} {name}" for name in ("pass", *ALARM) if name in counts)
    worst = next((name for name in ALARM if name in counts), None)
    style = {"color": ALARM[worst]} if worst else {}
    axes["means"].set_title(f"{len(places)} fits: {told}", loc="left", fontsize="small", **style)
    return figure


def loss(
    title: str,
    steps: np.ndarray,
    losses: np.ndarray,
    compared: int,
    verdict: tuple[str, str] = ("", ""),
) -> Figure:
    """The loss of a variational fit and its running median; shaded what is tested for a plateau.

    Args:
        title: heading.
        steps, losses: arrays (steps,); the negative evidence lower bound per observation, in nats.
        compared: number of steps in each of the last two parts, which are compared.
        verdict: on the plateau, and why.
    """
    window = max(1, len(steps) // 100)
    figure = Figure()
    axes = figure.subplots()
    # As a path of one point a step it would make the SVG many megabytes large.
    thin = {"alpha": 0.35, "linewidth": 0.6, "rasterized": True}
    axes.plot(steps, losses, color="C1", label="each step", **thin)
    smooth = pd.Series(losses).rolling(window, center=True, min_periods=1).median()
    label = f"median of {window} steps" if window > 1 else None
    axes.plot(steps, smooth, color="C1", label=label)
    if compared:
        parts = {"color": "0.6", "linewidth": 0}
        ends = steps[-2 * compared], steps[-compared], steps[-1]
        axes.axvspan(*ends[:2], alpha=0.15, **parts)
        axes.axvspan(*ends[1:], alpha=0.3, label="compared parts", **parts)
    _head(figure, title, verdict)
    axes.set_yscale("symlog", linthresh=1)
    axes.set(xlabel="step", ylabel="−ELBO per observation, nats")
    axes.set_xlim(steps[0], max(steps[-1], steps[0] + 1))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(loc="upper right")
    return figure


class _Complaints(logging.Handler):
    """Collects what Matplotlib logs about a style file, of which it only warns."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage().split("You probably need")[0]
        self.messages.append(" ".join(message.split()))


def _legend_below(figure: Figure, handles: list, labels: list[str]) -> None:
    """In one row of up to four, or else in two."""
    columns = len(labels) if len(labels) < 5 else math.ceil(len(labels) / 2)
    style = {"columnspacing": 1.2, "handlelength": 1.6, "handletextpad": 0.6}
    figure.legend(handles, labels, loc="outside lower center", ncols=min(columns, 4), **style)


def _draw_panel(axes: Axes, frame: Frame, panel: Panel) -> None:
    _draw_truth(axes, frame)
    if panel.held_out is not None:
        faint = {"color": "0.6", "marker": ".", "markersize": 2, "linestyle": "none"}
        axes.plot(panel.held_out["x"], panel.held_out["y"], label="held-out", zorder=1, **faint)
    _draw_observations(axes, frame, panel.observations)
    x, mean = (panel.predictions[name].to_numpy() for name in ("x", "mean"))
    for name, alpha, label in (("stddev", 0.2, TOTAL), ("function_stddev", 0.45, EPISTEMIC)):
        reach = 2 * panel.predictions[name].to_numpy()
        band = {"color": "C1", "alpha": alpha, "linewidth": 0, "label": label}
        axes.fill_between(x, mean - reach, mean + reach, **band)
    axes.plot(x, mean, color="C1", label=MEAN)
    _finish(axes, frame)


def _head(figure: Figure, title: str, verdict: tuple[str, str]) -> None:
    """The title, and below it the verdict on a fit that does not pass."""
    text = _worded(verdict, 13.5 * figure.get_figwidth())
    # Empty lines of the title are the room for the smaller lines of the verdict.
    room = math.ceil(0.75 * (text.count("\n") + 1)) if text else 0
    title = figure.suptitle(title + "\n" * room, parse_math=False)
    below = ScaledTranslation(0.1, -1.6 * title.get_fontsize() / 72, figure.dpi_scale_trans)
    style = {"fontsize": "small", "color": ALARM.get(verdict[0]), "parse_math": False}
    if text:
        figure.text(0, 1, text, va="top", transform=figure.transFigure + below, **style)


def _worded(verdict: tuple[str, str], width: float) -> str:
    """A verdict in lines of so many letters; empty where there is none to tell."""
    name, reason = verdict
    text = f"{name.upper()}: {reason}" if name else ""
    # The number of others, and a number and its error, stay together.
    text = re.sub(r" (more\b|± ?)", lambda found: "\u00a0" + found[1].replace(" ", "\u00a0"), text)
    return "\n".join(textwrap.wrap(text, round(width)))


def _draw_truth(axes: Axes, frame: Frame) -> None:
    axes.plot(frame.truth["x"], frame.truth["y"], color="C0", label="true function")


def _draw_observations(axes: Axes, frame: Frame, observations: dict[str, pd.DataFrame]) -> None:
    colors = rcParams["axes.prop_cycle"].by_key()["color"][2:]
    for name, table in observations.items():
        place = frame.sets.index(name)
        color = colors[(place - 1) % len(colors)] if place else rcParams["text.color"]
        style = {"linestyle": "none", "marker": ".", "color": color}
        axes.plot(table["x"], table["y"], label=f"{name} observations", **style)


def _finish(axes: Axes, frame: Frame) -> None:
    axes.set(xlim=frame.xlim, ylim=frame.ylim, xlabel="x", ylabel="y")
