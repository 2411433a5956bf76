"""Pictures of what was measured, from the table."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from report import CAUSES, number, pick

NETWORKS = ("shallow", "deep")
OURS, PEER, FLOOR = "#0072B2", "#BBBBBB", "#D55E00"
COLOURS = dict(zip(CAUSES, ("#E69F00", "#CC79A7", "#0072B2", "#56B4E9"), strict=True))
AXES = {
    "points": "points (one hidden layer of 5)",
    "entries": "entries of the posterior (1,000 points)",
    "depth": "hidden layers of 10 (1,000 points)",
    "chains": "chains (hidden layer of 5, 1,000 points)",
}
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "figure.dpi": 150,
    "legend.frameon": False,
}


def draw(table: pd.DataFrame, folder: Path) -> None:
    """Draw the pictures of all sections that are in the table."""
    mpl.use("Agg")
    with mpl.rc_context(STYLE):
        for section, picture in PICTURES.items():
            rows = pick(table, section=section)
            if len(rows):
                figure = picture(rows)
                figure.savefig(folder / f"{section}.png")
                plt.close(figure)


def _bars(measure: str, label: str) -> Callable[[pd.DataFrame], Figure]:
    """A picture of one measure, a panel for each network and a bar for each way."""

    def picture(rows: pd.DataFrame) -> Figure:
        rows = pick(rows, measure=measure)
        rows = rows[rows["unit"] != "x"]
        figure, axes = plt.subplots(1, 2, figsize=(10, 2.6), layout="constrained")
        for axis, network in zip(axes, NETWORKS, strict=True):
            _bar_panel(axis, pick(rows, network=network))
            axis.set(title=f"{network} network", xlabel=label)
        return figure

    return picture


def _bar_panel(axis: Axes, rows: pd.DataFrame) -> None:
    rows = rows[::-1]
    errors = [rows["median"] - rows["low"], rows["high"] - rows["median"]]
    colours = [PEER if _is_peer(who) else OURS for who in rows["who"]]
    axis.barh(rows["who"], rows["median"], xerr=errors, color=colours, height=0.7,
              error_kw={"elinewidth": 1, "capsize": 2, "ecolor": "#444444"})  # fmt: skip
    for place, (median, high) in enumerate(zip(rows["median"], rows["high"], strict=True)):
        where = {"xytext": (5, 0), "textcoords": "offset points", "va": "center"}
        axis.annotate(number(median), (high, place), **where)
    low, high = rows["low"].min(), rows["high"].max()
    if low > 0 and high > 20 * low:
        axis.set(xscale="log", xlim=(low / 3, high * 3))
    else:
        axis.set_xlim(min(0, low), high * 1.15)


def _is_peer(who: str) -> bool:
    return who.startswith(("Pyro", "NumPyro", "tutorial"))


def _run(rows: pd.DataFrame) -> Figure:
    rows = pick(rows, measure="whole run", unit="s").copy()
    rows["who"] = [who if _is_peer(who) else f"workflow, {who}" for who in rows["who"]]
    figure, axis = plt.subplots(figsize=(7, 2.2), layout="constrained")
    _bar_panel(axis, rows)
    axis.set(xlabel="seconds of the whole run, two cores")
    return figure


def _chains(rows: pd.DataFrame) -> Figure:
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
    rows = rows[rows["unit"] == "µs"]
    styles = {"one at a time": (OURS, "--", "s"), "batched": (OURS, "-", "o"),
              "NumPyro": ("#888888", ":", "^"),
              "NumPyro, units by points": ("#888888", "-", "v")}  # fmt: skip
    for axis, network in zip(axes, NETWORKS, strict=True):
        for who, (colour, line, mark) in styles.items():
            r = pick(rows, network=network, who=who)
            errors = [r["median"] - r["low"], r["high"] - r["median"]]
            label = f"compiled, {who}" if colour == OURS else f"{who}, batched by vmap"
            axis.errorbar(r["at"], r["median"], errors, color=colour, linestyle=line, marker=mark,
                          capsize=2, label=label)  # fmt: skip
        sizes = sorted(rows["at"].unique())
        axis.set_xscale("log", base=2)
        axis.set_xticks(sizes, [f"{size:.0f}" for size in sizes])
        axis.set_ylim(bottom=0)
        axis.set(title=f"{network} network", xlabel="chains in one call",
                 ylabel="value and gradient, µs per chain")  # fmt: skip
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _growth(rows: pd.DataFrame) -> Figure:
    figure, panels = plt.subplots(2, 4, figsize=(13, 6), sharey="row", layout="constrained")
    for (name, label), (top, bottom) in zip(AXES.items(), panels.T, strict=True):
        sized = pick(rows, network=name)
        sized = sized[sized["at"].notna()]
        r = pick(sized, measure="value and gradient", who="compiled")
        errors = [r["median"] - r["low"], r["high"] - r["median"]]
        top.errorbar(r["at"], r["median"], errors, fmt="o-", color=OURS, markersize=4, capsize=2,
                     label="time of a value and gradient")  # fmt: skip
        r = pick(sized, measure="value and gradient", who="floor")
        top.plot(r["at"], r["median"], "--", color=FLOOR, label="floor of its arithmetic")
        for what, mark in (("peak memory of the process", "s--"), ("peak memory of a call", "o-")):
            r = pick(sized, measure=what)
            bottom.plot(r["at"], r["median"], mark, color="#666666", markersize=4, label=what)
        for panel in (top, bottom):
            panel.set(xscale="log", yscale="log", xlabel=label)
            panel.set_xticks(r["at"], [_short(size) for size in r["at"]])
            panel.minorticks_off()
    slope = pick(rows, measure="log-log slope of time")["median"].iloc[0]
    panels[0, 0].set_title(f"slope for many points: {slope:.2f}")
    panels[0, 0].set_ylabel("µs")
    panels[1, 0].set_ylabel("MB")
    handles = [panel.get_legend_handles_labels() for panel in panels[:, 0]]
    figure.legend(*map(sum, zip(*handles, strict=True), ([], [])), loc="outside lower center",
                  ncols=4)  # fmt: skip
    return figure


def _short(size: float) -> str:
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if size >= unit:
            return f"{size / unit:.0f}{letter}"
    return f"{size:g}"


def _profile(rows: pd.DataFrame) -> Figure:
    starts = pick(rows, measure="start")
    jobs = list(starts["who"])
    figure, (time, core) = plt.subplots(
        2, 1, figsize=(10, 2.4 + 0.19 * len(jobs)), layout="constrained",
        height_ratios=[0.19 * len(jobs) + 0.6, 0.8],
    )  # fmt: skip
    left = dict(zip(jobs, starts["median"], strict=True))
    totals = {}
    for cause, colour in COLOURS.items():
        found = pick(rows, measure=cause)
        seconds = dict(zip(found["who"], found["median"], strict=True))
        widths = [seconds.get(job, 0.0) for job in jobs]
        time.barh(jobs, widths, left=[left[job] for job in jobs], color=colour, label=cause,
                  height=0.8)  # fmt: skip
        left = {job: left[job] + width for job, width in zip(jobs, widths, strict=True)}
        totals[cause] = sum(widths)
    figures = dict(zip(rows["who"], rows["median"], strict=True))
    whole = figures["whole run"]
    totals["Snakemake and idle cores"] = max(0.0, 2 * whole - sum(totals.values()))
    time.invert_yaxis()
    time.margins(y=0.01)
    time.set(xlim=(0, whole), xlabel="seconds since the start of the run",
             title=f"Jobs of the default run, warm cache: {whole:.0f} s on two cores")  # fmt: skip
    time.legend(loc="upper right")
    begin = 0.0
    for cause, seconds in totals.items():
        core.barh([""], [seconds], left=begin, color=COLOURS.get(cause, PEER), height=0.5)
        if seconds > 0.02 * sum(totals.values()):
            core.text(begin + seconds / 2, 0, f"{seconds:.0f} s", ha="center", va="center")
        begin += seconds
    core.set(xlim=(0, begin), ylim=(-0.4, 0.4), yticks=[],
             xlabel="seconds of both cores, by cause; grey: Snakemake and idle cores")  # fmt: skip
    core.spines["left"].set_visible(False)
    return figure


PICTURES = {
    "gradient": _bars("value and gradient", "µs per call"),
    "chains": _chains,
    "step": _bars("SVI step", "µs per step and start"),
    "nuts": _bars("gradient in Pyro's sampler", "µs per gradient, the sampler's own work included"),
    "nutpie": _bars("gradient", "µs per gradient"),
    "draws": _bars("effective draws a second", "effective draws per second, smallest bulk ESS"),
    "growth": _growth,
    "run": _run,
    "profile": _profile,
}
