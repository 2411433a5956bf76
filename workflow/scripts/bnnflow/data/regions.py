"""Regions of the inputs, by which fits are judged."""

from collections.abc import Mapping, Sequence

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


def around(inside: Mapping[str, np.ndarray]) -> dict[str, list[str]]:
    """Of every region itself, and the others that have all its points.

    Args:
        inside: by region which of the points (n,) are in it.
    """
    return {
        name: [
            name,
            *(
                other
                for other, theirs in inside.items()
                if other != name and own.any() and not (own & ~theirs).any()
            ),
        ]
        for name, own in inside.items()
    }
