"""The C++ compiler, without the seconds that PyTorch takes to import."""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Looked for in this order, unless CXX names one.
COMPILERS = ("g++", "c++", "clang++")

# Seconds within which a compiler says which one it is.
PATIENCE = 60


class FailedError(Exception):
    """A compiler has ended with a complaint, which is the message."""


def call(command: list[str], cwd: str) -> None:
    """Run a compiler in a folder, in silence.

    Raises:
        FailedError: if it fails.
    """
    done = subprocess.run(command, cwd=cwd, capture_output=True)
    if done.returncode:
        raise FailedError(done.stderr.decode("utf-8", errors="replace"))


def asked() -> list[str]:
    """The words of CXX, if it is set: perhaps a wrapper, a compiler, options."""
    given = os.environ.get("CXX", "")
    if whole := shutil.which(given):  # perhaps a path with blanks
        return [given if is_plain(given) else whole]
    try:
        return shlex.split(given)
    except ValueError:  # a quotation mark without its fellow
        return given.split()


def found() -> str | None:
    """The compiler to use; of a CXX that begins with a wrapper or ends in options, the word."""
    words = asked()
    there = [word for word in words or COMPILERS if word[0] != "-" and shutil.which(word)]
    return (there[-1] if words else there[0]) if there else None


@contextmanager
def plain(path: Path) -> Iterator[Path]:
    """The path, or one to the same place, without characters that shells take for their own.

    PyTorch's compiler writes its commands as lines, in which a blank ends a path.

    Raises:
        ValueError: if every folder for temporary files has such characters too.
    """
    if is_plain(path):
        yield path
        return
    for place in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        if is_plain(place) and os.access(place, os.W_OK):
            break
    else:
        raise ValueError(
            f"a blank or the like is in the path {str(path)!r}, and in TMPDIR too: PyTorch's"
            " compiler takes neither"
        )
    with tempfile.TemporaryDirectory(dir=place, prefix="bnnflow-") as folder:
        link = Path(folder, path.name if is_plain(path.name) else "link")
        link.symlink_to(path.absolute())
        yield link


def is_plain(path: str | Path) -> bool:
    """Whether a path stands in a command as it is."""
    return shlex.quote(str(path)) == str(path)


def version() -> str:
    """What the compiler says that it is, on a line; `none` where there is none that says so."""
    if not (program := found()):
        return "none"
    try:
        command = [program, "--version"]
        said = subprocess.run(command, capture_output=True, timeout=PATIENCE).stdout.decode()
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return "none"
    return next(iter(said.splitlines()), "none")
