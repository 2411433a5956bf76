"""Regions of the inputs, by which fits are judged: intervals in the config, masks of points after.

Only here are inputs compared with intervals.
"""

from collections.abc import Mapping, Sequence

import numpy as np

Region = Sequence[tuple[float, float]]

# Points of every region at which the function is kept draw by draw, chain by chain.
PROBES = 20


def masks(x: np.ndarray, regions: Mapping[str, Region]) -> np.ndarray:
    """Which of the points (n,) lie in each region's intervals, ends included: (region, n)."""
    inside = np.zeros((len(regions), len(x)), dtype=bool)
    for mask, intervals in zip(inside, regions.values(), strict=True):
        for low, high in intervals:
            mask |= (low <= x) & (x <= high)
    return inside


def probes(inside: np.ndarray) -> np.ndarray:
    """Which points stand for their regions: up to PROBES of each, spread evenly over its points.

    Args:
        inside: which points lie in which region, (region, n).

    Returns:
        Which of the points they are, (n,).
    """
    chosen = np.zeros(inside.shape[1], dtype=bool)
    for mask in inside:
        places = np.flatnonzero(mask)
        spread = np.linspace(0, len(places) - 1, min(PROBES, len(places)))
        chosen[places[spread.round().astype(int)]] = True
    return chosen


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
