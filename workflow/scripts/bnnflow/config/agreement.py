"""Whether the parts of a config agree with each other."""

from collections import Counter
from collections.abc import Iterator

from ..data.observed import MADE
from ..data.references import REFERENCES
from ..judge import limits
from ..methods.running.method import METHODS
from ..model.likelihood import LIKELIHOODS
from ..model.several import given_of, is_one, without_others
from . import studies
from .faults import some, unknown
from .relations import (
    carries_function,
    entries,
    figure_names,
    is_baseline,
    is_simulated,
    leaves,
    observation_names,
    prior_source,
    reached,
    rule_names,
    target_names,
)

# Data sets that the workflow makes besides the observations.
OWN_SETS = {"truth": "the true function's", "held_out": "the held-out observations'"}

# Transforms whose inverse grows as the exponential does.
EXPONENTIAL = ("log", "log1p")

NETWORK = ("hidden", "activation", "residual", "skip")

# Figures of a fit besides its own; they are called `<fit>_<this>`.
FIGURES_OF_FIT = ("observed", "loss", "chains", "calibration", "beside_prior", "prior")


def faults(config: dict) -> Iterator[str]:
    """What one part of a completed config says of another, and is not so."""
    observations, models, fits = observation_names(config), config["models"], config["fits"]
    figures = config["figures"]

    for i, name in enumerate(observations):
        if name in observations[:i]:
            yield f"data.observations[{i}].name: is {name!r}, which is taken by another set"
        if name in OWN_SETS:
            key = f"observations[{i}].name" if is_simulated(config) else f"sets.{name}"
            yield f"data.{key}: is {name!r}, which is {OWN_SETS[name]} name"
    for name, shown in figures["data"].items():
        for i, entry in enumerate(shown):
            if entry not in observations:
                yield f"figures.data.{name}[{i}]: {unknown(entry, 'observations', observations)}"

    for fault in limits.disorder(config["diagnostics"]):
        yield f"diagnostics.{fault}"

    yield from _of_simulated(config) if is_simulated(config) else _of_table(config)
    yield from _of_likelihoods(config)
    yield from _of_groups(config)
    for name in REFERENCES:
        if name in fits:
            yield (f"fits.{name}: is the name of {REFERENCES[name]} in the tables; rename the fit")

    for name, fit in fits.items():
        key = f"fits.{name}"
        for entry in fit["data"]:
            if entry not in observations:
                yield f"{key}.data: {unknown(entry, 'observations', observations)}"
        if fit["model"] not in models:
            yield f"{key}.model: {unknown(fit['model'], 'models', models)}"
        inference = fit["inference"]
        if inference["device"] == "cuda" and config["engine"] == "pyro":
            yield (
                f"{key}.inference.device: is 'cuda', where the engine pyro cannot evaluate; allowed"
                " is cpu, or another engine"
            )
        if (source := prior_source(fit)) is not None and is_baseline(fit):
            yield f"{key}.prior.posterior_of: is {source!r}, but a baseline has no prior"
        elif source is not None:
            yield from _source_faults(name, source, models, fits, config["groups"])


def _of_groups(config: dict) -> Iterator[str]:
    """Entries whose fits leave different files, for which there is no rule."""
    fits = config["fits"]
    for name, group in config["groups"].items():
        members = studies.fits_of(group["cells"])
        for key in ("method", "combine"):
            if len(kinds := {fits[fit]["inference"].get(key) for fit in members}) > 1:
                told = " and ".join(sorted(map(str, kinds)))
                yield (
                    f"fits.{name}.grid: varies inference.{key} ({told}), by which fits leave"
                    " different files; write an entry for each"
                )
                break
        if len({carries_function(fits[fit]) for fit in members}) > 1:
            yield (
                f"fits.{name}.grid: has fits with carry: function beside others, which have"
                " different files; write an entry for each"
            )


