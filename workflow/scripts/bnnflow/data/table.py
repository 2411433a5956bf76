"""Tables of observations: columns with roles, and what a fit learns of their scales."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..files import safe
from ..files.encodings import Encoding, Scaled, encoded

# The share of different values that may become one with others by rounding. As many do in a
# million normal numbers by chance are below it.
TOGETHER = 0.1


class PrecisionError(ValueError):
    """Columns that single precision, in which networks are evaluated, does not tell apart."""


@dataclass(frozen=True)
class Table:
    """Observations, a row each, in double precision.

    Attributes:
        columns: all of them, by name.
        inputs, targets: names of the columns of each role.
        truth: names of the columns with the targets' true values without noise; none where they
            are not known.
    """

    columns: pd.DataFrame
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    truth: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Rows."""
        return len(self.columns)

    def array(self, names: Sequence[str]) -> np.ndarray:
        """The columns of these names side by side: (n, names)."""
        return self.columns[list(names)].to_numpy(dtype=np.double)


def read(
    paths: Iterable[str | Path],
    inputs: Sequence[str],
    targets: Sequence[str],
    truth: Sequence[str] = (),
) -> Table:
    """Read CSV files of the same columns, one after another.

    Args:
        paths: of the files.
        inputs, targets, truth: names of their columns, which stand in this order.

    Raises:
        FileError: if a file is damaged, something else, or not all numbers are finite.
    """
    names = (*inputs, *targets, *truth)
    parts = [safe.numbers(path, names) for path in paths]
    roles = map(tuple, (inputs, targets, truth))
    return Table(pd.concat(parts, ignore_index=True), *roles)


def write(table: Table, path: str | Path) -> None:
    """Write as CSV, so that reading gives the same numbers to the last bit."""
    names = [*table.inputs, *table.targets, *table.truth]
    safe.write_table(table.columns[names], path)


def fitted(table: Table, scaling: str) -> Encoding:
    """What is done to the columns before a network sees them.

    Args:
        table: the rows from which a fit learns, and no others.
        scaling: "standard" takes every column's mean away and divides by its standard deviation,
            but leaves the scale of a column whose values are all the same; "none" does nothing.

    Raises:
        PrecisionError: if there is no finite mean or standard deviation.
    """
    of = {"none": lambda name, _: Scaled(name, 0.0, 1.0), "standard": _standard}[scaling]
    roles = ([of(n, table.columns[n].to_numpy()) for n in r] for r in (table.inputs, table.targets))
    return Encoding(*map(tuple, roles))


def in_single(values: np.ndarray, columns: tuple[Scaled, ...]) -> np.ndarray:
    """Columns (n, columns) as a network sees them, encoded in double and then rounded to single.

    Raises:
        PrecisionError: if values that differ fall together by the rounding, or are too large for
            it, with the column, and what to do.
    """
    exact = encoded(values, columns)
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


def _standard(name: str, values: np.ndarray) -> Scaled:
    low, high = values.min(), values.max()
    if low == high:
        return Scaled(name, float(low), 1.0)
    # As parts of the largest, so that no sum or square leaves the range of numbers.
    unit = max(abs(low), abs(high))
    centre = (values / unit).mean() * unit
    with np.errstate(over="ignore", invalid="ignore"):
        spread = np.abs(values - centre).max()
        scale = ((values - centre) / spread).std() * spread
    if not (np.isfinite(scale) and scale > 0):
        raise PrecisionError(
            f"the column {name} has values from {low:g} to {high:g}, which have no finite standard"
            " deviation; give the column in another unit"
        )
    return Scaled(name, float(centre), float(scale))


def _advice(column: Scaled, exact: np.ndarray) -> str:
    if (column.centre, column.scale) == (0.0, 1.0):
        return (
            "`scaling: standard` under data takes the mean away and divides by the standard"
            " deviation before anything is rounded"
        )
    return (
        f"scaled, they reach from {exact.min():g} to {exact.max():g}: take away values that lie far"
        " from the others, or give the column in another unit, as its logarithm"
    )
