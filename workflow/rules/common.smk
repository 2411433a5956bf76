import json
import os
import re
import sys
from copy import deepcopy
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

WORKFLOW = Path(str(workflow.current_basedir.get_path_or_uri(secret_free=True))).parent
SCRIPTS = WORKFLOW / "scripts"
sys.path.insert(0, str(SCRIPTS))

from bnnflow.run import runs
from bnnflow.config.checks import (
    FIGURES_OF_FIT,
    ConfigError,
    checked,
    entries,
    figure_names,
    learnt_data,
    lineage,
    observation_names,
    prior_source,
    relatives,
)
from bnnflow.files.errors import FileError
from bnnflow.run.provenance import digest, rules_in
from bnnflow.run.resources import of_fit as fit_needs
from bnnflow.run.resources import of_prediction as prediction_needs
from bnnflow.config.seeds import derived
from bnnflow.figures.style import check as check_style

# Captions are rendered by docutils; MathML needs neither a network nor a script.
os.environ.setdefault("DOCUTILSCONFIG", str(WORKFLOW / "report" / "docutils.conf"))

# Nothing of the results may change that is verified, not even times. (Snakemake knows its targets
# only when it has read the rules.)
VERIFY = workflow.modifier.modify_rulename("verify")
VERIFIES = workflow.is_main_process and VERIFY in sys.argv[1:]

STATE = Path(".snakemake").resolve()
if workflow.is_main_process:
    RESULTS = None if VERIFIES else Path("results").resolve()
    for told in runs.enter(STATE, RESULTS, stay=not workflow.output_settings.dryrun):
        logger.warning(f"{told}.")
if not workflow.subprocess_exec:
    runs.live(STATE)

# As it was given, for the manifest.
GIVEN = deepcopy(dict(config))

# And not a module of another workflow.
IS_MAIN = Path(workflow.main_snakefile).resolve() == WORKFLOW.resolve().parent / "Snakefile"

try:
    valid = checked(
        config,
        reserved=rules_in(WORKFLOW.parent),
        paths=workflow.configfiles if IS_MAIN else [],
    )
except ConfigError as error:
    raise WorkflowError(str(error)) from None
config.clear()
config.update(valid)


class Named(dict):
    """Fits by name; a name that only looks like one of a group's is refused with a sentence."""

    def __missing__(self, name):
        group = name.partition("-")[0]
        members = ", ".join(fit for fit in self if fit.startswith(f"{group}-"))
        shown = members if len(members) <= 500 else f"{members[:500].rpartition(',')[0]}, …"
        raise WorkflowError(f"there is no fit {name!r}; its group has {shown}")


FITS = Named(config["fits"])
UPDATED_FITS = [name for name, fit in FITS.items() if prior_source(fit)]

# The rules of a group serve all its fits, which are a wildcard there.
ENTRIES = entries(config)
GROUPS = config["groups"]
SINGLE_FITS = [name for name in FITS if name in ENTRIES]
RELATIVES = relatives(config)


# Of a chain, or of the first of the starts that are fitted together.
NUMBER = r"0|[1-9]\d*"


def is_svi(fit):
    return FITS[fit]["inference"]["method"] == "svi"


def one_of(names):
    """A wildcard constraint that matches these names and nothing else."""
    return "|".join(map(re.escape, names)) or "(?!)"


def fit_of(entries):
    """A wildcard constraint for the fits of entries, those of a group by the form of their names."""
    others = "".join(f"(?<!_{figure})" for figure in FIGURES_OF_FIT)
    names = (re.escape(name) + rf"-[\w.-]+{others}" * (name in GROUPS) for name in entries)
    return "|".join(names) or "(?!)"


def place_of(entry):
    """The fit of an entry in paths: a wildcard, where it is one of many."""
    return "{fit}" if entry in GROUPS else entry


def record(kind, rule, entry, *parts):
    """Path of a log or a benchmark: one for each fit of a group, and each of its parts."""
    member = ["{fit}"] if entry in GROUPS else []
    end = {"logs": "log", "benchmarks": "tsv"}[kind]
    return f"{Path('results', kind, rule, *member, *parts)}.{end}"


def posterior_rule(entry):
    """The rule that makes the posterior; in a group the entry's name asks for all of them."""
    return f"{entry}_posterior" if entry in GROUPS else entry


