"""Limits of diagnostics, two for each: beyond the first a warning, beyond the second a failure."""

import math
from collections.abc import Iterator, Mapping

Limits = Mapping[str, tuple[float, float]]

# Low values of these are to be avoided, high ones of all others.
LOW = frozenset({"ess", "ebfmi", "skill", "transfer", "effective_chains"})


def of(name: str, limits: Limits) -> tuple[str, tuple[float, float]] | None:
    """Key and limits of a diagnostic, whose name is the key or begins with it: `rhat_sigma`.

    Nothing for one that has no limits.
    """
    known = ((k, pair) for k, pair in limits.items() if name == k or name.startswith(f"{k}_"))
    return next(known, None)


def against(name: str, value: float, limits: Limits) -> tuple[str, float]:
    """Verdict on a value, and the limit that it is beyond, or else the first, which it keeps.

    What is not a finite number fails.
    """
    key, (warn, fail) = of(name, limits)
    sign = -1 if key in LOW else 1
    if not math.isfinite(value):
        return "fail", warn
    if sign * (value - fail) > 0:
        return "fail", fail
    return "warn" if sign * (value - warn) > 0 else "pass", warn


def disorder(limits: Limits) -> Iterator[str]:
    """A line for all limits of which the failure would come before the warning."""
    for key, (warn, fail) in limits.items():
        bad, larger = ("low", "first") if key in LOW else ("high", "second")
        if (warn < fail) if key in LOW else (warn > fail):
            yield (
                f"{key}: is [{warn}, {fail}]; {bad} values are bad there, so the {larger} limit"
                " must be the larger, or both the same"
            )
