"""The table of all that was measured, and its summary."""

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from measure import Row
from problems import SCRIPTS  # noqa: F401 - which makes the workflow importable

from bnnflow.density import native

# Sections in order, with what their tables show.
TITLES = {
    "gradient": "One value and gradient",
    "chains": "Values and gradients of many chains in one call, per chain",
    "step": "One step of SVI, mean-field guide and Adam",
    "nuts": "Pyro's No-U-Turn sampler at the tutorial's settings",
    "nutpie": "A gradient inside nutpie, and what the sampler adds to the bare call",
    "draws": "Effective draws of the network's function where there are data",
    "mclmc_step": "A step of microcanonical chains, 16 in one call, per chain",
    "reach": "Log density of held-out rows by seconds of one core, many short chains beside NUTS",
    "adjusted": "Effective draws per gradient of adjusted microcanonical chains, beside nutpie",
    "bias": "Bias of microcanonical chains, over the standard deviation",
    "limits": "Verdicts on right fits and on wrong ones, shares, at the default limits",
    "growth": "How cost grows",
    "tables": "Value and gradient of networks for tables, 1,200 rows, a chain",
    "run": "The whole default run on two cores, and the tutorial's code as a plain script",
    "profile": "Where the time of a default run goes, warm cache, seconds",
    "planning": "Planning a study: snakemake -n",
    "cluster": "The small study, local and on a cluster of one node",
}
# Why a job takes its time, in the order in which it comes.
CAUSES = ("imports", "trace and load", "sampling and optimisation", "other work")

PACKAGES = ("torch", "pyro-ppl", "nutpie", "jax", "numpyro", "blackjax", "numpy", "snakemake")


@dataclass(frozen=True)
class Target:
    """What a measured quantity must reach: at least the bound, or at most."""

    what: str
    section: str
    measure: str
    who: str
    bounds: dict[str, float]
    at: float | None = None
    at_most: bool = False


def _both(shallow: float, deep: float) -> dict[str, float]:
    return {"shallow": shallow, "deep": deep}


TARGETS = (
    Target("value and gradient, beside Pyro", "gradient", "value and gradient",
           "Pyro / compiled", _both(35, 16)),
    Target("value and gradient, beside one jitted JAX call, points by units", "gradient",
           "value and gradient", "NumPyro / compiled", _both(1, 1)),
    Target("value and gradient, beside one jitted JAX call, units by points", "gradient",
           "value and gradient", "NumPyro, units by points / compiled", _both(1, 1)),
    *(Target(f"{n} chains batched, per chain, beside one at a time", "chains", "per chain",
             "one at a time / batched", {"shallow": 2.5}, n) for n in (16, 64, 256)),
    Target("SVI step, beside Pyro", "step", "SVI step", "Pyro / compiled", _both(50, 25)),
    Target("NUTS, Pyro's sampler on the compiled density, per gradient", "nuts",
           "gradient in Pyro's sampler", "Pyro / compiled", _both(5, 6)),
    Target("NUTS, Pyro's sampler on the compiled density, whole chain", "nuts",
           "whole chain", "Pyro / compiled", _both(5, 6)),
    Target("gradient inside nutpie, overhead over the bare call", "nutpie", "gradient",
           "overhead", _both(8, 8), at_most=True),
    *(Target(f"effective draws per second, nutpie {m}, beside NumPyro", "draws",
             "effective draws a second", f"nutpie, {m} / NumPyro", _both(2, 2))
      for m in ("diagonal", "low_rank")),
    Target("microcanonical step, over the bare gradient", "mclmc_step", "a step of a chain",
           "step / gradient", {"shallow": 1.25, "deep": 1.25, "tabular": 1.25}, at_most=True),
    *(Target(f"microcanonical step, beside blackjax, {layout}", "mclmc_step", "a step of a chain",
             f"{who} / step", {"shallow": 1.5, "deep": 1.5, "tabular": 1.5})
      for who, layout in (("blackjax", "points by units"),
                          ("blackjax, units by points", "units by points"))),
    Target("log density of held-out rows per second, mclmc beside nutpie", "reach",
           "core seconds until nutpie's best", "nutpie / mclmc",
           {"shallow": 10, "deep": 10, "noise": 10}),
    *(Target(f"effective draws of {what} per gradient, adjusted chains beside nutpie", "adjusted",
             f"effective draws of {what} per gradient", "adjusted / nutpie",
             {"regression": 2, "normal": 2, "shallow": 2})
      for what in ("the function", "its square")),
    *(Target(f"whole default run, {cache}, beside the {script}", "run", "whole run",
             f"{script} / {cache}", {"": bound})
      for cache, bound in (("warm cache", 10), ("empty cache", 6))
      for script in ("tutorial",)),
    Target("log-log slope of the time over many points", "growth", "log-log slope of time",
           "compiled", {"points": 1.1}, at_most=True),
    *(Target(f"planning a study, {state}", "planning", "plan", state, {"1000 fits": 15},
             at_most=True) for state in ("all to do", "nothing to do")),
)  # fmt: skip


