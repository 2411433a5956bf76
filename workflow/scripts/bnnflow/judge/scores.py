"""Scores of predictive distributions by region, with their standard errors."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from ..data.regions import Region, within
from ..files import safe
from ..files.errors import FileError
from ..predict.levels import CALIBRATION, COVERAGE

# Metrics that compare them: below quantiles, and in the central intervals between them.
ERRORS = ("calibration_error", "coverage_error")

# What an evaluation has beside x, and over what each is.
VARIABLES = {
    **dict.fromkeys(("y", "f"), ("point",)),
    **dict.fromkeys(("mean", "stddev", "function_stddev"), ("replicate", "point")),
    **dict.fromkeys(("log_density", "crps", "pit"), ("replicate", "point")),
    "quantiles": ("replicate", "level", "point"),
}
# And that of a fit besides.
PROBES = {
    "probe_x": ("probe",),
    "function": ("chain", "draw", "probe"),
    "probe_quantiles": ("probability", "probe"),
}
SIMULATED = {"shares": ("region", "simulation", "below")}

COLUMNS = ("region", "metric", "value", "error_draws", "error_points")


def of_points(evaluation: xr.Dataset, held_out: pd.DataFrame) -> xr.Dataset:
    """An evaluation with the observations that it is of: columns x, y and f, the true function."""
    columns = {name: ("point", held_out[name].to_numpy()) for name in ("x", "y", "f")}
    return evaluation.assign(columns)


def by_chance(evaluation: xr.Dataset, regions: Iterable[str]) -> dict[str, np.ndarray]:
    """By region what both calibration errors stay below in 95 of 100 cases if the fit is right.

    Args:
        evaluation: with the shares of `evaluation.simulated`.
        regions: their names, in the order in which the shares are.
    """
    shares = evaluation["shares"].transpose("below", "region", "simulation").to_numpy()
    # Each in 97.5, so that both do in 95.
    limits = np.quantile(calibration_errors(shares), 0.975, axis=2, method="higher")
    return dict(zip(regions, limits.T, strict=True))


def table(evaluation: xr.Dataset, regions: Mapping[str, Region]) -> pd.DataFrame:
    """Scores of one fit.

    Args:
        evaluation: at every held-out point, by `of_points`.
        regions: intervals [from, to] of x by name, ends included.

    Returns:
        A row for every region and metric: region, metric, value, and two standard errors, both
        by the jackknife: error_draws, of the finite number of posterior draws, and
        error_points, of the finite number of held-out points. An error that one draw or one
        point cannot give is missing.
    """
    terms = _terms(evaluation)
    x = evaluation["x"].to_numpy()
    rows = []
    for region, intervals in regions.items():
        inside = within(x, intervals)
        own = {name: values[:, inside] for name, values in terms.items()}
        count = inside.sum()
        values = _metrics({name: part.mean(axis=1) for name, part in own.items()})
        without = {name: part[0].sum() - part[0] for name, part in own.items()}
        by_point = _metrics({name: part / max(1, count - 1) for name, part in without.items()})
        rows.append((region, "points", count, 0.0, 0.0))
        for metric, replicates in values.items():
            errors = jackknife(replicates[1:]), jackknife(by_point[metric])
            rows.append((region, metric, replicates[0], *errors))
    return pd.DataFrame(rows, columns=COLUMNS)


def errors(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Both calibration errors by region, from such a table."""
    values = table.set_index(["metric", "region"])["value"]
    regions = table["region"].unique()
    return {region: np.array([values[name, region] for name in ERRORS]) for region in regions}


def write(table: pd.DataFrame, path: str | Path) -> None:
    """Write such a table as CSV."""
    safe.write_table(table, path, float_format="%.6g")


def read(path: str | Path, first: Sequence[str] = ()) -> pd.DataFrame:
    """Read such a table.

    Args:
        path: of the file.
        first: columns of text that it has before the others.

    Raises:
        FileError: if the file is damaged or something else.
    """
    found = safe.table(path, "a table of scores", (*first, *COLUMNS), numeric=COLUMNS[2:])
    rows = [name for name in (*first, "region", "target", "metric") if name in found]
    if found[rows].duplicated().any():
        raise FileError(path, "a table of scores", "a score stands twice")
    return found


def jackknife(replicates: np.ndarray) -> float:
    """Standard error from an estimate without each of n parts (n,); missing for fewer than two."""
    count = len(replicates)
    # Equal ones have no variance at all only as zeros.
    return float(np.sqrt((count - 1) * np.var(replicates - replicates[0]))) if count > 1 else np.nan


def calibration_errors(shares: np.ndarray) -> np.ndarray:
    """How far a predictive distribution is from calibrated, in two ways; 0 for one that is.

    The first sees bias: of a normal distribution that is half a standard deviation off it is 0.14.
    The second sees false certainty and doubt, also where errors to either side cancel: of a normal
    distribution half as wide as it ought to be it is 0.20. Neither can be larger than 1/2.

    Args:
        shares: of observations below the predictive quantiles of probabilities `CALIBRATION`,
            (level, ...).

    Returns:
        Mean absolute differences of shares and probabilities (2, ...): of the observations below
        these quantiles, and of those in the central intervals between them.
    """
    off = shares - CALIBRATION.reshape(-1, *[1] * (shares.ndim - 1))
    half = len(CALIBRATION) // 2
    within = off[::-1][:half] - off[:half]
    return np.array([np.abs(off).mean(axis=0), np.abs(within).mean(axis=0)])


def _terms(evaluation: xr.Dataset) -> dict[str, np.ndarray]:
    """What the metrics are means of: arrays (replicate, point)."""
    value = {name: evaluation[name].to_numpy() for name in evaluation}
    from_median = np.abs(2 * value["pit"] - 1)
    terms = {
        "error²": (value["mean"] - value["y"]) ** 2,
        "function error²": (value["mean"] - value["f"]) ** 2,
        "lppd": value["log_density"],
        "crps": value["crps"],
        "epistemic²": value["function_stddev"] ** 2,
        "total²": value["stddev"] ** 2,
    }
    quantiles = evaluation["quantiles"]
    for level in COVERAGE:
        low, high = (
            quantiles.sel(level=0.5 + side * level / 2, method="nearest").to_numpy()
            for side in (-1, 1)
        )
        terms[f"width_{_percent(level)}"] = high - low
    for level in COVERAGE:
        terms[f"coverage_{_percent(level)}"] = (from_median <= level).astype(float)
    for level in CALIBRATION:
        terms[f"below {level:g}"] = (value["pit"] <= level).astype(float)
    return terms


def _metrics(means: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Metrics from the means of the terms over a region's points."""
    below = np.array([means[f"below {level:g}"] for level in CALIBRATION])
    return {
        "rmse": np.sqrt(means["error²"]),
        "rmse_function": np.sqrt(means["function error²"]),
        "lppd": means["lppd"],
        "crps": means["crps"],
        **{
            f"{name}_{_percent(level)}": means[f"{name}_{_percent(level)}"]
            for name in ("coverage", "width")
            for level in COVERAGE
        },
        **dict(zip(ERRORS, calibration_errors(below), strict=True)),
        "epistemic_stddev": np.sqrt(means["epistemic²"]),
        "noise_stddev": np.sqrt(np.maximum(means["total²"] - means["epistemic²"], 0)),
        "total_stddev": np.sqrt(means["total²"]),
    }


def _percent(level: float) -> str:
    return f"{100 * level:g}"
