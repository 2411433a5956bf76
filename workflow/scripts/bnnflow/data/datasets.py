"""Data sets: simulated, written and read as CSV."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..files import safe
from ..files.errors import FileError

Interval = tuple[float, float, int]


def sinusoid(x: np.ndarray) -> np.ndarray:
    """The true function x + 0.3 sin(2πx) + 0.3 sin(4πx), elementwise."""
    return x + 0.3 * np.sin(2 * np.pi * x) + 0.3 * np.sin(4 * np.pi * x)


def simulated(
    intervals: list[Interval], noise: float, random: np.random.RandomState
) -> pd.DataFrame:
    """Observations y = f(x + e) at equally spaced inputs.

    The noise e is normal and is added to the input, so that the spread of y grows with the
    slope of the true function f.

    Args:
        intervals: [from, to, points] each, ends included.
        noise: standard deviation of e.
        random: the legacy generator, whose stream the tutorial uses.

    Returns:
        Columns x and y, a row for every point.
    """
    x = np.hstack([np.linspace(low, high, points) for low, high, points in intervals])
    e = noise * random.randn(len(x))
    return pd.DataFrame({"x": x, "y": sinusoid(x + e)})


def truth(interval: Interval) -> pd.DataFrame:
    """The true function on [from, to, points]: columns x and y."""
    x = np.linspace(*interval)
    return pd.DataFrame({"x": x, "y": sinusoid(x)})


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
