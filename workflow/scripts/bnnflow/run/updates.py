"""What a plan says of updates, whose prior is another fit's posterior."""

from ..config.relations import carries_function, learnt_data, prior_source
from .fitting import FILES, MEMORY
from .plan import Plan


def is_update(plan: Plan, fit: str) -> bool:
    """Whether a fit's prior is another fit's posterior."""
    return prior_source(plan.fit(fit)) is not None


def prior(plan: Plan, fit: str) -> dict[str, str]:
    """The file that an update's prior is read from; nothing for another fit."""
    own = plan.fit(fit)
    if not (source := prior_source(own)):
        return {}
    if carries_function(own):
        return {"memory": f"results/fits/{fit}/{MEMORY}"}
    return {"prior": f"results/fits/{source}/{FILES['guide']['tensors']}"}


def remembers(plan: Plan, entry: str) -> bool:
    """Whether the fits of an entry carry what other fits say of the function."""
    return carries_function(plan.fit(plan.entries[entry][0]))


def remembered(plan: Plan, fit: str) -> dict[str, str | list[str]]:
    """Files from which the memory of an update's source is made."""
    source = prior_source(plan.fit(fit))
    posterior = f"results/fits/{source}/posterior.nc"
    return {"posterior": posterior, "data": plan.observed(source), **prior(plan, source)}


def memory(plan: Plan, fit: str) -> dict:
    """What the job is told that makes it: the source's network, the inputs, the seed."""
    network = plan.network(prior_source(plan.fit(fit)))
    first = {"prior": plan.network(fit)["prior"]}
    return {
        "network": network | first,
        "inputs": plan.fit(fit)["prior"]["inputs"],
        "seed": plan.prior_seed(fit),
    }


def learning(plan: Plan, fit: str) -> dict[str, list[str]] | None:
    """Names of the old and the new data of an update; nothing for another fit."""
    if not is_update(plan, fit):
        return None
    new = plan.fits[fit]["data"]
    old = [name for name in learnt_data(plan.fits, fit) if name not in new]
    return {"old": old, "new": new}


def roles(plan: Plan, fit: str) -> dict[str, str]:
    """By role the fit whose posterior is an update's prior, the update, and those beside it."""
    others = plan.relatives_of(fit)
    beside = {role: others[role] for role in ("joint", "alone") if role in others}
    return {"source": others["source"], "updated": fit, **beside}
