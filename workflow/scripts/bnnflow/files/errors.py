"""Errors that a user can mend."""

from pathlib import Path

# Letters of a reason that are shown, because files from strangers have a part in it.
LONGEST = 300


class FileError(ValueError):
    """A file is damaged or is not what it should be.

    Attributes:
        reason: what is wrong with it.
    """

    def __init__(self, path: str | Path, expected: str, reason: object):
        self.reason = plain_sentence(str(reason), LONGEST)
        super().__init__(
            f"{path} cannot be read as {expected}: {self.reason}."
            " If the workflow made it, delete it and run again."
        )


def plain_sentence(reason: str, most: int) -> str:
    """On one line of at most so many letters, without what a terminal would take for a command."""
    short = reason if len(reason) <= most else f"{reason[:most]}..."
    plain = "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(short.split()))
    return plain.rstrip(".")
