"""Points at which a fit of a table predicts, so that one sees how each input matters."""

import numpy as np
import pandas as pd
import xarray as xr

from ..files.columns import NUMBERS, TRANSFORMS, Column
from . import points
from .table import Table

# Values of an only input, and of each of several; rows at which an input is varied, and
# points of all inputs, at most.
CURVE, VALUES, ROWS, MOST = 500, 40, 20, 12_000

# Where two inputs are varied at once: what stands for the place of the one, and values of each.
BOTH, SIDE = -1, 40

# How far a grid reaches beyond the training rows, as a share of their range.
BEYOND = 0.1


def along(training: Table, others: Table) -> xr.Dataset:
    """Points along each input, the others as they are in some rows.

    Of two inputs of numbers there is besides a regular grid of both.

    Args:
        training: rows, over whose range inputs go, and a little beyond.
        others: rows, such as those held out, of which an even choice is taken.

    Returns:
        Over (point, input): inputs. Over point: along, the place of the input that is varied, or
        BOTH, and row, the place of the row among those chosen, or 0. Points of an input
        and a row ascend; of the grid, the first input ascends faster.
    """
    columns = training.about.inputs
    if len(columns) == 1:
        values = _values(columns[0], training.inputs[:, 0], CURVE)[:, None]
        return _dataset(values, columns, np.zeros(len(values), int), np.zeros(len(values), int))
    rows = max(1, min(ROWS, len(others), MOST // (VALUES * len(columns))))
    chosen = others.inputs[np.linspace(0, len(others) - 1, rows).round().astype(int)]
    parts, varied, of_row = [], [], []
    for place, column in enumerate(columns):
        values = _values(column, training.inputs[:, place], VALUES)
        own = np.repeat(chosen, len(values), axis=0)
        own[:, place] = np.tile(values, rows)
        parts.append(own)
        varied.append(np.full(len(own), place))
        of_row.append(np.repeat(np.arange(rows), len(values)))
    if len(columns) == 2 and not any(column.levels or column.kind == "flag" for column in columns):
        sides = (_values(c, seen, SIDE) for c, seen in zip(columns, training.inputs.T, strict=True))
        x, y = np.meshgrid(*sides)
        parts.append(np.stack([x.ravel(), y.ravel()], axis=1))
        varied.append(np.full(x.size, BOTH))
        of_row.append(np.zeros(x.size, dtype=int))
    return _dataset(np.vstack(parts), columns, np.concatenate(varied), np.concatenate(of_row))


def typical(training: Table) -> Table:
    """One row: of numbers the means, of levels those that most rows have."""

    def of(column: Column) -> float:
        values = training.columns[column.name]
        return values.mean() if column.kind in NUMBERS else values.mode()[0]

    about = training.about
    row = {column.name: [of(column)] for column in (*about.inputs, *about.targets)}
    return Table(pd.DataFrame(row, dtype=float), about)


def _values(column: Column, seen: np.ndarray, count: int) -> np.ndarray:
    """Values of an input, ascending: all levels, or numbers over the range."""
    if column.levels:
        return np.arange(len(column.levels), dtype=float)
    if column.kind == "flag":
        return np.array([0.0, 1.0])
    # Evenly as a network sees them.
    forward, back = TRANSFORMS[column.transform]
    low, high = forward(seen.min()), forward(seen.max())
    margin = BEYOND * (high - low)
    # Beyond the least value a transform may be no number.
    return back(np.linspace(low - margin * (column.transform == "none"), high + margin, count))


def _dataset(
    values: np.ndarray, columns: tuple[Column, ...], varied: np.ndarray, row: np.ndarray
) -> xr.Dataset:
    names = [column.name for column in columns]
    return points.grid(dict(zip(names, values.T, strict=True))).assign(
        along=("point", varied), row=("point", row)
    )
