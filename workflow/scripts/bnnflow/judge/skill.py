"""Whether a fit predicts better than a linear model."""

import math

import numpy as np

from .findings import Finding, judged, unmeasured
from .limits import Limits

# The region of all rows.
EVERYWHERE = "all"


def of_skill(fit: np.ndarray, line: np.ndarray, limits: Limits) -> Finding:
    """How much better a fit is than the linear model, over all held-out rows.

    Value: the mean paired difference of their log densities over its standard error, as if rows
    were independent (Diebold and Mariano, 1995, doi:10.1080/07350015.1995.10524599).

    Args:
        fit, line: log predictive densities of held-out rows (n,), in nats.
        limits: by name of the diagnostic.
    """
    better = fit - line
    if len(better) < 2:
        return unmeasured("skill", "one held-out row has no standard error", EVERYWHERE)
    mean, error = float(better.mean()), float(better.std(ddof=1) / math.sqrt(len(better)))
    # Differences that are all the same have no error beyond rounding.
    value = mean / max(error, np.finfo(float).eps)
    side = "above" if mean >= 0 else "below"
    size = f"{abs(mean):.2g} ± {error:.1g} nats per row"
    told = f"its log density is {size} {side} the linear model's"
    return judged("skill", value, limits, EVERYWHERE, told)
