"""The section of the report on a group of fits: how many pass, and the spread of their scores."""

import pandas as pd

from ...config import studies
from ...judge import verdicts
from ...judge.meanings import in_order, meaning
from . import given, numbers
from .found import Run
from .markup import Html, code, html, html_table, joined, spoken, tag

# Diagnostics that a sentence names.
MOST = 4

SAID = {"not measurable": "What is not measurable", "warn": "What warns", "fail": "What fails"}


def passing(name: str, spread: pd.DataFrame) -> str:
    """How many fits of a group pass, in a sentence.

    Args:
        name: of the group.
        spread: of its scores.
    """
    of_all = spread[(spread["region"] == "") & (spread["metric"] == "pass")].iloc[-1]
    count = of_all["fits"]
    return f"{of_all['mean'] * count:.0f} of {count:.0f} fits of {name} pass."


def of_group(run: Run, name: str, spread: pd.DataFrame) -> Html:
    """How many fits there are, why they fail, a row for every combination of their settings.

    Args:
        run: with the group.
        name: of the group.
        spread: of its scores.
    """
    group = run.config["groups"][name]
    fits = studies.fits_of(group["cells"])
    lead = [
        f"The {len(fits)} fits of the group ",
        code(name),
        ". Scores are the mean over the fits, ± their standard deviation.",
    ]
    found = run.findings[run.findings["fit"].isin(fits)]
    rows = _rows(run, group, spread)
    return html([tag("p", lead), most_often(found), rows, given.new_rows(run, *fits)])


def most_often(found: pd.DataFrame) -> Html:
    """What lies most often behind the worst verdict of many fits; nothing where all pass.

    Args:
        found: rows of fit, diagnostic, verdict.
    """
    verdict, count = verdicts.worst(found["verdict"]), found["fit"].nunique()
    if verdict == "pass":
        return html("")
    own = found[found["verdict"] == verdict].drop_duplicates(["fit", "diagnostic"])
    often = own["diagnostic"].value_counts()
    names = sorted(often.index, key=lambda name: (-often[name], in_order(name)))
    told = [
        [spoken(meaning(name).words), f" in {100 * often[name] / count:.0f} %"]
        for name in names[:MOST]
    ]
    more = [f"{len(names) - MOST} more"] if len(names) > MOST else []
    return tag(
        "p", SAID[verdict], ", with the share of the fits: ", joined([*told, *more], "; "), "."
    )


def _rows(run: Run, group: dict, spread: pd.DataFrame) -> Html:
    """A row for every combination of a group's settings."""
    keys = ["settings", "region", "metric"]
    targets = list(dict.fromkeys(filter(None, spread["target"]))) if "target" in spread else [None]
    words = [*group["cells"], *(["all"] if len(group["cells"]) > 1 else [])]
    rows = []
    for settings in words:
        shares = spread[(spread["settings"] == settings) & (spread["region"] == "")]
        share = shares.drop_duplicates("metric").set_index("metric")
        told = [
            f"{100 * share.loc[verdict, 'mean']:.0f} % {verdict}" for verdict in ("pass", "fail")
        ]
        metrics = numbers.rows_of_scores(set(spread["metric"]))
        labels, columns = [], [[] for _ in run.regions]
        for target in targets:
            own = spread if target is None else spread[spread["target"] == target]
            values = own.drop_duplicates(keys).set_index(keys)
            for metric in metrics:
                labels.append(
                    f"{numbers.SCORES[metric][0]}{f' of {target}' if len(targets) > 1 else ''}"
                )
                for column, region in zip(columns, run.regions, strict=True):
                    column.append(
                        _ranged(values, (settings, region, metric), *numbers.SCORES[metric][1:])
                    )
        cells = [[tag("div", line) for line in cell] for cell in (told, labels, *columns)]
        name, fits = settings or "all", f"{share['fits'].iloc[0]:.0f}"
        rows.append([tag("b", name), fits, *cells])
    return html_table(["settings", "fits", "verdict", "", *run.regions], rows, class_="spread")


def _ranged(values: pd.DataFrame, at: tuple[str, str, str], factor: float, form: str) -> str:
    if at not in values.index:
        return "–"
    row = values.loc[at]
    return numbers.ranged(row["mean"], row["stddev"], factor, form)
