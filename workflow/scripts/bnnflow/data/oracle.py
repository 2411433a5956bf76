"""The generating process itself as a predictive distribution."""

from math import erf

import numpy as np
import xarray as xr

from ..files.columns import Column
from .distributions import OfNumbers, as_evaluation, scores_at, stepped_crps
from .tutorial import sinusoid

# Standard normal noise is cut off here, and divided into so many equal steps.
REACH, STEPS = 8.0, 1600


def foretold(x: np.ndarray, y: np.ndarray, noise: float, levels: list[float]) -> xr.Dataset:
    """Scores and summaries of y = f(x + e), e normal, as `evaluation.scored` has them of a fit.

    f is taken as linear within each step of e.

    Args:
        x, y: held-out observations (n,).
        noise: standard deviation of e.
        levels: probabilities of the quantiles.
    """
    steps = np.linspace(-REACH, REACH, STEPS + 1)
    below = np.array([(1 + erf(step / 2**0.5)) / 2 for step in steps])
    probability = np.diff(below) / (below[-1] - below[0])
    ends = sinusoid(x[:, None] + noise * steps)
    low, high = np.minimum(ends[:, :-1], ends[:, 1:]), np.maximum(ends[:, :-1], ends[:, 1:])
    length = np.maximum(high - low, np.finfo(float).tiny)

    share = np.empty_like(low)

    def cdf(t: np.ndarray) -> np.ndarray:
        # In place, because the system takes longer to give so much memory than this to compute.
        np.subtract(t[:, None], low, out=share)
        np.divide(share, length, out=share)
        np.clip(share, 0, 1, out=share)
        return np.multiply(share, probability, out=share).sum(1)

    middle = (low + high) / 2
    mean = (middle * probability).sum(1)
    variance = (((middle - mean[:, None]) ** 2 + length**2 / 12) * probability).sum(1)
    holds = (low <= y[:, None]) & (y[:, None] < high)
    density = np.where(holds, probability / length, 0).sum(1)
    values = {
        "mean": mean,
        "stddev": np.sqrt(variance),
        "function_stddev": np.zeros_like(mean),
        "log_density": np.log(density),
        "crps": stepped_crps(middle, probability, y),
        "pit": cdf(y),
    }
    quantiles = [_inverse(cdf, low.min(1), high.max(1), level) for level in levels]
    return as_evaluation(
        {name: value[None] for name, value in values.items()},
        np.array(quantiles)[:, None],
        levels,
    )


def normal(mean: np.ndarray, stddev: np.ndarray, y: np.ndarray, levels: list[float]) -> xr.Dataset:
    """The same of normal noise about known means.

    Args:
        mean, stddev: of every target at every held-out row, (target, n).
        y: observations (target, n).
        levels: probabilities of the quantiles.
    """
    known, plain = np.zeros(mean.shape[1]), Column("target")
    normals = [
        OfNumbers(own, spread, known, np.inf, plain)
        for own, spread in zip(mean, stddev, strict=True)
    ]
    return scores_at(normals, y, levels, np.random.default_rng(0))


def _inverse(cdf, low: np.ndarray, high: np.ndarray, level: float) -> np.ndarray:
    for _ in range(40):
        middle = (low + high) / 2
        under = cdf(middle) < level
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return (low + high) / 2
