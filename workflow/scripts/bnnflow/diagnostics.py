"""How far a fit can be trusted: diagnostics, each with a threshold and a verdict."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from arviz_stats.base import array_stats

from . import plateau
from .scores import Region, within

# Draws that a Pareto fit needs, and a chain.
FEWEST_WEIGHTS, FEWEST_DRAWS = 100, 8

# Statistics of NUTS that are judged.
TRAJECTORY = ("diverging", "tree_depth", "energy", "acceptance_rate")

Limits = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Finding:
    """A diagnostic of a fit.

    Attributes:
        diagnostic: its name, that of its limits in the config first.
        region: of x, where it is of one.
        value: missing where it cannot be measured.
        threshold: the limit that the value is beyond, or the one that it keeps.
        verdict: one of `verdicts.VERDICTS`.
        reason: in words, where the numbers do not say it.
    """

    diagnostic: str
    region: str
    value: float
    threshold: float
    verdict: str
    reason: str = ""


def table(findings: Iterable[Finding]) -> pd.DataFrame:
    """A row for every finding: diagnostic, value, threshold, verdict, region, reason."""
    order = ["diagnostic", "value", "threshold", "verdict", "region", "reason"]
    return pd.DataFrame(findings)[order]


def judged(
    name: str, value: float, limits: tuple[float, float], region: str = "", reason: str = ""
) -> Finding:
    """A verdict by two limits: beyond the first a warning, beyond the second a failure.

    The values to be avoided are above the limits if the second is the larger, else below.
    """
    warn, fail = limits
    sign = 1 if warn <= fail else -1
    if not math.isfinite(value):
        return Finding(name, region, math.nan, warn, "fail", reason or "it is not a finite number")
    if sign * (value - fail) > 0:
        return Finding(name, region, value, fail, "fail", reason)
    return Finding(
        name, region, value, warn, "warn" if sign * (value - warn) > 0 else "pass", reason
    )


def unmeasured(name: str, reason: str, region: str = "") -> Finding:
    """That a diagnostic cannot be had, and why."""
    return Finding(name, region, math.nan, math.nan, "not measurable", reason)


def of_engine(facts: Mapping[str, str]) -> Iterator[Finding]:
    """A warning if the fit had to do without compiled code; facts are the posterior's."""
    if reason := facts.get("engine_reason"):
        yield Finding("engine", "", math.nan, math.nan, "warn", f"Pyro's, slow: {reason}")


def of_chains(
    function: np.ndarray,
    x: np.ndarray,
    sigma: np.ndarray,
    regions: Mapping[str, Region],
    limits: Limits,
) -> Iterator[Finding]:
    """Convergence of chains, judged on the network's function and on the noise.

    Split R-hat and effective sample sizes with ranks (Vehtari et al., 2021,
    doi:10.1214/20-BA1221), the worst of a region's points; over all chains, and of each chain by
    itself, R-hat between its quarters, because chains that have settled in different modes may
    each have explored their own.

    Args:
        function: the latent function (chain, draw, probe).
        x: of the probes (probe,).
        sigma: (chain, draw).
        regions: intervals of x by name.
        limits: by name of the diagnostic.
    """
    for region, intervals in regions.items():
        inside = function[:, :, within(x, intervals)]
        yield from _convergence("function", inside, limits, region)
    yield from _convergence("sigma", sigma[:, :, np.newaxis], limits)


def _convergence(
    quantity: str, values: np.ndarray, limits: Limits, region: str = ""
) -> Iterator[Finding]:
    chains, draws, _ = values.shape
    names = {kind: f"{kind}_{quantity}" for kind in ("rhat", "rhat_chain", "ess_bulk", "ess_tail")}
    stuck = sorted(set(np.nonzero(np.ptp(values, axis=1) == 0)[0].tolist()))
    if draws < FEWEST_DRAWS:
        for name in names.values():
            yield unmeasured(name, f"{draws} draws; {FEWEST_DRAWS} are needed", region)
        return
    if stuck:
        reason = f"chain {', '.join(map(str, stuck))} does not move"
        for kind, name in names.items():
            yield judged(name, math.nan, limits[kind.split("_")[0]], region, reason)
        return
    if chains == 1:
        yield unmeasured(names["rhat"], "one chain", region)
    else:
        yield judged(names["rhat"], _rhat(values), limits["rhat"], region)
    alone = [values[[chain]] for chain in range(chains)]
    yield judged(names["rhat_chain"], max(map(_rhat, alone)), limits["rhat"], region)
    for kind in ("bulk", "tail"):
        ess = [_ess(part, kind) for part in alone]
        reason = f"of the chains {', '.join(f'{e:.0f}' for e in ess)}" if chains > 1 else ""
        yield judged(names[f"ess_{kind}"], _ess(values, kind), limits["ess"], region, reason)


def of_trajectories(
    stats: Mapping[str, np.ndarray], target_accept: float, max_tree_depth: int, limits: Limits
) -> Iterator[Finding]:
    """What NUTS says of itself: statistics (chain, draw) by name."""
    yield judged("divergences", stats["diverging"].mean(), limits["divergences"])
    saturated = (stats["tree_depth"] >= max_tree_depth).mean()
    yield judged("saturated_depth", saturated, limits["saturated_depth"])
    draws = stats["energy"].shape[1]
    if draws < FEWEST_DRAWS:
        yield unmeasured("ebfmi", f"{draws} draws; {FEWEST_DRAWS} are needed")
    else:
        energy = stats["energy"]
        bfmi = np.square(np.diff(energy, axis=1)).mean(1) / np.maximum(
            energy.var(1), np.finfo(float).tiny
        )
        yield judged("ebfmi", bfmi.min(), limits["ebfmi"])
    off = np.abs(stats["acceptance_rate"].mean(1) - target_accept).max()
    reason = f"target {target_accept:g}"
    yield judged("acceptance_off_target", off, limits["acceptance_off_target"], reason=reason)


