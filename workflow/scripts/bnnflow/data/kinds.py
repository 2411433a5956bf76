"""What the columns of a table are: numbers, counts or levels, and what stands for a blank."""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ..files.columns import LONGEST, Column
from .numerals import is_marked, is_number
from .reading import TableError

# Whole numbers are counts where some are as small as the first and none is above the second.
SMALL, LARGE = 10, 1000

# So many levels are never taken for an identifier, and more than the others are too many.
FEW_LEVELS, MOST_LEVELS = 20, 1000

# Of numbers, so that their squares and differences are numbers too.
LARGEST = 1e150

# Names that an error lists.
SHOWN = 10

# How a number with signs about it begins.
SIGNED = re.compile(r"\W*\d")

# How a date begins.
DATE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\b")

# What the values of a column of each kind are.
WORDS = {
    "real": "numbers",
    "whole": "whole numbers",
    "count": "counts",
    "binary": "two levels",
    "classes": "levels",
    "flag": "whether a value was blank",
}

# Letters at the end of the name of a column that marks the blanks of another.
FLAG = " is missing"

# By transform the values that it takes, and how to say so.
DOMAINS = {
    "log": (lambda values: values > 0, "more than 0"),
    "log1p": (lambda values: values > -1, "more than -1"),
    "sqrt": (lambda values: values >= 0, "0 or more"),
}

Levels = Mapping[str, Sequence]


class UselessError(TableError):
    """A column that can be no input; the others may be."""


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
        UselessError: if there is nothing to learn of the column.
        TableError: if its values are not as they should be.
    """
    name = str(values.name)
    if values.isna().all():
        raise UselessError(f"the column {name} is empty")
    if not is_numeric(values):
        column = _levels(values, declared, transform)
        return _with_fill(column, values, training, missing)
    _check_numbers(values, transform)
    if values.nunique() == 1 and (missing == "median" or values.notna().all()):
        raise UselessError(
            f"the column {name} is always {_example(values)}, of which nothing can be learnt"
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
        always = f"always {_example(seen)}"
        raise TableError(
            f"the target {name} is {always} in the training rows, so that there is nothing to"
            " predict"
        )
    if not is_numeric(values):
        column = _levels(seen, declared, transform)
        if strange := as_sorted(set(values) - set(column.levels)):
            raise TableError(
                f"the target {name} has the levels {_some(strange)} in held-out rows alone; list"
                f" all of them under data.levels.{name}, or hold out other rows"
            )
        return column
    _check_numbers(values, transform)
    if counts_rows(seen):
        raise TableError(
            f"the target {name} looks like an identifier, because it counts the rows; name another"
            " target"
        )
    if transform == "sqrt" and (zeros := int((values == 0).sum())):
        raise TableError(
            f"the target {name} is 0 in {_rows(zeros)}, where its density under sqrt is infinite;"
            " take log1p, or no transform"
        )
    if transform != "none" or (seen % 1).any():
        return Column(name, transform=transform)
    if set(seen) == {0.0, 1.0}:
        column, allowed = Column(name, kind="binary", levels=("0", "1")), values.isin((0, 1))
    elif 0 <= seen.min() <= SMALL and seen.max() <= LARGE:
        column, allowed = Column(name, kind="count"), (values >= 0) & (values % 1 == 0)
    else:
        return Column(name, kind="whole" if seen.min() >= 0 else "real")
    if wrong := int((~allowed).sum()):
        what = "0 or 1" if column.levels else "whole numbers from 0"
        raise TableError(
            f"the target {name} is {what} in the training rows, but something else in {wrong}"
            " held-out rows; correct them, or hold out other rows"
        )
    return column


def flags(columns: Sequence[Column], table: pd.DataFrame, missing: str) -> Iterator[Column]:
    """Columns that mark the blanks of others, where that is asked for."""
    for column in columns:
        if missing == "indicator" and table[column.name].isna().any():
            name = f"{column.name}{FLAG}"
            if name in table or len(name) > LONGEST:
                raise TableError(
                    f"the blanks of the column {column.name} are marked by an input {name!r}, whose"
                    " name is taken or too long; rename a column"
                )
            yield Column(name, kind="flag", of=column.name)


def check_texts(values: pd.Series) -> None:
    """That texts (n,) are no numbers, with faults or without.

    Raises:
        TableError: if they are.
    """
    name, counts = values.name, values.value_counts()
    for is_one in (is_number, is_marked):
        numbers = counts[list(map(is_one, counts.index))]
        wrong = values[values.notna() & ~values.isin(numbers.index)]
        if len(wrong) and numbers.sum() > len(wrong):
            raise TableError(
                f"the column {name} is of numbers, but for {_rows(len(wrong))}, such as"
                f" {_example(wrong)}; correct them, leave them blank, or list all levels under"
                f" data.levels.{name}"
            )
    if len(counts) and not len(wrong):
        raise TableError(f"{_of_marks(values)}, or list all levels under data.levels.{name}")


def as_numbers(table: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """Columns as numbers: levels by their places, blanks as what stands for them, flags as 1.

    Args:
        table: as `reading.read` has it.
        columns: what its columns are; one without a fill has no blank.

    Raises:
        TableError: if a value is none of a column's levels, no number, or blank without a fill.
    """
    return pd.DataFrame({column.name: _as_numbers(table, column) for column in columns})


def filled(table: pd.DataFrame, columns: Sequence[Column]) -> dict[str, int]:
    """By column how many blanks of a table are filled.

    Args:
        table, columns: as for `as_numbers`.
    """
    counts = {c.name: int(table[c.name].isna().sum()) for c in columns if c.fill is not None}
    return {name: count for name, count in counts.items() if count}


def as_declared(table: pd.DataFrame, declared: Levels) -> pd.DataFrame:
    """The table with columns of declared levels as texts, also where the levels are numbers."""
    own = {name: table[name].map(as_level, na_action="ignore").astype(object) for name in declared}
    return table.assign(**own)


def as_level(value: object) -> str:
    """The name of a level: a number or a truth value as tables have it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def as_sorted(levels: Iterable[str]) -> list[str]:
    """Levels as they sort: numbers by their size, before texts."""
    return sorted(
        levels, key=lambda level: (0, float(level), level) if is_number(level) else (1, 0.0, level)
    )


