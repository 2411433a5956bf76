"""Data sets, written and read as CSV."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..files import safe
from ..files.errors import FileError


def write(table: pd.DataFrame, path: str | Path) -> None:
    """Write a data set so that reading gives the same numbers to the last bit."""
    safe.write_table(table, path)


def read(path: str | Path, columns: Sequence[str] = ("x", "y")) -> pd.DataFrame:
    """Read a table of these columns, all numbers finite.

    Raises:
        FileError: if the file is damaged or something else.
    """
    return safe.numbers(path, columns)


def losses(path: str | Path, steps: int) -> np.ndarray:
    """Read the losses of a variational fit at its steps, which are numbered from 1: (steps,).

    Raises:
        FileError: if the file is damaged, something else, or not of so many steps.
    """
    columns = ["step", "loss"]
    table = safe.numbers(path, columns)
    if not np.array_equal(table["step"], np.arange(1, steps + 1)):
        reason = f"its {len(table)} steps are not those from 1 to {steps}"
        raise FileError(path, "the losses of a fit", reason)
    return table["loss"].to_numpy()
