import json
import os
import sys
from contextlib import redirect_stderr, suppress
from copy import deepcopy
from functools import cache, partial
from io import StringIO
from pathlib import Path
from shutil import rmtree

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from bnnflow.data.references import BASELINES, ORACLE, REFERENCES
from bnnflow.judge.ensembles import BY_CHAINS
from bnnflow.run import locales, rounds, runs, updates
from bnnflow.data.reading import TableError
from bnnflow.files.errors import FileError
from bnnflow.config.checks import ConfigError, checked, spelled_out
from bnnflow.config.relations import rule_names
from bnnflow.run.fitting import MEMORY
from bnnflow.run.forgotten import warning
from bnnflow.run.names import COLUMNS, GRID, NUMBER, POINTS, data_file, dataset, one_of, shortened
from bnnflow.run.report import there
from bnnflow.run.plan import Plan, PlanError
from bnnflow.run.provenance import digest, rules_in
from bnnflow.run.styles import style_file
from bnnflow.run.targets import unknown_target
from bnnflow.run.verification import COMMAND_LINE, VerificationError, verified, where_jobs_run
from bnnflow.written import refusal, strangers, uses_results

locales.use_utf8()

# Captions are rendered by docutils; MathML needs neither a network nor a script.
os.environ.setdefault("DOCUTILSCONFIG", str(WORKFLOW / "report" / "docutils.conf"))

# Nothing of the results may change that is verified, not even times. (Snakemake knows its targets
# only when it has read the rules.)
VERIFY = workflow.modifier.modify_rulename("verify")
VERIFIES = workflow.is_main_process and VERIFY in sys.argv[1:]
if VERIFIES:
    # For the process in which Snakemake runs the rule.
    options = where_jobs_run(sys.argv[1:], leave=[VERIFY])
    os.environ[COMMAND_LINE] = json.dumps([workflow.workdir_init, options])

STATE = Path(".snakemake").resolve()
if workflow.is_main_process:
    RESULTS = None if VERIFIES else Path("results").resolve()
    for told in runs.enter(STATE, RESULTS, stay=not workflow.output_settings.dryrun):
        logger.warning(f"{told}.")
if not workflow.subprocess_exec:
    runs.live(STATE)

# As it was given.
GIVEN = deepcopy(dict(config))

# And not a module of another workflow.
IS_MAIN = Path(workflow.main_snakefile).resolve() in (
    WORKFLOW.resolve().parent / "Snakefile",
    WORKFLOW.resolve() / "Snakefile",
)

try:
    valid = checked(
        config,
        reserved=rules_in(WORKFLOW.parent),
        paths=workflow.configfiles if IS_MAIN else [],
    )
    STYLE = style_file(valid["figures"]["style"], Path.cwd(), WORKFLOW.parent)
except (ConfigError, PlanError) as error:
    raise WorkflowError(str(error)) from None
config.clear()
config.update(valid)

plan = Plan(config)


def asked_for(what):
    """Words of the command line, by what Snakemake takes them for; `targets`, for example."""
    from snakemake.cli import parse_args

    # It tells again which profile it takes.
    with redirect_stderr(StringIO()), suppress(SystemExit):
        return getattr(parse_args(sys.argv[1:])[1], what)
    return []


# By this rule alone posteriors are taken as they are; what they were fitted to may be gone.
AS_THEY_ARE = "predict_new" in sys.argv and {*asked_for("allowed_rules")} == {"predict_new"}
# A workflow that imports this one may make the table itself.
if workflow.is_main_process and IS_MAIN and not AS_THEY_ARE and uses_results(sys.argv[1:]):
    try:
        plan.source.check(STATE / "bnnflow" / "tables.json")
    except (TableError, FileError) as error:
        raise WorkflowError(str(error)) from None


modified = workflow.modifier.modify_path
if workflow.is_main_process and not VERIFIES and uses_results(sys.argv[1:]):
    seen = STATE / "bnnflow" / "written.json"
    if strange := strangers(map(modified, plan.results()), seen):
        raise WorkflowError(refusal(shortened(strange)))
    table = modified("results/tables/verdicts.csv")
    if told := warning(Path(table), {*plan.fits, *REFERENCES, *plan.source.references}):
        logger.warning(f"{told}.")
if workflow.is_main_process and IS_MAIN:
    RULES = {*rules_in(WORKFLOW.parent), *rule_names(config)}
    # A word may be no target, and to know takes a second look at the whole command line.
    fault = unknown_target(sys.argv[1:], plan, RULES)
    if fault and (fault := unknown_target(asked_for("targets"), plan, RULES)):
        raise WorkflowError(fault)


def of(function, entry=None, wildcard="fit"):
    """A function of a fit as one of the wildcards; without that wildcard, of the entry."""

    def asked(wildcards):
        try:
            return function(wildcards.get(wildcard, entry))
        except PlanError as error:
            raise WorkflowError(str(error)) from None

    return asked


def of_data(function, entry=None):
    """A function of the split of the table that the fit of the wildcards is of."""
    return of(lambda fit: function(plan.split(fit)), entry)


