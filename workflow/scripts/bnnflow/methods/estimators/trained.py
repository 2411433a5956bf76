"""What a model of scikit-learn has learnt, as arrays from which it can predict again."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Trained:
    """Of one target.

    Attributes:
        parameters: numbers that were fitted, which stand in the place of a draw.
        kept: what else is needed.
    """

    parameters: Mapping[str, np.ndarray]
    kept: Mapping[str, np.ndarray]
