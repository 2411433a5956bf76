"""What jobs have written: a file that somebody has put in its place is not taken for a result."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

# The folder of the results, and that of the checksums in it.
RESULTS, RECORDS = "results", ".written"

# What the job of this process makes.
OUTPUTS: set[Path] = set()

# Options of Snakemake that neither make nor show a result.
ASIDE = {"--lint", "--unlock", "--list-rules", "--list", "-l", "--list-target-rules", "--lt"}
ASIDE |= {"--cleanup-metadata", "--cm", "--delete-all-output"}


def checksum(path: str | Path) -> str:
    """SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remember(path: Path, content: Path) -> None:
    """Remember the checksum of what is about to take its place as an output of this job.

    So a job that is killed at any moment leaves no output without its checksum: whether the
    output is finished is Snakemake's to know.

    Args:
        path: of the file; only that of an output is remembered.
        content: the file under another name.
    """
    if path not in OUTPUTS:
        return
    record = record_of(path)
    record.parent.mkdir(parents=True, exist_ok=True)
    with record.open("w", encoding="utf-8") as file:
        file.write(f"{checksum(content)}\n")
        file.flush()
        os.fsync(file.fileno())


def record_of(path: str | Path) -> Path:
    """Where the checksum of a result is: beside the results, under the same name."""
    parts = Path(path).parts
    place = len(parts) - 1 - parts[::-1].index(RESULTS)
    return Path(*parts[: place + 1], RECORDS, *parts[place + 1 :])


def uses_results(words: Iterable[str]) -> bool:
    """Whether a command line of Snakemake makes or shows results, and does not look aside."""
    return ASIDE.isdisjoint(words)


def strangers(paths: Iterable[str], seen: Path) -> list[str]:
    """Those of these files that no job has written as they are now.

    A file whose size and time are those that an earlier call has seen is not read again.

    Args:
        paths: of results, whether or not there are such files.
        seen: a file in which this call leaves sizes and times for the next.
    """
    before, found, known = noted(seen), [], {}
    for path in paths:
        try:
            known[path] = state(path)
        except OSError:
            continue
        if before.get(path) != known[path] and not _is_known(path):
            found.append(path)
            del known[path]
    if before | known != before:
        note(before | known, seen)
    return found


def state(path: str | Path) -> list[int]:
    """Size and time of a file, by which a later call knows whether the file is another."""
    stat = Path(path).stat()
    return [stat.st_size, stat.st_mtime_ns]


def note(facts: Mapping[str, object], path: Path) -> None:
    """Leave facts for the next call; in a folder that can only be read, nothing is left."""
    with suppress(OSError):
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        part.write_text(json.dumps(facts), encoding="utf-8")
        part.replace(path)


def noted(path: Path) -> dict:
    """What an earlier call has left, if any has."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def refusal(names: str) -> str:
    """What to say of files of these names that no job has written as they are."""
    return (
        f"{names}: not what the workflow has written there, but changed"
        " since, put there by hand, or made by an older version; delete it, or move it away, and it"
        " is made again (simulated data are changed in the config)"
    )


def _is_known(path: str) -> bool:
    try:
        return record_of(path).read_text(encoding="utf-8").strip() == checksum(path)
    except (OSError, ValueError):
        return False
