"""Whether a fit predicts better than what is cheaper."""

import math
from collections.abc import Mapping

import numpy as np

from .findings import Finding, judged, unmeasured
from .limits import Limits

# The region of all rows.
EVERYWHERE = "all"


def lead(fit: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """How far a fit's log densities (n,) are above another's at the same points, in nats.

    Returns:
        The mean paired difference, and its standard error as if points were independent (Diebold
        and Mariano, 1995, doi:10.1080/07350015.1995.10524599), which one point does not have.
    """
    apart = fit - other
    error = apart.std(ddof=1) / math.sqrt(len(apart)) if len(apart) > 1 else math.nan
    return float(apart.mean()), float(error)


def of_skill(fit: np.ndarray, cheaper: Mapping[str, np.ndarray], limits: Limits) -> Finding:
    """How much better a fit is than the best of what is cheaper, over all held-out points.

    Value: the mean paired difference of their log densities over its standard error.

    Args:
        fit: log predictive densities of held-out points (n,), in nats.
        cheaper: the same of baselines, by their names.
        limits: by name of the diagnostic.
    """
    if len(fit) < 2:
        return unmeasured("skill", "one held-out row has no standard error", EVERYWHERE)
    best = max(cheaper, key=lambda name: cheaper[name].mean())
    mean, error = lead(fit, cheaper[best])
    # Differences that are all the same have no error beyond rounding.
    value = mean / max(error, np.finfo(float).eps)
    side = "above" if mean >= 0 else "below"
    size = f"{abs(mean):.2g} ± {error:.1g} nats per observation"
    told = f"its log density is {size} {side} the {best} model's"
    return judged("skill", value, limits, EVERYWHERE, told)
