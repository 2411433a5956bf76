import os
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

WORKFLOW = Path(str(workflow.current_basedir.get_path_or_uri(secret_free=True))).parent
SCRIPTS = WORKFLOW / "scripts"
sys.path.insert(0, str(SCRIPTS))

from bnnflow.config import (
    ConfigError,
    checked,
    figure_names,
    learnt_data,
    lineage,
    observation_names,
    prior_source,
    relatives,
)
from bnnflow import runs
from bnnflow.provenance import digest, rules_in
from bnnflow.seeds import derived

# Captions are rendered by docutils; MathML needs neither a network nor a script.
os.environ.setdefault("DOCUTILSCONFIG", str(WORKFLOW / "report" / "docutils.conf"))

STATE = Path(".snakemake").resolve()
if workflow.is_main_process:
    RESULTS = Path("results").resolve()
    for told in runs.enter(STATE, RESULTS, stay=not workflow.output_settings.dryrun):
        logger.warning(f"{told}.")
if not workflow.subprocess_exec:
    runs.live(STATE)

try:
    valid = checked(config, reserved=rules_in(WORKFLOW.parent))
except ConfigError as error:
    raise WorkflowError(str(error)) from None
config.clear()
config.update(valid)

FITS = config["fits"]
SVI_FITS = [name for name, fit in FITS.items() if fit["inference"]["method"] == "svi"]
NUTS_FITS = [name for name in FITS if name not in SVI_FITS]
UPDATED_FITS = [name for name, fit in FITS.items() if prior_source(fit)]


def one_of(names):
    """A wildcard constraint that matches these names and nothing else."""
    return "|".join(names) or "(?!)"


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


def evaluations_beside(fit):
    """Evaluations of the fits beside which this one is judged, by their role."""
    beside = relatives(config, fit)
    return {role: f"results/evaluations/{other}.nc" for role, other in beside.items()}


def updating(fit):
    """What an update is judged by: the roles of other fits, and where old and new data are."""
    beside = [role for role in relatives(config, fit) if role != "reference"]
    if fit not in UPDATED_FITS:
        return None
    sets = {set["name"]: set["intervals"] for set in config["data"]["observations"]}
    new = FITS[fit]["data"]
    old = [name for name in learnt_data(FITS, fit) if name not in new]
    places = {
        place: [interval[:2] for name in names for interval in sets[name]]
        for place, names in (("old", old), ("new", new))
    }
    return {"beside": beside, **places}


def update_and_relatives(fit):
    """The fit whose posterior is an update's prior, the update, and what it is judged beside."""
    beside = relatives(config, fit)
    others = [beside[role] for role in ("joint", "alone") if role in beside]
    return [beside["source"], fit, *others]


def probe_points():
    """By region a point in it, the middle of its first interval, if no other's lies there yet."""
    points = {}
    for region, intervals in config["evaluation"]["regions"].items():
        if not any(low <= x <= high for x in points.values() for low, high in intervals):
            points[region] = sum(intervals[0]) / 2
    return points


def network(fit):
    """What builds a fit's network; a prior that is another fit's posterior comes as a file."""
    model, prior = FITS[fit]["model"], FITS[fit]["prior"]
    return {"model": config["models"][model], "prior": prior}


def settings(fit, *left_out):
    inference = FITS[fit]["inference"]
    return {key: value for key, value in inference.items() if key not in left_out}


def seed(fit, *part):
    """Seed of a fit or of a chain; one that the config gives holds for the first chain."""
    given = FITS[fit]["inference"].get("seed")
    if given is None:
        return derived(config["seed"], fit, *part)
    return given if part in ((), (0,)) else derived(given, fit, *part)


def style():
    """The style file, from the working directory or from beside the Snakefile."""
    path = config["figures"]["style"]
    places = [Path(path).resolve(), (WORKFLOW.parent / path).resolve()]
    found = [place for place in places if place.is_file()]
    if not found:
        raise WorkflowError(f"figures.style: is {path!r}; there is no such file")
    # Relative where the workflow runs in its own folder, so that the folder can move; not as a
    # module, whose relative paths Snakemake may prefix.
    is_main = Path(workflow.main_snakefile).resolve() == WORKFLOW.resolve().parent / "Snakefile"
    return path if is_main and places[0] == places[1] else str(found[0])


def frame():
    """What all figures over x share."""
    limits = {key: config["figures"][key] for key in ("xlim", "ylim")}
    return limits | {"sets": observation_names(config)}


def data_of(fits):
    """Names of the data sets from which fits and their priors have learnt, the oldest first."""
    return list(dict.fromkeys(name for fit in fits for name in learnt_data(FITS, fit)))


def panels(fits, observations=None):
    """Titles and data of the pictures of fits; the data that each has learnt from, or the given."""
    return [
        {"title": FITS[fit]["title"], "observations": observations or data_of([fit])}
        for fit in fits
    ]


def data():
    return [dataset(name) for name in (*observation_names(config), "truth", "held_out")]


def posteriors():
    return expand("results/fits/{fit}/posterior.nc", fit=FITS)


def parameters():
    return expand("results/fits/{fit}/parameters.{end}", fit=SVI_FITS, end=["safetensors", "csv"])


def predictions():
    return expand("results/predictions/{fit}.nc", fit=FITS)


def figures():
    return expand("results/figures/{name}.{end}", name=figure_names(config), end=["png", "svg"])


def drawn(name, caption, category, **labels):
    """PNG for reading and for the report, SVG for publishing."""
    png = report(
        f"results/figures/{name}.png",
        category=category,
        labels=labels,
        caption=f"../report/{caption}.rst",
    )
    return {"png": png, "svg": f"results/figures/{name}.svg"}
