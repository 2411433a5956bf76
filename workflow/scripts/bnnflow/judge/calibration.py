"""Whether a predictive distribution is calibrated."""

from collections.abc import Iterator, Mapping

import numpy as np

from .findings import Finding, judged
from .limits import Limits

# What the two errors are of, where a target is a number, and where it has classes.
OF_NUMBERS = "shares below quantiles are", "shares in central intervals are"
OF_CLASSES = "frequencies of classes are", "the frequency of the likeliest class is"


def of_calibration(
    errors: Mapping[str, np.ndarray],
    by_chance: Mapping[str, np.ndarray],
    limits: Limits,
    what: tuple[str, str] = OF_NUMBERS,
) -> Iterator[Finding]:
    """Calibration by region.

    Value: by how much one of the two errors is above what may be chance; the larger, or 0.

    Args:
        errors: by region both errors, as of `scores.errors`.
        by_chance: by region what both stay below in 95 of 100 cases if the fit is right.
        limits: by name of the diagnostic.
        what: the errors are of.
    """
    for region, both in errors.items():
        sure = np.subtract(both, by_chance[region])
        worse = int(sure.argmax())
        chance = by_chance[region][worse]
        reason = f"{what[worse]} off by {both[worse]:.2g}, of which {chance:.2g} may be chance"
        yield judged("calibration_error", max(0.0, sure[worse]), limits, region, reason)
