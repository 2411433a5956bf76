"""Which figures a fit has, the files that they are drawn from, and what their job is told."""

from collections.abc import Iterable
from pathlib import Path

from ..config.relations import own_figure, prior_source, shows_prior
from ..data import slices
from . import resources, updates
from .plan import Plan

# By the figure that a fit has by its method the file that it is drawn from, and the diagnostics
# that it shows.
DRAWN_FROM = {"chains": {"posterior": "posterior.nc"}, "loss": {"loss": "loss.csv"}}
SHOWN = {
    "chains": [
        "divergences",
        "rhat_function",
        "rhat_chain_function",
        "ess_bulk_function",
        "ess_tail_function",
    ],
    "loss": ["elbo_drift"],
}


# Of the figures of priors: draws that areas are made of, functions that are shown, and points of
# simulated data.
PRIOR = {"draws": 400, "functions": 50, "points": 200}

# A figure: the form of its name, its caption, its category in the report, and its labels there.
Drawn = tuple[str, str, str, dict[str, str]]


def figures(plan: Plan, own: str | None, updated: bool) -> dict[str, Drawn]:
    """All figures of a fit by role, with the one that it has by its method, if it has one.

    Args:
        plan: of the run.
        own: that figure.
        updated: whether the fit is an update.
    """
    found = {"own": ("{fit}", "fit", "prediction")}
    roles = (
        ([] if plan.source.simulated else ["observed"]) + ([own] if own else []) + ["calibration"]
    )
    found |= {role: (f"{{fit}}_{role}", role, role) for role in roles}
    of_fit = {
        role: (name, caption, "2. Fits", {"fit": "{fit}", "shows": shows})
        for role, (name, caption, shows) in found.items()
    }
    label = {"figure": "{fit} beside its prior"}
    beside = {"beside_prior": ("{fit}_beside_prior", "update", "3. Comparisons", label)}
    return of_fit | (beside if updated else {})


def evaluations(plan: Plan, fits: Iterable[str]) -> dict[str, list[str]]:
    """What fits of a table say of held-out rows, where figures compare them by that."""
    files = [f"results/evaluations/{fit}.nc" for fit in fits]
    return {} if plan.source.simulated else {"evaluations": files}


def priors(plan: Plan) -> dict[str, Drawn]:
    """The figures of what priors mean, by fit; the prior of an update is drawn beside the fit."""
    return {
        fit: (f"{fit}_prior", "prior", "2. Fits", {"fit": fit, "shows": "prior"})
        for fit in plan.single
        if shows_prior(plan.fit(fit))
    }


def before(plan: Plan) -> dict[str, dict]:
    """What the job of these figures is told of each fit."""
    return {
        fit: {
            "observations": plan.fit(fit)["data"],
            "network": plan.network(fit),
            "seed": plan.prior_seed(fit),
        }
        for fit in priors(plan)
    }


def prior_needs(plan: Plan) -> dict[str, int]:
    """Memory and time of this job."""
    points = max(PRIOR["points"], slices.CURVE, slices.VALUES * len(plan.source.about.inputs))
    return resources.prior_needs(list(map(plan.size, priors(plan))), PRIOR["draws"], points)


def prior_modules(plan: Plan) -> list[Path]:
    """Modules of the package that this job loads by their names."""
    return sorted({module for fit in priors(plan) for module in plan.model_modules(fit)})


def comparisons(plan: Plan) -> dict[str, Drawn]:
    """The figures of all fits; those of groups have figures of their own."""
    labels = {"scores": "scores"} | ({"all_fits": "all fits"} if plan.single else {})
    return {
        name: (name, name, "3. Comparisons", {"figure": label}) for name, label in labels.items()
    }


def shown_of(plan: Plan, group: str) -> list[str]:
    """Fits of a group whose data its figure shows: those of the first split."""
    return plan.of_split(plan.entries[group], plan.source.first)


def entries_with(plan: Plan, figure: str | None, updated: bool) -> list[str]:
    """Entries whose fits have this figure by their method, or none, and are updates or are not."""
    firsts = {entry: plan.fit(fits[0]) for entry, fits in plan.entries.items()}
    return [
        entry
        for entry, fit in firsts.items()
        if own_figure(fit) == figure and bool(prior_source(fit)) == updated
    ]


def roles(plan: Plan, fit: str) -> dict[str, str]:
    """Fits by their role in the figures of one: `own`, or those of an update."""
    return updates.roles(plan, fit) if updates.is_update(plan, fit) else {"own": fit}


def files(plan: Plan, fit: str) -> dict[str, str | list[str]]:
    """Files that the figures of a fit are drawn from, by role."""
    fits = list(roles(plan, fit).values())
    own = DRAWN_FROM.get(own_figure(plan.fit(fit)), {})
    return {role: f"results/fits/{fit}/{name}" for role, name in own.items()} | {
        **evaluations(plan, fits),
        "predictions": [f"results/predictions/{name}.nc" for name in fits],
        "diagnostics": [f"results/fits/{name}/diagnostics.csv" for name in fits],
        "evaluation": f"results/evaluations/{fit}.nc",
        "observations": plan.learnt(fits),
        "data": plan.observed(fit),
    }


def panels(plan: Plan, fit: str) -> list[dict]:
    """What is told of the fits in the figures of one."""
    return plan.panels(roles(plan, fit).values())


def told(plan: Plan, fit: str) -> dict:
    """What the job of a fit's figures is told besides its files and panels."""
    own, beside = plan.fit(fit), roles(plan, fit)
    fits = list(beside.values())
    return {
        "title": plan.title(fit),
        "observations": plan.data_of(fits),
        "roles": list(beside),
        "new": own["data"],
        "steps": own["inference"].get("steps"),
        "shown": SHOWN.get(own_figure(own), []),
    }
