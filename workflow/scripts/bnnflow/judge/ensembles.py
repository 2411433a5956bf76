"""Whether many chains or members, each of a mode of its own, say the same if made again."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from .findings import Finding, judged, too_few, unmeasured
from .limits import Limits

# Of the function's draws, beside their mean.
QUANTILES = (0.05, 0.95)

# Draws that a chain needs so that halves tell of a drift.
FEWEST_DRAWS = 40

FEWEST_CHAINS = 4


def of_ensemble(
    function: np.ndarray,
    weight: np.ndarray,
    spread: np.ndarray,
    inside: Mapping[str, np.ndarray],
    limits: Limits,
    *,
    series: bool,
) -> Iterator[Finding]:
    """How far the prediction would move if the same computation were done again, by region.

    Chains are clusters: draws of a chain are not independent, but chains are. `computation_error`
    is the standard error of the function's pooled mean and of its quantiles, by the jackknife over
    chains (Efron and Stein, 1981, Annals of Statistics 9), and `half_drift` the difference of the
    same between the first and the second half of the draws, where these are a series. Both are over
    the standard deviation of the predictive distribution, a mean over a region's probes, of the
    worst of mean and quantiles.

    Args:
        function: the latent function (chain, draw, probe).
        weight: of the chains (chain,), adding up to 1.
        spread: standard deviation of the predictive distribution (probe,), in the same units.
        inside: by region, which of the probes (probe,) lie in it.
        limits: by name of the diagnostic.
        series: whether draws of a chain come one after another, so that halves may differ.
    """
    chains, draws, _ = function.shape
    effective = 1 / np.square(weight).sum()
    reason = f"of {chains}" if effective < chains - 0.5 else ""
    yield judged("effective_chains", effective, limits, reason=reason)
    for region, mask in inside.items():
        if not mask.any():
            reason = "no held-out point is there; widen data.held_out"
            for name in ("computation_error", *(["half_drift"] if series else [])):
                yield unmeasured(name, reason, region)
            continue
        own, scale = function[:, :, mask], spread[mask]
        if (weight > 0).sum() < FEWEST_CHAINS:
            few = too_few(int((weight > 0).sum()), "chain", "chains", FEWEST_CHAINS)
            yield unmeasured("computation_error", few, region)
        else:
            error = jackknife(own, weight, pooled_summary)
            yield judged("computation_error", _worst(error, scale), limits, region)
        if not series:
            continue
        if draws < FEWEST_DRAWS:
            few = too_few(draws, "draw", "draws", FEWEST_DRAWS)
            yield unmeasured("half_drift", few, region)
        else:
            halves = own[:, : draws // 2], own[:, -(draws // 2) :]
            first, second = (pooled_summary(half, weight) for half in halves)
            moved = np.abs(first - second)
            yield judged("half_drift", _worst(moved, scale), limits, region)


def pooled_summary(function: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Mean and quantiles of the pooled draws.

    Args:
        function: (chain, draw, probe).
        weight: of the chains (chain,), adding up to 1.

    Returns:
        (3, probe).
    """
    kept = weight > 0
    own, share = function[kept], weight[kept]
    mean = np.tensordot(share, own.mean(1), 1)
    pooled = own.reshape(-1, own.shape[2])
    shares = np.repeat(share / own.shape[1], own.shape[1])
    order = pooled.argsort(0)
    below = shares[order].cumsum(0)
    places = [(below < q).sum(0).clip(max=len(pooled) - 1) for q in QUANTILES]
    ranked = np.take_along_axis(pooled, order, 0)
    return np.stack([mean, *(np.take_along_axis(ranked, at[None], 0)[0] for at in places)])


def jackknife(
    function: np.ndarray,
    weight: np.ndarray,
    statistic: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Standard error of a statistic of weighted chains, each left out in turn.

    Args:
        function: (chain, draw, probe).
        weight: of the chains (chain,), adding up to 1, and of none alone.
        statistic: of functions and weights.

    Returns:
        As the statistic gives.
    """
    kept = np.flatnonzero(weight)
    left = []
    for chain in kept:
        others = np.where(np.arange(len(weight)) == chain, 0, weight)
        left.append(statistic(function, others / others.sum()))
    apart = np.stack(left) - np.mean(left, 0)
    return np.sqrt((len(kept) - 1) / len(kept) * np.square(apart).sum(0))


def _worst(apart: np.ndarray, scale: np.ndarray) -> float:
    """Of the distances (summary, probe) over a scale (probe,) the largest mean over the probes.

    No distance is none on any scale: where all draws are sure of one class, it has no spread.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(apart > 0, apart / scale, 0).mean(1).max()
