"""Whether an optimization has ended, and how far its guide is from the posterior."""

import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from arviz_stats.base import array_stats

from . import plateau
from .findings import Finding, judged, too_few, unmeasured
from .limits import Limits
from .meanings import shown

# Draws that a Pareto fit needs.
FEWEST_WEIGHTS = 100

# Draws of a member that quartiles need.
FEWEST_OF_NORMAL = 20


def of_loss(losses: np.ndarray, observations: int, limits: Limits) -> Finding:
    """Whether the evidence lower bound has stopped to move.

    Value: by how much its end differs from what was before, in nats per observation, less two
    standard errors.
    """
    warn, fail = limits["elbo_drift"]
    found = plateau.drift(losses / observations, (warn, fail))
    if found is None:
        return unmeasured("elbo_drift", too_few(len(losses), "step", "steps", plateau.FEWEST_STEPS))
    reason = (
        f"{found.fall:+.2g} ± {2 * found.error:.1g} (two standard errors) nats per observation"
        f" in the last {found.share} of the steps"
    )
    if found.sure <= warn and 2 * found.error > fail:
        remedy = "too noisy to tell; more steps, or schedule: cosine"
        return unmeasured("elbo_drift", f"{reason}, {remedy}")
    return judged("elbo_drift", found.sure, limits, reason=reason)


def of_starts(elbos: np.ndarray, observations: int, limits: Limits) -> Finding:
    """How far the median of many starts (n,) ends below the best, in nats per observation."""
    if len(elbos) < 2:
        return unmeasured("restart_spread", "one start; set starts: 2 or more")
    ended = np.nan_to_num(elbos, nan=-np.inf)
    gap = float(ended.max() - np.median(ended)) / observations
    diverged = int(np.isnan(elbos).sum())
    reason = f"{len(elbos)} starts" + (f", of which {diverged} diverged" if diverged else "")
    return judged("restart_spread", gap, limits, reason=reason)


def of_weights(log_weights: np.ndarray, limits: Limits) -> Finding:
    """Pareto k of the weights (n,) of model against guide (Yao et al., 2018, arXiv:1802.02538).

    It fails without a value where the tail's weights span more than doubles can hold.
    """
    count = len(log_weights)
    if count < FEWEST_WEIGHTS:
        return unmeasured("pareto_k", too_few(count, "draw", "draws", FEWEST_WEIGHTS))
    if wrong := int((~np.isfinite(log_weights)).sum()):
        verb = "is" if wrong == 1 else "are"
        reason = f"{wrong} of {count} log weights {verb} not finite"
        return judged("pareto_k", math.nan, limits, reason=reason)
    off = np.sort(log_weights - log_weights.max())
    # As many as ArviZ takes, and the one below.
    tail = off[-int(3 * count**0.5 if count > 225 else count / 5) - 1 :]
    if tail[1] == 0:
        return judged("pareto_k", 0.0, limits, reason="the largest weights are equal")
    effective = np.exp(off).sum() ** 2 / np.exp(2 * off).sum()
    reason = f"the weights are worth {effective:.3g} of {count} draws"
    if tail[0] >= math.log(np.finfo(float).tiny):
        with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
            warnings.simplefilter("error", RuntimeWarning)
            try:
                # ArviZ takes log likelihoods and weighs by their inverse.
                _, k = array_stats.psislw(-log_weights)
            except RuntimeWarning:
                k = math.nan
        if math.isfinite(k):
            return judged("pareto_k", float(k), limits, reason=reason)
    reason = f"the {len(tail) - 1} largest span {-tail[0]:.3g} nats: {reason}"
    return judged("pareto_k", math.nan, limits, reason=reason)


def of_normals(log_weights: np.ndarray, observations: int, limits: Limits) -> Finding:
    """How far the posterior about many optima is from a normal distribution at each.

    Value: interquartile range of the log weights (member, draw) of posterior against normal
    distribution over the draws of a member, of the median member, in nats per observation; 0 where
    the posterior is normal.
    """
    draws = log_weights.shape[1]
    if draws < FEWEST_OF_NORMAL:
        return unmeasured("curvature_error", too_few(draws, "draw", "draws", FEWEST_OF_NORMAL))
    with np.errstate(invalid="ignore"):
        low, high = np.quantile(log_weights, (0.25, 0.75), axis=1)
        spread = float(np.median(high - low)) / observations
    told = f"typical draws are off by {shown('curvature_error', spread)} nats per observation"
    reason = told if math.isfinite(spread) else "not all log densities of draws are finite"
    return judged("curvature_error", spread, limits, reason=reason)


def of_agreement(
    ours: np.ndarray,
    theirs: np.ndarray,
    inside: Mapping[str, np.ndarray],
    reference: str,
    limits: Limits,
    unsound: Mapping[str, str],
) -> Iterator[Finding]:
    """Distance of a predictive distribution from the sampled one of the same model and data.

    Value: mean over a region's points of the first Wasserstein distance, over the mean standard
    deviation of the sampled one. Where that is not sound itself, the value stands without a
    verdict.

    Args:
        ours, theirs: quantiles (level, probe) at equal steps of probability.
        inside: by region, which of the probes (probe,) lie in it.
        reference: name of the sampled fit.
        limits: by name of the diagnostic.
        unsound: by region why the sampled fit has failed there, where it has.
    """
    for region, mask in inside.items():
        if not mask.any():
            reason = "no held-out point is there; widen data.held_out"
            yield unmeasured("disagreement", reason, region)
            continue
        mine, other = ours[:, mask], theirs[:, mask]
        distance = np.abs(mine - other).mean() / other.std(axis=0).mean()
        found = judged("disagreement", distance, limits, region, f"from {reference}")
        if why := unsound.get(region):
            reason = f"from {reference}, which itself fails: {why}; sample that longer"
            found = replace(found, verdict="not measurable", reason=reason)
        yield found
