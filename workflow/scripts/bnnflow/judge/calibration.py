"""Whether a predictive distribution is calibrated."""

from collections.abc import Iterator, Mapping

import numpy as np

from .findings import Finding, judged
from .limits import Limits


def of_calibration(
    errors: Mapping[str, np.ndarray], by_chance: Mapping[str, np.ndarray], limits: Limits
) -> Iterator[Finding]:
    """Calibration by region.

    Value: by how much one of the two errors, that of the shares below quantiles or that of those
    in central intervals, is above what may be chance; the larger, or 0.

    Args:
        errors: by region both errors, as of `scores.calibration_errors`.
        by_chance: by region what both stay below in 95 of 100 cases if the fit is right.
        limits: by name of the diagnostic.
    """
    for region, both in errors.items():
        sure = np.subtract(both, by_chance[region])
        worse = int(sure.argmax())
        what = ("below quantiles", "in central intervals")[worse]
        chance = by_chance[region][worse]
        reason = f"shares {what} are off by {both[worse]:.2g}, of which {chance:.2g} may be chance"
        yield judged("calibration_error", max(0.0, sure[worse]), limits, region, reason)