def of_fit(function, entry):
    """A function of a fit as one of the wildcards of the entry's rules."""
    return lambda wildcards: function(wildcards.get("fit", entry))


@cache
def code(script):
    """A param that changes when the code that the script runs does."""
    return digest(SCRIPTS / f"{script}.py")


def dataset(name):
    return f"results/data/{name}.csv"


def stream_until(name):
    """Intervals of a data set and of those drawn before it, so that later ones change nothing."""
    sets = config["data"]["observations"]
    return [set["intervals"] for set in sets[: observation_names(config).index(name) + 1]]


def prior_input(fit):
    """The file that a fit's prior is read from, if it is another fit's posterior."""
    source = prior_source(FITS[fit])
    return {"prior": f"results/fits/{source}/parameters.safetensors"} if source else {}


def datasets_of(fit):
    return list(map(dataset, FITS[fit]["data"]))


def read_beside(fit):
    """What a fit is judged by besides its own evaluation: those of others by role, what has been
    found of those that serve as a yardstick, and its loss."""
    files = {role: f"results/evaluations/{other}.nc" for role, other in RELATIVES[fit].items()}
    files |= {
        f"{role}_diagnostics": f"results/fits/{other}/diagnostics.csv"
        for role, other in RELATIVES[fit].items()
        if role != "source"
    }
    return files | ({"loss": f"results/fits/{fit}/loss.csv"} if is_svi(fit) else {})


def judged_by(fit):
    """The settings of inference that diagnostics need."""
    needed = "max_tree_depth", "method", "steps", "target_accept"
    inference = FITS[fit]["inference"]
    return {key: inference[key] for key in needed if key in inference}


def updating(fit):
    """Where the old and the new data of an update are."""
    if fit not in UPDATED_FITS:
        return None
    sets = {set["name"]: set["intervals"] for set in config["data"]["observations"]}
    new = FITS[fit]["data"]
    old = [name for name in learnt_data(FITS, fit) if name not in new]
    return {
        place: [interval[:2] for name in names for interval in sets[name]]
        for place, names in (("old", old), ("new", new))
    }


def update_and_relatives(fit):
    """The fit whose posterior is an update's prior, the update, and what it is judged beside."""
    beside = RELATIVES[fit]
    others = [beside[role] for role in ("joint", "alone") if role in beside]
    return [beside["source"], fit, *others]


def probe_points():
    """By region a point in it, the middle of its first interval, if no other's lies there yet."""
    points = {}
    for region, intervals in config["evaluation"]["regions"].items():
        if not any(low <= x <= high for x in points.values() for low, high in intervals):
            points[region] = sum(intervals[0]) / 2
    return points


def in_order(value):
    """The same mapping with its keys sorted: whose order changes nothing reruns nothing."""
    if not isinstance(value, dict):
        return value
    return {key: in_order(value[key]) for key in sorted(value)}


def network(fit):
    """What builds a fit's network; a prior that is another fit's posterior comes as a file."""
    model, prior = FITS[fit]["model"], FITS[fit]["prior"]
    return {"model": in_order(config["models"][model]), "prior": in_order(prior)}


def settings(*left_out):
    """A fit's settings of inference but those, as a function of the fit."""
    return lambda fit: in_order(
        {key: value for key, value in FITS[fit]["inference"].items() if key not in left_out}
    )


def seed(fit, *part):
    """Seed of a fit or of a chain; one that the config gives holds for the first chain."""
    given = FITS[fit]["inference"].get("seed")
    if given is None:
        return derived(config["seed"], fit, *part)
    return given if part in ((), (0,)) else derived(given, fit, *part)


def chains_of(fit):
    chains = range(FITS[fit]["inference"]["chains"])
    return [f"results/fits/{fit}/chains/{chain}.nc" for chain in chains]


def starts_of(fit):
    inference = FITS[fit]["inference"]
    starts = range(0, inference["starts"], inference["starts_per_job"])
    return [f"results/fits/{fit}/starts/{start}.nc" for start in starts]


def start_seeds(fit, first):
    """Seeds of the starts that are fitted together."""
    inference = FITS[fit]["inference"]
    last = min(first + inference["starts_per_job"], inference["starts"])
    return [start_seed(fit, start) for start in range(first, last)]