def merge(path: Path, section: str, rows: Sequence[Row]) -> None:
    """Write the rows of a section into the table, in place of its old ones."""
    new = pd.DataFrame([asdict(r) for r in rows], columns=[f.name for f in fields(Row)])
    parts = [new.assign(date=date.today().isoformat())]
    if path.exists():
        old = read(path)
        parts.insert(0, old[old["section"] != section])
    table = pd.concat([part for part in parts if len(part)] or parts)
    places = {name: place for place, name in enumerate(TITLES)}
    table = table.sort_values("section", key=lambda s: s.map(places), kind="stable")
    table.to_csv(path, index=False, float_format="%.6g")


def read(path: Path) -> pd.DataFrame:
    """The table as written."""
    table = pd.read_csv(path, keep_default_na=False)
    numbers = ["at", "median", "low", "high"]
    return table.assign(**table[numbers].apply(pd.to_numeric))


def summary(table: pd.DataFrame) -> str:
    """All in Markdown: what was to be reached, and a table for every section."""
    days = " to ".join(sorted({table["date"].min(), table["date"].max()}))
    parts = [
        "# What the benchmarks measured",
        f"{days}, {_machine()}. Medians, with the smallest and largest of the repeats. The ratio "
        "a / b of times is taken within each round of repeats; that of effective draws is of "
        "medians over chains, with the 5 and 95 % points of its bootstrap.",
        "## What was to be reached",
        _markdown([line for target in TARGETS for line in _lines(target, table)]),
    ]
    for section, title in TITLES.items():
        rows = table[table["section"] == section]
        shown = {"growth": _growth, "profile": _profile, "limits": _limits}.get(section, _plain)
        parts += [f"## {title}", shown(rows) if len(rows) else "Not measured."]
    return "\n\n".join(parts) + "\n"


def pick(table: pd.DataFrame, **values) -> pd.DataFrame:
    """Rows with these values."""
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def number(value: float) -> str:
    """To three digits; what is no number was not reached."""
    if value != value:
        return "not reached"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _lines(target: Target, table: pd.DataFrame) -> list[dict]:
    lines = []
    for network, bound in target.bounds.items():
        found = pick(table, section=target.section, measure=target.measure, who=target.who)
        found = pick(found, network=network)
        found = found if target.at is None else pick(found, at=target.at)
        line = {"measure": target.what, "network": network}
        limit = f"at {'most' if target.at_most else 'least'} {bound:g}"
        if len(found):
            r = found.iloc[0]
            met = r["median"] <= bound if target.at_most else r["median"] >= bound
            line |= {"measured": number(r["median"]), "spread": _spread(r), "unit": r["unit"]}
            line |= {"target": limit, "met": "yes" if met else "**no**"}
        else:
            line |= {"measured": "", "spread": "", "unit": ""}
            line |= {"target": limit, "met": "not measured"}
        lines.append(line)
    return lines


