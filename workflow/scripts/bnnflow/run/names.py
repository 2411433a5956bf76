"""Names of files, and of many things at once: in wildcards and in sentences."""

import re
from collections.abc import Iterable

# A wildcard of parts: the number of a chain, or of the first of the starts of a job.
NUMBER = r"0|[1-9]\d*"

# Letters of a list of names in a sentence.
MOST_LETTERS = 500

# Files of the data: what is known of the held-out points, what the columns of a table are, and
# where fits of it predict.
POINTS, COLUMNS, GRID = "points.nc", "columns.json", "grid.nc"


def data_file(name: str, split: str = "") -> str:
    """A file of the data; of one of several splits of a table in a folder of the split's own."""
    return "/".join(filter(None, ("results/data", split, name)))


def dataset(name: str, split: str = "") -> str:
    """File of a data set."""
    return data_file(f"{name}.csv", split)


def one_of(names: Iterable[str]) -> str:
    """A wildcard constraint that matches these names and nothing else."""
    return "|".join(map(re.escape, names)) or "(?!)"


def with_sorted_keys(value):
    """The same mapping with its keys sorted: whose order changes nothing reruns nothing."""
    if not isinstance(value, dict):
        return value
    return {key: with_sorted_keys(value[key]) for key in sorted(value)}


def shortened(names: Iterable[str]) -> str:
    """Names in a row, as many as a sentence takes."""
    row = ", ".join(names)
    return row if len(row) <= MOST_LETTERS else f"{row[:MOST_LETTERS].rpartition(',')[0]}, …"