def clashes(config: dict, reserved: frozenset[str]) -> Iterator[str]:
    """Names that two rules or figures of a completed config would have.

    Args:
        config: with all fits.
        reserved: names of the workflow's own rules.
    """
    for kind, names in (
        ("rules", [*reserved, *rule_names(config)]),
        ("figures", figure_names(config)),
    ):
        for name in sorted(name for name, count in Counter(names).items() if count > 1):
            yield f"fits: two {kind} would be called {name!r}; rename a fit or data"
    single = entries(config)
    for name in (name for name in config["fits"] if name not in single):
        for figure in FIGURES_OF_FIT:
            if name.endswith(f"_{figure}"):
                yield (
                    f"fits.{name}: ends in _{figure}, as figures of fits do; change the order of"
                    " the grid's keys, or rename what the name ends with"
                )


def _of_likelihoods(config: dict) -> Iterator[str]:
    """Likelihoods of targets that the data do not have."""
    targets = target_names(config)
    for model, own in config["models"].items():
        given = own.get("likelihood", {})
        for name in [] if is_one(given) else given:
            if name not in targets:
                yield f"models.{model}.likelihood: {unknown(name, 'targets', targets)}"
        for key, why in without_others(given, targets):
            yield f"models.{model}.likelihood.{key}: {why}"


def _of_table(config: dict) -> Iterator[str]:
    """What a config with a table says that is of simulated data, or of something else."""
    for section, keys in (("predictions", ["grid"]), ("figures", ["xlim", "ylim"])):
        for key in keys:
            if key in config[section]:
                yield f"{section}.{key}: is of simulated data; the table says where its data are"
    for name, condition in config["evaluation"].get("regions", {}).items():
        if not isinstance(condition, dict):
            yield (
                f"evaluation.regions.{name}: is {condition}; of a table, allowed is a condition on"
                " columns, such as {width: [2.5, null]}"
            )
        if name in MADE:
            yield f"evaluation.regions.{name}: is the name of a region that every table has"
    for name in config["data"]["truth"]:
        if name not in config["data"]["targets"]:
            yield f"data.truth: {unknown(name, 'targets', config['data']['targets'])}"
    yield from _without_mean(config)


def _without_mean(config: dict) -> Iterator[str]:
    """Targets whose logarithm has tails that are too heavy."""
    used = {fit["model"] for fit in config["fits"].values()} & {*config["models"]}
    for name, transform in config["data"]["transform"].items():
        if name not in config["data"]["targets"] or transform not in EXPONENTIAL:
            continue
        given = {model: given_of(config["models"][model].get("likelihood"), name) for model in used}
        if heavy := sorted(m for m, own in given.items() if own and LIKELIHOODS.made(own).heavy):
            yield (
                f"data.transform.{name}: is {transform}, after which the target has no mean by the"
                f" likelihood of models.{heavy[0]}; take the likelihood normal, or no transform"
            )


def _of_simulated(config: dict) -> Iterator[str]:
    for key in ("xlim", "ylim"):
        low, high = config["figures"][key]
        if not low < high:
            yield f"figures.{key}: is [{low}, {high}]; the first must be less than the second"

    for name, intervals in config["evaluation"]["regions"].items():
        if isinstance(intervals, dict):
            yield (
                f"evaluation.regions.{name}: is {intervals}; of simulated data, allowed is a list"
                " of intervals [from, to]"
            )
            return

    for key, (low, high, *_) in _intervals(config):
        if not low < high:
            yield f"{key}: runs from {low} to {high}; the first must be less than the second"

    for key, what in (
        ("data.held_out", "held-out points"),
        ("predictions.grid", "points of predictions.grid"),
    ):
        section, entry = key.split(".")
        low, high, points = config[section][entry]
        for name, intervals in config["evaluation"]["regions"].items():
            if not reached(intervals, config[section][entry]):
                yield (
                    f"evaluation.regions.{name}: is {intervals}, where there is none of the"
                    f" {points} {what} from {low} to {high}; change {key}, or leave the region out"
                    f" (in a file that is read later: {name}: null)"
                )


