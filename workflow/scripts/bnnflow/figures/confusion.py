"""What was observed beside the likeliest class: the confusion matrix."""

import numpy as np

from .canvas import Axes
from .inputs import LETTERS, UPRIGHT, Axis, wrapped

# Classes whose numbers of rows are written into the cells.
WRITTEN = 12

# Colours from no row of a class to all of them, and from which share on words are white.
SHARE, DARK = "Greys", 0.5


def confusion(observed: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Numbers of rows by observed and by likeliest class, (class, class).

    Args:
        observed: places of the classes that were observed, (n,).
        probability: of every class, (class, n).
    """
    count = len(probability)
    cells = observed.astype(int) * count + probability.argmax(0)
    return np.bincount(cells, minlength=count**2).reshape(count, count)


def draw_confusion(axes: Axes, target: Axis, observed: np.ndarray, probability: np.ndarray) -> None:
    """How many rows of every observed class have which class as the likeliest.

    Args:
        axes: of the panel.
        target: its axis.
        observed: places of the classes that were observed, (n,).
        probability: of every class, (class, n).
    """
    counts = confusion(observed, probability[: len(target.levels)])
    share = counts / np.maximum(1, counts.sum(1, keepdims=True))
    places = np.arange(len(counts))
    look = {"cmap": SHARE, "vmin": 0, "vmax": 1, "shading": "nearest", "rasterized": True}
    axes.pcolormesh(places, places, share, **look)
    if len(counts) <= WRITTEN:
        for (row, column), number in np.ndenumerate(counts):
            color = "white" if share[row, column] > DARK else "black"
            look = {"ha": "center", "va": "center", "fontsize": "small", "color": color}
            axes.text(column, row, f"{number:,}", **look)
    target.prepare(axes, "x", wrapped(f"likeliest {target.name}", LETTERS))
    target.prepare(axes, "y", wrapped(f"observed {target.name}", UPRIGHT))
    edge = len(counts) - 0.5
    axes.set(xlim=(-0.5, edge), ylim=(edge, -0.5))
