"""The config: checked as a whole before any job starts."""

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice, pairwise
from pathlib import Path

import jsonschema
import numpy as np
import yaml

from ..judge import limits
from . import studies

HELP = "config/README.md explains every key"
# What the samplers can learn in the warm-up.
MASS_MATRICES = {"pyro": ("diagonal", "dense"), "nutpie": ("diagonal", "low_rank")}

# Data sets that the workflow makes besides the observations.
OWN_SETS = {"truth": "the true function's", "held_out": "the held-out observations'"}

NETWORK = ("hidden", "activation")

# The most that a config may have: entries in all and in one list or mapping, levels, letters in a
# text. Of its faults so many are told at once.
ENTRIES, LONGEST, DEPTH, LETTERS, MOST_FAULTS = 50_000, 1000, 12, 10_000, 20

# The most that jobs are asked to hold: points of a data set; numbers of a posterior, and of a
# response at every draw and point; numbers of a covariance, and of the losses of a job.
POINTS, NUMBERS, FEWER = 1_000_000, 2_000_000_000, 500_000_000

# Letters of a fit's name, which stands in names of files.
NAME_LETTERS = 180

# Figures of a fit besides its own; they are called `<fit>_<this>`.
FIGURES_OF_FIT = ("loss", "chains", "calibration", "beside_prior")

# What docutils would take for a directive, a comment or the like, wherever it stands: in a list
# and in a table, too.
EXPLICIT_MARKUP = re.compile(r"(?<![\w.])\.\.(?!\S)")
# An address that brings a page with it, and is one without markup.
BARE_ADDRESS = re.compile(r"data:(?:text|image|application|multipart)", re.I)
# That, or one that runs code, without what docutils leaves out of addresses.
ACTIVE_ADDRESS = re.compile(rf"(?:javascript|vbscript):|{BARE_ADDRESS.pattern}/")


class ConfigError(ValueError):
    """A config that cannot be run; the message lists every fault found."""


def checked(
    config: dict, reserved: frozenset[str] = frozenset(), paths: Iterable[str | Path] = ()
) -> dict:
    """Return the config that the workflow runs, or raise.

    It is `config` without its null entries, with all fits that its entries stand for, their data
    as lists, and with the `groups` of fits that come from one entry.

    Args:
        config: the mapping read from the config files.
        reserved: names of the workflow's own rules, which no fit can take.
        paths: of the files that it was read from, in which no key may stand twice.

    Raises:
        ConfigError: with one line for every fault: the key, its value, what is allowed.
    """
    if not (faults := list(islice(_not_plain(config), MOST_FAULTS))):
        config = _without_nulls(config)
        faults = [*_schema_faults(config), *_not_finite(config)]
        faults += [fault for path in paths for fault in _twice(path)]
        faults = faults or [*_study_faults(config["fits"]), *_note_faults(config["fits"])]
    if not faults:
        fits, groups = studies.expanded(config["fits"])
        config |= {"fits": {name: _listed(fit) for name, fit in fits.items()}, "groups": groups}
        faults = list(_cross_faults(config, reserved)) or list(_too_large(config))
    if faults:
        more = len(faults) - MOST_FAULTS
        shown = [*faults[:MOST_FAULTS], *([f"and {more} more"] if more > 0 else [])]
        lines = "".join(f"\n  {fault}" for fault in shown)
        raise ConfigError(f"the config cannot be run:{lines}\n{HELP}")
    return config


@cache
def schema() -> dict:
    """The JSON schema of the config."""
    path = Path(__file__).parents[3] / "schemas" / "config.schema.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def prior_source(fit: dict) -> str | None:
    """Name of the fit whose posterior is this fit's prior, if one is."""
    return fit["prior"].get("posterior_of")


def lineage(fits: dict, name: str) -> list[str]:
    """A fit and the fits that its prior descends from, the oldest first."""
    names = [name]
    while (source := prior_source(fits[names[0]])) is not None:
        names.insert(0, source)
    return names


def learnt_data(fits: dict, name: str) -> list[str]:
    """Data sets from which a fit and its prior have learnt, the oldest first."""
    return list(dict.fromkeys(s for fit in lineage(fits, name) for s in fits[fit]["data"]))


