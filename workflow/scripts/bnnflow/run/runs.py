"""Which runs of Snakemake are alive, told by locks that the kernel frees however a process ends.

Snakemake's own locks are files, and stay when it is killed. Here every run holds a lock on an open
file besides, by which the next run can tell a lock that is in use from one that was left behind,
and by which jobs notice that their Snakemake is dead. Where the file system or the platform has no
such locks, none of this happens, and Snakemake's locks are as they always were.
"""

import atexit
import os
import platform
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

from ..jobs import ALIVE, remedy

try:
    import fcntl
except ImportError:
    fcntl = None


@cache
def live(folder: Path) -> None:
    """Let the jobs of this process know when it is dead.

    Args:
        folder: where Snakemake keeps its state.
    """
    os.environ.pop(ALIVE, None)
    with suppress(OSError):
        number, name = tempfile.mkstemp(prefix="alive-", dir=_place(folder))
        atexit.register(Path(name).unlink, missing_ok=True)
        if _locked(number):
            os.environ[ALIVE] = name


@cache
def enter(folder: Path, results: Path | None, stay: bool) -> list[str]:
    """Clear away what a killed run or a wrong clock has left, unless another run is alive.

    These are Snakemake's locks, which would stop this run, and results dated in the future, of
    which no job that reads them could make anything newer.

    Args:
        folder: where Snakemake keeps its state.
        results: where the workflow's files are; without it no dates are changed.
        stay: whether this process is a run, for as long as it lives, or only looks.

    Returns:
        What the user should know.
    """
    try:
        number = os.open(_place(folder) / "runs", os.O_RDWR | os.O_CREAT, 0o666)
        alone = _locked(number)
        told = _cleared(number, folder, results, stay) if alone else _met(number, folder)
        if stay:
            fcntl.flock(number, fcntl.LOCK_SH)
        else:
            os.close(number)
    except OSError as error:
        advice = remedy(error)
        return [f"Snakemake cannot work in {folder.parent}: {advice} ({error})"] if advice else []
    return told


def _met(number: int, folder: Path) -> list[str]:
    if not _locks(folder):
        return []
    process, machine, *_ = *_last(number), "?", "?"
    return [
        f"Another snakemake is running in this folder, as process {process} of {machine}. If both"
        " make the same files, this one stops with a lock error: wait until the other has ended,"
        " or end it"
    ]


def _cleared(number: int, folder: Path, results: Path | None, stay: bool) -> list[str]:
    told = []
    if locks := _locks(folder):
        # Some file systems keep such locks to one machine: what another has left may be in use.
        if not {*_machine()} & {*_last(number)}:
            return []
        _remove(locks)
        told.append("The last run in this folder was killed; its lock has been removed")
    if stay:
        name = " ".join((str(os.getpid()), *_machine())).encode()
        os.ftruncate(number, os.pwrite(number, name, 0))
        _remove(filter(_is_dead, _place(folder).glob("alive-*")))
        if results and (late := _dated_now(results)):
            told.append(f"{late} results were dated in the future, and now are of today")
    return told


def _locks(folder: Path) -> list[Path]:
    return list((folder / "locks").glob("*.lock"))


def _last(number: int) -> list[str]:
    """Process and machine of the last run that was alone."""
    return os.pread(number, 1000, 0).decode(errors="replace").split()


def _place(folder: Path) -> Path:
    place = folder / "bnnflow"
    place.mkdir(parents=True, exist_ok=True)
    return place


def _locked(number: int) -> bool:
    """Lock an open file, unless another process has locked it.

    Raises:
        OSError: if there are no such locks.
    """
    if fcntl is None:
        raise OSError("this platform has no flock")
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_dead(path: Path) -> bool:
    with suppress(OSError), path.open("r+", encoding="utf-8") as file:
        return _locked(file.fileno())
    return False


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _dated_now(results: Path) -> int:
    """Date files that are more than a minute in the future now; returns how many there were."""
    limit, count = time.time() + 60, 0
    for path in results.rglob("*"):
        with suppress(OSError):  # gone meanwhile, or another user's
            if path.lstat().st_mtime > limit:
                os.utime(path)
                count += 1
    return count


def _machine() -> list[str]:
    """Its name, and on Linux what tells it from others while it runs, also within a container."""
    names = [platform.node()]
    with suppress(OSError):
        names.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip())
    return names
