"""Scores of classes: what the metrics are means of, and the metrics."""

import numpy as np
import xarray as xr

from ..predict.reliability import BINS, gaps, reliability_errors

# Metrics that compare probabilities with frequencies: of all classes, and of the likeliest one.
ERRORS = ("calibration_error", "confidence_error")


def terms_of(evaluation: xr.Dataset) -> dict[str, np.ndarray]:
    """What the metrics are means of: arrays (replicate, point), of one target."""
    probability = _probability(evaluation)
    y = evaluation["targets"].to_numpy()
    seen = np.arange(probability.shape[1])[:, None] == y
    apart = gaps(probability, y).reshape(len(probability), -1, len(y))
    return {
        "lppd": evaluation["log_density"].to_numpy(),
        "brier": ((probability - seen) ** 2).sum(1),
        "error_rate": (probability.argmax(1) != y).astype(float),
        **{f"gap {number}": apart[:, number] for number in range(apart.shape[1])},
    }


def metrics_of(means: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Metrics from the means of the terms over a region's points.

    `brier` is the sum over classes (Brier, 1950), which for yes and no is twice the square of the
    difference; the log loss is minus the `lppd`.
    """
    apart = np.array([mean for name, mean in means.items() if name.startswith("gap ")])
    errors = reliability_errors(apart.reshape(-1, BINS, *apart.shape[1:]))
    scores = {name: means[name] for name in ("lppd", "brier", "error_rate")}
    return {**scores, **dict(zip(ERRORS, errors, strict=True))}


def reliability(evaluation: xr.Dataset, inside: np.ndarray) -> xr.Dataset:
    """How often classes are seen where they have a probability.

    Args:
        evaluation: of one target.
        inside: which of the points are looked at, (n,).

    Returns:
        Over (class, bin): probability, the mean of those in the bin; frequency; and points, the
        number of them. Bins without points have neither probability nor frequency, but NaN.
    """
    probability = _probability(evaluation)[0][:, inside]
    seen = np.arange(len(probability))[:, None] == evaluation["targets"].to_numpy()[inside]
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    at = bins[:, None] == np.arange(BINS)[:, None]
    points = at.sum(-1)
    with np.errstate(invalid="ignore"):
        found = {
            "probability": (at * probability[:, None]).sum(-1) / points,
            "frequency": (at * seen[:, None]).sum(-1) / points,
            "points": points,
        }
    return xr.Dataset({name: (("class", "bin"), values) for name, values in found.items()})


def _probability(evaluation: xr.Dataset) -> np.ndarray:
    """Of the classes that the target has: (replicate, class, point)."""
    found = evaluation["class_probability"].transpose("replicate", "class", "point").to_numpy()
    return found[:, found.any((0, 2))]
