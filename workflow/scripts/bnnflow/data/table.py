"""Tables of observations: columns with roles, and what a fit learns of their scales."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..files import safe
from ..files.columns import NUMBERS, Column, transformed
from ..files.encodings import Encoding, of_names, of_text
from ..files.errors import FileError
from ..jobs import ToldError
from . import tutorial

# The share of different values that may become one with others by rounding. As many do in a
# million normal numbers by chance are below it.
TOGETHER = 0.1


class PrecisionError(ToldError):
    """Columns that single precision, in which networks are evaluated, does not tell apart."""


@dataclass(frozen=True)
class Table:
    """Observations, a row each, in double precision; levels are their places.

    Attributes:
        columns: all of them, by name.
        about: what the columns are that have a role, as they are.
    """

    columns: pd.DataFrame
    about: Encoding

    def __len__(self) -> int:
        """Rows."""
        return len(self.columns)

    @property
    def inputs(self) -> np.ndarray:
        """(n, inputs)."""
        return self._array(self.about.inputs)

    @property
    def targets(self) -> np.ndarray:
        """(n, targets)."""
        return self._array(self.about.targets)

    def _array(self, columns: Sequence[Column]) -> np.ndarray:
        return self.columns[[column.name for column in columns]].to_numpy(dtype=np.double)


def read(paths: Iterable[str | Path], about: Encoding, truth: Sequence[str] = ()) -> Table:
    """Read CSV files of the same columns, one after another.

    Args:
        paths: of the files.
        about: what their columns are, inputs first.
        truth: names of more columns, behind the others, of the targets' true values.

    Raises:
        FileError: if a file is damaged, something else, or not all values are finite numbers or
            levels of their columns.
    """
    levels = {column.name: column.levels for column in (*about.inputs, *about.targets)}
    levels |= dict.fromkeys(truth, ())
    parts = [safe.rows_of(path, levels) for path in paths]
    return Table(pd.concat(parts, ignore_index=True), about)


def write(table: Table, path: str | Path, truth: Sequence[str] = ()) -> None:
    """Write as CSV, levels by their names, so that reading gives the same to the last bit."""
    columns = (*table.about.inputs, *table.about.targets)
    own = {
        column.name: np.array(column.levels)[table.columns[column.name].to_numpy(int)]
        if column.levels
        else table.columns[column.name]
        for column in columns
    }
    safe.write_table(pd.DataFrame(own | {name: table.columns[name] for name in truth}), path)


def fitted(table: Table, scaling: str, unscaled: Collection[str] = ()) -> Encoding:
    """What is done to the columns before a network sees them.

    Args:
        table: the rows from which a fit learns, and no others.
        scaling: "standard" takes every column's mean away and divides by its standard deviation,
            but leaves the scale of a column whose values are all the same; "none" does nothing.
            Levels are never scaled.
        unscaled: names of columns that are left as they are.

    Raises:
        PrecisionError: if there is no finite mean or standard deviation.
    """

    def of(column: Column) -> Column:
        numbers = column.kind in NUMBERS and column.name not in unscaled
        if scaling == "none" or not numbers:
            return column
        return _standard(column, column.scaled(table.columns[column.name].to_numpy()))

    return Encoding(*(tuple(map(of, role)) for role in (table.about.inputs, table.about.targets)))


def in_single(values: np.ndarray, columns: tuple[Column, ...]) -> np.ndarray:
    """Columns (n, columns), transformed and scaled in double and then rounded to single.

    Raises:
        PrecisionError: if values that differ fall together by the rounding, or are too large for
            it, with the column, and what to do.
    """
    exact = transformed(values, columns)
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float32)
    for column, of, before, after in zip(columns, values.T, exact.T, rounded.T, strict=True):
        different, left = len(np.unique(of)), len(np.unique(after))
        if not np.isfinite(after).all():
            reason = f"has values of up to {np.abs(of).max():g}, too large for single precision"
        elif different - left > TOGETHER * different:
            reason = (
                f"has {different} different values from {float(of.min())!r} to"
                f" {float(of.max())!r}, of which {different - left} fall together with others in"
                f" single precision, so that {left} are left"
            )
        else:
            continue
        raise PrecisionError(f"the column {column.name} {reason}; {_advice(column, before)}")
    return rounded


def _standard(column: Column, values: np.ndarray) -> Column:
    """The column with the mean and the standard deviation of its transformed values (n,)."""
    low, high = values.min(), values.max()
    if low == high:
        return replace(column, centre=float(low))
    # As parts of the largest, so that no sum or square leaves the range of numbers.
    unit = max(abs(low), abs(high))
    centre = (values / unit).mean() * unit
    with np.errstate(over="ignore", invalid="ignore"):
        spread = np.abs(values - centre).max()
        scale = ((values - centre) / spread).std() * spread
    if not (np.isfinite(scale) and scale > 0):
        raise PrecisionError(
            f"the column {column.name} has values from {low:g} to {high:g}, which have no finite"
            " standard deviation; give the column in another unit"
        )
    return replace(column, centre=float(centre), scale=float(scale))


def _advice(column: Column, exact: np.ndarray) -> str:
    if (column.centre, column.scale) == (0.0, 1.0):
        return (
            "`scaling: standard` under data takes the mean away and divides by the standard"
            " deviation before anything is rounded"
        )
    return (
        f"scaled, they reach from {exact.min():g} to {exact.max():g}: take away values that lie far"
        " from the others, or give the column in another unit, as its logarithm"
    )


def columns_of(path: str | Path | None) -> Encoding:
    """What the columns of the data are, by a file; without one they are the tutorial's.

    Raises:
        FileError: if the file is none of columns.
    """
    if path is None:
        return of_names(tutorial.COLUMNS[:1], tutorial.COLUMNS[1:])
    expected = "a description of columns"
    with safe.opened(path, expected, safe.HEADER) as file:
        text = file.read()
    try:
        return of_text(text.decode())
    except ValueError as error:
        raise FileError(path, expected, error) from error


def facts_of(path: str | Path) -> Mapping[str, object]:
    """What is to be known of a table, as `describe` has written it.

    Raises:
        FileError: if the file is none of columns.
    """
    columns_of(path)
    return json.loads(Path(path).read_text(encoding="utf-8")).get("facts", {})


def describe(about: Encoding, facts: Mapping[str, object], path: str | Path) -> None:
    """Write what columns are, with what is to be known of their table."""
    text = json.dumps(json.loads(about.as_text()) | {"facts": facts}, indent=1, ensure_ascii=False)
    with safe.whole(path) as part:
        part.write_text(f"{text}\n", encoding="utf-8")
