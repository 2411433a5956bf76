"""The predictions file: a fit's predictive distribution on the grid."""

from pathlib import Path

import numpy as np
import xarray as xr

from .errors import FileError

VARIABLES = ("mean", "stddev", "function_stddev", "quantiles", "function_quantiles", "function")


def write(predictions: xr.Dataset, path: str | Path) -> None:
    """Write as NetCDF."""
    predictions.to_netcdf(path, engine="h5netcdf")


def read(path: str | Path) -> xr.Dataset:
    """Read predictions whole into memory.

    Raises:
        FileError: if the file is damaged, lacks a variable or holds numbers that are not finite.
    """
    try:
        with xr.open_dataset(path, engine="h5netcdf") as opened:
            predictions = opened.load()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise FileError(path, "predictions", error) from error
    for name in ("x", *VARIABLES):
        if name not in predictions:
            raise FileError(path, "predictions", f"it has no {name}")
        if not np.isfinite(predictions[name].to_numpy()).all():
            raise FileError(path, "predictions", f"{name} is not finite")
    return predictions
