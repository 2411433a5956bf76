"""Errors that a user can mend."""

from pathlib import Path


class FileError(ValueError):
    """A file is damaged or is not what it should be."""

    def __init__(self, path: str | Path, expected: str, reason: object):
        super().__init__(
            f"{path} cannot be read as {expected}: {reason}."
            " If the workflow made it, delete it and run again."
        )
