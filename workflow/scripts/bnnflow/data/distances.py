"""How far rows lie from those that a fit has learnt from."""

import numpy as np

from ..files.columns import encoded
from .reading import TableError
from .table import Table, fitted

# Training rows that stand for all where there are more, and rows from which the usual distance is
# found; pairs at a time.
MOST, SOME, PAIRS = 10_000, 2_000, 2**22

# Of training rows that lie so close to another one.
USUAL = 0.9


def relative(rows: Table, training: Table) -> np.ndarray:
    """Distances of rows to the nearest training row, over the usual one among these: (n,).

    Numbers are transformed and scaled to a standard deviation of 1 in the training rows; a level
    differs from another by 1 in two inputs of the network. Of many training rows an even choice
    stands for all. Where training rows are copies of each other the usual distance may be 0, and
    distances are over 1.

    Raises:
        PrecisionError: if a column of the training rows has no finite standard deviation.
        TableError: if the rows have other inputs than the training rows.
    """
    here, there = ({own.as_they_are() for own in of.about.inputs} for of in (rows, training))
    if differing := sorted({column.name for column in here ^ there}):
        raise TableError(
            f"the training rows in results/data differ from those that the fit has learnt from, in"
            f" {', '.join(differing)}; give the config that was fitted, and make the training rows"
            " again, or leave --allowed-rules out, and the fit is made again"
        )
    columns = fitted(training, "standard").inputs
    near = encoded(_evenly(training.inputs, MOST), columns)
    usual = np.quantile(to_nearest(_evenly(near, SOME), near, itself=True), USUAL, method="higher")
    return to_nearest(encoded(rows.inputs, columns), near) / (usual or 1.0)


def to_nearest(rows: np.ndarray, training: np.ndarray, itself: bool = False) -> np.ndarray:
    """Distance of every row to the nearest training row: (n,).

    The distance is the root mean square over inputs.

    Args:
        rows: encoded inputs (n, widths).
        training: encoded inputs (m, widths).
        itself: whether each row is one of the training rows, of which one at no distance is left
            out.
    """
    squares, found = (training**2).sum(1), []
    place = min(int(itself), len(training) - 1)
    for part in np.array_split(rows, max(1, len(rows) * len(training) // PAIRS)):
        apart = part @ (-2 * training.T)
        apart += squares
        if place:
            apart.partition(place, axis=1)
        nearest = apart[:, place] if place else apart.min(1)
        found.append(nearest + (part**2).sum(1))
    return np.sqrt(np.maximum(np.concatenate(found), 0) / training.shape[1])


def _evenly(rows: np.ndarray, most: int) -> np.ndarray:
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)]
