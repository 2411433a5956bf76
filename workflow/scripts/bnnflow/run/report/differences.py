"""The section of the report that compares studies, split by split or row by row."""

import numpy as np
import pandas as pd
from scipy import stats

from .found import Run
from .markup import Html, html, html_table, tag
from .numbers import SCORES, ranged, rows_of_scores

# The level of the test by which two studies differ.
LEVEL = 0.05

BOLD = f"tells it from nothing at the level {100 * LEVEL:g} %."
OVER_SPLITS = (
    "Each row is the mean of one study's scores less another's, over the splits, ± its standard"
    " error. Of the LPPD a positive difference is better, of all other scores a negative one."
    " Splits share training rows, and the error counts that. A difference is bold where the t test"
    f" with that error (Nadeau and Bengio, 2003) {BOLD}"
)
OVER_ROWS = (
    "Each row is the mean of one study's log density less another's, over the held-out rows, ± its"
    " standard error. A positive difference is better. The best study is best at these same rows,"
    " which favours that study. A difference is bold where the error, taken as if rows were"
    f" independent, {BOLD}"
)


def of_run(run: Run) -> Html:
    """Differences of every study from what stands beside the fits, and from other studies."""
    own, several = run.differences, len(run.splits) > 1
    own = own[own["group"].isin(run.config["groups"])]
    targets = list(dict.fromkeys(own["target"])) if "target" in own else [None]
    metrics = rows_of_scores(set(own["metric"]))
    names = ["group", "settings", "other", "other_settings"]
    rows = []
    for (group, settings, other, other_settings), found in own.groupby(names, sort=False):
        labels, columns = [], [[] for _ in run.regions]
        for target in targets:
            of_target = found if target is None else found[found["target"] == target]
            values = of_target.set_index(["region", "metric"])
            for metric in metrics:
                labels.append(f"{SCORES[metric][0]}{f' of {target}' if len(targets) > 1 else ''}")
                for column, region in zip(columns, run.regions, strict=True):
                    column.append(_difference(values, (region, metric), metric))
        cells = [[tag("div", line) for line in cell] for cell in (labels, *columns)]
        one, less = f"{group} {settings}".strip(), f"{other} {other_settings}".strip()
        count = [f"{found['splits'].max():.0f}"] if several else []
        rows.append([[tag("b", one), " less ", tag("b", less)], *count, *cells])
    head = ["", *(["splits"] if several else []), "", *run.regions]
    told = OVER_SPLITS if several else OVER_ROWS
    return html([tag("p", told), html_table(head, rows, class_="spread")])


def _difference(values: pd.DataFrame, at: tuple[str, str], metric: str) -> Html:
    if at not in values.index:
        return html("–")
    row = values.loc[at]
    told = ranged(row["difference"], row["error"], *SCORES[metric][1:])
    freedom = row["splits"] - 1 or np.inf
    reach = stats.t.ppf(1 - LEVEL / 2, freedom) * row["error"]
    return tag("b", told) if abs(row["difference"]) > reach else html(told)
