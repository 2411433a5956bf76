"""All that is found of a fit, from what it has left in its files and what stands beside it."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from ..data.regions import probes
from ..model.several import site_of
from . import calibration, chains, ensembles, guides, scores, skill, update, verdicts
from .findings import Finding, of_target
from .limits import Limits

# What the posterior of a fit must have to be judged, by what its method leaves.
NEEDED = {
    "sampled": [],
    "trajectories": [f"sample_stats/{name}" for name in chains.TRAJECTORY],
    "guide": ["sample_stats/lp", "sample_stats/log_q"],
    "normals": ["sample_stats/lp", "sample_stats/log_q"],
    "starts": ["starts/elbo"],
    "ensemble": [],
    "estimator": [],
}


@dataclass(frozen=True)
class Left:
    """What a fit has left.

    Attributes:
        evaluation: on held-out points.
        posterior: with what is `needed`.
        leaves: what its method leaves.
        sites: names of the likelihood's own.
        settings: of its inference.
        observations: number of them from which it has learnt.
        loss: (steps,), of a method that leaves one.
    """

    evaluation: xr.Dataset
    posterior: xr.DataTree
    leaves: Collection[str]
    sites: Sequence[str]
    settings: Mapping
    observations: int = 0
    loss: np.ndarray | None = None


@dataclass(frozen=True)
class Other:
    """Another fit, beside which one is judged.

    Attributes:
        name: of the fit.
        evaluation: on the same held-out points.
        diagnostics: of the fit, as `findings.table` has them, where they are asked for.
    """

    name: str
    evaluation: xr.Dataset
    diagnostics: pd.DataFrame | None = None


def needed(leaves: Collection[str], sites: Iterable[str]) -> list[str]:
    """What the posterior of a fit must have to be judged.

    Args:
        leaves: what its method leaves.
        sites: names of the likelihood's own.
    """
    own = [name for left, names in NEEDED.items() if left in leaves for name in names]
    return [*(f"posterior/{site}" for site in sites), *own]


def diagnosed(
    fit: Left,
    table: pd.DataFrame,
    limits: Limits,
    beside: Mapping[str, Other],
    learning: Mapping[str, list[str]] | None = None,
    cheaper: Mapping[str, xr.Dataset] | None = None,
) -> list[Finding]:
    """Everything.

    Args:
        fit: what it has left.
        table: its scores, as `scores.table` has them.
        limits: by name of the diagnostic.
        beside: other fits by role: reference, source, joint, alone.
        learning: of an update the names of the data sets, `old` and `new`.
        cheaper: what baselines say of the same held-out points, by their names.
    """
    posterior = fit.posterior["posterior"]
    findings = [*of_engine(posterior.attrs), *_of_optimum(fit, limits)]
    if "trajectories" in fit.leaves:
        findings += _of_function(fit.evaluation, limits)
        names = fit.evaluation["target"].to_numpy().tolist()
        for site in fit.sites:
            place, own = site_of(site)
            found = chains.of_site(own, posterior[site].to_numpy(), limits)
            findings += of_target(found, "" if place is None else names[place])
        stats = fit.posterior["sample_stats"].data_vars.items()
        own = {name: values.to_numpy() for name, values in stats}
        findings += chains.of_trajectories(own, fit.settings, limits)
    elif "ensemble" in fit.leaves:
        findings += ensembles.of_steps(fit.settings, limits)
        findings += of_pooled(fit.evaluation, "sampled" in fit.leaves, limits)
    if reference := beside.get("reference"):
        findings += _beside_sampled(fit.evaluation, reference, limits)
    if learning:
        findings += _of_update(fit.evaluation, beside, learning, limits)
    if cheaper:
        findings += _beside_cheaper(fit.evaluation, cheaper, limits)
    for target, part in scores.by_target(fit.evaluation).items():
        rows = table[table["target"] == target] if target else table
        errors, by_chance = scores.errors(rows), scores.by_chance(part)
        what = calibration.OF_CLASSES if scores.has_classes(part) else calibration.OF_NUMBERS
        found = calibration.of_calibration(errors, by_chance, limits, what)
        findings += of_target(found, target)
    return findings


def of_pooled(evaluation: xr.Dataset, series: bool, limits: Limits) -> Iterator[Finding]:
    """What is found of the pooled prediction of many chains, starts or members.

    Args:
        evaluation: with what `evaluation.unscored` gives.
        series: whether draws of a chain come one after another.
        limits: by name of the diagnostic.
    """
    regions = scores.inside_of(evaluation, "probe_inside")
    places = probes(evaluation["inside"].to_numpy())
    weighting = ensembles.Weighting(
        *(evaluation[name].to_numpy() for name in ("weight", "without"))
    )
    for target, own in scores.by_target(evaluation).items():
        spread, exact = own["probe_quantiles"].to_numpy().std(0), own["stddev"].to_numpy()[0]
        # Of counts and classes all quantiles may be one value.
        spread = np.where(spread > 0, spread, exact[places])
        function = own["function"].to_numpy()
        found = ensembles.of_ensemble(function, weighting, spread, regions, limits, series=series)
        yield from of_target(found, target)


def of_engine(facts: Mapping[str, str]) -> Iterator[Finding]:
    """A warning if the fit had to do without compiled code; facts are the posterior's."""
    if reason := facts.get("engine_reason"):
        yield Finding("engine", "", math.nan, math.nan, "warn", f"Pyro's, slow: {reason}")


