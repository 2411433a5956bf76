"""How far fits lie apart: paired differences, over the rows of one split or over several splits.

Splits share training rows, so that their scores depend on each other: the variance of a mean over
splits is taken as (1/k + held-out rows / training rows) of the variance between splits, where there
are k (Nadeau and Bengio, 2003, doi:10.1023/A:1024068626366).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..files import safe
from .scores import JOINTLY
from .skill import EVERYWHERE, lead

# A row of a study: the group, and its settings in words.
Cell = tuple[str, str]

# The scores of which differences are told.
COMPARED = ("lppd", "crps", "rmse", "rmse_function", "brier", "error_rate")

# Of the table of differences; the last three are numbers.
COLUMNS = ("group", "settings", "other", "other_settings", "region", "metric")
COLUMNS += ("splits", "difference", "error")

# The same where there are several targets.
OF_TARGETS = (*COLUMNS[:5], "target", *COLUMNS[5:])


def overlap(facts: Iterable[Mapping[str, int]]) -> float:
    """Held-out rows for each training row, on average over splits.

    Args:
        facts: of the table at every split, with the numbers of `rows`, `left out` and `held out`.
    """
    shares = [own["held out"] / (own["rows"] - own["left out"] - own["held out"]) for own in facts]
    return sum(shares) / len(shares)


def by_split(
    metrics: pd.DataFrame, cells: Mapping[Cell, Sequence[str]], splits: Mapping[str, str]
) -> pd.DataFrame:
    """Scores side by side, those of replicates as their mean.

    Args:
        metrics: rows of fit, region, metric, value, and of target where there are several.
        cells: by cell the names of its fits.
        splits: by fit its split.

    Returns:
        A column for every split, and a row for every group, settings, region, target and metric,
        which are its index.
    """
    cell_of = {fit: cell for cell, fits in cells.items() for fit in fits}
    own = metrics[metrics["fit"].isin(cell_of)]
    groups, settings = zip(*own["fit"].map(cell_of), strict=True)
    own = own.assign(group=groups, settings=settings, split=own["fit"].map(splits))
    keys = [name for name in ("group", "settings", "region", "target", "metric") if name in own]
    values = own.groupby([*keys, "split"], sort=False)["value"].mean()
    return values.unstack("split")


def mean_over(values: pd.DataFrame, overlap: float) -> pd.DataFrame:
    """Means over splits with their standard errors.

    Args:
        values: a column for every split; of one that lacks a row, the row has nothing.
        overlap: held-out rows for each training row.

    Returns:
        By row `splits`, their number, `mean`, and `error`, which one split has not.
    """
    count = values.notna().sum(axis=1)
    error = values.std(axis=1, ddof=1) * (1 / count + overlap) ** 0.5
    return pd.DataFrame({"splits": count, "mean": values.mean(axis=1), "error": error})


def pairs(fits: Iterable[Cell], others: Iterable[Cell]) -> Iterator[tuple[Cell, Cell]]:
    """What is compared: every fit with each of the others, each once, and none with itself."""
    others = dict.fromkeys(others)
    for fit in fits:
        yield from ((fit, other) for other in others if other != fit)


def leader(values: pd.DataFrame, fits: Iterable[Cell]) -> Cell:
    """The fit with the highest LPPD over all held-out rows, of all targets together.

    Args:
        values: as `by_split` has them.
        fits: among which it is.
    """
    at = {"region": EVERYWHERE, "metric": "lppd"}
    at |= {"target": JOINTLY} if "target" in values.index.names else {}
    lppd = values.xs(tuple(at.values()), level=tuple(at)).mean(axis=1)
    return lppd.loc[list(fits)].idxmax()


def paired_differences(
    values: pd.DataFrame, compared: Iterable[tuple[Cell, Cell]], overlap: float
) -> pd.DataFrame:
    """Paired differences of scores, split by split.

    Args:
        values: as `by_split` has them.
        compared: pairs of cells.
        overlap: held-out rows for each training row.

    Returns:
        A row for every pair, region, target and score: group and settings of the one cell, and of
        the other, splits, their number, the mean of the one less the other, and its standard error.
    """
    values = values[values.index.get_level_values("metric").isin(COMPARED)]
    tables = []
    for (group, settings), (other, other_settings) in compared:
        one, beside = values.loc[(group, settings)], values.loc[(other, other_settings)]
        found = mean_over(one - beside.reindex(one.index), overlap)
        found = found[found["splits"] > 0].rename(columns={"mean": "difference"})
        cells = {"group": group, "settings": settings}
        cells |= {"other": other, "other_settings": other_settings}
        tables.append(found.reset_index().assign(**cells))
    table = pd.concat(tables)
    return table[[name for name in OF_TARGETS if name in table]]


def row_differences(
    density: Mapping[Cell, Mapping[str, np.ndarray]],
    fits: Sequence[Cell],
    references: Sequence[Cell],
    inside: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    """Paired differences of log density, row by row, where there is one split.

    Args:
        density: by cell, and by target as `scores.log_densities` has them, of every row (n,).
        fits: cells, each of which is compared with all references and with the best fit.
        references: cells.
        inside: by region which of the rows (n,) lie in it.

    Returns:
        As `paired_differences`, of the metric `lppd` and one split.
    """
    whole = JOINTLY if len(density[fits[0]]) > 1 else ""
    best = max(fits, key=lambda cell: density[cell][whole].mean())
    rows = []
    for fit, other in pairs(fits, [*references, best]):
        for region, mask in inside.items():
            for target in (name for name in density[fit] if name in density[other]):
                apart = lead(*(density[cell][target][mask] for cell in (fit, other)))
                rows.append((*fit, *other, region, target, "lppd", 1, *apart))
    table = pd.DataFrame(rows, columns=OF_TARGETS)
    return table if table["target"].any() else table.drop(columns="target")


def read(path: str | Path) -> pd.DataFrame:
    """A table that `paired_differences` has made.

    Raises:
        FileError: if the file is damaged or something else.
    """
    return safe.read_table(path, "a table of differences", COLUMNS, numeric=COLUMNS[6:])
