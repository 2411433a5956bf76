"""The files of predictions: on the grid, and at held-out observations."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from . import netcdf
from .errors import FileError

# Their variables beside x, and over what each is.
VARIABLES = {
    **dict.fromkeys(("mean", "stddev", "function_stddev"), ("point",)),
    **dict.fromkeys(("quantiles", "function_quantiles"), ("quantile", "point")),
    "function": ("sample", "point"),
}


def write(predictions: xr.Dataset, path: str | Path) -> None:
    """Write as NetCDF."""
    netcdf.write(predictions, path)


def read(
    path: str | Path,
    kind: str = "predictions",
    variables: Mapping[str, tuple[str, ...]] = VARIABLES,
) -> xr.Dataset:
    """Read such a file whole into memory.

    Args:
        path: of the file.
        kind: what it should be, for the error.
        variables: that it must have beside x, with their dimensions.

    Raises:
        FileError: if the file is damaged, lacks a variable or holds numbers that are not finite.
    """
    found = netcdf.read(path, kind)[""]
    for name, dims in {"x": ("point",), **variables}.items():
        if name not in found:
            raise FileError(path, kind, f"it has no {name}")
        if found[name].dims != dims:
            raise FileError(path, kind, f"{name} has the dimensions {found[name].dims}")
        if not found[name].size or not np.isfinite(found[name].to_numpy()).all():
            raise FileError(path, kind, f"{name} is not finite")
    return found