def _intervals(config: dict) -> Iterator[tuple[str, list]]:
    for i, observations in enumerate(config["data"]["observations"]):
        for j, interval in enumerate(observations["intervals"]):
            yield f"data.observations[{i}].intervals[{j}]", interval
    yield "data.truth", config["data"]["truth"]
    yield "data.held_out", config["data"]["held_out"]
    for name, intervals in config["evaluation"]["regions"].items():
        for i, interval in enumerate(intervals):
            yield f"evaluation.regions.{name}[{i}]", interval
    yield "predictions.grid", config["predictions"]["grid"]


def _source_faults(name: str, source: str, models: dict, fits: dict, groups: dict) -> Iterator[str]:
    key = f"fits.{name}.prior.posterior_of"
    if source in groups:
        members = studies.fits_of(groups[source]["cells"])
        yield f"{key}: is {source!r}, which is many fits; allowed is one of them: {some(members)}"
        return
    if source not in fits:
        network = models.get(fits[name]["model"])
        fitting = [
            other
            for other, fit in fits.items()
            if other != name
            and ("guide" in leaves(fit) or (carries_function(fits[name]) and not is_baseline(fit)))
            and _same_network(models.get(fit["model"]), network)
        ]
        allowed = some(fitting) or "none of them: remove this fit or change its prior"
        yield f"{key}: is {source!r}, which is not among the fits; allowed are {allowed}"
        return

    circle = [name]
    while (following := prior_source(fits[circle[-1]])) in fits:
        if following == name:
            yield f"{key}: the priors go in a circle: {' <- '.join([*circle, name])}"
            return
        if following in circle:
            return
        circle.append(following)

    if carries_function(fits[name]):
        yield from _of_functions(key, fits[source], source)
        yield from _of_networks(key, source, models, fits, name)
        yield from _of_noise(key, source, models, fits, name)
        return
    inference = fits[source]["inference"]
    if inference.get("combine") == "mixture":
        yield (
            f"{key}: is {source!r}, a mixture of many normal distributions, which has no mean and"
            " standard deviation to extract; allowed is carry: function, or a fit with combine:"
            " best"
        )
    elif "guide" not in leaves(fits[source]):
        extracting = [name for name in METHODS if "guide" in METHODS.made({"method": name}).leaves]
        yield (
            f"{key}: is {source!r}, whose method is {inference['method']}; allowed is carry:"
            f" function, or a fit with method {' or '.join(extracting)}, which has means and"
            " standard deviations to extract"
        )
    yield from _of_networks(key, source, models, fits, name)


def _of_functions(key: str, fit: dict, source: str) -> Iterator[str]:
    """Fits whose posterior says nothing of how sure they are of the function."""
    inference = fit["inference"]
    if is_baseline(fit):
        yield (
            f"{key}: is {source!r}, a baseline, which has no posterior; allowed is a fit of a"
            " network"
        )
    elif inference["draws"] == 1:
        yield (
            f"{key}: is {source!r}, of which each {METHODS[inference['method']].part} is one draw"
            f" (inference.method: {inference['method']}, draws: 1), which does not say how sure"
            " the fit is of the function; allowed is a fit with more draws"
        )


def _of_networks(key: str, source: str, models: dict, fits: dict, name: str) -> Iterator[str]:
    mine, theirs = models.get(fits[name]["model"]), models.get(fits[source]["model"])
    if mine and theirs:
        for part in NETWORK:
            if mine[part] != theirs[part]:
                yield (
                    f"{key}: is {source!r}, whose network does not fit: its {part} is"
                    f" {theirs[part]}, this fit's is {mine[part]}"
                )


def _of_noise(key: str, source: str, models: dict, fits: dict, name: str) -> Iterator[str]:
    """What a fit says of its noise goes into an update of the same likelihood."""
    own, other = fits[name]["model"], fits[source]["model"]
    mine, theirs = (models.get(model, {}).get("likelihood") for model in (own, other))
    if mine != theirs:
        yield (
            f"{key}: is {source!r}, whose likelihood is another: models.{other}.likelihood is"
            f" {theirs}, models.{own}.likelihood is {mine}; allowed with carry: function is a fit"
            " of the same likelihood"
        )


def _same_network(a: dict | None, b: dict | None) -> bool:
    return bool(a and b) and all(a[part] == b[part] for part in NETWORK)
