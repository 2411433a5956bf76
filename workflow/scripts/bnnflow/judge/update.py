"""What an update has lost and won."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from .findings import Finding, judged, unmeasured
from .limits import Limits


def of_update(
    densities: Mapping[str, np.ndarray],
    places: Mapping[str, np.ndarray | None],
    beside: Mapping[str, str],
    inside: Mapping[str, np.ndarray],
    limits: Limits,
) -> Iterator[Finding]:
    """What an update has lost of the old data and won of the new, in nats per observation.

    No update can be asked for more than the fit to all data together has: what that loses too, of
    the old data or beside the fit to the new data alone, is no fault of the update.

    Args:
        densities: log predictive densities (points,) of the fit `updated`, of `source`, whose
            posterior was its prior, and where there are such fits of `joint`, to old and new data
            together, and `alone`, to the new by themselves.
        places: of "old data", from which the prior has learnt, and "new data", the update's, which
            of the points (points,) are where these are; none where there are no such data.
        beside: how `joint` and `alone` are called, and what is thought of them.
        inside: by region, which of the points lie in it; a finding counts for those regions that
            share points with its data.
        limits: by name of the diagnostic.
    """

    def found(name: str, other: str, place: str, sign: int, reason: str = "") -> Finding:
        if places[place] is None:
            reason = "its prior has learnt from no other data than the fit itself"
        elif places[place].any():
            most = {other, *({"joint"} & densities.keys() if sign > 0 else ())}
            less = min(
                float((densities[each] - densities["updated"])[places[place]].mean())
                for each in most
            )
            return reaching(judged(name, sign * less, limits, place, reason), place)
        else:
            reason = f"no held-out point where the {place} are; widen data.held_out"
        return reaching(unmeasured(name, reason, place), place)

    def reaching(finding: Finding, place: str) -> Finding:
        points = np.zeros(0) if places[place] is None else places[place]
        touched = (n for n, own in inside.items() if points.size and (own & points).any())
        return replace(finding, counts_for=tuple(touched))

    yield found("forgetting", "source", "old data", 1)
    yield found("transfer", "source", "new data", -1)
    for other, meaning, of in (
        ("joint", "old and new data together", places),
        ("alone", "the new data alone", ["new data"]),
    ):
        for place in of:
            if other in densities:
                yield found(f"behind_{other}", other, place, 1, f"beside {beside[other]}")
            else:
                reason = f"no fit of the same model, prior and method to {meaning}; add one"
                yield reaching(unmeasured(f"behind_{other}", reason, place), place)
