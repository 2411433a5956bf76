"""Verdicts on fits, and the tables and sentences that state them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from ..data import references
from ..files import safe
from ..files.errors import FileError
from .meanings import PARTS, in_order, is_known, meaning

# From the best to the worst.
VERDICTS = ("pass", "not measurable", "warn", "fail")

# Diagnostics of a sampled fit that say whether its draws are of the posterior.
SAMPLING = ("rhat", "ess", "divergences", "saturated_depth", "ebfmi", "acceptance_off_target")
SAMPLING += ("spread_growth", "computation_error", "half_drift", "effective_chains")

# Of a fit's diagnostics, all but the numbers text.
COLUMNS = ("diagnostic", "value", "threshold", "verdict", "region", "counts_for", "reason")

# What a figure says of a part of a verdict.
TOLD = {"not measurable": "cannot be measured", "warn": "warns", "fail": "fails"}

HEADLINES = ("lppd", "rmse_function", "coverage_95")


def worst(verdicts: Iterable[str]) -> str:
    """Of several verdicts."""
    return max(verdicts, key=VERDICTS.index)


def read(path: str | Path) -> pd.DataFrame:
    """A fit's diagnostics, as `findings.table` has them.

    Raises:
        FileError: if the file is damaged or something else.
    """
    return _known(
        path,
        safe.read_table(path, "a table of diagnostics", COLUMNS, numeric=COLUMNS[1:3]),
        {"diagnostic": is_known, "verdict": VERDICTS.__contains__},
    )


def read_summary(path: str | Path) -> pd.DataFrame:
    """Of what `summary` gives: fit, verdict, reasons, without what has scores only.

    Raises:
        FileError: if the file is damaged or something else.
    """
    columns = ["fit", "verdict", "reasons"]
    found = safe.read_table(path, "a table of verdicts", columns)[columns]
    return _known(path, found[found["verdict"] != ""], {"verdict": VERDICTS.__contains__})


def _known(
    path: str | Path, table: pd.DataFrame, values: Mapping[str, Callable[[str], bool]]
) -> pd.DataFrame:
    """The table, if its columns hold values alone that are known."""
    for column, known in values.items():
        if unknown := sorted(value for value in set(table[column]) if not known(value)):
            raise FileError(path, "a table of verdicts", f"it has the {column} {unknown[0]!r}")
    return table


def stacked(fits: Iterable[str], tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Tables of fits under one another, with a first column that names the fit."""
    parts = zip(fits, tables, strict=True)
    return pd.concat([table.assign(fit=fit).set_index("fit") for fit, table in parts]).reset_index()


def reasons(diagnostics: pd.DataFrame, count: int | None = None) -> str:
    """The findings behind the worst verdict, each diagnostic once, causes first, at most count.

    A fit that passes has none.
    """
    verdict = worst(diagnostics["verdict"])
    if verdict == "pass":
        return ""
    found = diagnostics[diagnostics["verdict"] == verdict]
    parts = dict(list(found.groupby("diagnostic", sort=False)))
    texts = []
    for name in sorted(parts, key=in_order):
        rows, words = parts[name], meaning(name).words
        whole = zip(rows["region"], rows["counts_for"], strict=True)
        by_region = all(region in counts.split() for region, counts in whole)
        everywhere = by_region and len(rows) == (diagnostics["diagnostic"] == name).sum() > 1
        where = "everywhere" if everywhere else ", ".join(dict.fromkeys(_places(rows)))
        texts.append(f"{words} ({where})" if where else words)
    if len(found) == 1 and (detail := found["reason"].iloc[0]):
        return f"{texts[0]}: {detail}"
    more = len(texts) - count if count and len(texts) > count else 0
    return "; ".join(texts[: len(texts) - more] + [f"{more} more"] * bool(more))


def _places(rows: pd.DataFrame) -> Iterator[str]:
    """Region and, of several, target of findings that have them."""
    targets = rows.get("target", pd.Series("", rows.index))
    for region, target in zip(rows["region"], targets, strict=True):
        if place := " of ".join(filter(None, (target, region))):
            yield place


