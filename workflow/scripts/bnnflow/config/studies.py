"""Many fits from one entry of the config: over settings, over seeds, and update after update."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import product
from math import prod
from pathlib import Path

import numpy as np
import pandas as pd

from ..files import safe
from ..judge import splits
from .seeds import derived

# Of one config; more are refused before they are made.
MOST_FITS = 10_000

# What makes an entry stand for many fits.
SPREAD = ("grid", "replicates", "updates")

# What a reader is told of an entry, of all its fits at once.
SHARED = ("title", "note")

# Of the table of groups; the last six are numbers. Of splits it has the error of a mean besides.
COLUMNS = ("group", "settings", "region", "metric", "fits")
COLUMNS += ("mean", "stddev", "minimum", "median", "maximum")
ERROR = "error"

# What stands for all combinations of settings together.
ALL = "all"

# By combination of settings, in words, the names of the fits.
Cells = Mapping[str, list[str]]


def count(fit: dict) -> int:
    """Number of fits that an entry stands for."""
    each = fit.get("replicates", 1) * len(fit.get("updates", [""]))
    return prod(map(len, fit.get("grid", {}).values())) * each


def variants(fit: dict) -> Iterator[tuple[str, dict]]:
    """An entry at its grid's first values, then with one of the others at a time, to be checked.

    Yields:
        The setting that was changed, in words, and the fit without what makes it many.
    """
    grid = fit.get("grid", {})
    first = {key: values[0] for key, values in grid.items()}
    yield "", _at(fit, first)
    for key, values in grid.items():
        for value in values[1:]:
            yield f"{key}={text_of(value)}", _at(fit, first | {key: value})


def expanded(fits: Mapping[str, dict]) -> tuple[dict[str, dict], dict[str, dict]]:
    """All fits that the entries stand for.

    A fit of a grid is called `<entry>-<setting>_<value>-…`, one of several replicates has its
    number besides, from 0. Replicates differ in their seeds alone; a seed that the entry gives is
    that of the first. An update of several has its data set's name in the end, and the one before
    for the source of its prior.

    Args:
        fits: the config's entries, checked.

    Returns:
        The fits by name, and the groups by the name of their entry: `title` and `note` as the
        entry has them, and `cells`, for every combination of settings, in words, the names of its
        replicates. An entry that stands for one fit is a fit and no group.
    """
    made, groups = {}, {}
    for entry, fit in fits.items():
        if not any(key in fit for key in SPREAD):
            made[entry] = fit
            continue
        cells = {}
        groups[entry] = {key: fit[key] for key in SHARED if key in fit}
        groups[entry]["cells"] = cells
        labels = _labels(fit.get("grid", {}))
        for values in product(*fit.get("grid", {}).values()):
            at = dict(zip(fit.get("grid", {}), values, strict=True))
            words = " ".join(f"{labels[key]}={text_of(value)}" for key, value in at.items())
            combination = _combination(entry, labels, at)
            for replicate in range(fit.get("replicates", 1)):
                member = _at(fit, at)
                name, told = combination, [words] if words else []
                if "replicates" in fit:
                    name += f"-{replicate}"
                    told.append(f"replicate {replicate}")
                    _reseed(member, replicate)
                member["title"] = f"{fit['title']} ({', '.join(told)})" if told else fit["title"]
                for update, own_name, own in _chain(name, member, fit.get("updates")):
                    made[own_name] = own
                    cells.setdefault(f"{words} {update}".strip(), []).append(own_name)
    return made, groups


def _chain(name: str, fit: dict, updates: Sequence[str] | None) -> Iterator[tuple[str, str, dict]]:
    """A fit by its name, or its updates, each after the name of its data set."""
    if not updates:
        yield "", name, fit
        return
    source = fit["prior"]["posterior_of"]
    for update in updates:
        own = deepcopy(fit) | {"data": [update], "title": f"{fit['title']}: {update}"}
        own["prior"]["posterior_of"] = source
        source = f"{name}-{update}"
        yield update, source, own


def at_splits(
    fits: Mapping[str, dict], groups: Mapping[str, dict], names: Sequence[str]
) -> dict[str, dict]:
    """Every fit at every split of the data.

    A fit at a split is called `<fit>-<split>`. A seed that a fit has is that of the first split. A
    prior that is another fit's posterior is that of the same split.

    Args:
        fits: complete, by name.
        groups: as `expanded` has them.
        names: of the splits.

    Returns:
        `fits`; `groups`, of which every entry is one; and `splits`, by fit its split.
    """
    of_split = {f"{fit}-{split}": split for fit in fits for split in names}
    made = {
        f"{fit}-{split}": _at_split(own, split, split == names[0])
        for fit, own in fits.items()
        for split in names
    }
    grouped = {fit for group in groups.values() for fit in fits_of(group["cells"])}
    alone = {
        name: {key: fit[key] for key in SHARED if key in fit} | {"cells": {"": [name]}}
        for name, fit in fits.items()
        if name not in grouped
    }

    def of_all(cells: Cells) -> Cells:
        return {
            words: [f"{fit}-{split}" for fit in cell for split in names]
            for words, cell in cells.items()
        }

    every = {
        name: group | {"cells": of_all(group["cells"])} for name, group in (alone | groups).items()
    }
    return {"fits": made, "groups": every, "splits": of_split}


def combinations(grid: Mapping[str, list]) -> Iterator[str]:
    """What the names of a grid's fits end in."""
    labels = _labels(grid)
    for values in product(*grid.values()):
        yield _combination("", labels, dict(zip(grid, values, strict=True)))


