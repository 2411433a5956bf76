"""What models of scikit-learn have learnt, in the place of a posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ...files import posterior
from .named import ESTIMATORS

if TYPE_CHECKING:
    from ...files.encodings import Encoding
    from ...model.components import Components

# The group of a posterior's file that has what no draw has.
GROUP = "estimator"


def of_targets(
    name: str, x: np.ndarray, columns: np.ndarray, seed: int, encoding: Encoding
) -> xr.DataTree:
    """Learn every target, and keep what predictions need.

    Args:
        name: of the model.
        x: encoded inputs (n, inputs).
        columns: encoded targets (targets, n).
        seed: of all targets.
        encoding: of the data.
    """
    location, unit = columns.mean(1), columns.std(1)
    learnt = [
        ESTIMATORS[name].learn(x, (y - centre) / size, seed)
        for y, centre, size in zip(columns, location, unit, strict=True)
    ]
    parts = {"location": location, "unit": unit}
    parts |= _stacked([own.parameters for own in learnt])
    tree = posterior.of_chain(
        {key: value[None] for key, value in parts.items()}, facts={GROUP: name}, encoding=encoding
    )
    kept = {
        key: ([f"{key}_{place}" for place in range(value.ndim)], value)
        for key, value in _stacked([own.kept for own in learnt]).items()
    }
    tree[GROUP] = xr.DataTree(xr.Dataset(kept, attrs={"model": name}))
    return tree


def components(tree: xr.DataTree, x: np.ndarray) -> list[Components]:
    """The predictive distributions of every target at encoded inputs (m, inputs).

    Args:
        tree: that `of_targets` has made.
        x: the inputs.
    """
    own = {name: part.to_numpy() for name, part in tree[GROUP].data_vars.items()}
    own |= {name: value[0] for name, value in posterior.pooled(tree).items()}
    name = tree[GROUP].attrs["model"]
    return [
        ESTIMATORS[name].components({key: values[target] for key, values in own.items()}, x)
        for target in range(len(own["unit"]))
    ]


def _stacked(parts: list) -> dict[str, np.ndarray]:
    return {key: np.stack([np.asarray(part[key]) for part in parts]) for key in parts[0]}
