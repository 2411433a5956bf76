"""bde, by the settings of its own benchmark, at the tables that `airfoil.py` leaves in a folder.

It is run by an interpreter that has sklearn-contrib-bde, and leaves bde.csv: of every held-out row
the mean, the standard deviation and the log density of the predictive mixture.
"""

import argparse
import os
from pathlib import Path

# Before JAX is imported: as many of its devices as there are cores.
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={len(os.sched_getaffinity(0))}"

import numpy as np
import pandas as pd
from bde import BdeRegressor
from bde.loss import GaussianNLL
from jax.nn import softplus
from scipy.special import logsumexp
from scipy.stats import norm

SETTINGS = {
    "n_members": 10,
    "hidden_layers": [16, 16, 16, 16],
    "epochs": 1200,
    "validation_split": 0.15,
    "lr": 1e-3,
    "weight_decay": 1e-4,
    "warmup_steps": 50_000,
    "n_samples": 1000,
    "n_thinning": 10,
    "patience": 20,
    "seed": 0,
}
QUICK = {"n_members": 2, "epochs": 5, "warmup_steps": 50, "n_samples": 20}


def main(folder: Path, quick: bool) -> None:
    """Fit and predict; the last column of a table is the target."""
    train, held_out = (
        pd.read_csv(folder / name).to_numpy() for name in ("train.csv", "held_out.csv")
    )
    model = BdeRegressor(loss=GaussianNLL(), **SETTINGS | (QUICK if quick else {}))
    model.fit(train[:, :-1], train[:, -1])
    mean, stddev = model.predict(held_out[:, :-1], mean_and_std=True)
    raw = model.predict(held_out[:, :-1], raw=True)
    scale = np.asarray(softplus(raw[..., 1]) + 1e-6, dtype=float)
    at_draws = norm.logpdf(held_out[:, -1], np.asarray(raw[..., 0], dtype=float), scale)
    draws = at_draws.reshape(-1, len(held_out))
    log_density = logsumexp(draws, 0) - np.log(len(draws))
    columns = {"mean": mean, "stddev": stddev, "log_density": log_density}
    pd.DataFrame(columns).to_csv(folder / "bde.csv", index=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with train.csv and held_out.csv")
    parser.add_argument("--quick", action="store_true", help="a few steps only, to try it")
    given = parser.parse_args()
    main(given.folder, given.quick)
