"""What jobs have written: a file that somebody has put in its place is not taken for a result."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..files import safe
from .names import shortened

# The folder of the results, and that of the checksums in it.
RESULTS, RECORDS = "results", ".written"


def checksum(path: str | Path) -> str:
    """SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def remembered(*paths: str | Path) -> Iterator[None]:
    """Remember what a job writes to these paths in the block.

    Until the block ends they have a record that is empty, so that what a killed job has left is
    known as such: Snakemake makes it again.
    """
    for path in paths:
        _write(path, "")
    yield
    for path in paths:
        _write(path, checksum(path))


def strangers(paths: Iterable[str | Path]) -> list[str | Path]:
    """Those of these files that no job has written as they are now."""
    return [path for path in paths if Path(path).is_file() and not _is_known(path)]


def refusal(paths: Iterable[str | Path]) -> str:
    """What to say of files that no job has written as they are."""
    return (
        f"{shortened(map(str, paths))}: not what the workflow has written there, but changed"
        " since, put there by hand, or made by an older version; delete it, or move it away, and it"
        " is made again (simulated data are changed in the config)"
    )


def _is_known(path: str | Path) -> bool:
    try:
        known = _record(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return False
    return not known or known == checksum(path)


def _write(path: str | Path, text: str) -> None:
    record = _record(path)
    record.parent.mkdir(parents=True, exist_ok=True)
    with safe.whole(record) as part:
        part.write_text(f"{text}\n", encoding="utf-8")


def _record(path: str | Path) -> Path:
    """Beside the results, under the same name."""
    parts = Path(path).parts
    place = len(parts) - 1 - parts[::-1].index(RESULTS)
    return Path(*parts[: place + 1], RECORDS, *parts[place + 1 :])
