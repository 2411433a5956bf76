"""How far a fit can be trusted: diagnostics, each with a threshold and a verdict."""

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
from arviz_stats.base import array_stats

from ..data.regions import Region, overlap, within
from . import limits as limit
from . import plateau
from .limits import Limits

# Draws that a Pareto fit needs, and a chain, so that ten fall to each of its quarters.
FEWEST_WEIGHTS, FEWEST_DRAWS = 100, 40

# Statistics of NUTS that are judged.
TRAJECTORY = ("diverging", "tree_depth", "energy", "acceptance_rate")


@dataclass(frozen=True)
class Finding:
    """A diagnostic of a fit.

    Attributes:
        diagnostic: its name, that of its limits in the config first.
        region: of x, where it is of one, or what else it is of.
        value: missing where it cannot be measured.
        threshold: the limit that the value is beyond, or the one that it keeps.
        verdict: one of `verdicts.VERDICTS`.
        reason: in words, where the numbers do not say it, and what to do.
        counts_for: regions whose verdicts it is part of, where that is not the region itself.
    """

    diagnostic: str
    region: str
    value: float
    threshold: float
    verdict: str
    reason: str = ""
    counts_for: tuple[str, ...] | None = None


def table(findings: Iterable[Finding], around: Mapping[str, list[str]]) -> pd.DataFrame:
    """A row for every finding, with spaces between the regions for which it counts.

    Args:
        findings: of a fit.
        around: by region itself and those that contain it, so that no region's verdict is milder
            than that of its parts.
    """
    order = ["diagnostic", "value", "threshold", "verdict", "region", "counts_for", "reason"]
    rows = pd.DataFrame(map(asdict, findings), columns=order)
    touched = [
        around.get(row.region, [row.region]) if row.counts_for is None else row.counts_for
        for row in rows.itertuples()
    ]
    return rows.assign(counts_for=list(map(" ".join, touched)))


def judged(name: str, value: float, limits: Limits, region: str = "", reason: str = "") -> Finding:
    """A verdict by the limits of the diagnostic's name; what is not finite fails."""
    verdict, threshold = limit.judged(name, value, limits)
    if not math.isfinite(value):
        value = math.nan
        reason = reason or "it is not a finite number: the fit has gone astray; look at its log"
    return Finding(name, region, float(value), threshold, verdict, reason)


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
        inside = within(x, intervals)
        if inside.any():
            yield from _convergence("function", function[:, :, inside], limits, region)
        else:
            reason = "no point of predictions.grid is there; make the grid finer"
            for name in _names("function"):
                yield unmeasured(name, reason, region)
    yield from _convergence("sigma", sigma[:, :, np.newaxis], limits)


def _names(quantity: str) -> list[str]:
    return [f"{kind}_{quantity}" for kind in ("rhat", "rhat_chain", "ess_bulk", "ess_tail")]


def _convergence(
    quantity: str, values: np.ndarray, limits: Limits, region: str = ""
) -> Iterator[Finding]:
    chains, draws, _ = values.shape
    names = _names(quantity)
    stuck = sorted(set(np.nonzero(np.ptp(values, axis=1) == 0)[0].tolist()))
    if draws < FEWEST_DRAWS:
        for name in names:
            yield unmeasured(name, _too_few(draws, "draw", "draws", FEWEST_DRAWS), region)
        return
    if stuck:
        which = (
            f"chains {', '.join(map(str, stuck))} do"
            if len(stuck) > 1
            else f"chain {stuck[0]} does"
        )
        reason = f"{which} not move; another init, or more warmup"
        for name in names:
            yield judged(name, math.nan, limits, region, reason)
        return
    across, within_chain, *ess_names = names
    if chains == 1:
        yield unmeasured(across, "one chain; set chains: 2 or more", region)
    else:
        yield judged(across, _rhat(values), limits, region)
    alone = [values[[chain]] for chain in range(chains)]
    yield judged(within_chain, max(map(_rhat, alone)), limits, region)
    for name, kind in zip(ess_names, ("bulk", "tail"), strict=True):
        ess = [_ess(part, kind) for part in alone]
        reason = f"of the chains {', '.join(f'{e:.0f}' for e in ess)}" if chains > 1 else ""
        yield judged(name, _ess(values, kind), limits, region, reason)


def of_trajectories(
    stats: Mapping[str, np.ndarray], target_accept: float, max_tree_depth: int, limits: Limits
) -> Iterator[Finding]:
    """What NUTS says of itself: statistics (chain, draw) by name."""
    yield judged("divergences", stats["diverging"].mean(), limits)
    saturated = (stats["tree_depth"] >= max_tree_depth).mean()
    yield judged("saturated_depth", saturated, limits)
    draws = stats["energy"].shape[1]
    if draws < FEWEST_DRAWS:
        yield unmeasured("ebfmi", _too_few(draws, "draw", "draws", FEWEST_DRAWS))
    else:
        energy = stats["energy"]
        bfmi = np.square(np.diff(energy, axis=1)).mean(1) / np.maximum(
            energy.var(1), np.finfo(float).tiny
        )
        yield judged("ebfmi", bfmi.min(), limits)
    off = np.abs(stats["acceptance_rate"].mean(1) - target_accept).max()
    yield judged("acceptance_off_target", off, limits, reason=f"target {target_accept:g}")


