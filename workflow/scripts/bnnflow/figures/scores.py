"""The figure of all fits' scores."""

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd

from .canvas import (
    ALARM,
    ROW,
    TALLEST,
    Axes,
    Figure,
    legend_below,
    rcParams,
    region,
    scaled,
)

# Of the metrics those that are shown, with their names and whether they may be negative.
SHOWN = {
    "lppd": ("LPPD, nats per point", True),
    "crps": ("CRPS", False),
    "brier": ("Brier score", False),
    "error_rate": ("Error rate", False),
    "rmse_function": ("RMSE from\ntrue function", False),
    "coverage_95": ("Coverage of\n95 % intervals", False),
}


def draw_scores(metrics: pd.DataFrame, verdicts: Mapping[str, str]) -> Figure:
    """Scores of all fits by region, with the generating process beside them where it is known.

    Args:
        metrics: rows of fit, region, metric, value, error_draws, error_points, and of target
            where there are several, which have a row of panels each.
        verdicts: of the fits by name, in their order.
    """
    fits, regions = (list(dict.fromkeys(metrics[name])) for name in ("fit", "region"))
    by_target = dict(iter(metrics.groupby("target", sort=False))) if "target" in metrics else {}
    by_target = by_target or {"": metrics}
    shown = {
        target: [name for name in SHOWN if name in set(table["metric"])]
        for target, table in by_target.items()
    }
    row = min(1.3 * ROW, TALLEST / (len(fits) * len(by_target)))
    width = rcParams["figure.figsize"][0]
    figure = Figure(figsize=(1.4 * width, (row * len(fits) + 1) * len(by_target) + 0.8))
    columns = max(map(len, shown.values()))
    ratios = [1.5, *[1] * (columns - 1)]
    grid = figure.subplots(len(by_target), columns, sharey=True, squeeze=False, width_ratios=ratios)
    for line, (target, table) in zip(grid, by_target.items(), strict=True):
        for axes, metric in zip(line, shown[target], strict=False):
            _draw_metric(axes, table, fits, regions, metric, SHOWN[metric])
        for axes in line[len(shown[target]) :]:
            axes.remove()
        line[0].set_title(target, loc="left", parse_math=False)
    size = min(rcParams["font.size"], 36 * row)
    names = [_name(fit, verdicts.get(fit)) for fit in fits]
    for axes in grid[:, 0]:
        axes.set_yticks(range(len(fits))[::-1], names, fontsize=size, parse_math=False)
        axes.set_ylim(-0.6, len(fits) - 0.4)
        for tick, fit in zip(axes.get_yticklabels(), fits, strict=True):
            tick.set_color(ALARM.get(verdicts.get(fit, ""), rcParams["text.color"]))
    figure.suptitle("Scores on held-out observations, with ± 2 standard errors")
    if len(regions) > 1:
        legend_below(figure, *grid[0, 0].get_legend_handles_labels())
    # Numbers at the ends of neighbouring axes stay apart.
    figure.get_layout_engine().set(w_pad=0.12)
    return figure


def _draw_metric(
    axes: Axes,
    metrics: pd.DataFrame,
    fits: list[str],
    regions: list[str],
    metric: str,
    told: tuple[str, bool],
) -> None:
    (label, signed), offsets = told, np.linspace(0.25, -0.25, len(regions)) * (len(regions) > 1)
    ends = []
    for place, (name, offset) in enumerate(zip(regions, offsets, strict=True)):
        rows = metrics[(metrics["metric"] == metric) & (metrics["region"] == name)]
        rows = rows.set_index("fit").reindex(fits)
        error = np.hypot(rows["error_draws"].fillna(0), rows["error_points"].fillna(0))
        reach = np.array([2 * error, 2 * error])
        if metric == "coverage_95":
            reach = np.minimum(reach, [rows["value"], 1 - rows["value"]])
        look = {"fmt": " ", "markersize": 4, "linewidth": 1} | region(place)
        heights = np.arange(len(fits))[::-1] + offset
        axes.errorbar(rows["value"], heights, xerr=reach, label=name, **look)
        low = rows["value"] - reach[0]
        # On a logarithmic axis nothing is far enough for a bar that reaches to 0.
        ends += [*(low if signed else np.maximum(low, rows["value"] / 3)), *(low + reach.sum(0))]
    if metric == "coverage_95":
        axes.set_xlim(-0.03, 1.03)
        axes.set_xticks([0, 0.5, 0.95], ["0 %", "50 %", "95 %"])
        axes.axvline(0.95, color="0.6", linewidth=0.8, zorder=0)
        how = ""
    else:
        beside = axes.get_subplotspec().get_gridspec().ncols
        how = scaled(axes, "x", ends, signed, gap=0.2 if signed else max(0.16, 0.05 * beside))
    axes.set_xlabel(f"{label}\n{how}", fontsize="medium")
    axes.grid(axis="y", alpha=0.3)


def _name(fit: str, verdict: str | None) -> str:
    lines = textwrap.wrap(fit, 26)
    return "\n".join([*lines, verdict] if verdict else lines)
