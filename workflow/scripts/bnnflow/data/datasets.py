"""Data sets, written and read as CSV."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..files import safe


def write(table: pd.DataFrame, path: str | Path) -> None:
    """Write a data set so that reading gives the same numbers to the last bit."""
    safe.write_table(table, path)


def read(path: str | Path, columns: Sequence[str] = ("x", "y")) -> pd.DataFrame:
    """Read a table of these columns, all numbers finite.

    Raises:
        FileError: if the file is damaged or something else.
    """
    return safe.numbers(path, columns)
