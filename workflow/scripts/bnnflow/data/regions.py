"""Regions of the inputs, by which fits are judged."""

from collections.abc import Sequence

import numpy as np

Region = Sequence[tuple[float, float]]


def within(x: np.ndarray, intervals: Region) -> np.ndarray:
    """Which of the points (n,) lie in one of the intervals."""
    inside = np.zeros(len(x), dtype=bool)
    for low, high in intervals:
        inside |= (low <= x) & (x <= high)
    return inside


def overlap(first: Region, second: Region) -> bool:
    """Whether they share more than ends."""
    return any(max(a, c) < min(b, d) for a, b in first for c, d in second)
