"""How far rows lie from those that a fit has learnt from."""

import numpy as np

# Rows of the training data, at most, of which the usual distance is found, and pairs at a time.
MOST, PAIRS = 2_000, 2**24

# Of training rows that lie so close to another one.
USUAL = 0.9


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
    for part in np.array_split(rows, max(1, len(rows) * len(training) // PAIRS)):
        apart = (part**2).sum(1)[:, None] + squares - 2 * part @ training.T
        place = min(int(itself), len(training) - 1)
        found.append(np.partition(apart, place, axis=1)[:, place])
    return np.sqrt(np.maximum(np.concatenate(found), 0) / training.shape[1])


def usual(training: np.ndarray) -> float:
    """Below or at which are 90 of 100 training rows from the nearest other one.

    Args:
        training: encoded inputs (m, widths), of which an even choice stands for all where there are
            many.
    """
    some = training[np.linspace(0, len(training) - 1, min(MOST, len(training))).astype(int)]
    return float(np.quantile(to_nearest(some, training, itself=True), USUAL, method="higher"))
