"""What to think of a fit, in sentences: causes before what follows from them, with values."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from ...judge.limits import LOW
from ...judge.meanings import CALIBRATED, COMPUTED, PARTS, SKILLED, in_order, meaning, shown
from ...judge.verdicts import by_part, worst

# What the verdict on a fit means for somebody who wants to use it.
LEADS = {
    "pass": "Nothing that was measured speaks against this fit.",
    "not measurable": "What was measured keeps its limits. Not all that matters could be measured.",
    "warn": "Use this fit with care.",
}

# The same where a part fails, the first that does.
FAILED = {
    COMPUTED: "Do not take this fit for the posterior: its computation is off, or may say something"
    " else when it is done again.",
    CALIBRATED: "This fit is what its model makes of the data. The model is wrong: held-out"
    " observations do not fall as it says.",
    SKILLED: "This fit is not worth its trouble: something simpler predicts as well.",
}

# What is said of a part.
PART = {
    "pass": "passes",
    "not measurable": "could not be measured whole",
    "warn": "warns",
    "fail": "fails",
}

# What is said of several fits where no part fails, or one does, the first that does.
OTHERWISE = {
    "": "To be used with care",
    COMPUTED: "Not computed well",
    CALIBRATED: "Held-out observations do not fall as foretold",
    SKILLED: "Something simpler predicts as well or better",
}

# Diagnostics of a part that a sentence names, and fits.
MOST, MOST_NAMES = 3, 10


def verdict_in(diagnostics: pd.DataFrame, region: str) -> str:
    """The worst verdict of what counts for a region; empty if nothing does."""
    own = [region in counts.split() for counts in diagnostics["counts_for"]]
    return worst(diagnostics["verdict"][own]) if any(own) else ""


def sentences(diagnostics: pd.DataFrame, regions: Sequence[str]) -> Iterator[str]:
    """What to think of a fit, and why.

    Args:
        diagnostics: of the fit.
        regions: the config's, in its order.
    """
    parts = by_part(diagnostics)
    verdicts = {part: worst(own["verdict"]) for part, own in parts.items()}
    verdict = worst(verdicts.values())
    yield LEADS.get(verdict) or next(FAILED[part] for part in verdicts if verdicts[part] == verdict)
    if verdict == "pass":
        return
    for part, own in parts.items():
        told = f"{part.capitalize()} {PART[verdicts[part]]}"
        if verdicts[part] == "pass":
            yield f"{told}."
            continue
        found = _said(own[own["verdict"] == verdicts[part]], diagnostics, regions)
        more = len(found) - MOST
        found[MOST:] = [f"{more} more"] if more > 1 else found[MOST:]
        yield f"{told}: {'; '.join(found)}."
    better = [region for region in regions if verdict_in(diagnostics, region) == "pass"]
    if better:
        yield f"What was measured in {_listed(better)} keeps its limits."


def summary(diagnostics: Mapping[str, pd.DataFrame]) -> str:
    """What to think of all fits together, by what has been found of each."""
    verdicts = {name: worst(own["verdict"]) for name, own in diagnostics.items()}
    if not verdicts:
        return ""
    passing = [name for name, verdict in verdicts.items() if verdict == "pass"]
    if len(verdicts) == 1:
        (name,) = verdicts
        return f"The fit {name} passes." if passing else f"The fit {name} does not pass."
    if len(passing) == len(verdicts):
        return f"All {len(verdicts)} fits pass."
    told = f"None of the {len(verdicts)} fits passes."
    if passing:
        verb = "passes" if len(passing) == 1 else "pass"
        told = f"{len(passing)} of {len(verdicts)} fits {verb}: {_listed(passing)}."
    for part, names in _by_fault(diagnostics).items():
        rest = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        shown_ = ", ".join(names[:MOST_NAMES]) if rest else _listed(names)
        told += f" {OTHERWISE[part]}: {shown_}{rest}."
    return told


def _by_fault(diagnostics: Mapping[str, pd.DataFrame]) -> dict[str, list[str]]:
    """Fits that do not pass, by the first part that fails, or by "" where none does."""
    found: dict[str, list[str]] = {"": [], **{part: [] for part in PARTS}}
    for name, own in diagnostics.items():
        verdicts = {part: worst(rows["verdict"]) for part, rows in by_part(own).items()}
        if worst(verdicts.values()) != "pass":
            failed = [part for part, verdict in verdicts.items() if verdict == "fail"]
            found[failed[0] if failed else ""].append(name)
    return {part: names for part, names in found.items() if names}


def ordered(diagnostics: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Every diagnostic with its rows, causes first."""
    parts = dict(list(diagnostics.groupby("diagnostic", sort=False)))
    for name in sorted(parts, key=in_order):
        yield name, parts[name]


def places(rows: pd.DataFrame) -> list[str]:
    """Where findings are: the region, with the target where there are several; empty if nowhere."""
    targets = rows["target"] if "target" in rows else [""] * len(rows)
    pairs = zip(rows["region"], targets, strict=True)
    return [", ".join(filter(None, pair)) for pair in pairs]


def _said(chosen: pd.DataFrame, every: pd.DataFrame, regions: Sequence[str]) -> list[str]:
    """A clause for every diagnostic of those chosen, with its worst value and where it is so."""
    clauses = []
    for name, rows in ordered(chosen):
        values = rows["value"].dropna()
        told = meaning(name)
        if len(values) < len(rows) or not len(values):
            reason = next(iter(rows["reason"][rows["value"].isna()]), "")
            clause = f"{told.words}: {reason}" if reason else told.words
        else:
            key = "ess" if name.startswith("ess") else name
            at = values.idxmin() if key in LOW else values.idxmax()
            limit = rows.loc[at, "threshold"]
            clause = told.says.format(value=shown(name, values[at]), limit=shown(name, limit))
        where = [place for place in places(rows) if place]
        possible = every[every["diagnostic"] == name]
        by_region = set(possible["region"]) <= set(regions)
        if where and len(where) == len(possible) > 1 and by_region:
            clause += ", everywhere"
        elif where:
            clause += f", in {_listed(where)}"
        clauses.append(clause)
    return clauses


def _listed(names: Sequence[str]) -> str:
    """Names in a row, as a sentence takes them."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