def unsound(diagnostics: pd.DataFrame, region: str) -> str:
    """Why the draws of a sampled fit are not of its posterior in a region; empty if they may be."""
    of_sampling = diagnostics["diagnostic"].str.startswith(SAMPLING)
    there = diagnostics["region"].isin(["", region])
    failed = diagnostics[of_sampling & there & (diagnostics["verdict"] == "fail")]
    return reasons(failed.assign(region="", target="", counts_for=""), 2) if len(failed) else ""


def by_part(diagnostics: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Of a fit's diagnostics those of every part of the verdict that has some."""
    parts = diagnostics["diagnostic"].map(lambda name: meaning(name).part)
    return {part: diagnostics[parts == part] for part in PARTS if (parts == part).any()}


def stamp(diagnostics: pd.DataFrame, *names: str) -> tuple[str, str]:
    """What a figure says of a fit that does not pass: verdict and reasons; empty for one that does.

    Args:
        diagnostics: of the fit.
        names: of the diagnostics that the figure shows, whose verdict is told too; all if there
            are none.
    """
    verdict = worst(diagnostics["verdict"])
    if verdict == "pass":
        return "", ""
    if not names:
        return verdict, _told_by_part(diagnostics)
    shown = diagnostics[diagnostics["diagnostic"].isin(names)]
    own = worst(shown["verdict"])
    if own == verdict:
        return verdict, reasons(shown, 3)
    told = "passes" if own == "pass" else f"is {own.upper()}: {reasons(shown, 3)}"
    return verdict, f"{_told_by_part(diagnostics)}. What is shown here {told}"


def _told_by_part(diagnostics: pd.DataFrame) -> str:
    parts = {part: (worst(own["verdict"]), own) for part, own in by_part(diagnostics).items()}
    told = [
        f"{part} {TOLD[verdict]} ({reasons(own.assign(reason=''), 2)})"
        for part, (verdict, own) in parts.items()
        if verdict != "pass"
    ]
    passing = [part for part, (verdict, _) in parts.items() if verdict == "pass"]
    if passing:
        told.append(f"{' and '.join(passing)} {'passes' if len(passing) == 1 else 'pass'}")
    return "; ".join(told)


def of_fits(metrics: pd.DataFrame, diagnostics: pd.DataFrame) -> pd.DataFrame:
    """A row for every fit, and for every reference, which has scores only.

    Returns:
        Columns fit, verdict; computed, calibrated and skilled, the worst of each part's
        diagnostics, empty where there are none; by region verdict_<region>, the worst of the
        diagnostics that count for the region, and the headline scores, <score>_<region>, or
        <score>_<target>_<region> where there are several targets, each with its error_…, the
        standard error by draws and points together; reasons. A score that cannot be had, as
        without a true function, is not among them.
    """
    regions = list(dict.fromkeys(metrics["region"]))
    targets = list(dict.fromkeys(metrics["target"])) if "target" in metrics else [""]
    values = metrics.assign(target=metrics.get("target", ""))
    values = values.set_index(["fit", "region", "target", "metric"])
    error = np.hypot(values["error_draws"].fillna(0), values["error_points"].fillna(0))
    headlines = [name for name in HEADLINES if (metrics["metric"] == name).any()]
    rows = []
    for fit in dict.fromkeys(metrics["fit"]):
        own = diagnostics[diagnostics["fit"] == fit]
        row = {"fit": fit, "verdict": worst(own["verdict"]) if len(own) else ""}
        parts = by_part(own)
        row |= {part: worst(parts[part]["verdict"]) if part in parts else "" for part in PARTS}
        for region in regions:
            touched = [region in counts.split() for counts in own["counts_for"]]
            found = own.loc[touched, "verdict"]
            row[f"verdict_{region}"] = worst(found) if len(found) else ""
        for metric, target, region in product(headlines, targets, regions):
            name = "_".join(filter(None, (metric, target, region)))
            if (fit, region, target, metric) in values.index:
                row[name] = values.loc[(fit, region, target, metric), "value"]
                row[f"error_{name}"] = error[fit, region, target, metric]
        rows.append(row | {"reasons": reasons(own) if len(own) else references.account_of(fit)})
    return pd.DataFrame(rows)