def relatives(config: dict) -> dict[str, dict[str, str]]:
    """For every fit those beside which it is judged, where the config has them.

    Returns:
        For a variational fit `reference`, the sampled one of the same model, prior and data.
        For an update `source`, whose posterior is its prior; `joint`, of the same model and
        method, which has the prior of the first of the lineage and learns from all its data
        together; and `alone`, which has that prior and learns from the update's data.
    """
    fits, models = config["fits"], config["models"]

    def kind(model: str, method: str, prior: dict, data: list[str]) -> str:
        return json.dumps([models[model], method, prior, sorted(data)], sort_keys=True)

    first_of = {}
    for name, fit in fits.items():
        method = fit["inference"]["method"]
        first_of.setdefault(kind(fit["model"], method, fit["prior"], fit["data"]), name)

    found = {}
    for name, fit in fits.items():
        ancestors, method = lineage(fits, name), fit["inference"]["method"]
        wanted = {"reference": ("nuts", fit["prior"], fit["data"])} if method == "svi" else {}
        own = found[name] = {}
        if len(ancestors) > 1:
            own["source"] = ancestors[-2]
            prior, learnt = fits[ancestors[0]]["prior"], learnt_data(fits, name)
            wanted |= {"joint": (method, prior, learnt), "alone": (method, prior, fit["data"])}
        for role, (of_method, prior, data) in wanted.items():
            if other := first_of.get(kind(fit["model"], of_method, prior, data)):
                own[role] = other
    return found


def observation_names(config: dict) -> list[str]:
    """Names of the simulated data sets, in the order in which they are drawn."""
    return [observations["name"] for observations in config["data"]["observations"]]


def rule_names(config: dict) -> list[str]:
    """Names of the rules that the config makes."""
    names = [f"generate_data_{name}" for name in observation_names(config)]
    for name, members in entries(config).items():
        sampled = config["fits"][members[0]]["inference"]["method"] == "nuts"
        own = [f"{name}_chain"] if sampled else [f"{name}_start", f"extract_parameters_{name}"]
        several = [f"{name}_posterior"] if name in config["groups"] else []
        names += [name, *own, *several, f"diagnose_{name}"]
    return names


def entries(config: dict) -> dict[str, list[str]]:
    """For every entry of a checked config the names of the fits that it stands for."""
    groups = config["groups"].items()
    members = {name: studies.fits_of(group["cells"]) for name, group in groups}
    grouped = {fit for fits in members.values() for fit in fits}
    return {name: [name] for name in config["fits"] if name not in grouped} | members


def figure_names(config: dict) -> list[str]:
    """Names of all figures, in the order of the story: data, fits, groups, comparisons.

    Of a fit that belongs to a group there are none.
    """
    names = list(config["figures"]["data"])
    single = [name for name in entries(config) if name in config["fits"]]
    for name in single:
        own = "loss" if config["fits"][name]["inference"]["method"] == "svi" else "chains"
        names += [name, f"{name}_{own}", f"{name}_calibration"]
    names += config["groups"]
    names += [f"{name}_beside_prior" for name in single if prior_source(config["fits"][name])]
    return [*names, *(["all_fits"] if single else []), "scores"]


