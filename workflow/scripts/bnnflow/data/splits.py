"""Which rows of a table no fit sees."""

import numpy as np
import pandas as pd

from .kinds import is_numeric
from .reading import TableError

# The least rows that are held out.
LEAST = 2


def at_random(
    count: int, share: float, random: np.random.Generator, strata: pd.Series | None = None
) -> np.ndarray:
    """Rows (count,) held out at random, of each stratum the same share.

    Args:
        count: number of rows.
        share: of the rows; of every stratum at least one row is left, and at least one row is held
            out of all.
        random: the generator.
        strata: of the rows (count,), where there are some.
    """
    held_out = np.zeros(count, dtype=bool)
    groups = [np.arange(count)] if strata is None else strata.groupby(strata).indices.values()
    for rows in groups:
        number = min(len(rows) - 1, int(np.floor(share * len(rows) + random.random())))
        held_out[random.permutation(rows)[:number]] = True
    if not held_out.any():
        held_out[random.integers(count)] = True
    return held_out


def of_groups(groups: pd.Series, share: float, random: np.random.Generator) -> np.ndarray:
    """Rows of whole groups, drawn one after another until they are about so large a share.

    Raises:
        TableError: if there is only one group.
    """
    _check_groups(groups, 2)
    names = groups.unique()
    held_out = np.zeros(len(groups), dtype=bool)
    for name in random.permutation(names)[: len(names) - 1]:
        held_out |= (groups == name).to_numpy()
        if held_out.sum() >= share * len(groups):
            break
    return held_out


def gap(values: pd.Series, share: float) -> np.ndarray:
    """Rows whose values are in the middle: this share of them, but for ties."""
    low, high = _quantiles(values, 0.5 - share / 2, 0.5 + share / 2)
    return ((low < values) & (values < high)).to_numpy()


def tail(values: pd.Series, share: float) -> np.ndarray:
    """Rows whose values are outermost: half of this share at either end, but for ties."""
    low, high = _quantiles(values, share / 2, 1 - share / 2)
    return ((values < low) | (high < values)).to_numpy()


def folds(
    count: int, number: int, random: np.random.Generator, strata: pd.Series | None = None
) -> np.ndarray:
    """The fold (count,) of every row, from 0: as many rows in each, and of each stratum, to one.

    Args:
        count: number of rows.
        number: of the folds.
        random: the generator.
        strata: of the rows (count,), where there are some.

    Raises:
        TableError: if there are too few rows, or too few of a stratum.
    """
    if count < LEAST * number:
        raise TableError(
            f"data.folds: is {number}, but the table has {count} rows, and every fold needs"
            f" {LEAST}; allowed is {count // LEAST} or less"
        )
    order = random.permutation(count)
    if strata is not None:
        sizes = strata.value_counts()
        if sizes.min() < number:
            raise TableError(
                f"data.folds: is {number}, but the target {strata.name} is {sizes.idxmin()} in"
                f" {sizes.min()} rows, and every fold needs one of them; take fewer folds, or"
                " data.repeats"
            )
        order = order[np.argsort(pd.factorize(strata)[0][order], kind="stable")]
    found = np.empty(count, dtype=int)
    found[order] = np.arange(count) % number
    return found


def folds_of_groups(groups: pd.Series, number: int, random: np.random.Generator) -> np.ndarray:
    """The fold (n,) of every row, from 0, rows of a group together.

    Groups go one after another, the largest first, into the fold that has the fewest rows.

    Args:
        groups: of the rows (n,).
        number: of the folds.
        random: the generator.

    Raises:
        TableError: if there are fewer groups than folds.
    """
    _check_groups(groups, number)
    sizes = groups.value_counts(sort=False)
    sizes = sizes.iloc[random.permutation(len(sizes))].sort_values(ascending=False, kind="stable")
    rows, fold = np.zeros(number, dtype=int), {}
    for name, size in sizes.items():
        fold[name] = int(rows.argmin())
        rows[fold[name]] += size
    return groups.map(fold).to_numpy()


def _check_groups(groups: pd.Series, least: int) -> None:
    if (count := groups.nunique()) < least or groups.isna().any():
        raise TableError(
            f"data.held_out.group: is {groups.name}, which has {count} groups and"
            f" {groups.isna().sum()} blanks; needed are {least} groups or more and no blank"
        )


def _quantiles(values: pd.Series, *levels: float) -> np.ndarray:
    if not is_numeric(values) or not np.isfinite(values).all():
        raise TableError(
            "data.held_out: a gap or a tail needs a column with a number in every row, which"
            f" {values.name} is not"
        )
    return np.quantile(values, levels)
