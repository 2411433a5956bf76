"""How well chains predict every training row that is left out (Vehtari, Gelman and Gabry, 2017).

Draws that have seen a row are weighted as if they had not, by Pareto-smoothed importance sampling
(arXiv:1507.04544).
"""

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from ...density.log_density import LogDensity
from ...density.pointwise import log_likelihoods
from ...files.columns import Column

# Rows at most; of more a random choice, which is the same for all chains.
MOST = 4096

# Of a normal density's constant.
ROOT = np.sqrt(2 * np.pi)


def with_scores(tree: xr.DataTree, density: LogDensity, targets: Sequence[Column]) -> xr.DataTree:
    """The posterior of chains with a group `loo`, by which their weights are learnt.

    The group has log_density (chain, row), of every row left out, in nats; and gain (chain,), by
    how much its mean is above that of a constant, not a number where `constant` knows none.

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
    gain = log_density.mean(1) - constant(density.data[1], targets)[chosen.numpy()].mean()
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


def constant(y: Tensor, targets: Sequence[Column]) -> np.ndarray:
    """Log densities of targets by what is known without inputs: (n,).

    Numbers are normal with the mean and the standard deviation of all; levels are as frequent as
    they are, with half an observation more of each. Of counts nothing is known.
    """
    total = np.zeros(len(y))
    for column, values in zip(targets, y.double().reshape(len(y), -1).T.numpy(), strict=True):
        if column.kind == "count":
            return np.full(len(y), np.nan)
        if column.levels:
            seen = np.bincount(values.astype(int), minlength=len(column.levels)) + 0.5
            total += np.log(seen / seen.sum())[values.astype(int)]
        else:
            scale = values.std()
            total -= ((values - values.mean()) / scale) ** 2 / 2 + np.log(scale * ROOT)
    return total
