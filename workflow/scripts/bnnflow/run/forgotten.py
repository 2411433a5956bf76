"""Fits that tables of an earlier run tell of, and those of this run will not."""

import csv
import io
from collections.abc import Collection
from pathlib import Path

from ..files import safe
from ..files.errors import FileError
from .names import shortened

# Bytes of a table of verdicts.
LARGEST = 1 << 26


def warning(table: Path, known: Collection[str]) -> str | None:
    """What to say where a table of verdicts has fits of another config.

    Args:
        table: of verdicts, whose first column has the names of fits.
        known: names in this config.

    Returns:
        A sentence that names the others, or nothing where there are none, or no such table.
    """
    try:
        with safe.opened(table, "a table of verdicts", LARGEST) as file:
            rows = list(csv.reader(io.TextIOWrapper(file, encoding="utf-8")))
    except (FileError, ValueError, csv.Error):
        return None  # the job that makes it makes it again
    others = [row[0] for row in rows[1:] if row and row[0] not in known]
    if not others:
        return None
    return (
        f"{table} tells of fits that this config does not have: {shortened(others)}. Tables, sheets"
        " and the report are of the config of their run; for all fits together give all config"
        " files to one --configfile"
    )
