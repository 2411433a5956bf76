"""What is found of a fit: diagnostics, each with a threshold and a verdict."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace

import pandas as pd

from .limits import Limits, against


@dataclass(frozen=True)
class Finding:
    """A diagnostic of a fit.

    Attributes:
        diagnostic: its name, that of its limits in the config first.
        region: of the inputs, where it is of one, or what else it is of.
        value: missing where it cannot be measured.
        threshold: the limit that the value is beyond, or the one that it keeps.
        verdict: one of `verdicts.VERDICTS`.
        reason: in words, where the numbers do not say it, and what to do.
        counts_for: regions whose verdicts it is part of, where that is not the region itself.
        target: where it is of one of several.
    """

    diagnostic: str
    region: str
    value: float
    threshold: float
    verdict: str
    reason: str = ""
    counts_for: tuple[str, ...] | None = None
    target: str = ""


def table(findings: Iterable[Finding], around: Mapping[str, list[str]]) -> pd.DataFrame:
    """A row for every finding, with spaces between the regions for which it counts.

    A column `target` follows the region only where there are several targets.

    Args:
        findings: of a fit.
        around: by region itself and those that contain it, so that no region's verdict is milder
            than that of its parts.
    """
    order = ["diagnostic", "value", "threshold", "verdict", "region", "target", "counts_for"]
    rows = pd.DataFrame(map(asdict, findings), columns=[*order, "reason"])
    touched = [
        around.get(row.region, [row.region]) if row.counts_for is None else row.counts_for
        for row in rows.itertuples()
    ]
    rows = rows.assign(counts_for=list(map(" ".join, touched)))
    return rows if rows["target"].any() else rows.drop(columns="target")


def judged(name: str, value: float, limits: Limits, region: str = "", reason: str = "") -> Finding:
    """A verdict by the limits of the diagnostic's name; what is not finite fails."""
    verdict, threshold = against(name, value, limits)
    if not math.isfinite(value):
        value = math.nan
        reason = reason or "it is not a finite number: the fit has gone astray; look at its log"
    return Finding(name, region, float(value), threshold, verdict, reason)


def unmeasured(name: str, reason: str, region: str = "") -> Finding:
    """That a diagnostic cannot be had, and why."""
    return Finding(name, region, math.nan, math.nan, "not measurable", reason)


def of_target(findings: Iterable[Finding], target: str) -> list[Finding]:
    """The same, of this target."""
    return [replace(finding, target=target) for finding in findings]


def too_few(count: int, one: str, many: str, fewest: int) -> str:
    """Why there are too few of something, and what to do."""
    return f"{count} {one if count == 1 else many}; set {many}: {fewest} or more"
