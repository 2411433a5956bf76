"""Conditions on the columns of a table: which rows they hold of."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from .kinds import as_level, as_sorted, is_numeric, suggestion
from .reading import TableError

# By column the levels that are allowed, or intervals [from, to] with null for an open end.
Condition = Mapping[str, Sequence]


def holds(condition: Condition, table: pd.DataFrame, what: str) -> np.ndarray:
    """Rows (n,) of which all parts of a condition hold.

    Args:
        condition: on columns of the table.
        table: of numbers and texts, as `reading.read` has them.
        what: the condition's place in the config, for the error.

    Raises:
        TableError: if the table lacks a column, the column has blanks, or the part is none for its
            values.
    """
    rows = np.ones(len(table), dtype=bool)
    for name, allowed in condition.items():
        if name not in table:
            raise TableError(f"{what}: names the column {name}{suggestion(name, list(table))}")
        if blank := int(table[name].isna().sum()):
            raise TableError(
                f"{what}.{name}: is blank in {blank} rows, of which nobody knows whether the"
                " condition holds; fill them, or take another column"
            )
        rows &= _one(allowed, table[name], f"{what}.{name}")
    return rows


def _one(allowed: Sequence, values: pd.Series, what: str) -> np.ndarray:
    if not is_numeric(values):
        known = set(values)
        texts = [as_level(level) for level in allowed]
        if strange := [level for level in texts if level not in known]:
            some = ", ".join(as_sorted(known)[:10])
            raise TableError(f"{what}: names {', '.join(strange)}; the column's levels are {some}")
        return values.isin(texts).to_numpy()
    intervals = allowed if allowed and isinstance(allowed[0], list | tuple) else [allowed]
    rows = np.zeros(len(values), dtype=bool)
    for interval in intervals:
        if len(interval) != 2 or any(isinstance(end, str) for end in interval):
            raise TableError(
                f"{what}: is {list(allowed)}; the column is of numbers, of which an interval"
                " [from, to] is needed, with null for an open end"
            )
        low, high = (
            end if end is not None else out
            for end, out in zip(interval, (-np.inf, np.inf), strict=True)
        )
        if low > high:
            raise TableError(
                f"{what}: is {list(interval)}, from {low:g} to {high:g}; turn it round"
            )
        rows |= ((low <= values) & (values <= high)).to_numpy()
    return rows
