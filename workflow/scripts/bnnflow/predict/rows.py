"""What a fit says of new rows of a table."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from ..files import posterior
from ..files.columns import Column
from ..model.components import Labels
from . import predictive
from .mixture import Mixture
from .units import in_units

# Numbers of draws and rows that are worked on together.
CHUNK = 2**22

# Of what is told, which is all that single precision has.
DIGITS = 7


def at_rows(
    model: dict, tree: xr.DataTree, inputs: np.ndarray, quantiles: Sequence[float]
) -> pd.DataFrame:
    """Predictive distributions at rows.

    Args:
        model: settings of the fit's model.
        tree: the posterior, with all that is `predictive.NEEDED`.
        inputs: of the rows (n, inputs), in their own units.
        quantiles: probabilities of the quantiles.

    Returns:
        A row each. Of a target y that is a number, in its units: `y_mean`, `y_stddev` and
        `y_quantile_<probability>` of a new observation, and `y_function_stddev`, the standard
        deviation without the noise. Of one with levels, by level: `y_probability_<level>`, and
        `y_function_stddev_<level>`, the standard deviation of the probability over the draws.

    Raises:
        FloatingPointError: if one of these is not finite.
        ValueError: if the posterior is not of this model.
    """
    targets = posterior.encoding(tree).targets
    levels = torch.tensor(quantiles, dtype=torch.double)
    draws = tree["posterior"].sizes["chain"] * tree["posterior"].sizes["draw"]
    parts = []
    number = min(len(inputs), 1 + len(inputs) * draws // CHUNK)
    for rows in np.array_split(inputs, number):
        mixtures = predictive.mixtures(model, tree, rows)
        own = [
            {
                f"{column.name}_{name}": values.numpy()
                for name, values in _of_target(mixture, column, levels).items()
            }
            for mixture, column in zip(mixtures, targets, strict=True)
        ]
        parts.append(pd.DataFrame({name: v for each in own for name, v in each.items()}))
    found = pd.concat(parts, ignore_index=True)
    if wrong := [name for name in found if not np.isfinite(found[name]).all()]:
        raise FloatingPointError(
            f"{', '.join(wrong[:10])} cannot be computed in floating-point numbers, because the"
            " response is too large or the noise too small in some rows, which may lie far from"
            f" the training rows; {predictive.ASTRAY}"
        )
    return found


def beside(given: pd.DataFrame, found: pd.DataFrame, decimal: str) -> pd.DataFrame:
    """Rows with the numbers found of them, to DIGITS; taken names are followed by underscores.

    Args:
        given: the rows as they were given.
        found: the numbers.
        decimal: the mark of numbers among the rows.
    """
    names = {}
    for name in found:
        free = name
        while free in given or free in names.values():
            free += "_"
        names[name] = free
    told = found.map(lambda number: f"{number:.{DIGITS}g}".replace(".", decimal))
    return pd.concat([given, told.rename(columns=names)], axis=1)


def _of_target(mixture: Mixture, column: Column, levels: Tensor) -> Mapping[str, Tensor]:
    """By name (n,)."""
    if isinstance(mixture.components, Labels):
        return _of_levels(mixture, column)
    found = {
        name: in_units(name, values, column)
        for name, values in (
            ("mean", mixture.mean()),
            ("stddev", mixture.stddev()),
            ("function_stddev", mixture.function_stddev()),
        )
    }
    reached = in_units("quantiles", mixture.quantiles(levels), column)
    names = (f"quantile_{level:g}" for level in levels.tolist())
    return found | dict(zip(names, reached, strict=True))


def _of_levels(mixture: Mixture, column: Column) -> Mapping[str, Tensor]:
    found = {}
    each = mixture.components.probability().double()
    for place, level in enumerate(column.levels):
        mean = mixture.replicates(each[..., place])[0]
        away = mixture.replicates((each[..., place] - mean).square())[0]
        found |= {f"probability_{level}": mean, f"function_stddev_{level}": away.sqrt()}
    return found
