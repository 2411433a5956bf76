"""A posterior as the prior of an update: what it says of the function, in a few numbers.

An update that carries a distribution of weights forgets: a posterior of a network has many modes
and bends, and no simple distribution follows. What the modes say of the function, where there were
data, is nearly one and the same normal distribution. That is carried, at a few inputs, as by the
inducing points of Titsias, Schwarz, Matthews, Pascanu and Teh (2020, arXiv:1901.11356), beside the
prior with which the first fit began.
"""

from collections.abc import Mapping

import numpy as np
import torch
import xarray as xr
from scipy import linalg
from torch import Tensor

from ..density.log_density import LogDensity
from ..files import posterior
from ..files.memories import Memory
from ..model.memory import statistic
from ..model.model import Response
from ..model.prior import weights_of

# Draws from the prior.
PRIOR_DRAWS = 2000

# Share of every variance that is added to it, independently of the others: what is not learnt of
# correlations between numbers that are nearly the same. What many numbers have in common is hardly
# less sure for it, and no update is surer than its source, however many there are.
INDEPENDENT = 0.1

# Of the variance that a direction has before there are data: if more than so much is left, nothing
# has been learnt of that direction.
LEARNT = 0.95


def spread_inputs(inputs: np.ndarray, count: int) -> np.ndarray:
    """Inputs (count, width) far from each other, or all different ones if they are not more.

    The first is the one next to the mean, and each of the others the farthest from those before
    (Gonzalez, 1985, doi:10.1016/0304-3975(85)90224-5), so that none is farther from all of them
    than twice what is possible.

    Args:
        inputs: encoded, (n, width).
        count: of those that are asked for.
    """
    rows = np.unique(inputs, axis=0).astype(np.float64)
    chosen = [int(np.square(rows - rows.mean(0)).sum(1).argmin())]
    apart = np.square(rows - rows[chosen[0]]).sum(1)
    while len(chosen) < min(count, len(rows)):
        chosen.append(int(apart.argmax()))
        apart = np.minimum(apart, np.square(rows - rows[chosen[-1]]).sum(1))
    return rows[chosen].astype(np.float32)


def memory_of(
    density: LogDensity, tree: xr.DataTree, before: xr.DataTree, inputs: np.ndarray
) -> Memory:
    """What a posterior has learnt since its prior, as `Memory` has it.

    Args:
        density: of a `Model` with the prior with which the first fit began.
        tree: the posterior.
        before: draws from that prior, as a posterior has them.
        inputs: encoded, at which the function is remembered, (k, width).

    Raises:
        ValueError: if every chain has one draw.
    """
    response: Response = density.model.response
    own = response.own
    at = torch.from_numpy(inputs)

    def said(draws: xr.DataTree) -> np.ndarray:
        """The statistic at all draws, (draws, d)."""
        values = {name: torch.from_numpy(site) for name, site in posterior.pooled(draws).items()}

        def of_one(value: Mapping[str, Tensor]) -> Tensor:
            free = density.unconstrained(value)
            weights = weights_of({name: own_ for name, own_ in value.items() if name not in own})
            return statistic(response.network, weights, {name: free[name] for name in own}, at)

        with torch.no_grad():
            return torch.vmap(of_one, chunk_size=1000)(values).double().numpy()

    chains, draws = (tree["posterior"].sizes[name] for name in ("chain", "draw"))
    if draws < 2:
        raise ValueError("one draw of a chain says nothing of how sure the fit is; keep more")
    now, prior = said(tree).reshape(chains, draws, -1), said(before)
    loading, target = learnt_since(now, posterior.weights(tree), prior)
    single = [array.astype(np.float32) for array in (inputs, loading, target)]
    return Memory(density.sites, *single, posterior.encoding(tree))


def learnt_since(
    now: np.ndarray, weight: np.ndarray, prior: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The normal distribution by which a prior has to be multiplied to have the posterior.

    Both are taken as normal. The posterior's mean is that of all chains, and its covariance that
    within chains: what chains do not agree about is mostly what some of them have not found.

    Args:
        now: a statistic at draws of the posterior, (chain, draw, d).
        weight: of the chains (chain,), adding up to 1.
        prior: at draws from the prior, (draws, d).

    Returns:
        loading (r, d) and target (r,), such that loading s - target is standard normal.
    """
    mean = weight @ now.mean(1)
    within = now - now.mean(1, keepdims=True)
    rows = within * np.sqrt(weight / (now.shape[1] - 1))[:, None, None]
    rows = rows.reshape(-1, now.shape[2])
    covariance = rows.T @ rows
    covariance = covariance + INDEPENDENT * np.diag(covariance.diagonal())
    wide, centre = np.cov(prior.T), prior.mean(0)
    # So that both have factors, where numbers are the same at all draws too.
    wide = wide + 1e-6 * np.diag(wide.diagonal()) + 1e-12 * np.eye(len(wide))
    # In the directions of the axes the prior has the variance 1, and the posterior these.
    left, axes = linalg.eigh(covariance, wide)
    kept = left < LEARNT
    left = left[kept].clip(min=np.finfo(np.float32).eps ** 2)
    axes = axes[:, kept]
    precision = 1 / left - 1
    target = (axes.T @ mean / left - axes.T @ centre) / precision
    return np.sqrt(precision)[:, None] * axes.T, np.sqrt(precision) * target
