"""Weights of chains by stacking (Yao, Vehtari, Simpson and Gelman, 2018, doi:10.1214/17-BA1091).

For chains of one posterior that do not mix they are of Yao, Vehtari and Gelman (2022,
arXiv:2006.12335).
"""

import numpy as np
import xarray as xr

from ...files import posterior
from ...jobs import log

# Nats a row by which the weights found may miss the best score.
PRECISION = 1e-5

# Standard errors by which a chain may be worse than a linear model.
STUCK = -2.0

# After these the weights are taken as they are.
STEPS = 20_000


def with_weights(tree: xr.DataTree) -> xr.DataTree:
    """The posterior with weights that are learnt from its group `loo`.

    Chains that are worse than a linear model are stuck and have no weight, unless all are.
    """
    gain = tree["loo"]["gain"].to_numpy()
    stuck = gain < STUCK
    if stuck.all():
        log.warning("all chains predict training rows worse than a linear model")
        stuck[:] = False
    elif stuck.any():
        numbers = ", ".join(map(str, np.flatnonzero(stuck)))
        log.warning("worse than a linear model at training rows, and without weight: %s", numbers)
    free = np.flatnonzero(~stuck)
    log_density = tree["loo"]["log_density"].to_numpy()[free]
    found = simplex_weights(log_density)
    sets = np.zeros((1 + len(free), len(gain)))
    sets[:, free] = np.vstack([found, without_each(log_density, found)])
    log.info("weights are worth %.3g of %d chains", 1 / np.square(found).sum(), len(gain))
    return posterior.weighted(tree, sets[0], sets[1:])


def without_each(log_density: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weights that would be learnt without each of the chains, (left, chains); one stays as it is.

    Args:
        log_density: as `simplex_weights` has it.
        weights: of all chains, near which the search begins.
    """
    if (chains := len(weights)) == 1:
        return weights[None]
    sets = np.zeros((chains, chains))
    for left in range(chains):
        kept = np.arange(chains) != left
        others = weights[kept] + weights[left] / (chains - 1)
        sets[left, kept] = simplex_weights(log_density[kept], others)
    return sets


def simplex_weights(log_density: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
    """Weights (chains,) whose mixture of log densities (chain, row) has the highest mean.

    The score is concave. Steps of expectation and maximisation climb it, and how far it can still
    rise is at most the largest of its derivatives less 1. A start of nothing stays nothing.
    """
    chains = len(log_density)
    density = np.exp(log_density - log_density.max(0))
    weights = np.full(chains, 1 / chains) if start is None else start
    for _ in range(STEPS):
        slope = (density / (weights @ density)).mean(1)
        weights = weights * slope
        if slope.max() - 1 < PRECISION:
            break
    return weights / weights.sum()