def start_seed(fit, start):
    """Seed of a start; the first has the fit's own."""
    return seed(fit, start) if start else seed(fit)


def device_of(fit):
    """On which a fit is evaluated."""
    return FITS[fit]["inference"]["device"]


def devices():
    """On which fits are evaluated."""
    return sorted(set(map(device_of, FITS)))


def seeds():
    """Of all jobs that draw random numbers, by their names."""
    found = {f"data {name}": config["data"]["seed"] for name in observation_names(config)}
    found["data held_out"] = held_out_seed()
    for fit, own in FITS.items():
        inference = own["inference"]
        if is_svi(fit):
            starts = range(inference["starts"])
            found |= {f"{fit} start {start}": start_seed(fit, start) for start in starts}
        else:
            chains = range(inference["chains"])
            found |= {f"{fit} chain {chain}": seed(fit, chain) for chain in chains}
    return found


def held_out_seed():
    return derived(config["data"]["seed"], "held_out")


# Hands the command line to the process in which Snakemake runs the rule.
COMMAND_LINE = "BNNFLOW_COMMAND_LINE"
if VERIFIES:
    from bnnflow.run.verification import where_jobs_run

    options = where_jobs_run(sys.argv[1:], leave=[VERIFY])
    os.environ[COMMAND_LINE] = json.dumps([workflow.workdir_init, options])


def verified(log):
    """Make results again from their manifest, where and with what this run was told, and compare.

    Args:
        log: of the rule, in whose path is the prefix of a module, and to which is written what
            has been found.
    """
    # Not by every call of Snakemake, for it takes time.
    from bnnflow.run import manifests
    from bnnflow.run.verification import VerificationError, verify

    path, fails = log.parents[1] / "manifest.json", True
    try:
        if COMMAND_LINE not in os.environ:
            raise VerificationError("ask for it by its name: `snakemake verify`")
        place, options = json.loads(os.environ[COMMAND_LINE])
        if not path.exists():
            raise VerificationError(f"there is no {path}; `snakemake` makes the results and it")
        manifest = manifests.read(path)
        rules = rules_in(WORKFLOW.parent)
        found = verify(
            path,
            manifest,
            style_file(checked(deepcopy(manifest["config"]), rules)["figures"]["style"]),
            again=Path("verification"),
            snakefile=WORKFLOW / ".." / "Snakefile",
            options=options,
            place=Path(place),
        )
    except (ConfigError, WorkflowError) as error:
        found = f"of {path}, {error}"
    except (FileError, VerificationError) as error:
        found = str(error)
    else:
        fails = False
    log.write_text(f"{found}\n", encoding="utf-8")
    if fails:
        raise WorkflowError(found)
    return found


def hidden(fit):
    return config["models"][FITS[fit]["model"]]["hidden"]


def fit_resources(entry):
    """Memory and time of a job that infers, but what `--set-resources` gives the entry."""
    sets = {set["name"]: set["intervals"] for set in config["data"]["observations"]}

    def needs(fit):
        points = sum(count for name in FITS[fit]["data"] for *_, count in sets[name])
        return fit_needs(hidden(fit), points, FITS[fit]["inference"], config["engine"])

    def gpus(fit):
        return int(device_of(fit) == "cuda")

    gpu = {"gpu": of_fit(gpus, entry)} if any(map(gpus, ENTRIES[entry])) else {}
    settings = workflow.resource_settings.overwrite_resources
    given = settings.get(workflow.modifier.modify_rulename(entry), {})
    return (
        by_attempt(of_fit(needs, entry))
        | gpu
        | {name: as_set(resource) for name, resource in given.items()}
    )


def prediction_resources():
    """Memory and time of a fit's predictions."""
    points = config["predictions"]["grid"][2] + config["data"]["held_out"][2]

    def needs(wildcards):
        inference = FITS[wildcards.fit]["inference"]
        draws = inference["draws"] * inference.get("chains", 1)
        return prediction_needs(hidden(wildcards.fit), draws, points)

    return by_attempt(needs)