def _plain(rows: pd.DataFrame) -> str:
    columns = {"measure": "measure", "network": "network", "at": "chains", "who": "who"}
    columns = {c: name for c, name in columns.items() if rows[c].notna().any() and any(rows[c])}
    return _markdown(
        [
            {name: f"{r[c]:g}" if c == "at" else r[c] for c, name in columns.items()}
            | {"median": number(r["median"]), "spread": _spread(r), "unit": r["unit"]}
            for _, r in rows.iterrows()
        ]
    )


def _limits(rows: pd.DataFrame) -> str:
    """A line for every kind of fit and part of its verdict, with the share of each verdict."""
    return _markdown(
        [
            {"fit": kind, "data sets": f"{count:g}", "part": part}
            | {told: number(share) for told, share in zip(own["who"], own["median"], strict=True)}
            for (kind, part, count), own in rows.groupby(["network", "measure", "at"], sort=False)
        ]
    )


def _growth(rows: pd.DataFrame) -> str:
    sized = rows[rows["at"].notna()]
    lines = []
    for (axis, size), group in sized.groupby(["network", "at"], sort=False):
        found = {(r["measure"], r["who"]): r["median"] for _, r in group.iterrows()}
        time, floor = (found["value and gradient", who] for who in ("compiled", "floor"))
        lines.append(
            {"axis": axis, "size": f"{size:,.0f}", "µs": number(time), "floor, µs": number(floor),
             "times the floor": number(time / floor)}
            | {f"{measure}, {unit}": number(found[measure, "compiled"]) for measure, unit in (
                ("peak memory of a call", "MB"), ("peak memory of the process", "MB"),
                ("first call, compiling", "s"))}
        )  # fmt: skip
    return f"{_markdown(lines)}\n\n{_plain(rows[rows['at'].isna()].assign(at=None))}"


def _profile(rows: pd.DataFrame) -> str:
    jobs = list(pick(rows, measure="start")["who"])
    of_jobs = rows[rows["measure"].isin(("start", *CAUSES))]
    wide = of_jobs.pivot(index="who", columns="measure", values="median")
    wide = wide.reindex(index=jobs, columns=["start", *CAUSES]).fillna(0)
    wide.loc["all jobs"] = wide.sum()
    wide.loc["all jobs", "start"] = float("nan")
    wide["all"] = wide[list(CAUSES)].sum(axis=1)
    lines = [
        {"job": job} | {c: f"{s:.2f}" if s == s else "" for c, s in line.items()}
        for job, line in wide.iterrows()
    ]
    others = rows.drop(of_jobs.index)
    return f"{_markdown(lines)}\n\n{_plain(others.assign(at=None))}"


def _spread(r: pd.Series) -> str:
    return f"{number(r['low'])} to {number(r['high'])}" if r["repeats"] > 1 else ""


def _markdown(lines: list[dict]) -> str:
    header = list(lines[0])
    rows = [header, ["---"] * len(header), *([line[c] for c in header] for line in lines)]
    return "\n".join(f"| {' | '.join(map(str, r))} |" for r in rows)


def _machine() -> str:
    processor, flags = platform.processor() or platform.machine(), ""
    if (cpuinfo := Path("/proc/cpuinfo")).exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        entries = dict(line.split(":", 1) for line in lines if ":" in line)
        entries = {name.strip(): value.strip() for name, value in entries.items()}
        processor = entries.get("model name", processor)
        flags = " with AVX-512" if "avx512f" in entries.get("flags", "") else ""
    command = [native.compiler(), "-dumpfullversion"]
    compiler = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    packages = [f"{name} {version(name)}" for name in PACKAGES]
    load = f"{os.getloadavg()[2]:.1f}"
    return (
        f"{processor}{flags}, {os.cpu_count()} cores, load {load} over the last 15 minutes; "
        f"Python {platform.python_version()}, {native.compiler()} {compiler}, {', '.join(packages)}"
    )