def of_loss(losses: np.ndarray, observations: int, limits: Limits) -> Finding:
    """Whether the evidence lower bound has stopped to move.

    Value: by how much its end differs from what was before, in nats per observation, less two
    standard errors.
    """
    fewest = max(plateau.SHARES.values()) * plateau.FEWEST
    if len(losses) < fewest:
        return unmeasured("elbo_drift", f"{len(losses)} steps; {fewest} are needed")
    warn, fail = limits["elbo_drift"]
    found = plateau.drift(losses / observations, (warn, fail))
    reason = f"it changed by {found.fall:+.2g} ± {found.error:.1g} in the last {found.share}"
    if found.sure <= warn and 2 * found.error > fail:
        return unmeasured("elbo_drift", f"{reason}; that is too noisy to tell")
    return judged("elbo_drift", found.sure, (warn, fail), reason=f"{reason} of the steps")


def of_starts(elbos: np.ndarray, observations: int, limits: Limits) -> Finding:
    """How far the median of many starts (n,) ends below the best, in nats per observation."""
    if len(elbos) < 2:
        return unmeasured("restart_spread", "one start")
    ended = np.nan_to_num(elbos, nan=-np.inf)
    gap = float(ended.max() - np.median(ended)) / observations
    diverged = int(np.isnan(elbos).sum())
    reason = f"{len(elbos)} starts" + (f", of which {diverged} diverged" if diverged else "")
    return judged("restart_spread", gap, limits["restart_spread"], reason=reason)


def of_weights(log_weights: np.ndarray, limits: Limits) -> Finding:
    """Pareto k of the weights (n,) of model against guide (Yao et al., 2018, arXiv:1802.02538)."""
    if len(log_weights) < FEWEST_WEIGHTS:
        reason = f"{len(log_weights)} draws; {FEWEST_WEIGHTS} are needed"
        return unmeasured("pareto_k", reason)
    if wrong := int((~np.isfinite(log_weights)).sum()):
        verb = "is" if wrong == 1 else "are"
        reason = f"{wrong} of {len(log_weights)} log weights {verb} not finite"
        return judged("pareto_k", math.nan, limits["pareto_k"], reason=reason)
    if np.ptp(log_weights) == 0:
        return judged("pareto_k", 0.0, limits["pareto_k"], reason="all weights are equal")
    # ArviZ takes log likelihoods and weighs by their inverse.
    _, k = array_stats.psislw(-log_weights)
    return judged("pareto_k", float(k), limits["pareto_k"])


def of_agreement(
    ours: np.ndarray,
    theirs: np.ndarray,
    x: np.ndarray,
    reference: str,
    regions: Mapping[str, Region],
    limits: Limits,
) -> Iterator[Finding]:
    """Distance of a predictive distribution from the sampled one of the same model and data.

    Value: mean over a region's points of the first Wasserstein distance, over the mean standard
    deviation of the sampled one.

    Args:
        ours, theirs: quantiles (level, probe) at equal steps of probability.
        x: of the probes (probe,).
        reference: name of the sampled fit.
        regions: intervals of x by name.
        limits: by name of the diagnostic.
    """
    for region, intervals in regions.items():
        inside = within(x, intervals)
        mine, other = ours[:, inside], theirs[:, inside]
        distance = np.abs(mine - other).mean() / other.std(axis=0).mean()
        reason = f"from {reference}"
        yield judged("disagreement", distance, limits["disagreement"], region, reason)


def of_update(
    densities: Mapping[str, np.ndarray], old: np.ndarray, new: np.ndarray, limits: Limits
) -> Iterator[Finding]:
    """What an update has lost of the old data and won of the new, in nats per observation.

    Args:
        densities: log predictive densities (points,) of the fit `updated`, of `source`, whose
            posterior was its prior, and where there are such fits of `joint`, to old and new data
            together, and `alone`, to the new by themselves.
        old, new: which points are where the data are, (points,).
        limits: by name of the diagnostic.
    """
    updated = densities["updated"]

    def less(other: str, where: np.ndarray) -> float:
        return float(densities[other][where].mean() - updated[where].mean())

    yield judged("forgetting", less("source", old), limits["forgetting"], "old data")
    yield judged("transfer", -less("source", new), limits["transfer"], "new data")
    for other, meaning, places in (
        ("joint", "old and new data together", {"old data": old, "new data": new}),
        ("alone", "the new data alone", {"new data": new}),
    ):
        name = f"behind_{other}"
        for region, where in places.items():
            if other in densities:
                yield judged(name, less(other, where), limits["behind"], region)
            else:
                reason = f"no fit of the same model, prior and method to {meaning}"
                yield unmeasured(name, reason, region)


def of_scores(metrics: pd.DataFrame, limits: Limits) -> Iterator[Finding]:
    """Calibration by region, from a fit's rows of the table of metrics."""
    rows = metrics[metrics["metric"] == "calibration_error"]
    for row in rows.itertuples():
        yield judged("calibration_error", row.value, limits["calibration_error"], row.region)


def _rhat(values: np.ndarray) -> float:
    if len(values) == 1:
        half = values.shape[1] // 2
        values = np.concatenate([values[:, :half], values[:, -half:]])
    return float(np.max(array_stats.rhat(values, chain_axis=0, draw_axis=1, method="rank")))


def _ess(values: np.ndarray, kind: str) -> float:
    tails = {"prob": (0.05, 0.95)} if kind == "tail" else {}
    return float(np.min(array_stats.ess(values, chain_axis=0, draw_axis=1, method=kind, **tails)))
