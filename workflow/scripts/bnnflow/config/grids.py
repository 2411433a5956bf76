"""Grids of an entry of the fits: whether they set what fits have, and fits that are right."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from . import studies
from .faults import faults_of, keys_in, meant
from .settings import Fit

ALLOWED = "allowed are settings of a fit, such as prior.stddev"


def faults(entries: Mapping[str, dict], splits: int) -> Iterator[str]:
    """Of entries that stand for many fits, where nothing is wrong with them as one.

    Args:
        entries: by name.
        splits: of the data, at each of which there are as many fits.
    """
    if (number := splits * sum(map(studies.count, entries.values()))) > studies.MOST_FITS:
        over = f" over {splits} splits of the table" if splits > 1 else ""
        most = studies.MOST_FITS
        yield f"fits: are {number} with their grids, replicates and updates{over}; at most {most}"
        return
    for name, entry in entries.items():
        if not any(key in entry for key in studies.SPREAD):
            continue
        told = [f"fits.{name}.{key}: {fault}" for key, fault in _of(entry)]
        if not told:
            for words, fit in studies.variants(entry):
                grid = f" (grid: {words})" if words else ""
                told += [f"{fault}{grid}" for fault in faults_of(Fit, fit, ("fits", name))]
        yield from dict.fromkeys(told)


def _of(entry: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Keys within an entry, and what is wrong with them."""
    grid = entry.get("grid", {})
    wrong = list(_of_keys(grid))
    yield from wrong
    if not wrong:
        names = Counter(studies.combinations(grid))
        for name in (name for name, number in names.items() if number > 1):
            yield "grid", f"makes several fits whose names would end in {name}; change a value"


def _of_keys(grid: Mapping[str, list]) -> Iterator[tuple[str, str]]:
    """What is wrong with single keys of a grid and their values."""
    settable = [key for key in keys_in(Fit) if key not in studies.SHARED]
    for key, values in grid.items():
        if key in studies.SHARED:
            yield "grid", f"has the key {key}, which is of the entry as a whole; {ALLOWED}"
        elif key not in settable:
            within = [other for other in settable if other.endswith(f".{key}")]
            near = f" (did you mean {within[0]}?)" if within else meant(key, settable)
            yield "grid", f"has the key {key}{near}; {ALLOWED}"
        for other in grid:
            if other.startswith(f"{key}."):
                yield "grid", f"has the keys {key} and {other}, of which one is a part of the other"
        texts = Counter(map(studies.text_of, values))
        for value in values:
            if not re.fullmatch(r"[\w.-]{1,64}", studies.text_of(value), re.ASCII):
                yield f"grid.{key}", f"has the value {value!r}, of which no name can be made"
        for text in (text for text, number in texts.items() if number > 1):
            yield f"grid.{key}", f"has two values {text}, whose fits would have the same name"