def _twice(path: str | Path) -> list[str]:
    """Keys that stand twice in one mapping of a YAML file, of which YAML takes the last."""
    try:
        root = yaml.compose(Path(path).read_text(encoding="utf-8"), yaml.SafeLoader)
    except (yaml.YAMLError, OSError, ValueError, RecursionError):
        return []  # whoever has read it knows how
    found, seen, pending = [], set(), [root]
    while pending:
        node = pending.pop()
        if id(node) in seen or not isinstance(node, yaml.CollectionNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
            found += [
                f"{path}, line {key.start_mark.line + 1}: the key {_shown(key.value)} stands twice"
                for key, _ in node.value
                if isinstance(key, yaml.ScalarNode) and keys.pop(key.value, 0) > 1
            ]
            pending += [part for pair in node.value for part in pair]
        else:
            pending += node.value
    return found


def _not_plain(config: object) -> Iterator[str]:
    """What no config has: what goes round in circles, or is too much, or no text or number."""
    pending, count = [((), config)], 0
    while pending:
        path, value = pending.pop()
        count += 1
        if count > ENTRIES:
            yield f"config: has more than {ENTRIES} entries, or contains itself"
            return
        if len(path) > DEPTH:
            yield f"{_key(path[:3])}: goes deeper than {DEPTH} levels, or contains itself"
            return
        if isinstance(value, dict | list):
            if len(value) > LONGEST:
                yield f"{_key(path)}: has {len(value)} entries; allowed are {LONGEST} or fewer"
                continue
            entries = value.items() if isinstance(value, dict) else enumerate(value)
            for key, entry in entries:
                if isinstance(value, dict) and not _is_key(key):
                    yield f"{_key(path)}: has the key {_shown(key)}; a key is a short line of text"
                else:
                    pending.append(((*path, key), entry))
        elif isinstance(value, int) and abs(value) >= 2**63:
            yield f"{_key(path)}: is a number of {value.bit_length()} bits; allowed are 63"
        elif isinstance(value, str) and (fault := _not_text(value)):
            yield f"{_key(path)}: is {_shown(value)}, {fault}"
        elif not isinstance(value, str | int | float | None):
            yield f"{_key(path)}: is {_shown(value)}, neither a text nor a number, list or mapping"


def _is_key(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 100 and value.isprintable()


def _not_text(value: str) -> str | None:
    if len(value) > LETTERS:
        return f"which has {len(value)} letters; allowed are {LETTERS}"
    # Control codes, and halves of letters.
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in value):
        return "which has a character that cannot be written"
    return None


def _without_nulls(value):
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return value


def _listed(fit: dict) -> dict:
    """The fit with its data as a list, where it is a name."""
    return fit | {"data": [fit["data"]] if isinstance(fit["data"], str) else fit["data"]}


def _schema_faults(config: dict) -> Iterator[str]:
    faults = sorted(_Validator(schema()).iter_errors(config), key=lambda e: [*map(str, e.path)])
    yield from dict.fromkeys(f"{_key(fault.absolute_path)}: {_allowed(fault)}" for fault in faults)


def _study_faults(entries: dict) -> Iterator[str]:
    """Of entries that stand for many fits, where the schema finds no fault with them as one."""
    if (number := sum(map(studies.count, entries.values()))) > studies.MOST_FITS:
        yield f"fits: are {number} with their grids and replicates; at most {studies.MOST_FITS}"
        return
    fit_schema = _Validator(schema()).evolve(schema=schema()["$defs"]["fit"])
    for name, entry in entries.items():
        found = [f"fits.{name}.{key}: {fault}" for key, fault in studies.faults(entry)]
        if not found and any(key in entry for key in studies.SPREAD):
            for words, fit in studies.variants(entry):
                for fault in fit_schema.iter_errors(fit):
                    key = _key(["fits", name, *fault.absolute_path])
                    found.append(f"{key}: {_allowed(fault)}{f' (grid: {words})' if words else ''}")
        yield from dict.fromkeys(found)


def _note_faults(entries: dict) -> Iterator[str]:
    """Notes that would put more into the report than text, formulas and links."""
    for name, entry in entries.items():
        note = entry.get("note", "")
        if EXPLICIT_MARKUP.search(note):
            yield (
                f"fits.{name}.note: has '..' by itself, with which reStructuredText begins"
                " directives, comments and targets; allowed are text, formulas as :math:`x^2` and"
                " links as `text <address>`__"
            )
        bare = BARE_ADDRESS.search(note)
        if found := bare or ACTIVE_ADDRESS.search(re.sub(r"[\s\\]", "", note).lower()):
            yield (
                f"fits.{name}.note: has an address that begins with {found[0]!r}; allowed are"
                " links to pages, as `text <address>`__"
            )
        elif ":math:" in note and (fault := _not_math(note)):
            yield f"fits.{name}.note: has a formula that cannot be put into the report ({fault})"


def _not_math(note: str) -> str | None:
    """What goes wrong where the report's formulas are made."""
    # Not by every call of Snakemake, for it takes time.
    from docutils.core import publish_parts

    quiet = {"math_output": "MathML", "halt_level": 2, "_disable_config": True}
    quiet |= {"warning_stream": False}
    try:
        publish_parts(note, writer="html5", settings_overrides=quiet)
    except Exception as error:  # docutils fails in many ways
        return f"docutils: {error}"
    return None


# 50.0 is a number that range() does not take.
_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


def _not_finite(value, *path) -> Iterator[str]:
    entries = {dict: lambda: value.items(), list: lambda: enumerate(value)}.get(type(value))
    if entries is not None:
        for key, entry in entries():
            yield from _not_finite(entry, *path, key)
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{_key(path)}: is {value}; allowed is a finite number"


def _key(path) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or "config"


def _allowed(fault: jsonschema.ValidationError) -> str:
    rule, value, limit = fault.validator, _shown(fault.instance), fault.validator_value
    key_fault = "propertyNames" in fault.absolute_schema_path
    if "x-message" in fault.schema:
        verb = "has the name" if key_fault else "is"
        return f"{verb} {value}; allowed is {fault.schema['x-message']}"
    article = "an" if str(limit)[0] in "aeiou" else "a"
    match rule:
        case "additionalProperties":
            known = sorted(fault.schema["properties"])
            unknown = sorted(set(map(str, fault.instance)) - set(known))
            keys = "keys" if len(unknown) > 1 else "key"
            return f"has the unknown {keys} {', '.join(unknown)}; allowed are {', '.join(known)}"
        case "required":
            missing = [key for key in limit if key not in fault.instance]
            keys = "keys" if len(missing) > 1 else "key"
            return f"lacks the {keys} {', '.join(missing)}"
        case "type" if plain := _as_yaml(fault.instance, limit):
            return f"is the text {value}; allowed is {article} {limit}, as YAML writes it: {plain}"
        case "type":
            name = {"object": "a mapping", "array": "a list", "string": "a text"}.get(
                limit, f"{article} {limit}"
            )
            return f"is {value}; allowed is {name}"
        case "enum":
            return f"is {value}; allowed are {', '.join(map(str, limit))}"
        case "minimum":
            return f"is {value}; allowed is {limit} or more"
        case "maximum":
            return f"is {value}; allowed is {limit} or less"
        case "exclusiveMinimum":
            return f"is {value}; allowed is more than {limit}"
        case "exclusiveMaximum":
            return f"is {value}; allowed is less than {limit}"
        case "minItems" | "maxItems":
            exact = fault.schema.get("minItems") == fault.schema.get("maxItems")
            bound = "exactly" if exact else {"minItems": "at least", "maxItems": "at most"}[rule]
            return f"is {value}; allowed are {bound} {limit} entries"
        case "minProperties":
            return f"is empty; at least {limit} entry is needed"
        case "minLength":
            return "is empty; a text is needed"
        case "uniqueItems":
            return f"is {value}; no entry may stand twice"
        case _:
            return fault.message


def _as_yaml(value, kind: str) -> str | None:
    """How YAML writes the number that a text was meant to be, if it was."""
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        return None
    if kind == "number" and math.isfinite(number):
        return yaml.safe_dump(number).split()[0]
    return str(int(number)) if kind == "integer" and number.is_integer() else None


def _shown(value) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _cross_faults(config: dict, reserved: frozenset[str]) -> Iterator[str]:
    observations, models, fits = observation_names(config), config["models"], config["fits"]
    figures = config["figures"]

    for i, name in enumerate(observations):
        if name in observations[:i]:
            yield f"data.observations[{i}].name: is {name!r}, which is taken by another set"
        if name in OWN_SETS:
            yield f"data.observations[{i}].name: is {name!r}, which is {OWN_SETS[name]} name"
    for name, shown in figures["data"].items():
        for i, entry in enumerate(shown):
            if entry not in observations:
                yield f"figures.data.{name}[{i}]: {_unknown(entry, 'observations', observations)}"

    for fault in limits.faults(config["diagnostics"]):
        yield f"diagnostics.{fault}"

    for key in ("xlim", "ylim"):
        low, high = figures[key]
        if not low < high:
            yield f"figures.{key}: is [{low}, {high}]; the first must be less than the second"

    for key, (low, high, *_) in _intervals(config):
        if not low < high:
            yield f"{key}: runs from {low} to {high}; the first must be less than the second"

    for key, what in (
        ("data.held_out", "held-out points"),
        ("predictions.grid", "points of predictions.grid"),
    ):
        section, entry = key.split(".")
        low, high, points = config[section][entry]
        x = np.linspace(low, high, points)
        for name, intervals in config["evaluation"]["regions"].items():
            if not any(((a <= x) & (x <= b)).any() for a, b in intervals):
                yield (
                    f"evaluation.regions.{name}: is {intervals}, where there is none of the"
                    f" {points} {what} from {low} to {high}"
                )
    if "oracle" in fits:
        yield "fits.oracle: is the name of the generating process in the tables; rename the fit"

    for kind, names in (
        ("rules", [*reserved, *rule_names(config)]),
        ("figures", figure_names(config)),
    ):
        for name in sorted(name for name, count in Counter(names).items() if count > 1):
            yield f"fits: two {kind} would be called {name!r}; rename a fit or data"

    single = entries(config)
    for name in (name for name in fits if name not in single):
        for figure in FIGURES_OF_FIT:
            if name.endswith(f"_{figure}"):
                yield (
                    f"fits.{name}: ends in _{figure}, as figures of fits do; change the order of"
                    " the grid's keys, or rename what the name ends with"
                )

    for name, fit in fits.items():
        key = f"fits.{name}"
        for entry in fit["data"]:
            if entry not in observations:
                yield f"{key}.data: {_unknown(entry, 'observations', observations)}"
        if fit["model"] not in models:
            yield f"{key}.model: {_unknown(fit['model'], 'models', models)}"
        inference = fit["inference"]
        if inference["device"] == "cuda" and config["engine"] == "pyro":
            yield (
                f"{key}.inference.device: is 'cuda', where the engine pyro cannot evaluate; allowed"
                " is cpu, or another engine"
            )
        if inference["method"] == "nuts":
            allowed = MASS_MATRICES[inference["sampler"]]
            if (given := inference["mass_matrix"]) not in allowed:
                yield (
                    f"{key}.inference.mass_matrix: is {given!r}; allowed with the sampler"
                    f" {inference['sampler']} are {', '.join(allowed)}"
                )
            if inference["sampler"] == "nutpie" and inference["warmup"] < 1:
                yield f"{key}.inference.warmup: is 0; allowed with the sampler nutpie is 1 or more"
        if (source := prior_source(fit)) is not None:
            yield from _source_faults(name, source, models, fits, config["groups"])


def _too_large(config: dict) -> Iterator[str]:
    """What would not fit into memory, or not into a file that is read."""
    for i, observations in enumerate(config["data"]["observations"]):
        if (points := sum(interval[2] for interval in observations["intervals"])) > POINTS:
            yield f"data.observations[{i}]: has {points} points; allowed are {POINTS} or fewer"
    grid, held_out = config["predictions"]["grid"][2], config["data"]["held_out"][2]
    kept = config["predictions"]["function_draws"] + 2 * len(config["predictions"]["quantiles"])
    if grid * kept > NUMBERS:
        yield f"predictions: keeps {grid * kept} numbers; allowed are {NUMBERS} or fewer"
    for name, fit in config["fits"].items():
        if len(name) > NAME_LETTERS:
            yield f"fits.{name}: has a name of {len(name)} letters; allowed are {NAME_LETTERS}"
        inference, hidden = fit["inference"], config["models"][fit["model"]]["hidden"]
        draws = inference["draws"] * inference.get("chains", 1)
        parameters = sum((a + 1) * b for a, b in pairwise([1, *hidden, 1])) + 1
        for what, count in (
            ("parameters", parameters),
            ("points of predictions.grid", grid),
            ("held-out points", held_out),
        ):
            if draws * count > NUMBERS:
                yield (
                    f"fits.{name}: has {draws} draws and {count} {what}; allowed are {NUMBERS} or"
                    " fewer of the one times the other"
                )
        together = min(inference.get("starts", 0), inference.get("starts_per_job", 0))
        losses = inference.get("steps", 0) * together
        if losses > FEWER:
            yield (
                f"fits.{name}.inference: has {losses} steps in all starts of a job; allowed are"
                f" {FEWER} or fewer"
            )
        full = inference.get("guide", "AutoDiagonalNormal") != "AutoDiagonalNormal"
        if (full or inference.get("mass_matrix") == "dense") and parameters**2 > FEWER:
            yield (
                f"fits.{name}.inference: needs the covariance of {parameters} parameters; allowed"
                f" are {math.isqrt(FEWER)} or fewer, or"
                f" {'the guide AutoDiagonalNormal' if full else 'another mass_matrix'}"
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
        yield f"{key}: is {source!r}, which is many fits; allowed is one of them: {_some(members)}"
        return
    if source not in fits:
        network = models.get(fits[name]["model"])
        fitting = [
            other
            for other, fit in fits.items()
            if other != name
            and fit["inference"]["method"] == "svi"
            and _same_network(models.get(fit["model"]), network)
        ]
        allowed = _some(fitting) or "none of them: remove this fit or change its prior"
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

    if (method := fits[source]["inference"]["method"]) != "svi":
        yield (
            f"{key}: is {source!r}, whose method is {method}; allowed is a fit with method svi,"
            " the only one with means and standard deviations to extract"
        )
    mine, theirs = models.get(fits[name]["model"]), models.get(fits[source]["model"])
    if mine and theirs:
        for part in NETWORK:
            if mine[part] != theirs[part]:
                yield (
                    f"{key}: is {source!r}, whose network does not fit: its {part} is"
                    f" {theirs[part]}, this fit's is {mine[part]}"
                )


def _same_network(a: dict | None, b: dict | None) -> bool:
    return bool(a and b) and all(a[part] == b[part] for part in NETWORK)


def _some(names: list[str]) -> str:
    shown = names[:10]
    return ", ".join([*shown, *([f"and {len(names) - 10} more"] if len(names) > 10 else [])])


def _unknown(value: str, kind: str, known: Iterable[str]) -> str:
    return f"is {value!r}, which is not among the {kind}; allowed are {', '.join(known)}"
