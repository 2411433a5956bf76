"""Many fits from one entry of the config: over a grid of settings, and over seeds."""

from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from itertools import product
from math import prod
from pathlib import Path

import pandas as pd

from ..files import safe
from .seeds import derived

# Of one config; more are refused before they are made.
MOST_FITS = 10_000

# What makes an entry stand for many fits.
SPREAD = ("grid", "replicates")

# What a reader is told of an entry, of all its fits at once.
SHARED = ("title", "note")

# Of the table of groups; the last six are numbers.
COLUMNS = ("group", "settings", "region", "metric", "fits")
COLUMNS += ("mean", "stddev", "minimum", "median", "maximum")

# By combination of settings, in words, the names of the fits.
Cells = Mapping[str, list[str]]


def count(fit: dict) -> int:
    """Number of fits that an entry stands for."""
    return prod(map(len, fit.get("grid", {}).values())) * fit.get("replicates", 1)


def variants(fit: dict) -> Iterator[tuple[str, dict]]:
    """An entry at its grid's first values, then with one of the others at a time, to be checked.

    Yields:
        The setting that was changed, in words, and the fit without grid and replicates.
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
    that of the first.

    Args:
        fits: the config's entries, checked.

    Returns:
        The fits by name, and the groups by the name of their entry: `title` and `note` as the
        entry has them, and `cells`, for every combination of settings, in words, the names of its
        replicates. An entry without grid and replicates is a fit and no group.
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
            cell = cells[words] = []
            for replicate in range(fit.get("replicates", 1)):
                member = _at(fit, at)
                name, told = combination, [words] if words else []
                if "replicates" in fit:
                    name += f"-{replicate}"
                    told.append(f"replicate {replicate}")
                    _reseed(member, replicate)
                member["title"] = f"{fit['title']} ({', '.join(told)})"
                made[name] = member
                cell.append(name)
    return made, groups


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
            cells["all"] = fits_of(own_cells)
        for settings, fits in cells.items():
            own = values[values["fit"].isin(fits)].groupby(by, sort=False)
            spread = {"fits": "size", "mean": "mean", "stddev": "std", "median": "median"}
            table = own["value"].agg(**spread, minimum="min", maximum="max")
            tables.append(table.reset_index().assign(group=name, settings=settings))
    return pd.concat(tables)[["group", "settings", *by, *COLUMNS[4:]]]


def read(path: str | Path) -> pd.DataFrame:
    """A table that `summary` has made.

    Raises:
        FileError: if the file is damaged or something else.
    """
    return safe.read_table(path, "a table of groups", COLUMNS, numeric=COLUMNS[4:])


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