def is_numeric(values: pd.Series) -> bool:
    """Whether a column is of numbers, and not of texts."""
    return pd.api.types.is_numeric_dtype(values.dtype)


def counts_rows(values: pd.Series) -> bool:
    """Whether each of many values is the number of its row, but for where one begins to count."""
    if len(values) <= FEW_LEVELS or not is_numeric(values):
        return False
    return (values % 1 == 0).all() and (values - values.index).nunique() == 1


def suggestion(name: str, names: Sequence[str]) -> str:
    """What to say of a name that a table does not have."""
    folded = {_folded(own): own for own in names}
    near = [folded[own] for own in difflib.get_close_matches(_folded(name), folded, n=1)]
    known = ", ".join(names[: 2 * SHOWN]) + (", …" if len(names) > 2 * SHOWN else "")
    return f"{f' (did you mean {near[0]}?)' if near else ''}; the table has {known}"


def _folded(name: str) -> str:
    """A name in lower case and without accents."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _as_numbers(table: pd.DataFrame, column: Column) -> np.ndarray:
    source = column.of or column.name
    if source not in table:
        raise TableError(f"lacks the column {source}{suggestion(source, list(table))}")
    values = table[source]
    if column.of:
        return values.isna().to_numpy(dtype=float)
    if column.levels:
        places = {level: place for place, level in enumerate(column.levels)}
        texts = values.map(as_level, na_action="ignore")
        if strange := as_sorted(set(texts.dropna()) - set(places)):
            raise TableError(
                f"the column {column.name} has the levels {_some(strange)}, which no fit knows,"
                f" first in row {_first(texts.isin(strange))}; known are {_some(column.levels)}"
            )
        found = texts.map(places).to_numpy(dtype=float)
    elif not is_numeric(values):
        wrong = values.notna() & ~values.map(is_number, na_action="ignore").eq(True)
        if not wrong.any():
            raise TableError(_of_marks(values))
        raise TableError(
            f"the column {column.name} is of numbers, but here it has {_example(values[wrong])},"
            f" first in row {_first(wrong)}"
        )
    else:
        _check_numbers(values, column.transform)
        found = values.to_numpy(dtype=float)
    if column.fill is not None:
        return np.where(np.isnan(found), column.fill, found)
    if blank := np.isnan(found).sum():
        raise TableError(
            f"the column {column.name} is blank in {_rows(blank)}, first in row"
            f" {_first(np.isnan(found))}; fits have seen no blank there"
        )
    return found


def _first(rows: Sequence[bool]) -> int:
    """The number of the first row that is true; a table's rows are counted from 1."""
    return int(np.argmax(rows)) + 1


