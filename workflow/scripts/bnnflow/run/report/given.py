"""The table that a run was given: its rows, its columns, and what networks see of them."""

from collections.abc import Mapping

from ...data import table
from ...data.kinds import WORDS
from ...data.observed import FAR, NEAR
from ...files.columns import Column
from ...model import several
from .found import Run
from .markup import Html, code, html, html_table, joined, tag

# Levels of a column, columns of each role, and files of new rows that a paragraph names.
LEVELS, COLUMNS, FILES = 12, 100, 10

NEARNESS = (
    f"{NEAR}: as close to a training row as nine in ten training rows are to each other, by the"
    f" encoded inputs; {FAR}: farther away."
)


def of_table(run: Run) -> Html:
    """What was given, how it was split, and how it is encoded."""
    data, facts = run.config["data"], run.facts
    about = table.columns_of(run.columns(run.splits[0]))
    roles = {"target": about.targets, "input": about.inputs}
    rows = [
        [code(column.name), role, *_told(column, data)]
        for role, columns in roles.items()
        for column in columns[:COLUMNS]
    ]
    more = sum(max(0, len(columns) - COLUMNS) for columns in roles.values())
    head = ["column", "role", "what it is", "unit", "what a network sees"]
    parts = [
        tag("p", "The table ", code(data["table"]), f" has {facts['rows']:,} rows. ", _split(run)),
        html_table(head, rows, class_="columns"),
        tag(
            "p",
            f"{more} more columns are in ",
            code(f"results/{run.columns(run.splits[0]).relative_to(run.results)}"),
            ".",
        )
        if more
        else "",
    ]
    return html(parts)


def likelihood(run: Run, settings: Mapping | None) -> str:
    """How targets are distributed, in words: normal of log(price), categorical of colour.

    Args:
        run: of a table.
        settings: of the likelihood, of all targets or by target; none where their kinds decide.
    """
    targets = table.columns_of(run.columns(run.splits[0])).targets
    found = several.chosen(settings, targets)
    told = several.in_words(found, targets)
    more = [f"{len(told) - LEVELS} more"] if len(told) > LEVELS else []
    correlated = isinstance(found, Mapping) and found.get("correlated")
    together = ["with correlated residuals"] if correlated else []
    return ", ".join([*told[:LEVELS], *more, *together])


def new_rows(run: Run, *fits: str) -> Html:
    """Where predictions of new rows by fits are; nothing where there are none."""
    new = run.config["data"].get("predict", {})
    paths = [f"predictions/{name}/{own}.csv" for own in new for name in fits]
    there = [code(f"results/{path}") for path in paths if (run.results / path).exists()]
    more = [f"{len(there) - FILES} more"] if len(there) > FILES else []
    told = "Predictions of new rows: ", joined([*there[:FILES], *more]), "."
    return tag("p", told) if there else html("")


def _split(run: Run) -> Html:
    """How many rows are for what, in sentences."""
    facts = run.facts
    sets = joined([f"{name} {count:,}" for name, count in facts["training"].items()])
    told = [
        f"{facts['left out']:,} rows with blanks are left out. " if facts["left out"] else "",
        _apart(run),
        *("Fits learn from the others: ", sets, ". "),
    ]
    regions = {name: count for name, count in facts["regions"].items() if count}
    if len(regions) > 1:
        counts = joined([f"{name} {count:,}" for name, count in regions.items()])
        told += ["Held-out rows by region: ", counts, f". {NEARNESS}" if NEAR in regions else "."]
    return html(told)


def _apart(run: Run) -> str:
    """How many rows are held out, and by what, in sentences; of several splits the first."""
    data, count = run.config["data"], f"{run.facts['held out']:,} rows are held out"
    held_out, seed, number = data["held_out"], data["seed"], len(run.splits)
    if "folds" in data:
        of = f"of whole groups of {held_out['group']}" if "group" in held_out else "of the rows"
        told = f"Each of {number} folds {of} is held out once, drawn with seed {seed}."
        return f"{told} In {run.splits[0]} {count}. "
    if "repeats" in data:
        told = f"Rows are held out {number} times. In {run.splits[0]} {count}"
        return f"{told}, {how(held_out, seed)}, and in the others by seeds that derive from it. "
    return f"{count}, {how(held_out, seed)}. "


def how(held_out: Mapping, seed: int) -> str:
    """By what rows are held out, in words.

    Args:
        held_out: the settings.
        seed: of what is drawn.
    """
    share = f"{100 * held_out['share']:.0f} %" if "share" in held_out else ""
    ways = {
        "group": f"{share} of the groups of {held_out.get('group')}, drawn with seed {seed}",
        "gap": f"{share} in the middle of {held_out.get('gap')}",
        "tail": f"{share} at both ends of {held_out.get('tail')}",
        "where": f"all of which {held_out.get('where')} holds",
        "table": f"all of {held_out.get('table')}",
    }
    drawn = f"{share} drawn with seed {seed}"
    return next((words for way, words in ways.items() if way in held_out), drawn)


def _told(column: Column, data: Mapping) -> list[object]:
    """Of a column what it is, its unit, and what a network sees."""
    levels = ", ".join(column.levels[:LEVELS])
    more = f" and {len(column.levels) - LEVELS} more" if len(column.levels) > LEVELS else ""
    what = f"{WORDS[column.kind]}: {levels}{more}" if column.levels else WORDS[column.kind]
    if column.kind == "flag":
        return [f"{what} in {column.of}", "", "0 or 1"]
    if column.levels:
        seen = "0 or 1" if column.width == 1 else f"{column.width} inputs, of which one is 1"
    else:
        first = "" if column.transform == "none" else f"{column.transform}, "
        scaled = "less its mean, over its standard deviation"
        seen = first + (scaled if data["scaling"] == "standard" else "as it is")
    if column.fill is not None:
        filled = column.levels[int(column.fill)] if column.levels else f"{column.fill:g}"
        seen += f"; {filled} for a blank"
    return [what, data["units"].get(column.name, ""), seen]
