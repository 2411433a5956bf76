"""Files that are made once, by one job while others wait, and kept for all that come later."""

import atexit
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from filelock import FileLock

from ..jobs import log

# What is being made has a folder whose name begins so; a killed job leaves it behind.
MAKING = "making"


def directory() -> Path:
    """Where compiled code is kept: $BNNFLOW_CACHE, or else `bnnflow` in the user's cache."""
    if chosen := os.environ.get("BNNFLOW_CACHE"):
        return Path(chosen).expanduser()
    if users := os.environ.get("XDG_CACHE_HOME"):
        return Path(users, "bnnflow")
    try:
        return Path.home() / ".cache" / "bnnflow"
    except RuntimeError:  # a user without a home, as in some containers
        return temporary()


def usable(place: Path) -> Path:
    """The folder, made if need be; another one, which ends with the process, if it is no good."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        log.warning(
            "compiled code cannot be kept (%s); BNNFLOW_CACHE can name another folder", error
        )
        return temporary()
    return place


@cache
def temporary() -> Path:
    """A folder that ends with the process."""
    folder = Path(tempfile.mkdtemp(prefix="bnnflow-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def name(key: str, path: Path, suffix: str) -> str:
    """The name ends in a digest of the content, so that a damaged file shows."""
    with path.open("rb") as file:
        return f"{key}-{hashlib.file_digest(file, 'sha256').hexdigest()[:32]}{suffix}"


def found(place: Path, key: str, suffix: str) -> Path | None:
    """A whole file of that key in the folder; damaged ones are removed."""
    for path in place.glob(f"{key}-*{suffix}"):
        with suppress(OSError):  # gone meanwhile, or another user's
            if path.name == name(key, path, suffix):
                return path
            log.warning("%s is damaged; it is made again", path)
            path.unlink()
    return None


def keep(place: Path, key: str, suffix: str, make: Callable[[Path], Path]) -> Path:
    """The file of that key in a folder that can be written to.

    Args:
        place: the folder.
        key: what the file depends on, as a short text.
        suffix: with which its name ends.
        make: writes it into a folder, which is empty, and returns its path.

    Raises:
        Exception: any that `make` raises; then nothing is kept.
    """
    with _alone(place / f"{key}.lock") as alone:
        if path := found(place, key, suffix):  # another job may have been faster
            return path
        for left in place.glob(f"{MAKING}-{key}-*") if alone else ():  # by a job that was killed
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=place, prefix=f"{MAKING}-{key}-") as folder:
            new = make(Path(folder))
            path = place / name(key, new, suffix)
            new.replace(path)
    return path


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """No other job within, where the file system has locks; yields whether it has."""
    lock = FileLock(path)
    with suppress(OSError, NotImplementedError):
        lock.acquire()
    try:
        yield lock.is_locked
    finally:
        lock.release()
