"""Whether many chains or members, each of a mode of its own, say the same if made again."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from .findings import Finding, judged, too_few, unmeasured
from .limits import Limits

# Of the function's draws, beside their mean: in the middle of equal steps of probability.
QUANTILES = tuple((np.arange(10) + 0.5) / 10)

# Draws that a chain needs so that halves tell of a drift.
FEWEST_DRAWS = 40

FEWEST_CHAINS = 4

# Diagnostics that more chains mend.
BY_CHAINS = ("computation_error", "effective_chains")

# Of the predictive standard deviation: where all draws differ by less, there is nothing to see.
NOTHING = 1e-3


class Weighting(NamedTuple):
    """Of chains in their mixture.

    Attributes:
        weight: of the chains (chain,), adding up to 1.
        without: the same if each chain that has weight were not there (left, chain). Weights that
            are learnt are learnt again, so that the jackknife knows how they vary.
    """

    weight: np.ndarray
    without: np.ndarray


def of_ensemble(
    function: np.ndarray,
    weighting: Weighting,
    spread: np.ndarray,
    inside: Mapping[str, np.ndarray],
    limits: Limits,
    *,
    series: bool,
) -> Iterator[Finding]:
    """How far the prediction would move if the same computation were done again, by region.

    Chains are clusters: draws of a chain are not independent, but chains are. `computation_error`
    is the standard error of the function's pooled mean and of its quantiles, by the jackknife over
    chains (Efron and Stein, 1981, Annals of Statistics 9). `half_drift` is the difference of the
    same between the first and the second half of the draws, beyond two such errors of the
    difference, where draws are a series. Both are over the standard deviation of the predictive
    distribution, a mean over a region's probes: that of the mean, or, if larger, the average of
    those of the quantiles, which is how far the distribution moves in Wasserstein's distance.
    `spread_growth` is of all probes, where draws are a series.

    Args:
        function: the latent function (chain, draw, probe).
        weighting: of the chains.
        spread: standard deviation of the predictive distribution (probe,), in the same units.
        inside: by region, which of the probes (probe,) lie in it.
        limits: by name of the diagnostic.
        series: whether draws of a chain come one after another, so that halves may differ.
    """
    chains, draws, _ = function.shape
    weight = weighting.weight
    effective = 1 / np.square(weight).sum()
    reason = f"{effective:.2g} of {chains}" if effective < chains - 0.5 else ""
    yield judged("effective_chains", effective, limits, reason=reason)
    kept = int((weight > 0).sum())
    few_chains = too_few(kept, "chain", "chains", FEWEST_CHAINS) if kept < FEWEST_CHAINS else ""
    few_draws = too_few(draws, "draw", "draws", FEWEST_DRAWS) if draws < FEWEST_DRAWS else ""
    if series:
        yield _of_growth(function[weight > 0], spread, few_draws, limits)
    measures = [("computation_error", error, few_chains)]
    measures += [("half_drift", drift, few_draws or few_chains)] if series else []
    for region, mask in inside.items():
        nowhere = "" if mask.any() else "no held-out point is there; widen data.held_out"
        for name, measure, few in measures:
            if missing := nowhere or few:
                yield unmeasured(name, missing, region)
            else:
                value = _worst(measure(function[:, :, mask], weighting), spread[mask])
                yield judged(name, value, limits, region)


def of_steps(settings: Mapping, limits: Limits) -> Iterator[Finding]:
    """How large the steps of chains that are not adjusted may be, by the settings of inference."""
    if (variance := settings.get("energy_variance")) is not None:
        yield judged("energy_variance", variance, limits)


def suffice(findings: Iterable[Finding]) -> bool:
    """Whether more chains are of no use: the prediction would stay where it is.

    Args:
        findings: as `of_ensemble` gives them, of every target.
    """
    verdicts = [own for own in findings if own.verdict != "not measurable"]
    errors, counts = (
        {own.verdict for own in verdicts if own.diagnostic == name} for name in BY_CHAINS
    )
    return errors == {"pass"} == counts


def _of_growth(function: np.ndarray, spread: np.ndarray, few: str, limits: Limits) -> Finding:
    seen = function[:, :, function.std((0, 1)) > NOTHING * spread]
    if missing := few or ("" if seen.size else "the function is the same at all draws"):
        return unmeasured("spread_growth", missing)
    reason = "half of the chains do not move" if np.isinf(value := growth(seen)) else ""
    return judged("spread_growth", value, limits, reason=reason)


def growth(function: np.ndarray) -> float:
    """How much more a chain spreads over all of its draws than over half of them.

    The median, over chains and probes, of the variance of a chain's draws over the mean of those of
    its halves: the square of split R-hat within a chain. It is 1 for chains at rest, about 1.55 for
    Brownian motion, 4 for chains that go straight on, and infinite for chains that do not move.

    Args:
        function: (chain, draw, probe).
    """
    half = function.shape[1] // 2
    whole, first, second = (
        draws.var(1, dtype=float) for draws in (function, function[:, :half], function[:, -half:])
    )
    ratio = np.full(whole.shape, np.inf)
    np.divide(2 * whole, first + second, out=ratio, where=first + second > 0)
    return float(np.median(ratio))


def error(function: np.ndarray, weighting: Weighting) -> np.ndarray:
    """Standard error of `pooled_summary`: (1 + quantiles, probe)."""
    return jackknife(pooled_summary(function, weighting.without))


def drift(function: np.ndarray, weighting: Weighting) -> np.ndarray:
    """How far `pooled_summary` moves between halves of the draws, beyond two errors."""
    half = function.shape[1] // 2
    sets = np.vstack(weighting)
    moved = pooled_summary(function[:, -half:], sets) - pooled_summary(function[:, :half], sets)
    return (np.abs(moved[0]) - 2 * jackknife(moved[1:])).clip(min=0)


def pooled_summary(function: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean and quantiles of the pooled draws.

    Args:
        function: (chain, draw, probe).
        weights: sets of weights of the chains, each adding up to 1, (set, chain).

    Returns:
        (set, 1 + quantiles, probe).
    """
    chains, draws, probes = function.shape
    pooled = function.reshape(-1, probes)
    order = pooled.argsort(0)
    ranked = np.take_along_axis(pooled, order, 0)
    found = [weights @ function.mean(1)]
    # What rounding takes from a sum of weights.
    below = [(own[order // draws] / draws).cumsum(0) + 1e-12 for own in weights]
    for q in QUANTILES:
        places = np.stack([(own < q).sum(0) for own in below]).clip(max=chains * draws - 1)
        found.append(np.take_along_axis(ranked, places, 0))
    return np.stack(found, 1)


def jackknife(replicates: np.ndarray) -> np.ndarray:
    """Standard error (...) of a statistic from its values without each chain (kept, ...)."""
    count = len(replicates)
    apart = replicates - replicates.mean(0)
    return np.sqrt((count - 1) / count * np.square(apart).sum(0))


def _worst(apart: np.ndarray, scale: np.ndarray) -> float:
    """The larger of two distances over a scale (probe,): of the mean, and of the quantiles.

    No distance is none on any scale: where all draws are sure of one class, it has no spread.

    Args:
        apart: of mean and quantiles, (1 + quantiles, probe).
        scale: (probe,).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, *others = np.where(apart > 0, apart / scale, 0).mean(1)
    return max(mean, np.mean(others))