def fits_of(cells: Cells) -> list[str]:
    """Names of all fits of a group."""
    return [fit for fits in cells.values() for fit in fits]


def spreads(
    metrics: pd.DataFrame, verdicts: pd.DataFrame, groups: Mapping[str, Cells]
) -> pd.DataFrame:
    """The spread of scores and verdicts within groups.

    Args:
        metrics: rows of fit, region, metric, value.
        verdicts: a row for every fit, with a column `verdict`, and `verdict_<region>` for regions.
        groups: the cells of every group by its name.

    Returns:
        A row for every group, combination of settings, region, target where there are several,
        and metric: group, settings, region, target, metric, fits, their number, and mean, stddev,
        minimum, median and maximum of the values; a group of several combinations has rows of all
        its fits together, too. The metrics `pass` and `fail` are 1 for fits with that verdict and
        else 0, so that their mean is the share of these fits. The standard deviation of a single
        fit is missing.
    """
    shares = [
        verdicts[["fit"]].assign(
            region=column.removeprefix("verdict").removeprefix("_"),
            metric=verdict,
            value=(verdicts[column] == verdict).astype(float),
        )
        for column in verdicts
        if column.startswith("verdict")
        for verdict in ("pass", "fail")
    ]
    by = [name for name in ("region", "target", "metric") if name in metrics]
    values = pd.concat([*shares, metrics[["fit", *by, "value"]]])
    values = values.fillna(dict.fromkeys(by, ""))
    values = values[values["metric"] != "points"]
    tables = []
    for name, own_cells in groups.items():
        cells = dict(own_cells)
        if len(cells) > 1:
            cells[ALL] = fits_of(own_cells)
        for settings, fits in cells.items():
            own = values[values["fit"].isin(fits)].groupby(by, sort=False)
            spread = {"fits": "size", "mean": "mean", "stddev": "std", "median": "median"}
            table = own["value"].agg(**spread, minimum="min", maximum="max")
            tables.append(table.reset_index().assign(group=name, settings=settings))
    return pd.concat(tables)[["group", "settings", *by, *COLUMNS[4:]]]


