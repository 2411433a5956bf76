"""Whether a fit predicts better than what is cheaper."""

import math
from collections.abc import Mapping

import numpy as np

from .findings import Finding, judged, unmeasured
from .limits import Limits

# The region of all rows.
EVERYWHERE = "all"


def of_skill(fit: np.ndarray, cheaper: Mapping[str, np.ndarray], limits: Limits) -> Finding:
    """How much better a fit is than the best of what is cheaper, over all held-out points.

    Value: the mean paired difference of their log densities over its standard error, as if points
    were independent (Diebold and Mariano, 1995, doi:10.1080/07350015.1995.10524599).

    Args:
        fit: log predictive densities of held-out points (n,), in nats.
        cheaper: the same of baselines, by their names.
        limits: by name of the diagnostic.
    """
    if len(fit) < 2:
        return unmeasured("skill", "one held-out row has no standard error", EVERYWHERE)
    best = max(cheaper, key=lambda name: cheaper[name].mean())
    better = fit - cheaper[best]
    mean, error = float(better.mean()), float(better.std(ddof=1) / math.sqrt(len(better)))
    # Differences that are all the same have no error beyond rounding.
    value = mean / max(error, np.finfo(float).eps)
    side = "above" if mean >= 0 else "below"
    size = f"{abs(mean):.2g} ± {error:.1g} nats per observation"
    told = f"its log density is {size} {side} the {best} model's"
    return judged("skill", value, limits, EVERYWHERE, told)
