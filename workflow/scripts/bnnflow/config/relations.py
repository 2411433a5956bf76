"""How fits of a config are related, and what is named after them."""

import json

import numpy as np

from ..data import sets, tutorial
from ..methods.running.method import METHODS
from ..model.settings import FUNCTION
from . import studies

# What a method leaves whose draws are of the posterior itself.
SAMPLED = "sampled"

# The figure that a fit has by its method: of the first of these that the method leaves.
OWN_FIGURES = {"trajectories": "chains", "loss": "loss"}


def leaves(fit: dict) -> frozenset[str]:
    """What the method of a fit leaves besides the posterior."""
    return METHODS.made(fit["inference"]).leaves


def target_names(config: dict) -> list[str]:
    """Names of the targets, in their order."""
    return list(tutorial.COLUMNS[1:]) if is_simulated(config) else config["data"]["targets"]


def reached(places: list[list], points: list) -> bool:
    """Whether any of the points [from, to, number] lies in one of the intervals [from, to]."""
    x = np.linspace(*points)
    return any(((low <= x) & (x <= high)).any() for low, high in places)


def prior_source(fit: dict) -> str | None:
    """Name of the fit whose posterior is this fit's prior, if one is."""
    return fit["prior"].get("posterior_of")


def carries_function(fit: dict) -> bool:
    """Whether a fit's prior is what another fit says of the function."""
    return fit["prior"].get("carry") == FUNCTION


def lineage(fits: dict, name: str) -> list[str]:
    """A fit and the fits that its prior descends from, the oldest first."""
    names = [name]
    while (source := prior_source(fits[names[0]])) is not None:
        names.insert(0, source)
    return names


def learns_scales(fits: dict, name: str) -> bool:
    """Whether the scales of a fit's layers are sites: its own prior says so, or its first's."""
    return fits[lineage(fits, name)[0]]["prior"].get("scaling") == "learnt"


def learnt_data(fits: dict, name: str) -> list[str]:
    """Data sets from which a fit and its prior have learnt, the oldest first."""
    return list(dict.fromkeys(s for fit in lineage(fits, name) for s in fits[fit]["data"]))


def relatives(config: dict) -> dict[str, dict[str, str]]:
    """For every fit those of the same split beside which it is judged, where there are some.

    Returns:
        For a fit with a guide `reference`, a sampled one of the same model, prior and data.
        For an update `source`, whose posterior is its prior; `joint`, of the same model, which
        has method and prior of the first of the lineage and learns from all its data together;
        and `alone`, which has these too and learns from the update's data.
    """
    fits, models, splits = config["fits"], config["models"], config["splits"]

    def kind(split: str | None, model: str, method: str, prior: dict, data: list[str]) -> str:
        return json.dumps([split, models[model], method, prior, sorted(data)], sort_keys=True)

    first_of = {}
    for name, fit in fits.items():
        for label in {fit["inference"]["method"]} | ({SAMPLED} & leaves(fit)):
            alike = kind(splits.get(name), fit["model"], label, fit["prior"], fit["data"])
            first_of.setdefault(alike, name)

    found = {}
    for name, fit in fits.items():
        ancestors = lineage(fits, name)
        method = fits[ancestors[0]]["inference"]["method"]
        wanted = {}
        if "guide" in leaves(fit):
            wanted = {"reference": (SAMPLED, fit["prior"], fit["data"])}
        own = found[name] = {}
        if len(ancestors) > 1:
            own["source"] = ancestors[-2]
            prior, learnt = fits[ancestors[0]]["prior"], learnt_data(fits, name)
            wanted |= {"joint": (method, prior, learnt), "alone": (method, prior, fit["data"])}
        for role, (of_method, prior, data) in wanted.items():
            alike = kind(splits.get(name), fit["model"], of_method, prior, data)
            if alike in first_of:
                own[role] = first_of[alike]
    return found


def is_simulated(config: dict) -> bool:
    """Whether the workflow makes the data itself."""
    return "table" not in config["data"]


def observation_names(config: dict) -> list[str]:
    """Names of the data sets that fits learn from, in their order."""
    return sets.names(config["data"])


def knows_process(config: dict) -> bool:
    """Whether the process that made the data is known as a distribution of every target."""
    data = config["data"]
    return is_simulated(config) or all(
        "stddev" in data["truth"].get(target, {}) for target in data["targets"]
    )


def rule_names(config: dict) -> list[str]:
    """Names of the rules that the config makes."""
    names = [f"generate_data_{name}" for name in observation_names(config) if is_simulated(config)]
    for name, members in entries(config).items():
        settings = [config["fits"][fit]["inference"] for fit in members]
        part = METHODS[settings[0]["method"]].part
        several = [f"{name}_posterior"] if name in config["groups"] else []
        asking = any(len(METHODS[own["method"]].rounds(own)) > 1 for own in settings)
        several += [f"{name}_enough"] if asking else []
        remembering = carries_function(config["fits"][members[0]])
        several += [f"{name}_memory"] if remembering else []
        names += [name, f"{name}_{part}", *several, f"diagnose_{name}"]
    return names


def entries(config: dict) -> dict[str, list[str]]:
    """For every entry of a checked config the names of the fits that it stands for."""
    groups = config["groups"].items()
    members = {name: studies.fits_of(group["cells"]) for name, group in groups}
    grouped = {fit for fits in members.values() for fit in fits}
    return {name: [name] for name in config["fits"] if name not in grouped} | members


def is_baseline(fit: dict) -> bool:
    """Whether a fit is another model in the place of a network."""
    return "estimator" in leaves(fit)


def shows_prior(fit: dict) -> bool:
    """Whether a fit has a figure of its prior; that of an update is drawn beside the fit."""
    return not (prior_source(fit) or is_baseline(fit))


def own_figure(fit: dict) -> str | None:
    """The end of the name of the figure that a fit has by its method, if it has one."""
    return next((figure for left, figure in OWN_FIGURES.items() if left in leaves(fit)), None)


def figure_names(config: dict) -> list[str]:
    """Names of all figures, in the order of the story: data, fits, groups, comparisons.

    Of a fit that belongs to a group there are none.
    """
    names = list(config["figures"]["data"])
    single = [name for name in entries(config) if name in config["fits"]]
    for name in single:
        own = own_figure(config["fits"][name])
        ends = [*([] if is_simulated(config) else ["observed"]), *([own] if own else [])]
        names += [name, *(f"{name}_{end}" for end in (*ends, "calibration"))]
        names += [f"{name}_prior"] if shows_prior(config["fits"][name]) else []
    names += config["groups"]
    names += [f"{name}_beside_prior" for name in single if prior_source(config["fits"][name])]
    return [*names, *(["all_fits"] if single else []), "scores"]
