"""The files of predictions: on the grid, and at held-out observations."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from . import files
from .errors import FileError

VARIABLES = ("mean", "stddev", "function_stddev", "quantiles", "function_quantiles", "function")


def write(predictions: xr.Dataset, path: str | Path) -> None:
    """Write as NetCDF."""
    with files.whole(path) as part:
        # From memory, because HDF5 can crash where a disk is full.
        part.write_bytes(predictions.to_netcdf(engine="h5netcdf"))


def read(
    path: str | Path, kind: str = "predictions", variables: Sequence[str] = VARIABLES
) -> xr.Dataset:
    """Read such a file whole into memory.

    Args:
        path: of the file.
        kind: what it should be, for the error.
        variables: that it must have beside x.

    Raises:
        FileError: if the file is damaged, lacks a variable or holds numbers that are not finite.
    """
    try:
        with xr.open_dataset(path, engine="h5netcdf") as opened:
            predictions = opened.load()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise FileError(path, kind, error) from error
    for name in ("x", *variables):
        if name not in predictions:
            raise FileError(path, kind, f"it has no {name}")
        if not np.isfinite(predictions[name].to_numpy()).all():
            raise FileError(path, kind, f"{name} is not finite")
    return predictions