def of_split(function):
    """A function of the split of the table that is a wildcard, or the only one."""
    return of(function, plan.source.first, wildcard="split")


def of_part(function, entry, wildcard):
    """A function of a fit and of a number, which is a wildcard too."""
    return lambda wildcards: of(lambda fit: function(fit, int(wildcards.get(wildcard))), entry)(
        wildcards
    )


def asked_before(fit, first):
    """What a job whose first chain this is asks before: whether the chains so far suffice."""
    return rounds.before(fit, plan.rounds(fit), first)


def parts_before(fit, count):
    """Files of the first chains of a fit, of so many."""
    return plan.parts(fit)[: rounds.jobs_before(plan.rounds(fit), count)]


# What a run that fails leaves of its tables, until one succeeds.
PARTIAL = Path("results", there.PARTIAL)


@cache
def code(script, *modules):
    """A param that changes when the code that the script runs does, loaded modules included."""
    return digest(SCRIPTS / f"{script}.py", *modules)


def code_with(script, modules, entry=None):
    """The same of a script that loads modules by the names in a fit's settings."""
    return of(lambda fit: code(script, *modules(fit)), entry)


def style():
    """The config's style file.

    Its path is relative where the workflow runs in its own folder, so that the folder can move; not
    as a module, whose relative paths Snakemake may prefix.
    """
    path = config["figures"]["style"]
    here = Path(path).resolve() == (WORKFLOW.parent / path).resolve()
    return path if IS_MAIN and here else str(STYLE)


def fit_resources(entry):
    """Memory, time and GPUs of a job that infers, but what `--set-resources` gives the entry."""
    needs = by_attempt(plan.fit_needs, entry)
    if plan.fits_on_gpu(entry):
        needs["gpu"] = of(lambda fit: plan.fit_needs(fit)["gpu"], entry)
    settings = workflow.resource_settings.overwrite_resources
    given = settings.get(workflow.modifier.modify_rulename(entry), {})
    return needs | {name: as_set(resource) for name, resource in given.items()}


def by_attempt(needs, entry=None):
    """Resources that grow with every attempt; at the first they are the needs of a job."""
    return {
        name: lambda wildcards, attempt, name=name: attempt * of(needs, entry)(wildcards)[name]
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


def posterior_files(entry):
    """What combining the parts of an entry's fits makes; a fit's own parameters are reported."""
    files = plan.left(entry)
    if "table" in files and entry not in plan.groups:
        files["table"] = report(
            files["table"],
            category="5. Parameters",
            labels={"fit": entry},
            caption="../report/parameters.rst",
        )
    return files


def told_of_verification(log):
    """What verifying has found; where it fails, the run stops with that sentence."""
    try:
        return verified(log, WORKFLOW.parent)
    except VerificationError as error:
        raise WorkflowError(str(error)) from None


def compared():
    """The tables of differences, and of groups where there are some, as outputs."""
    return {
        name: report(
            f"results/tables/{name}.csv",
            category="4. Trust",
            labels={"table": name},
            caption=f"../report/{name}.rst",
        )
        for name in plan.compared()
    }


def drawn(name, caption, category, **labels):
    """PNG for reading and for the report, SVG for publishing."""
    png = report(
        f"results/figures/{name}.png",
        category=category,
        labels=labels,
        caption=f"../report/{caption}.rst",
    )
    return {"png": png, "svg": f"results/figures/{name}.svg"}


def everything():
    """What a run makes; for a report without a run before it, what there is of that."""
    files = [*plan.results(), "results/manifest.json"]
    if workflow.is_main_process and there.is_report(sys.argv[1:]):
        return there.made(plan, files)
    return [*files, *(["results/tables/verdicts.checked"] if config["strict"] else [])]


def tell_what_there_is():
    """After a run that failed, tables of the fits that are whole, and how to have their report."""
    try:
        told = there.tables(plan)
    except FileError as error:
        told = f"{error} {there.MORE}"
    if told := told or there.fault_of_table(plan):
        logger.error(told)


def bnnflow_story(files):
    """The front page of the report, of what there is; its template calls this.

    Args:
        files: of the report, among which may be those of a workflow that imports this one.
    """
    # Not by every call of Snakemake, for it takes time.
    from bnnflow.run.report.story import of_report

    own = [
        file for file in files if file.job.rule.module_globals.get("bnnflow_story") is bnnflow_story
    ]
    return of_report(config, own)


def bnnflow_kinds(columns):
    """Whether a table has targets that are numbers, and such of classes; captions call this."""
    from bnnflow.data.table import columns_of

    targets = columns_of(columns).targets
    return {
        "numbers": any(not target.levels for target in targets),
        "classes": any(target.levels for target in targets),
    }


def all_drawn(figures):
    """Several figures, by role: the form of the name, the caption, the category, the labels."""
    return {
        f"{role}_{end}": path
        for role, (name, caption, category, labels) in figures.items()
        for end, path in drawn(name, caption, category, **labels).items()
    }
