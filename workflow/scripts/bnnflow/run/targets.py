"""Targets that this config does not have, told before Snakemake looks for their rules."""

import posixpath
import re
from collections.abc import Collection, Iterable
from itertools import product
from pathlib import Path

from ..config.agreement import FIGURES_OF_FIT
from ..config.relations import figure_names
from .names import data_file, shortened
from .plan import Plan, PlanError

# Folders in which the first part of a path, or the name of a file, is that of a fit.
OF_FITS = ("evaluations", "fits", "predictions")

HINT = "name the config file that has it after --configfile"


def unknown_target(targets: Iterable[str], plan: Plan, rules: Collection[str]) -> str | None:
    """What is wrong with the first target that asks for a fit, data or rule of another config.

    Args:
        targets: paths of files and names of rules, as they are asked for.
        plan: of the config.
        rules: names of all rules there are.

    Returns:
        A sentence, or nothing where the targets are known, or of no kind that is known here.
    """
    faults = (_fault(target, plan, rules) for target in targets)
    return next((fault for fault in faults if fault), None)


def _fault(target: str, plan: Plan, rules: Collection[str]) -> str | None:
    parts = posixpath.normpath(target).split("/")
    if len(parts) >= 3 and parts[0] == "results":
        fault = _fault_of_file(parts[1], parts[2], "/".join(parts[3:]), plan)
    elif re.fullmatch(r"[A-Za-z_][\w-]*", target) and target not in rules:
        fault = None if Path(target).exists() else _fault_of_rule(target, plan)
    else:
        return None
    return f"{target} cannot be made: {fault}" if fault else None


def _fault_of_new(table: str, plan: Plan) -> str | None:
    known = [f"{name}.csv" for name in plan.source.new]
    if table in known:
        return None
    return f"data.predict of this config has {', '.join(known) or 'no tables'}, and no {table}"


def _fault_of_file(folder: str, name: str, table: str, plan: Plan) -> str | None:
    stem = name.rpartition(".")[0] or name
    if folder == "figures":
        return None if stem in figure_names(plan.config) else _fault_of_fit(_fit(stem, plan), plan)
    if folder == "predictions" and table:
        return _fault_of_fit(name, plan) or _fault_of_new(table, plan)
    if folder in OF_FITS and stem not in plan.source.references:
        return _fault_of_fit(name if folder == "fits" else stem, plan)
    if folder == "tables" and Path(name).suffix == ".csv":
        known = [Path(table).stem for table in plan.tables()]
        return None if stem in known else f"there is no table {stem!r}, but {', '.join(known)}"
    return _fault_of_data(name, table, plan) if folder == "data" else None


def _fault_of_data(name: str, within: str, plan: Plan) -> str | None:
    """Of a file of the data, which may lie in the folder of a split."""
    asked = "/".join(filter(None, (name, within)))
    if data_file(asked) in plan.datasets():
        return None
    known = ("/".join(filter(None, own)) for own in product(plan.source.splits, plan.observations))
    stem = asked.rpartition(".")[0] or asked
    return f"this config has no data set {stem!r}, but {shortened(known)}"


def _fit(figure: str, plan: Plan) -> str:
    """The fit whose figure this would be."""
    ends = (f"_{end}" for end in FIGURES_OF_FIT if figure.endswith(f"_{end}"))
    return figure if figure in plan.fits else figure.removesuffix(next(ends, ""))


def _fault_of_fit(name: str, plan: Plan) -> str | None:
    try:
        plan.fit(name)
    except PlanError as error:
        return f"{error}; {HINT}"
    return None


def _fault_of_rule(name: str, plan: Plan) -> str | None:
    if name in plan.fits:
        return f"{name} is a fit of a group; ask for results/fits/{name}/posterior.nc"
    return f"there is no rule and {_fault_of_fit(name, plan).removeprefix('there is ')}"
