"""The files of predictions: on the grid, and at held-out points with all that judges them."""

from pathlib import Path

import xarray as xr

from . import arrays
from .errors import FileError
from .posterior import WITHOUT

# On the grid.
GRID = {
    "inputs": ("point", "input"),
    **dict.fromkeys(("mean", "stddev", "function_stddev"), ("target", "point")),
    **dict.fromkeys(("quantiles", "function_quantiles"), ("quantile", "target", "point")),
    "function": ("sample", "target", "point"),
}

# And where a target has classes, of every class.
CLASSES = ("class", "target", "point")

# At held-out points: what these are,
POINTS = {
    "inputs": ("point", "input"),
    "targets": ("target", "point"),
    "inside": ("region", "point"),
    "of_set": ("set", "point"),
}
TRUTH = {"truth": ("target", "point")}
# what a predictive distribution says of them,
SCORED = {
    **dict.fromkeys(("mean", "stddev", "function_stddev"), ("replicate", "target", "point")),
    **dict.fromkeys(("log_density", "crps", "pit"), ("replicate", "target", "point")),
    "quantiles": ("replicate", "level", "target", "point"),
}
# of every class, where a target has such, with what is to be expected by chance,
SCORED_CLASSES = {
    "class_probability": ("replicate", *CLASSES),
    "reliability_errors": ("region", "target", "simulation", "error"),
}
# of all targets together, where there are several, and how their residuals are correlated,
TOGETHER = {
    "joint_log_density": ("replicate", "point"),
    "correlation": ("certainty", "target", "other"),
}
# and all of it at a few of them, chain by chain, with what is to be expected by chance.
PROBED = {
    "probe_inputs": ("probe", "input"),
    "probe_inside": ("region", "probe"),
    "function": ("chain", "draw", "target", "probe"),
    "probe_quantiles": ("probability", "target", "probe"),
    "shares": ("region", "target", "simulation", "below"),
    "weight": ("chain",),
    "without": WITHOUT,
}

# Which of them are yes or no, and which dimensions have names.
MASKS = ("inside", "of_set", "probe_inside")
NAMED = ("input", "target", "region", "set")


def read(path: str | Path) -> xr.Dataset:
    """Read predictions on the grid.

    Raises:
        FileError: if the file is damaged, lacks a variable or holds numbers that are not finite.
    """
    return arrays.read(path, "predictions", GRID, {"class_probability": CLASSES})


def read_scored(path: str | Path) -> xr.Dataset:
    """Read what a fit, or what stands beside fits, says of every held-out point.

    Raises:
        FileError: if the file is damaged, lacks a variable or holds numbers that are not finite.
    """
    return arrays.read(
        path, "scores at held-out points", POINTS | SCORED, TRUTH | SCORED_CLASSES | TOGETHER
    )


def read_evaluation(path: str | Path) -> xr.Dataset:
    """Read the evaluation of a fit; truth is there where it is known.

    Raises:
        FileError: if the file is damaged, lacks a variable or a name, or holds numbers that are
            not finite.
    """
    kind = "an evaluation"
    found = arrays.read(path, kind, POINTS | SCORED | PROBED, TRUTH | SCORED_CLASSES | TOGETHER)
    for name in MASKS:
        if found[name].dtype != bool:
            raise FileError(path, kind, f"{name} is not of yes and no")
    for name in NAMED:
        if found[name].dtype.kind != "U":
            raise FileError(path, kind, f"its {name}s have no names")
    return found
