"""Whether a noisy loss has stopped to move."""

import math
from typing import NamedTuple

import numpy as np

# Parts of the steps that are compared with those before them, the narrowest that says enough.
SHARES = {"tenth": 10, "fifth": 5}
# Steps that a part needs, and batches of them whose medians are compared.
FEWEST, BATCHES = 20, 10
# Steps without which nothing is compared.
FEWEST_STEPS = FEWEST * max(SHARES.values())
# Of the medians, so many at either end do not count.
TRIMMED = 2


class Drift(NamedTuple):
    """By how much the end of a loss differs from what was before it.

    Attributes:
        share: which part of the steps was compared with the one before, a name in `SHARES`.
        steps: number of them in it.
        fall: of the loss from the one part to the other.
        error: the standard error of that.
    """

    share: str
    steps: int
    fall: float
    error: float

    @property
    def sure(self) -> float:
        """The part of the change that two standard errors do not explain."""
        return max(0.0, abs(self.fall) - 2 * self.error)


def drift(losses: np.ndarray, limits: tuple[float, float]) -> Drift | None:
    """Compare the end of a loss (steps,) with what was before it; of fewer than FEWEST_STEPS, not.

    Of batches of steps the medians are compared, because single draws from the guide make
    outliers; of these, because Adam has spikes that last, the trimmed means, with their standard
    errors (Yuen, 1974, doi:10.1093/biomet/61.1.165). Where the noise in a tenth of the steps would
    hide a drift beyond the second limit, and none beyond the first is seen, fifths are compared.
    """
    if len(losses) < FEWEST_STEPS:
        return None
    for share, number in SHARES.items():
        steps = len(losses) // number
        ends = losses[len(losses) - 2 * steps : len(losses) - steps], losses[len(losses) - steps :]
        (before, error), (last, other) = (
            _trimmed([np.median(batch) for batch in np.array_split(part, BATCHES)]) for part in ends
        )
        error = math.hypot(error, other)
        found = Drift(share, steps, before - last, error)
        if found.sure > limits[0] or 2 * error <= limits[1]:
            break
    return found


def _trimmed(values: list[float]) -> tuple[float, float]:
    """Mean of all values but the lowest and highest, and its standard error."""
    kept = np.sort(values)[TRIMMED:-TRIMMED]
    winsorized = np.pad(kept, TRIMMED, mode="edge")
    scatter = (len(values) - 1) * winsorized.var(ddof=1)
    return float(kept.mean()), math.sqrt(scatter / (len(kept) * (len(kept) - 1)))
