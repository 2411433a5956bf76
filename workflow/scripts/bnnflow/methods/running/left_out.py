"""How well chains predict every training row that is left out (Vehtari, Gelman and Gabry, 2017).

Draws that have seen a row are weighted as if they had not, by Pareto-smoothed importance sampling
(arXiv:1507.04544).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from ...data import baselines
from ...data.table import Table
from ...density.log_density import LogDensity
from ...density.pointwise import log_likelihoods
from ...files.columns import Column
from ...files.encodings import Encoding

# Rows at most; of more a random choice, which is the same for all chains.
MOST = 4096


def with_scores(tree: xr.DataTree, density: LogDensity, targets: Sequence[Column]) -> xr.DataTree:
    """The posterior of chains with a group `loo`, by which their weights are learnt.

    The group has log_density (chain, row), of every row left out, in nats; and gain (chain,), by
    how many standard errors its mean is above that of a linear model.

    Args:
        tree: of the posterior.
        density: of the posterior, made with by_rows.
        targets: what the columns of the targets are.
    """
    count = len(density.data[0])
    chosen = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:MOST].sort()[0]
    sites = {name: torch.tensor(site.to_numpy()) for name, site in tree["posterior"].items()}
    log_density = np.stack(
        [
            leave_one_out(
                log_likelihoods(density, {name: own[chain] for name, own in sites.items()}, chosen)
                .double()
                .numpy()
            )
            for chain in range(tree["posterior"].sizes["chain"])
        ]
    )
    above = log_density - linear(*(part[chosen] for part in density.data), targets)
    gain = above.mean(1) / (above.std(1) / len(chosen) ** 0.5)
    found = {"log_density": (("chain", "row"), log_density), "gain": ("chain", gain)}
    coordinates = {"chain": tree["posterior"]["chain"].to_numpy()}
    scored = tree.copy()
    scored["loo"] = xr.DataTree(xr.Dataset(found, coordinates))
    return scored


def leave_one_out(log_likelihood: np.ndarray) -> np.ndarray:
    """Log predictive density of every row left out (rows,), from log likelihoods (draws, rows)."""
    from arviz_stats.base import array_stats

    own = log_likelihood.T
    log_weights = -own - np.logaddexp.reduce(-own, axis=1, keepdims=True)
    # ArviZ smooths as many; of a chain that has not moved they are the same.
    tail = int(min(own.shape[1] / 5, 3 * own.shape[1] ** 0.5))
    moved = np.flatnonzero(np.ptp(np.sort(own)[:, :tail], axis=1) > 0)
    if len(moved):
        with np.errstate(all="ignore"):
            smoothed, _ = array_stats.psislw(own[moved], axis=-1)
        # Weights that span more than doubles hold have no tail of a known shape.
        held = ~np.isnan(smoothed).any(1)
        log_weights[moved[held]] = smoothed[held]
    return np.logaddexp.reduce(log_weights + own, axis=1)


def linear(x: Tensor, y: Tensor, targets: Sequence[Column]) -> np.ndarray:
    """Log densities of encoded targets by a linear model that has learnt from them: (n,), in nats.

    Args:
        x: encoded inputs, (n, ...).
        y: encoded targets, (n, ...).
        targets: what the columns of the targets are.
    """
    inputs, seen = (part.double().reshape(len(part), -1).numpy() for part in (x, y))
    about = Encoding(
        tuple(Column(f"input {number}") for number in range(inputs.shape[1])),
        tuple(replace(column.as_they_are(), transform="none") for column in targets),
    )
    names = [column.name for column in (*about.inputs, *about.targets)]
    rows = Table(pd.DataFrame(np.hstack([inputs, seen]), columns=names), about)
    found = baselines.foretold(rows, inputs)["linear"]
    random = np.random.default_rng(0)
    summaries = (own.summary(of, random) for own, of in zip(found, seen.T, strict=True))
    return np.sum([own["log_density"] for own in summaries], axis=0)
