"""A report of what there is, also where a fit has failed or has not been asked for."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ...config.agreement import FIGURES_OF_FIT
from ..plan import Plan

# Folders whose files are each of one fit, and without which the fit is not whole.
OF_FITS = ("evaluations", "fits", "predictions")


# Folder of the tables that a run leaves which fails.
PARTIAL = "partial"

MORE = (
    "The same command with `--report results/report.html`, and without --report-after-run, makes a"
    " report of what there is, which names what failed."
)


def is_report(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for a report without a run before it."""
    options = {argument.partition("=")[0] for argument in arguments}
    return "--report" in options and "--report-after-run" not in options


def made(
    plan: Plan,
    files: Iterable[str],
    exists: Callable[[str], bool] = lambda path: Path(path).exists(),
) -> list[str]:
    """Those of a run's files that there are, and that have all that they are made from.

    What an earlier run has left of a fit that has failed since is none of them, and neither is
    what compares that fit with others.

    Args:
        plan: of the run.
        files: that the run makes.
        exists: whether there is such a file.
    """
    about = {file: _fits_behind(file, plan) for file in files}
    broken = {
        fit
        for file, fits in about.items()
        for fit in fits
        if file.split("/")[1] in OF_FITS and not exists(file)
    }
    while more := {
        fit
        for fit, others in plan.relatives.items()
        if fit not in broken and broken & set(others.values())
    }:
        broken |= more
    return [file for file, fits in about.items() if not broken & fits and exists(file)]


def tables(plan: Plan, results: Path = Path("results")) -> str:
    """Write the tables of the fits that are whole, for a run that has not come to its own.

    Args:
        plan: of the run.
        results: the folder of results; the tables lie in its folder `partial`.

    Returns:
        What to tell the user; nothing where there is no whole fit. No table is written where the
        run has come to its own and failed after them.

    Raises:
        FileError: if a table of a fit is damaged.
    """
    # Not by every call of Snakemake, for it takes time.
    from ...files import safe
    from ...judge import scores, verdicts

    paths = {name: results / "fits" / name / "scores.csv" for name in plan.fits}
    there = set(made(plan, map(str, plan.results())))
    fits = [name for name, path in paths.items() if f"results/fits/{name}/scores.csv" in there]
    if not fits:
        return ""
    if "results/tables/verdicts.csv" in there:
        return MORE
    metrics = verdicts.stacked(fits, [scores.read(paths[name]) for name in fits])
    found = [verdicts.read(paths[name].with_name("diagnostics.csv")) for name in fits]
    diagnostics = verdicts.stacked(fits, found)
    summary = verdicts.of_fits(metrics, diagnostics)
    folder = results / PARTIAL
    folder.mkdir(exist_ok=True)
    every = {"metrics": metrics, "diagnostics": diagnostics, "verdicts": summary}
    for name, table in every.items():
        safe.write_table(table, folder / f"{name}.csv")
    return (
        f"{folder} has the tables of {len(fits)} of {len(plan.fits)} fits, which are whole. {MORE}"
    )


def fault_of_table(plan: Plan) -> str:
    """The last line in the log of the job that splits the table, where that job has failed."""
    for split in plan.source.splits:
        log = Path(plan.record("logs", "split_table", *filter(None, (split,))))
        columns = plan.source.columns(split).values()
        if log.is_file() and columns and not any(Path(path).exists() for path in columns):
            return log.read_text(encoding="utf-8").strip().rpartition("\n")[2]
    return ""


def _fits_behind(file: str, plan: Plan) -> set[str]:
    """The fits that a file is of."""
    _, folder, *within = file.split("/")
    name = within[0] if folder == "fits" else Path(file).stem
    if folder == "figures":
        own = next((end for end in FIGURES_OF_FIT if name.endswith(f"_{end}")), "")
        name = name if name in plan.fits else name.removesuffix(f"_{own}")
        if name == "scores":
            return set(plan.fits)
        if name == "all_fits":
            return set(plan.single)
        return set(plan.entries.get(name, [name] if name in plan.fits else []))
    if folder in OF_FITS:
        return {name} & set(plan.fits)
    return set(plan.fits) if folder in ("tables", "manifest.json") else set()