def by_attempt(needs):
    """Resources that grow with every attempt; at the first they are the needs of a job."""
    return {
        name: lambda wildcards, attempt, name=name: attempt * needs(wildcards)[name]
        for name in ("mem_mb", "runtime")
    }


def as_set(resource):
    """A resource of `--set-resources`, which may be an expression, as a rule takes it."""
    return lambda wildcards, input, attempt, threads, rulename, async_run: resource.evaluate(
        wildcards,
        input=input,
        attempt=attempt,
        threads=threads,
        rulename=rulename,
        async_run=async_run,
    ).value


def style_file(path):
    """A style file, from the working directory or from beside the Snakefile."""
    places = [Path(path).resolve(), (WORKFLOW.parent / path).resolve()]
    found = [place for place in places if place.is_file()]
    if not found:
        raise WorkflowError(f"figures.style: is {path!r}; there is no such file")
    try:
        check_style(found[0])
    except ValueError as error:
        raise WorkflowError(str(error)) from None
    return found[0]


def style():
    """The config's style file.

    Its path is relative where the workflow runs in its own folder, so that the folder can move; not
    as a module, whose relative paths Snakemake may prefix.
    """
    path = config["figures"]["style"]
    found = style_file(path)
    here = Path(path).resolve() == (WORKFLOW.parent / path).resolve()
    return path if IS_MAIN and here else str(found)


def frame():
    """What all figures over x share."""
    limits = {key: config["figures"][key] for key in ("xlim", "ylim")}
    return limits | {"sets": observation_names(config)}


def data_of(fits):
    """Names of the data sets from which fits and their priors have learnt, the oldest first."""
    return list(dict.fromkeys(name for fit in fits for name in learnt_data(FITS, fit)))


def panels(fits, observations=None):
    """Names, titles and data of the pictures of fits; the data that each has learnt from, or the given."""
    return [
        {
            "fit": fit,
            "title": FITS[fit]["title"],
            "observations": observations or data_of([fit]),
        }
        for fit in fits
    ]


def data():
    return [dataset(name) for name in (*observation_names(config), "truth", "held_out")]


def posteriors():
    return expand("results/fits/{fit}/posterior.nc", fit=FITS)


def parameters(fits):
    """Of the variational ones among these fits."""
    fits = filter(is_svi, fits)
    return expand("results/fits/{fit}/parameters.{end}", fit=list(fits), end=["safetensors", "csv"])


def groups_table():
    """The table of groups as an output, where there are groups."""
    table = report(
        "results/tables/groups.csv",
        category="5. Trust",
        labels={"table": "groups"},
        caption="../report/groups.rst",
    )
    return {"groups": table} if GROUPS else {}


def predictions():
    return expand("results/predictions/{fit}.nc", fit=FITS)


def figures():
    return expand("results/figures/{name}.{end}", name=figure_names(config), end=["png", "svg"])


def tables():
    names = ["metrics", "diagnostics", "verdicts", *(["groups"] if GROUPS else [])]
    return expand("results/tables/{table}.csv", table=names)


def results():
    """All that a run makes, but logs, benchmarks and the report."""
    variational = list(filter(is_svi, FITS))
    own = ["guide.safetensors", "loss.csv"]
    fits = [
        *(part for fit in FITS for part in (starts_of if is_svi(fit) else chains_of)(fit)),
        *posteriors(),
        *expand("results/fits/{fit}/{file}", fit=variational, file=own),
        *parameters(SINGLE_FITS),
        *expand("results/fits/{fit}/{table}.csv", fit=FITS, table=["scores", "diagnostics"]),
        *expand("results/evaluations/{fit}.nc", fit=FITS),
        "results/evaluations/oracle.csv",
    ]
    return [*data(), *fits, *predictions(), *tables(), *figures()]


def drawn(name, caption, category, **labels):
    """PNG for reading and for the report, SVG for publishing."""
    png = report(
        f"results/figures/{name}.png",
        category=category,
        labels=labels,
        caption=f"../report/{caption}.rst",
    )
    return {"png": png, "svg": f"results/figures/{name}.svg"}


def story(categories):
    """The front page of the report, of what there is; its template calls this.

    Args:
        categories: of the report, with its files.
    """
    # Not by every call of Snakemake, for it takes time.
    from bnnflow.run.report.story import of_report

    return of_report(config, categories)
