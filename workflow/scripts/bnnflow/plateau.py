"""Whether a noisy loss has stopped to move."""

from typing import NamedTuple

import numpy as np

# Parts of the steps that are compared with those before them, the narrowest that says enough.
SHARES = {"tenth": 10, "fifth": 5}
# Steps that a part needs, and batches of them whose medians are compared.
FEWEST, BATCHES = 20, 10


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


def drift(losses: np.ndarray, limits: tuple[float, float]) -> Drift:
    """Compare the end of a loss (steps,) with what was before it.

    Of batches of steps the medians are compared, because single draws from the guide make
    outliers. Where the noise in a tenth of the steps would hide a drift beyond the second limit,
    and none beyond the first is seen, fifths are compared.
    """
    for share, number in SHARES.items():
        steps = len(losses) // number
        ends = losses[len(losses) - 2 * steps : len(losses) - steps], losses[len(losses) - steps :]
        before, last = (
            np.array([np.median(batch) for batch in np.array_split(part, BATCHES)]) for part in ends
        )
        error = np.sqrt((before.var(ddof=1) + last.var(ddof=1)) / BATCHES)
        found = Drift(share, steps, float(before.mean() - last.mean()), float(error))
        if found.sure > limits[0] or 2 * error <= limits[1]:
            break
    return found