def _of_optimum(fit: Left, limits: Limits) -> Iterator[Finding]:
    """Of what a method that optimizes leaves."""
    if "loss" in fit.leaves:
        yield guides.of_loss(fit.loss, fit.observations, limits)
    if "starts" in fit.leaves:
        elbos = fit.posterior["starts"]["elbo"].to_numpy()
        yield guides.of_starts(elbos, fit.observations, limits)
    if "guide" in fit.leaves:
        yield guides.of_weights(_log_weights(fit)[0], limits)
    if "normals" in fit.leaves:
        yield guides.of_normals(_log_weights(fit), fit.observations, limits)


def _log_weights(fit: Left) -> np.ndarray:
    """Of posterior against normal distributions, (chain, draw)."""
    lp, log_q = (fit.posterior["sample_stats"][name].to_numpy() for name in ("lp", "log_q"))
    return lp - log_q


def _beside_sampled(evaluation: xr.Dataset, reference: Other, limits: Limits) -> Iterator[Finding]:
    regions = scores.inside_of(evaluation, "probe_inside")
    theirs = scores.by_target(reference.evaluation)
    unsound = {region: verdicts.unsound(reference.diagnostics, region) for region in regions}
    for target, own in scores.by_target(evaluation).items():
        pair = (part["probe_quantiles"].to_numpy() for part in (own, theirs[target]))
        yield from of_target(
            guides.of_agreement(*pair, regions, reference.name, limits, unsound), target
        )


def _beside_cheaper(
    evaluation: xr.Dataset, cheaper: Mapping[str, xr.Dataset], limits: Limits
) -> Iterator[Finding]:
    theirs = {name: scores.by_target(own) for name, own in cheaper.items()}
    for target, own in scores.by_target(evaluation).items():
        density, *others = (
            part["log_density"][0].to_numpy()
            for part in (own, *(t[target] for t in theirs.values()))
        )
        found = skill.of_skill(density, dict(zip(theirs, others, strict=True)), limits)
        yield from of_target([found], target)


def _of_function(evaluation: xr.Dataset, limits: Limits) -> Iterator[Finding]:
    regions = scores.inside_of(evaluation, "probe_inside")
    for target, own in scores.by_target(evaluation).items():
        function = own["function"].to_numpy()
        yield from of_target(chains.of_chains(function, regions, limits), target)


def _of_update(
    evaluation: xr.Dataset,
    beside: Mapping[str, Other],
    learning: Mapping[str, list[str]],
    limits: Limits,
) -> Iterator[Finding]:
    of_set, inside = scores.inside_of(evaluation, "of_set"), scores.inside_of(evaluation)
    places = {
        f"{age} data": np.any([of_set[name] for name in names], axis=0) if names else None
        for age, names in learning.items()
    }
    known = {
        role: f"{beside[role].name}, verdict {verdicts.worst(beside[role].diagnostics['verdict'])}"
        for role in ("joint", "alone")
        if role in beside
    }
    others = {role: other.evaluation for role, other in beside.items() if role != "reference"}
    parts = {role: scores.by_target(e) for role, e in {"updated": evaluation, **others}.items()}
    for target in parts["updated"]:
        densities = {role: own[target]["log_density"][0].to_numpy() for role, own in parts.items()}
        findings = update.of_update(densities, places, known, inside, limits)
        yield from of_target(findings, target)