def of_loss(losses: np.ndarray, observations: int, limits: Limits) -> Finding:
    """Whether the evidence lower bound has stopped to move.

    Value: by how much its end differs from what was before, in nats per observation, less two
    standard errors.
    """
    fewest = max(plateau.SHARES.values()) * plateau.FEWEST
    if len(losses) < fewest:
        return unmeasured("elbo_drift", _too_few(len(losses), "step", "steps", fewest))
    warn, fail = limits["elbo_drift"]
    found = plateau.drift(losses / observations, (warn, fail))
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
        return unmeasured("pareto_k", _too_few(count, "draw", "draws", FEWEST_WEIGHTS))
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


def of_agreement(
    ours: np.ndarray,
    theirs: np.ndarray,
    x: np.ndarray,
    reference: str,
    regions: Mapping[str, Region],
    limits: Limits,
    unsound: Mapping[str, str],
) -> Iterator[Finding]:
    """Distance of a predictive distribution from the sampled one of the same model and data.

    Value: mean over a region's points of the first Wasserstein distance, over the mean standard
    deviation of the sampled one. Where that is not sound itself, the value stands without a
    verdict.

    Args:
        ours, theirs: quantiles (level, probe) at equal steps of probability.
        x: of the probes (probe,).
        reference: name of the sampled fit.
        regions: intervals of x by name.
        limits: by name of the diagnostic.
        unsound: by region why the sampled fit has failed there, where it has.
    """
    for region, intervals in regions.items():
        inside = within(x, intervals)
        mine, other = ours[:, inside], theirs[:, inside]
        distance = np.abs(mine - other).mean() / other.std(axis=0).mean()
        found = judged("disagreement", distance, limits, region, f"from {reference}")
        if why := unsound.get(region):
            reason = f"from {reference}, which itself fails: {why}; sample that longer"
            found = replace(found, verdict="not measurable", reason=reason)
        yield found


def of_update(
    densities: Mapping[str, np.ndarray],
    x: np.ndarray,
    old: Region,
    new: Region,
    beside: Mapping[str, str],
    regions: Mapping[str, Region],
    limits: Limits,
) -> Iterator[Finding]:
    """What an update has lost of the old data and won of the new, in nats per observation.

    Args:
        densities: log predictive densities (points,) of the fit `updated`, of `source`, whose
            posterior was its prior, and where there are such fits of `joint`, to old and new data
            together, and `alone`, to the new by themselves.
        x: of the points (points,).
        old, new: intervals of x of the data from which the prior has learnt, and of the update's.
        beside: how `joint` and `alone` are called, and what is thought of them.
        regions: intervals of x by name; a finding counts for those that its data reach into.
        limits: by name of the diagnostic.
    """
    places = {"old data": old, "new data": new}

    def found(name: str, other: str, place: str, sign: int, reason: str = "") -> Finding:
        where = within(x, places[place])
        if where.any():
            less = float((densities[other] - densities["updated"])[where].mean())
            finding = judged(name, sign * less, limits, place, reason)
        elif places[place]:
            reason = f"no held-out point where the {place} are; widen data.held_out"
            finding = unmeasured(name, reason, place)
        else:
            reason = "its prior has learnt from no other data than the fit itself"
            finding = unmeasured(name, reason, place)
        return reaching(finding, places[place])

    def reaching(finding: Finding, intervals: Region) -> Finding:
        touched = tuple(name for name, own in regions.items() if overlap(intervals, own))
        return replace(finding, counts_for=touched)

    yield found("forgetting", "source", "old data", 1)
    yield found("transfer", "source", "new data", -1)
    for other, meaning, of in (
        ("joint", "old and new data together", places),
        ("alone", "the new data alone", ["new data"]),
    ):
        for place in of:
            if other in densities:
                yield found(f"behind_{other}", other, place, 1, f"beside {beside[other]}")
            else:
                reason = f"no fit of the same model, prior and method to {meaning}; add one"
                yield reaching(unmeasured(f"behind_{other}", reason, place), places[place])


def of_calibration(
    errors: Mapping[str, np.ndarray], by_chance: Mapping[str, np.ndarray], limits: Limits
) -> Iterator[Finding]:
    """Calibration by region.

    Value: by how much one of the two errors, that of the shares below quantiles or that of those
    in central intervals, is above what may be chance; the larger, or 0.

    Args:
        errors: by region both errors, as of `scores.calibration_errors`.
        by_chance: by region what both stay below in 95 of 100 cases if the fit is right.
        limits: by name of the diagnostic.
    """
    for region, both in errors.items():
        sure = np.subtract(both, by_chance[region])
        worse = int(sure.argmax())
        what = ("below quantiles", "in central intervals")[worse]
        chance = by_chance[region][worse]
        reason = f"shares {what} are off by {both[worse]:.2g}, of which {chance:.2g} may be chance"
        yield judged("calibration_error", max(0.0, sure[worse]), limits, region, reason)


def _too_few(count: int, one: str, many: str, fewest: int) -> str:
    return f"{count} {one if count == 1 else many}; set {many}: {fewest} or more"


def _rhat(values: np.ndarray) -> float:
    if len(values) == 1:
        half = values.shape[1] // 2
        values = np.concatenate([values[:, :half], values[:, -half:]])
    return float(np.max(array_stats.rhat(values, chain_axis=0, draw_axis=1, method="rank")))


def _ess(values: np.ndarray, kind: str) -> float:
    tails = {"prob": (0.05, 0.95)} if kind == "tail" else {}
    return float(np.min(array_stats.ess(values, chain_axis=0, draw_axis=1, method=kind, **tails)))
