"""The file that says whether the chains of a fit suffice, before more are made."""

from pathlib import Path

import pandas as pd

from . import safe
from .errors import FileError

COLUMNS, ANSWERS = ("chains", "enough"), {"no": False, "yes": True}


def write(chains: int, enough: bool, path: str | Path) -> None:
    """Write whether so many chains suffice."""
    answer = {known: word for word, known in ANSWERS.items()}[enough]
    safe.write_table(pd.DataFrame([(chains, answer)], columns=COLUMNS), path)


def read(path: str | Path) -> bool:
    """Read whether the chains suffice.

    Raises:
        FileError: if the file is damaged or something else.
    """
    kind = "an answer to whether chains suffice"
    found = safe.read_table(path, kind, COLUMNS)["enough"].tolist()
    if len(found) != 1 or found[0] not in ANSWERS:
        raise FileError(path, kind, "it has not one answer, yes or no")
    return ANSWERS[found[0]]