def _levels(values: pd.Series, declared: Levels, transform: str) -> Column:
    """A column of levels, in their order as declared, or else as they sort."""
    name = str(values.name)
    known = values.dropna()
    if transform != "none":
        raise TableError(f"data.transform.{name}: is {transform}, but the column is of levels")
    found = as_sorted(known.unique())
    levels = tuple(map(as_level, declared[name])) if name in declared else tuple(found)
    if strange := [level for level in found if level not in levels]:
        raise TableError(
            f"the column {name} has the levels {_some(strange)}, which data.levels.{name} does not"
            " list"
        )
    if twice := [level for place, level in enumerate(levels) if level in levels[:place]]:
        raise TableError(f"data.levels.{name}: has {_some(twice)} twice")
    if len(levels) < 2:
        raise UselessError(
            f"the column {name} is always {_example(known)}, of which nothing can be learnt"
        )
    if name not in declared:
        _check_levels(known, levels)
    if strange := [own for own in levels if len(own) > LONGEST or not own.isprintable()]:
        raise TableError(
            f"the column {name} has the text {strange[0][:60]!r}; allowed are levels of at most"
            f" {LONGEST} printable letters"
        )
    return Column(name, kind="binary" if len(levels) == 2 else "classes", levels=levels)


def _of_marks(values: pd.Series) -> str:
    """What is wrong with numbers that may have marks of thousands."""
    marked = values.str.contains(r"\D", na=False)
    numbers = [_example(own) for own in (values[marked], values[~marked]) if own.notna().any()]
    return (
        f"the column {values.name} has numbers such as {' and '.join(numbers)}, whose marks may be"
        " of thousands or decimal; write thousands without a mark, and decimals in every number"
        " with the mark of the other columns, or with a point"
    )


def _check_levels(values: pd.Series, levels: Sequence[str]) -> None:
    """That texts are no identifiers."""
    name = values.name
    if len(levels) > max(FEW_LEVELS, len(values) // 2):
        plain = ""
        if DATE.match(levels[0]):
            plain = "; of dates make numbers, such as days since the first"
        elif any(map(SIGNED.match, levels)):
            plain = "; if these are numbers, write them without units and signs between digits"
        raise UselessError(
            f"the column {name} has {len(levels)} different texts in {len(values)} rows, as an"
            f" identifier or a note has, for example {_example(values)}{plain}"
        )
    if len(levels) > MOST_LEVELS:
        raise UselessError(
            f"the column {name} has {len(levels)} levels; allowed are {MOST_LEVELS} or fewer, with"
            " rare ones put together"
        )


def _with_fill(column: Column, values: pd.Series, training: np.ndarray, missing: str) -> Column:
    """The column with what stands for its blanks: the median, or the most frequent level."""
    if missing not in ("median", "indicator"):
        return column
    seen = values[training].dropna()
    if not len(seen):
        raise UselessError(f"the column {column.name} is empty in the training rows")
    fill = column.levels.index(seen.mode().iloc[0]) if column.levels else seen.median()
    return replace(column, fill=float(fill))


def _check_numbers(values: pd.Series, transform: str) -> None:
    name, known = str(values.name), values.dropna()
    if infinite := int(np.isinf(known).sum()):
        raise TableError(f"the column {name} has {infinite} infinite numbers; remove these rows")
    if (most := known.abs().max()) > LARGEST:
        raise TableError(
            f"the column {name} has numbers of up to {most:g}, whose squares are beyond all"
            " numbers; give the column in another unit, or remove these rows"
        )
    if transform == "none":
        return
    inside, words = DOMAINS[transform]
    if wrong := int((~inside(known)).sum()):
        raise TableError(
            f"the column {name} has {wrong} values of which {transform} is no number, the least"
            f" {known.min():g}; needed are values of {words}"
        )


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _some(levels: Sequence[str]) -> str:
    return ", ".join(levels[:SHOWN]) + (", …" if len(levels) > SHOWN else "")


def _example(values: pd.Series) -> str:
    return repr(as_level(values.dropna().iloc[0]))[:60] if values.notna().any() else "only blanks"
