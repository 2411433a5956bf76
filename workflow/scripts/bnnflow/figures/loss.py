"""The figure of a variational fit's loss."""

import numpy as np
import pandas as pd

from .canvas import Figure, head, scaled


def draw_loss(
    fit: str,
    title: str,
    steps: np.ndarray,
    losses: np.ndarray,
    compared: int,
    verdict: tuple[str, str] = ("", ""),
) -> Figure:
    """The loss of a variational fit and its running median; shaded what is tested for a plateau.

    Args:
        fit: its name.
        title: heading.
        steps, losses: arrays (steps,); the negative evidence lower bound per observation, in nats.
        compared: number of steps in each of the last two parts, which are compared; 0 where none
            were.
        verdict: on the plateau, and why.
    """
    window = max(1, len(steps) // 100)
    figure = Figure()
    axes = figure.subplots()
    # As a path of one point a step it would make the SVG many megabytes large.
    thin = {"alpha": 0.35, "linewidth": 0.6} if window > 1 else {}
    axes.plot(steps, losses, color="C1", label="each step", rasterized=True, **thin)
    if window > 1:
        smooth = pd.Series(losses).rolling(window, center=True, min_periods=1).median()
        axes.plot(steps, smooth, color="C1", label=f"median of {window} steps")
    if compared:
        parts = {"color": "0.6", "linewidth": 0}
        ends = steps[-2 * compared], steps[-compared], steps[-1]
        axes.axvspan(*ends[:2], alpha=0.15, **parts)
        axes.axvspan(*ends[1:], alpha=0.3, label="parts that are compared", **parts)
    head(figure, fit, title, verdict)
    how = scaled(axes, "y", losses, signed=True, gap=0.1)
    label = "−ELBO per observation,\nnats"
    axes.set_ylabel(f"{label}, {how}" if how else label, fontsize="medium")
    axes.set_xlabel("step")
    axes.set_xlim(steps[0], max(steps[-1], steps[0] + 1))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(loc="upper right")
    return figure
