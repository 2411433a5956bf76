"""Parts of the rows of a table: from which fits learn, and how often the rows are split."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from . import conditions
from .conditions import Condition

# The only set of a table, where it has no others, and parts in the order of the rows.
TRAINING, BATCH = "train", "batch"

# The only split of the rows into those of training and those held out, where there are no others.
ONLY = ""


def names(data: Mapping) -> list[str]:
    """Names of the sets, by the settings of the data: in the order in which they come."""
    if "table" not in data:
        return [observations["name"] for observations in data["observations"]]
    if isinstance(data["sets"], int):
        return _numbered(BATCH, data["sets"])
    return list(data["sets"]) or [TRAINING]


def splits(data: Mapping) -> list[str]:
    """Names of the splits of the rows, by the settings of the data."""
    if folds := data.get("folds"):
        return _numbered("fold_", folds)
    if repeats := data.get("repeats"):
        # A repeat keeps its name where there are more of them.
        return _numbered("repeat_", repeats, digits=2)
    return [ONLY]


def members(rows: pd.DataFrame, data: Mapping) -> dict[str, np.ndarray]:
    """Rows (n,) of every set: by condition, or as many in each as they follow each other."""
    sets: Mapping[str, Condition] | int = data["sets"]
    if isinstance(sets, int):
        places = np.arange(len(rows)) * sets // len(rows)
        return {name: places == number for number, name in enumerate(_numbered(BATCH, sets))}
    if not sets:
        return {TRAINING: np.ones(len(rows), dtype=bool)}
    return {
        name: conditions.holds(condition, rows, f"data.sets.{name}")
        for name, condition in sets.items()
    }


def _numbered(word: str, count: int, digits: int = 1) -> list[str]:
    width = max(digits, len(str(count)))
    return [f"{word}{number:0{width}}" for number in range(1, count + 1)]
