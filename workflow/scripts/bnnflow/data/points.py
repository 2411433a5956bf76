"""Points: those that no fit sees, on which fits are judged, and the grid on which they are drawn.

What is known of the former is found once, and stands beside them in their file.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from ..files import arrays
from . import regions
from .regions import Region

# What the file has, and over what each is; the truth may be absent.
INPUTS = ("point", "input")
HELD_OUT = {
    "inputs": INPUTS,
    "targets": ("target", "point"),
    "inside": ("region", "point"),
    "of_set": ("set", "point"),
    "probe": ("point",),
}
TRUTH = dict.fromkeys(("truth", "noise"), ("target", "point"))
# Of points along inputs: which is varied, and at which row.
ALONG = dict.fromkeys(("along", "row"), ("point",))


def held_out(
    table: pd.DataFrame,
    inputs: Sequence[str],
    targets: Sequence[str],
    inside: Mapping[str, np.ndarray],
    of_set: Mapping[str, np.ndarray],
    truth: Sequence[str] = (),
) -> xr.Dataset:
    """Held-out points.

    Args:
        table: a row for every point.
        inputs, targets: names of its columns.
        inside: by region, which points (n,) lie in it.
        of_set: by data set, which points (n,) are where its observations are.
        truth: columns of the true function of every target, where it is known.

    Returns:
        Over (point, input): inputs. Over (target, point): targets, and truth where it is known.
        Over (region, point): inside. Over (set, point): of_set. Over point: probe, whether
        the function is kept there draw by draw.
    """
    masks = np.array(list(inside.values()), dtype=bool).reshape(len(inside), len(table))
    sets = np.array(list(of_set.values()), dtype=bool).reshape(len(of_set), len(table))
    columns = {"targets": targets} | ({"truth": truth} if truth else {})
    return xr.Dataset(
        {
            "inputs": (INPUTS, table[list(inputs)].to_numpy(dtype=float)),
            "inside": (HELD_OUT["inside"], masks),
            "of_set": (HELD_OUT["of_set"], sets),
            "probe": (HELD_OUT["probe"], regions.probes(masks)),
        }
        | {
            name: (HELD_OUT["targets"], table[list(own)].to_numpy(dtype=float).T)
            for name, own in columns.items()
        },
        coords={
            "input": list(inputs),
            "target": list(targets),
            "region": list(inside),
            "set": list(of_set),
        },
    )


def along(
    table: pd.DataFrame, intervals: Mapping[str, Region], sets: Mapping[str, Region]
) -> xr.Dataset:
    """Held-out points of simulated data: columns x, y, f; regions and sets are intervals of x."""
    x = table["x"].to_numpy()
    inside, of_set = regions.masks(x, intervals), regions.masks(x, sets)
    by_region = dict(zip(intervals, inside, strict=True))
    by_set = dict(zip(sets, of_set, strict=True))
    return held_out(table, ["x"], ["y"], by_region, by_set, truth=["f"])


def grid(columns: Mapping[str, np.ndarray]) -> xr.Dataset:
    """Points at the values (n,) of inputs by name."""
    values = np.stack([np.asarray(column, dtype=float) for column in columns.values()], axis=1)
    return xr.Dataset({"inputs": (INPUTS, values)}, coords={"input": list(columns)})


def at(path: str | Path) -> xr.Dataset:
    """Read points at which fits of a table predict, as `slices.along` has them.

    Raises:
        FileError: if the file is damaged, lacks a variable or holds numbers that are not finite.
    """
    return arrays.read(path, "points of a grid", {"inputs": INPUTS, **ALONG})


def read(path: str | Path) -> xr.Dataset:
    """Read held-out points; truth is there where it is known.

    Raises:
        FileError: if the file is damaged, lacks a variable or holds numbers that are not finite.
    """
    return arrays.read(path, "held-out points", HELD_OUT, TRUTH)
