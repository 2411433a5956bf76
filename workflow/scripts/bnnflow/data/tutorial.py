"""The tutorial's own data, which the workflow simulates: y = f(x + e)."""

import numpy as np
import pandas as pd

Interval = tuple[float, float, int]

# Columns of its data sets, and of those that no fit sees, which have the true function too.
COLUMNS = ("x", "y")
HELD_OUT = (*COLUMNS, "f")


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