def over_splits(
    metrics: pd.DataFrame,
    verdicts: pd.DataFrame,
    groups: Mapping[str, Cells],
    references: Mapping[str, Mapping[str, str]],
    of_split: Mapping[str, str],
    overlap: float,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The spread of scores and verdicts over splits of a table, and paired differences.

    Args:
        metrics, verdicts, groups: as `spreads` takes them.
        references: by what stands beside the fits, by its name at a split, that split.
        of_split: by fit its split.
        overlap: held-out rows for each training row.

    Returns:
        What `spreads` gives, references among the groups, and with a column `error`, the standard
        error of the mean over splits; and what `splits.paired_differences` gives.
    """
    beside = {name: {"": list(own)} for name, own in references.items()}
    judged = verdicts[verdicts["fit"].isin(of_split)]
    spread = spreads(metrics, judged, {**groups, **beside})
    fits, others = (
        {(name, words): cell for name, cells in own.items() for words, cell in cells.items()}
        for own in (groups, beside)
    )
    known = {name: split for own in references.values() for name, split in own.items()}
    values = splits.by_split(metrics, fits | others, {**of_split, **known})
    error = splits.mean_over(values, overlap)["error"]
    compared = splits.pairs(fits, [*others, next(iter(fits)), splits.leader(values, fits)])
    return (
        spread.join(error, on=values.index.names),
        splits.paired_differences(values, compared, overlap),
    )


def by_rows(
    densities: Mapping[str, Mapping[str, np.ndarray]],
    groups: Mapping[str, Cells],
    references: Iterable[str],
    inside: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    """Paired differences of log density over the held-out rows of the one split.

    Args:
        densities: by fit and by reference, as `scores.log_densities` has them.
        groups: the cells of every group by its name.
        references: names of what stands beside the fits.
        inside: by region which of the rows (n,) lie in it.

    Returns:
        As `splits.row_differences`; a fit of no group stands for itself, and the mean of replicates
        for their combination of settings.
    """
    grouped = {fit for cells in groups.values() for fit in fits_of(cells)}
    cells = {(name, ""): [name] for name in densities if name not in grouped}
    for group, own in groups.items():
        cells |= {(group, words): fits for words, fits in own.items()}
    mean = {
        cell: {
            target: np.mean([densities[fit][target] for fit in fits], axis=0)
            for target in densities[fits[0]]
        }
        for cell, fits in cells.items()
    }
    beside = [(name, "") for name in references]
    return splits.row_differences(
        mean, [cell for cell in cells if cell not in beside], beside, inside
    )


def as_scores(spread: pd.DataFrame) -> pd.DataFrame:
    """Means over splits with their errors, in the form of scores of fits.

    Args:
        spread: as `over_splits` gives it.

    Returns:
        A row for every group, combination of settings, region, target where there are several,
        and score: fit, which names group and settings, region, target, metric, value,
        error_draws, error_points.
    """
    own = spread[(spread["settings"] != ALL) & (spread["region"] != "")]
    own = own[~own["metric"].isin(("pass", "fail"))].rename(columns={"mean": "value"})
    fit = (own["group"] + " " + own["settings"]).str.strip()
    return own.assign(fit=fit, error_draws=0.0, error_points=own[ERROR])


def read(path: str | Path) -> pd.DataFrame:
    """A table that `spreads` or `over_splits` has made.

    Raises:
        FileError: if the file is damaged or something else.
    """
    numeric = (*COLUMNS[4:], ERROR)
    return safe.read_table(path, "a table of groups", COLUMNS, numeric=numeric)


def _at(fit: dict, values: Mapping[str, object]) -> dict:
    """An entry's fit with these values in place of its own."""
    made = deepcopy({key: value for key, value in fit.items() if key not in SPREAD})
    for key, value in values.items():
        *parents, last = key.split(".")
        place = made
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return made


def _combination(entry: str, labels: Mapping[str, str], at: Mapping[str, object]) -> str:
    """The name of an entry's fit at these values, but for its number among replicates."""
    return "-".join([entry, *(f"{labels[key]}_{text_of(value)}" for key, value in at.items())])


def _at_split(fit: dict, split: str, is_first: bool) -> dict:
    made = deepcopy(fit)
    made["title"] = f"{fit['title']} ({split.replace('_', ' ')})"
    if "posterior_of" in fit["prior"]:
        made["prior"]["posterior_of"] += f"-{split}"
    given = fit["inference"].get("seed")
    if given is not None and not is_first:
        made["inference"]["seed"] = derived(given, split)
    return made


def _reseed(fit: dict, replicate: int) -> None:
    given = fit.get("inference", {}).get("seed")
    if given is not None and replicate:
        fit["inference"]["seed"] = derived(given, "replicate", replicate)


def _labels(grid: Mapping[str, list]) -> dict[str, str]:
    """The last part of every key, where it is of one key alone."""
    last = {key: key.rpartition(".")[2] for key in grid}
    several = {label for label, number in Counter(last.values()).items() if number > 1}
    return {
        key: key.replace(".", "_") if label in several else label for key, label in last.items()
    }


def text_of(value: object) -> str:
    """A value as a part of a name."""
    if isinstance(value, list):
        return "x".join(map(text_of, value)) or "none"
    if isinstance(value, float) and float(f"{value:g}") == value:
        value = f"{value:g}"
    return str(value).replace("+", "")
