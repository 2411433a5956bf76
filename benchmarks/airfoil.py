"""The airfoil self-noise table, by the protocols of two published samplers and on more splits.

`python airfoil.py TABLE FOLDER` writes tables and configs into the folder, runs the workflow there,
prints scores and writes them as CSV. TABLE is airfoil_self_noise.dat of the UCI repository.
With `--bde PYTHON`, an interpreter that has sklearn-contrib-bde, bde runs beside the workflow, each
on a core of its own. All scores are in standardised units.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
import yaml
from sklearn.model_selection import train_test_split

ROOT = Path(__file__).parents[1]
PEER = Path(__file__).with_name("airfoil_bde.py")

COLUMNS = ("frequency", "angle", "chord", "velocity", "thickness", "pressure_level")
TARGET = COLUMNS[-1]

# Chosen on training rows of bde's protocol alone; README.md tells how.
MODEL = {
    "hidden": [16, 16, 16, 16],
    "activation": "silu",
    "likelihood": "heteroscedastic_normal",
}
PRIOR = {"family": "normal", "stddev": 3.0, "scaling": "fan_in"}
INFERENCE = {
    "method": "mclmc",
    "chains": 6,
    "optimum_steps": 5_000,
    "warmup": 35_000,
    "warmup_energy_variance": 1.0,
    "energy_variance": 0.05,
    "draws": 100,
    "thinning": 350,
}
QUICK = {"chains": 2, "optimum_steps": 20, "warmup": 20, "draws": 20, "thinning": 1}

SPLITS, QUICK_SPLITS = 5, 2
BASELINES = ("gaussian_process", "gradient_boosting")

# Where a run leaves what is asked of it.
EVALUATION = "results/evaluations/network.nc"
DIFFERENCES = "results/tables/differences.csv"
MEANS = "results/tables/groups.csv"

Rows = tuple[pd.DataFrame, pd.DataFrame]


def standardised(rows: pd.DataFrame, by: pd.DataFrame) -> pd.DataFrame:
    """Every column less the mean of the rows `by`, over their standard deviation."""
    return (rows - by.mean()) / by.std(ddof=0)


def by_bde(table: pd.DataFrame) -> Rows:
    """Training rows and held-out rows as in bde's benchmark: 80/20, scaled by training rows."""
    train, held_out = train_test_split(table, test_size=0.2, random_state=0)
    return standardised(train, train), standardised(held_out, train)


def by_mile(table: pd.DataFrame) -> Rows:
    """Training rows and held-out rows as in MILE's paper: 70/10/20, scaled by all rows.

    The held-out rows are those of `by_bde`. The tenth, by which MILE stops early, has no use.
    """
    train, held_out = train_test_split(standardised(table, table), test_size=0.2, random_state=0)
    return train_test_split(train, test_size=1 / 8, random_state=0)[0], held_out


PROTOCOLS = {"bde": by_bde, "MILE": by_mile}


def network(quick: bool) -> dict:
    """The settings of the fit."""
    inference = INFERENCE | (QUICK if quick else {})
    return {"model": "network", "prior": PRIOR, "inference": inference}


def configured(folder: Path, data: Mapping, fits: Mapping) -> None:
    """Write a config."""
    config = {"data": {**data, "targets": TARGET}, "models": {"network": MODEL}, "fits": fits}
    text = yaml.safe_dump(config, sort_keys=False)
    (folder / "config.yaml").write_text(text, encoding="utf-8")


def workflow(folder: Path, *targets: str) -> list[str]:
    """The command that makes targets in a folder, on one core."""
    return [
        *(sys.executable, "-m", "snakemake", *targets, "--cores", "1"),
        *("--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)),
        *("--configfile", str(folder / "config.yaml")),
    ]


def run(commands: Mapping[str, list[str]]) -> dict[str, float]:
    """Run commands side by side, each on a core of its own.

    Returns:
        Seconds of the processor of each, the user's and the system's, of all its processes.

    Raises:
        CalledProcessError: if one fails.
    """
    cores, started = sorted(os.sched_getaffinity(0)), {}
    for number, (who, command) in enumerate(commands.items()):
        # What is started inherits the core.
        os.sched_setaffinity(0, {cores[number % len(cores)]})
        started[who] = subprocess.Popen(command)
    os.sched_setaffinity(0, cores)
    seconds = {}
    for who, process in started.items():
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds[who] = usage.ru_utime + usage.ru_stime
    for process in started.values():
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, process.args)
    return seconds


