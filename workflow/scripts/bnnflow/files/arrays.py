"""Files of arrays of which it is known what they have, and over what each is."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from . import netcdf
from .errors import FileError

Variables = Mapping[str, tuple[str, ...]]


def read(
    path: str | Path, kind: str, variables: Variables, optional: Variables | None = None
) -> xr.Dataset:
    """Read such a NetCDF file whole into memory.

    Args:
        path: of the file.
        kind: what it should be, for the error.
        variables: that it must have, with their dimensions.
        optional: that it may have besides.

    Raises:
        FileError: if the file is damaged, lacks a variable or holds numbers that are not finite.
    """
    found = netcdf.read(path, kind)[""]
    present = {name: dims for name, dims in (optional or {}).items() if name in found}
    for name, dims in {**variables, **present}.items():
        if name not in found:
            raise FileError(path, kind, f"it has no {name}")
        if found[name].dims != dims:
            raise FileError(path, kind, f"{name} has the dimensions {found[name].dims}")
        if not found[name].size or not np.isfinite(found[name].to_numpy()).all():
            raise FileError(path, kind, f"{name} is not finite")
    return found


def write(content: xr.Dataset, path: str | Path) -> None:
    """Write as NetCDF."""
    netcdf.write(content, path)
