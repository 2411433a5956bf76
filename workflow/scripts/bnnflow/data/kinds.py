"""What the columns of a table are: numbers, counts or levels, and what stands for a blank."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ..files.columns import Column
from .reading import TableError

# Whole numbers are counts where some are as small as the first and none is above the second.
SMALL, LARGE = 10, 1000

# So many levels are never taken for an identifier.
FEW_LEVELS = 20

# Letters at the end of the name of a column that marks the blanks of another.
FLAG = " is missing"

# By transform the values that it takes, and how to say so.
DOMAINS = {
    "log": (lambda values: values > 0, "more than 0"),
    "log1p": (lambda values: values > -1, "more than -1"),
    "sqrt": (lambda values: values >= 0, "0 or more"),
}

Levels = Mapping[str, Sequence]


def input_column(
    values: pd.Series, training: np.ndarray, declared: Levels, missing: str, transform: str
) -> Column:
    """What an input is.

    Args:
        values: of all rows (n,).
        training: which rows (n,) are those of training; what stands for a blank is theirs.
        declared: levels by column.
        missing: what is done about blanks: "refuse", "median" or "indicator".
        transform: of numbers.

    Raises:
        TableError: if the column cannot be an input.
    """
    name = str(values.name)
    if values.isna().all():
        raise TableError(f"the column {name} is empty; leave it out by naming the inputs")
    if name in declared or not _is_numeric(values):
        return _with_fill(_levels(values, declared), values, training, missing)
    _check_numbers(values, transform)
    if values.nunique() == 1 and not values.isna().any():
        raise TableError(
            f"the column {name} is always {values.iloc[0]:g}, of which nothing can be learnt; leave"
            " it out by naming the inputs"
        )
    return _with_fill(Column(name, transform=transform), values, training, missing)


def target_column(
    values: pd.Series, training: np.ndarray, declared: Levels, transform: str
) -> Column:
    """What a target is; only its values in training rows count.

    Raises:
        TableError: if the column cannot be a target.
    """
    name, seen = str(values.name), values[training]
    if seen.nunique() < 2:
        always = "empty" if seen.isna().all() else f"always {_example(seen)}"
        raise TableError(
            f"the target {name} is {always} in the training rows, so that there is nothing to"
            " predict"
        )
    if not _is_numeric(values) or name in declared:
        column = _levels(seen, declared)
        if strange := sorted(set(map(_text, values.dropna())) - set(column.levels)):
            raise TableError(
                f"the target {name} has the levels {', '.join(strange[:10])} in held-out rows"
                " alone; list all of them under data.levels, or hold out other rows"
            )
        return column
    _check_numbers(values, transform)
    whole = (seen % 1 == 0).all()
    if whole and _counts_up(seen):
        raise TableError(
            f"the target {name} looks like an identifier: its values are {seen.min():g} to"
            f" {seen.max():g}, each once, in order; name another target"
        )
    if transform != "none" or not whole:
        return Column(name, transform=transform)
    if set(seen.unique()) == {0.0, 1.0}:
        column, allowed = Column(name, kind="binary", levels=("0", "1")), values.isin((0, 1))
    elif seen.min() >= 0:
        small = seen.min() <= SMALL and seen.max() <= LARGE
        column = Column(name, kind="count" if small else "whole")
        allowed = (values >= 0) & (values % 1 == 0)
    else:
        return Column(name)
    if wrong := int((~allowed & values.notna()).sum()):
        what = "0 or 1" if column.levels else "whole numbers from 0"
        raise TableError(
            f"the target {name} is {what} in the training rows, but something else in {wrong}"
            " held-out rows"
        )
    return column


def flags(columns: Sequence[Column], table: pd.DataFrame, missing: str) -> Iterator[Column]:
    """Columns that mark the blanks of others, where that is asked for."""
    for column in columns:
        if missing == "indicator" and table[column.name].isna().any():
            yield Column(f"{column.name}{FLAG}", kind="flag", of=column.name)


def as_numbers(table: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """Columns as numbers: levels by their places, blanks as what stands for them, flags as 1.

    Args:
        table: as `reading.read` has it.
        columns: what its columns are; one without a fill has no blank.

    Raises:
        TableError: if a value is none of a column's levels, no number, or blank without a fill.
    """
    return pd.DataFrame({column.name: _as_numbers(table, column) for column in columns})


def _as_numbers(table: pd.DataFrame, column: Column) -> np.ndarray:
    source = column.of or column.name
    if source not in table:
        raise TableError(f"the table has no column {source}; it has {', '.join(map(str, table))}")
    values = table[source]
    if column.of:
        return values.isna().to_numpy(dtype=float)
    if column.levels:
        places = {level: place for place, level in enumerate(column.levels)}
        texts = values.map(_text, na_action="ignore")
        if strange := sorted(set(texts.dropna()) - set(places)):
            raise TableError(
                f"the column {column.name} has the levels {', '.join(strange[:10])}, which no fit"
                f" knows; known are {', '.join(column.levels[:10])}"
            )
        found = texts.map(places).to_numpy(dtype=float)
    elif not _is_numeric(values):
        raise TableError(f"the column {column.name} is of numbers, but here {_example(values)}")
    else:
        found = values.to_numpy(dtype=float)
    if column.fill is not None:
        return np.where(np.isnan(found), column.fill, found)
    if blank := np.isnan(found).sum():
        raise TableError(f"the column {column.name} is blank in {blank} rows")
    if not np.isfinite(found).all():
        raise TableError(f"the column {column.name} has infinite numbers")
    return found


def _levels(values: pd.Series, declared: Levels) -> Column:
    """A column of levels, in their order as declared, or else as they sort."""
    name = str(values.name)
    texts = values.dropna().map(_text)
    found = sorted(texts.unique(), key=_natural)
    levels = tuple(_text(level) for level in declared.get(name) or found)
    if strange := [level for level in found if level not in levels]:
        raise TableError(
            f"the column {name} has the levels {', '.join(strange[:10])}, which data.levels.{name}"
            " does not list"
        )
    if len(levels) < 2:
        raise TableError(
            f"the column {name} is always {', '.join(levels)!r}, of which nothing can be learnt;"
            " leave it out by naming the inputs"
        )
    if name not in declared and len(levels) > max(FEW_LEVELS, len(values) // 2):
        raise TableError(
            f"the column {name} has {len(levels)} different texts in {len(values)} rows, as an"
            f" identifier or a note has, for example {_example(values)}; leave it out by naming"
            " the inputs"
        )
    return Column(name, kind="binary" if len(levels) == 2 else "classes", levels=levels)


def _with_fill(column: Column, values: pd.Series, training: np.ndarray, missing: str) -> Column:
    """The column with what stands for its blanks: the median, or the most frequent level."""
    if missing not in ("median", "indicator"):
        return column
    seen = values[training].dropna()
    if not len(seen):
        raise TableError(f"the column {column.name} is empty in the training rows; leave it out")
    most = seen.map(_text).mode().iloc[0] if column.levels else ""
    fill = column.levels.index(most) if column.levels else seen.median()
    return replace(column, fill=float(fill))


def _check_numbers(values: pd.Series, transform: str) -> None:
    name, known = str(values.name), values.dropna()
    if infinite := int(np.isinf(known).sum()):
        raise TableError(f"the column {name} has {infinite} infinite numbers; remove these rows")
    if transform == "none":
        return
    inside, words = DOMAINS[transform]
    if wrong := int((~inside(known)).sum()):
        raise TableError(
            f"the column {name} has {wrong} values of which {transform} is no number, the least"
            f" {known.min():g}; needed are values of {words}"
        )


def _counts_up(values: pd.Series) -> bool:
    """Whether each value is once there, and as the rows follow each other, always one more."""
    steps = np.diff(values.to_numpy())
    return len(values) > FEW_LEVELS and values.is_unique and bool((steps > 0).all())


def _text(value: object) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _natural(level: str) -> tuple:
    """Numbers by their size, before texts."""
    try:
        return (0, float(level), level)
    except ValueError:
        return (1, 0.0, level)


def _example(values: pd.Series) -> str:
    return repr(_text(values.dropna().iloc[0]))[:60] if values.notna().any() else "only blanks"


def _is_numeric(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values.dtype)