def scores(foretold: pd.DataFrame, y: np.ndarray) -> dict[str, float]:
    """Scores of predictive distributions of observations y (n,).

    Args:
        foretold: mean, stddev and log_density of every mixture, a row each.
    """
    off = (y - foretold["mean"]) / foretold["stddev"]
    normal = np.log(2 * np.pi * foretold["stddev"] ** 2) / 2 + off**2 / 2
    return {
        "RMSE": np.sqrt(np.mean((y - foretold["mean"]) ** 2)),
        "negative log density of a normal": normal.mean(),
        "LPPD": foretold["log_density"].mean(),
    }


def of_protocol(
    name: str, table: pd.DataFrame, folder: Path, given: argparse.Namespace
) -> list[dict]:
    """Scores and core seconds by a protocol: of BNNflow, and by bde's own protocol of bde too."""
    train, held_out = PROTOCOLS[name](table)
    folder.mkdir(parents=True)
    for rows, file in ((train, "train.csv"), (held_out, "held_out.csv")):
        rows.to_csv(folder / file, index=False)
    data = {"table": "train.csv", "held_out": {"table": "held_out.csv"}, "scaling": "none"}
    configured(folder, data, {"network": network(given.quick)})
    commands = {"BNNflow": workflow(folder, EVALUATION)}
    if given.bde and name == "bde":
        commands["bde"] = [given.bde, str(PEER), str(folder)]
        commands["bde"] += ["--quick"] if given.quick else []
    seconds = run(commands)
    with xr.open_dataset(folder / EVALUATION) as own:
        columns = own[["mean", "stddev", "log_density"]].isel(replicate=0, target=0)
        foretold = {"BNNflow": columns.to_dataframe()}
    if "bde" in commands:
        foretold["bde"] = pd.read_csv(folder / "bde.csv")
    y = held_out[TARGET].to_numpy()
    return [
        {"protocol": name, "who": who} | scores(own, y) | {"core seconds": seconds[who]}
        for who, own in foretold.items()
    ]


def of_splits(table: pd.DataFrame, folder: Path, quick: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Means over random splits, and paired differences, as the workflow's own tables have them."""
    folder.mkdir(parents=True)
    standardised(table, table).to_csv(folder / "table.csv", index=False)
    baselines = {name: {"inference": {"method": "baseline", "model": name}} for name in BASELINES}
    data = {"table": "table.csv", "repeats": QUICK_SPLITS if quick else SPLITS}
    configured(folder, data, {"network": network(quick)} | baselines)
    run({"BNNflow": workflow(folder, MEANS, DIFFERENCES)})
    return pd.read_csv(folder / MEANS), pd.read_csv(folder / DIFFERENCES)


def main(given: argparse.Namespace) -> None:
    """Both protocols, and the splits."""
    table = pd.read_csv(given.table, sep=r"\s+", header=None, names=COLUMNS, dtype=float)
    folder = given.folder.resolve()
    rows = [
        row for name in PROTOCOLS for row in of_protocol(name, table, folder / name.lower(), given)
    ]
    means, differences = of_splits(table, folder / "splits", given.quick)
    found = {"protocols": pd.DataFrame(rows), "means": means, "differences": differences}
    for name, own in found.items():
        own.to_csv(folder / f"{name}.csv", index=False)
        print(f"\n{name}\n{own.to_string(index=False, float_format='{:.4g}'.format)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path, help="rows of six numbers, without a header")
    parser.add_argument("folder", type=Path, help="where runs and scores go; new or empty")
    parser.add_argument("--bde", metavar="PYTHON", help="interpreter that has sklearn-contrib-bde")
    parser.add_argument("--quick", action="store_true", help="a few steps only, to try it")
    main(parser.parse_args())
