"""Which rows of a table no fit sees."""

import numpy as np
import pandas as pd

from .kinds import is_numeric
from .reading import TableError


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
    names = groups.dropna().unique()
    if len(names) < 2 or groups.isna().any():
        raise TableError(
            f"data.held_out.group: is {groups.name}, which has {len(names)} groups and"
            f" {groups.isna().sum()} blanks; needed are two groups or more and no blank"
        )
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


def folds(count: int, number: int, random: np.random.Generator) -> np.ndarray:
    """The fold (count,) of every row, from 0: as many rows in each, to one."""
    return random.permutation(np.arange(count) % number)


def _quantiles(values: pd.Series, *levels: float) -> np.ndarray:
    if not is_numeric(values) or not np.isfinite(values).all():
        raise TableError(
            "data.held_out: a gap or a tail needs a column with a number in every row, which"
            f" {values.name} is not"
        )
    return np.quantile(values, levels)
