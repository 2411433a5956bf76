"""The file of losses of a variational fit, a row a step."""

from pathlib import Path

import numpy as np

from . import safe
from .errors import FileError


def read(path: str | Path, steps: int) -> np.ndarray:
    """Read the losses of a variational fit at its steps, which are numbered from 1: (steps,).

    Raises:
        FileError: if the file is damaged, something else, or not of so many steps.
    """
    columns = ["step", "loss"]
    table = safe.numbers(path, columns)
    if not np.array_equal(table["step"], np.arange(1, steps + 1)):
        reason = f"its {len(table)} steps are not those from 1 to {steps}"
        raise FileError(path, "the losses of a fit", reason)
    return table["loss"].to_numpy()
