"""Scores of predictive distributions by region, with their standard errors."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from . import files
from .errors import FileError

Region = Sequence[tuple[float, float]]

# Central intervals whose coverage is reported, and those over which calibration is judged.
COVERAGE = (0.5, 0.8, 0.9, 0.95)
CALIBRATION = np.linspace(0.05, 0.95, 19)

# Quantiles that the widths of the intervals need.
LEVELS = sorted({round(0.5 + side * level / 2, 4) for level in COVERAGE for side in (-1, 1)})

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

COLUMNS = ("region", "metric", "value", "error_draws", "error_points")


def of_points(evaluation: xr.Dataset, held_out: pd.DataFrame) -> xr.Dataset:
    """An evaluation with the observations that it is of: columns x, y and f, the true function."""
    columns = {name: ("point", held_out[name].to_numpy()) for name in ("x", "y", "f")}
    return evaluation.assign(columns)


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


def write(table: pd.DataFrame, path: str | Path) -> None:
    """Write such a table as CSV."""
    files.write_table(table, path, float_format="%.6g")


def read(path: str | Path, first: Sequence[str] = ()) -> pd.DataFrame:
    """Read such a table.

    Args:
        path: of the file.
        first: columns of text that it has before the others.

    Raises:
        FileError: if the file is damaged or something else.
    """
    rows = [*first, "region", "metric"]
    found = files.table(path, "a table of scores", (*first, *COLUMNS), numeric=COLUMNS[2:])
    if found[rows].duplicated().any():
        raise FileError(path, "a table of scores", "a score stands twice")
    return found


def within(x: np.ndarray, intervals: Region) -> np.ndarray:
    """Which of the points (n,) lie in one of the intervals."""
    return np.any([(low <= x) & (x <= high) for low, high in intervals], axis=0)


def jackknife(replicates: np.ndarray) -> float:
    """Standard error from an estimate without each of n parts (n,); missing for fewer than two."""
    count = len(replicates)
    return float(np.sqrt((count - 1) * np.var(replicates))) if count > 1 else np.nan


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
    for level in {*COVERAGE, *CALIBRATION.round(4)}:
        terms[f"coverage {level:g}"] = (from_median <= level).astype(float)
    return terms


def _metrics(means: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Metrics from the means of the terms over a region's points."""
    covered = np.array([means[f"coverage {level:g}"] for level in CALIBRATION.round(4)])
    return {
        "rmse": np.sqrt(means["error²"]),
        "rmse_function": np.sqrt(means["function error²"]),
        "lppd": means["lppd"],
        "crps": means["crps"],
        **{f"coverage_{_percent(level)}": means[f"coverage {level:g}"] for level in COVERAGE},
        **{f"width_{_percent(level)}": means[f"width_{_percent(level)}"] for level in COVERAGE},
        "calibration_error": np.abs(covered - CALIBRATION[:, None]).mean(axis=0),
        "epistemic_stddev": np.sqrt(means["epistemic²"]),
        "noise_stddev": np.sqrt(np.maximum(means["total²"] - means["epistemic²"], 0)),
        "total_stddev": np.sqrt(means["total²"]),
    }


def _percent(level: float) -> str:
    return f"{100 * level:g}"
