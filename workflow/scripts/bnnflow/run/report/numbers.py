"""The tables of the report: scores by region, what their words mean, and diagnostics."""

from collections.abc import Collection

import pandas as pd

from ...data.references import BASELINES, REFERENCES
from ...judge import limits, verdicts
from ...judge.meanings import meaning, shown
from . import opinion
from .found import Run
from .markup import BREAK, Html, badge, folded, html, html_table, joined, spoken, tag

# Rows of the table of scores: words, factor, form of the value. Where the true function is known,
# the distance from the function stands for that from observations.
SCORES = {
    "lppd": ("LPPD", 1, ".3g"),
    "rmse_function": ("RMSE from f", 1, ".2g"),
    "rmse": ("RMSE", 1, ".2g"),
    "brier": ("Brier score", 1, ".2g"),
    "error_rate": ("wrong", 100, ".0f"),
    "coverage_95": ("in 95 %", 100, ".0f"),
}


# What the LPPD of another is taken from.
LESS = "less"

LEGEND = {
    "computed": "Whether the same computation, done again, would say the same: pass, not"
    " measurable, warn or fail, the worst of the diagnostics that count in the region.",
    "calibrated": "Whether held-out observations fall as the fit says.",
    "skilled": "Whether the fit predicts better than what is cheaper, and an update than none.",
    "LPPD": "The mean logarithm of the predictive density of the held-out observations, in nats."
    " Higher is better.",
    LESS: "How far the LPPD is above that of another, by the differences at every observation: of"
    " the process that made the data, and of the fit with the highest LPPD, which these same"
    " observations have picked.",
    "RMSE from f": "The root mean square distance of the predictive mean from the true function."
    " Lower is better.",
    "RMSE": "The root mean square distance of the predictive mean from the observations. Lower is"
    " better.",
    "Brier score": "The mean squared distance of class probabilities from what came true, summed"
    " over classes. Lower is better.",
    "wrong": "The share of held-out rows whose most probable class is not theirs.",
    "in 95 %": "The share of held-out observations in the central 95 % intervals. 95 % is right.",
    "±": "The standard error, which comes from the finite number of draws and of observations.",
    "oracle": "The process that made the data. On average no fit has a higher LPPD.",
    "constant": "One predictive distribution for all rows, learnt without the inputs.",
    "linear": "A linear model of the inputs. A fit that is not better is not worth its trouble.",
}


def of_fit(run: Run, name: str) -> Html:
    """Verdicts and scores by region, of every target."""
    own = run.scores[name]
    found = run.diagnostics.get(name)
    targets = list(dict.fromkeys(own["target"])) if "target" in own else [None]
    rows = []
    if found is not None:
        for part, judged in verdicts.by_part(found).items():
            badges = [badge(opinion.verdict_in(judged, region)) for region in run.regions]
            rows.append([tag("th", part, scope="row"), *badges])
    for target in targets:
        of_target = own if target is None else own[own["target"] == target]
        values = of_target.set_index(["region", "metric"])
        if len(targets) > 1:
            rows.append([tag("th", target, colspan=len(run.regions) + 1, class_="target")])
        for metric in rows_of_scores(set(of_target["metric"])):
            words, factor, form = SCORES[metric]
            cells = [_score(values, (region, metric), factor, form) for region in run.regions]
            rows.append([tag("th", words, scope="row"), *cells])
            rows += _leads(run, name, target) if metric == "lppd" else []
    return html_table(["", *run.regions], rows, class_="scores")


def rows_of_scores(metrics: Collection[str]) -> list[str]:
    """Those of the metrics that the report shows."""
    left_out = {"rmse"} if "rmse_function" in metrics else set()
    return [metric for metric in SCORES if metric in metrics and metric not in left_out]


def _leads(run: Run, name: str, target: str | None) -> list[list[Html]]:
    """How far a fit's LPPD is above that of the process and of the best fit, by region."""
    every = run.differences
    if every is None:
        return []
    own = every[(every["group"] == name) & ~every["other"].isin(BASELINES)]
    own = own if target is None else own[own["target"] == target]
    rows = []
    for (other, settings), found in own.groupby(["other", "other_settings"], sort=False):
        by_region = found.set_index("region")
        apart = by_region[["difference", "error"]].reindex(run.regions).itertuples(index=False)
        cells = [
            "–" if pd.isna(value) else ranged(value, error, 1, ".2g") for value, error in apart
        ]
        rows.append([tag("th", f"{LESS} {other} {settings}".strip(), scope="row"), *cells])
    return rows


def _score(values: pd.DataFrame, at: tuple[str, str], factor: float, form: str) -> str:
    if at not in values.index:
        return "–"
    row = values.loc[at]
    error = factor * float(row[["error_draws", "error_points"]].fillna(0).pow(2).sum()) ** 0.5
    near = f"{error:.0f}" if error >= 1 else f"{error:.1g}" if error >= 1e-4 else f"{error:.5f}"
    unit = " %" if factor == 100 else ""
    value = factor * row["value"]
    told = _plain(value, form)
    within = f" ± {near}" if error else ""
    return (told + (unit or within)).replace("-", "−")


def legend(metrics: Collection[str], references: Collection[str] = (), errors: bool = True) -> Html:
    """What the words of a table of scores mean.

    Args:
        metrics: that the table has.
        references: that are beside the fits.
        errors: whether what follows a score is its error.
    """
    shown_ = rows_of_scores(metrics)
    absent = {words for metric, (words, *_) in SCORES.items() if metric not in shown_}
    absent |= set(REFERENCES) - set(references) | (set() if errors else {"±"})
    absent |= set() if references else {LESS}
    told = {word: text for word, text in LEGEND.items() if word not in absent}
    terms = [[tag("dt", word), tag("dd", text)] for word, text in told.items()]
    return folded("What the numbers mean", tag("dl", terms))


def finding(run: Run, name: str, rows: pd.DataFrame, inference: dict) -> list[object]:
    """The row of a diagnostic.

    Args:
        run: with the limits.
        name: of the diagnostic.
        rows: what has been found, by region.
        inference: the fit's settings, to which the remedy fits.
    """
    about, verdict = meaning(name), verdicts.worst(rows["verdict"])
    values = []
    known = rows if rows["value"].notna().any() else rows.head(1).assign(region="", target="")
    for row, place in zip(known.itertuples(), opinion.places(known), strict=True):
        value = tag("b", shown(name, row.value) or "–", class_=row.verdict.replace(" ", "-"))
        values.append(tag("span", [place, " "] if place else "", value, class_="value"))
    told = rows["reason"][rows["verdict"] == verdict] if verdict != "pass" else []
    reasons = list(dict.fromkeys(filter(None, told)))
    remedy = about.remedy(inference) if verdict in ("warn", "fail") else ""
    what = [spoken(remedy), BREAK if remedy and reasons else "", _reasons(reasons)]
    own = limits.of(name, run.config["diagnostics"])
    both = ", ".join(shown(name, value) for value in own[1]) if own else "–"
    return [about.words, html(values), both, badge(verdict), html(what)]


def _reasons(reasons: list[str]) -> Html:
    return tag("small", joined(reasons, "; "))


def ranged(value: float, spread: float, factor: float, form: str) -> str:
    """A value with its spread, if it has one, as a part or in per cent."""
    around = "" if pd.isna(spread) else f" ± {_plain(factor * spread, form)}"
    unit = " %" if factor == 100 else ""
    return f"{_plain(factor * value, form)}{around}{unit}".replace("-", "−")


def _plain(value: float, form: str) -> str:
    """A number in its form, without an exponent where it is large."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:{form}}"
