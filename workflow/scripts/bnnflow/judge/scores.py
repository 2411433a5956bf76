"""Scores of predictive distributions by region, with their standard errors."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from ..files import safe
from ..files.errors import FileError
from ..files.predictions import SCORED, SCORED_CLASSES, TRUTH
from ..predict.levels import CALIBRATION, COVERAGE
from . import classes

# Metrics that compare them: below quantiles, and in the central intervals between them.
ERRORS = ("calibration_error", "coverage_error")

# In the place of a target: all of them together, of which there is the density alone.
JOINTLY = "jointly"

COLUMNS = ("region", "metric", "value", "error_draws", "error_points")


def by_chance(evaluation: xr.Dataset) -> dict[str, np.ndarray]:
    """By region what both calibration errors stay below in 95 of 100 cases if the fit is right.

    Args:
        evaluation: of one target, with what `evaluation.simulations` gives.
    """
    if has_classes(evaluation):
        dims = ("error", "region", "simulation")
        simulated = evaluation["reliability_errors"].transpose(*dims).to_numpy()
    else:
        shares = evaluation["shares"].transpose("below", "region", "simulation").to_numpy()
        simulated = calibration_errors(shares)
    # Each in 97.5, so that both do in 95.
    limits = np.quantile(simulated, 0.975, axis=2, method="higher")
    return dict(zip(evaluation["region"].to_numpy().tolist(), limits.T, strict=True))


def by_target(evaluation: xr.Dataset) -> dict[str, xr.Dataset]:
    """The evaluation of every target by itself; its name is empty where there is no other."""
    names = evaluation["target"].to_numpy().tolist()
    parts = (evaluation.isel(target=target, drop=True) for target in range(len(names)))
    own = [
        part.drop_vars(SCORED_CLASSES, errors="ignore") if not _any_probability(part) else part
        for part in parts
    ]
    return dict(zip(names if len(names) > 1 else [""], own, strict=True))


def log_densities(evaluation: xr.Dataset) -> dict[str, np.ndarray]:
    """Log predictive densities of every held-out point (n,), in nats, by target.

    Where there are several targets, that of all together is there as JOINTLY, if it is known.
    """
    found = {
        target: own["log_density"][0].to_numpy() for target, own in by_target(evaluation).items()
    }
    if "joint_log_density" in evaluation:
        found[JOINTLY] = evaluation["joint_log_density"][0].to_numpy()
    return found


def has_classes(evaluation: xr.Dataset) -> bool:
    """Whether a target has classes; the evaluation is of `by_target`."""
    return "class_probability" in evaluation


def table(evaluation: xr.Dataset) -> pd.DataFrame:
    """Scores of one fit.

    Args:
        evaluation: at every held-out point, with its targets, its truth where that is known, and
            the regions that it lies in.

    Returns:
        A row for every region, target and metric: region, target where there are several, JOINTLY
        for all of them together, metric,
        value, and two standard errors, both by the jackknife: error_draws, of the finite number of
        posterior draws, and error_points, of the finite number of held-out points. An error that
        one draw or one point cannot give is missing.
    """
    parts = by_target(evaluation)
    terms = {
        target: classes.terms_of(part) if has_classes(part) else _terms(part)
        for target, part in parts.items()
    }
    if "joint_log_density" in evaluation:
        terms[JOINTLY] = {"lppd": evaluation["joint_log_density"].to_numpy()}
    rows = [
        (region, target, *row)
        for region, inside in inside_of(evaluation).items()
        for target, own in terms.items()
        for row in _rows({name: values[:, inside] for name, values in own.items()}, inside.sum())
    ]
    found = pd.DataFrame(rows, columns=["region", "target", *COLUMNS[1:]])
    return found if len(parts) > 1 else found.drop(columns="target")


def inside_of(evaluation: xr.Dataset, name: str = "inside") -> dict[str, np.ndarray]:
    """By region, or by data set, which of the points (n,) lie in it."""
    (dim,) = set(evaluation[name].dims[:1])
    labels = evaluation[dim].to_numpy().tolist()
    return dict(zip(labels, evaluation[name].to_numpy(), strict=True))


def errors(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Both calibration errors by region, from the rows of such a table that are of one target."""
    values = table.set_index(["metric", "region"])["value"]
    regions = table["region"].unique()
    names = ERRORS if (table["metric"] == ERRORS[1]).any() else classes.ERRORS
    return {region: np.array([values[name, region] for name in names]) for region in regions}


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
    found = safe.read_table(path, "a table of scores", (*first, *COLUMNS), numeric=COLUMNS[2:])
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


def _rows(terms: dict[str, np.ndarray], count: int) -> Iterator[tuple[str, float, float, float]]:
    """Metric, value and both errors, from terms (replicate, point) of a region's points."""
    metrics = classes.metrics_of if "brier" in terms else _metrics
    if terms.keys() == {"lppd"}:
        metrics = dict
    values = metrics({name: part.mean(axis=1) for name, part in terms.items()})
    without = {name: part[0].sum() - part[0] for name, part in terms.items()}
    by_point = metrics({name: part / max(1, count - 1) for name, part in without.items()})
    yield "points", count, 0.0, 0.0
    for metric, replicates in values.items():
        yield metric, replicates[0], jackknife(replicates[1:]), jackknife(by_point[metric])


def _any_probability(evaluation: xr.Dataset) -> bool:
    return "class_probability" in evaluation and bool(evaluation["class_probability"].any())


def _terms(evaluation: xr.Dataset) -> dict[str, np.ndarray]:
    """What the metrics are means of: arrays (replicate, point)."""
    value = {name: evaluation[name].to_numpy() for name in (*TRUTH, *SCORED) if name in evaluation}
    from_median = np.abs(2 * value["pit"] - 1)
    terms = {
        "error²": (value["mean"] - evaluation["targets"].to_numpy()) ** 2,
        "lppd": value["log_density"],
        "crps": value["crps"],
        "epistemic²": value["function_stddev"] ** 2,
        "total²": value["stddev"] ** 2,
    }
    if "truth" in value:
        terms["function error²"] = (value["mean"] - value["truth"]) ** 2
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
    truth = "function error²"
    return {
        "rmse": np.sqrt(means["error²"]),
        **({"rmse_function": np.sqrt(means[truth])} if truth in means else {}),
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
