"""The C++ compiler, without the seconds that PyTorch takes to import."""

import os
import shlex
import shutil
import subprocess

# Looked for in this order, unless CXX names one.
COMPILERS = ("g++", "c++", "clang++")

# Seconds within which a compiler says which one it is.
PATIENCE = 60


def asked() -> list[str]:
    """The words of CXX, if it is set: perhaps a wrapper, a compiler, options."""
    return shlex.split(os.environ.get("CXX", ""))


def found() -> str | None:
    """The compiler to use; of a CXX that begins with a wrapper or ends in options, the word."""
    words = asked()
    there = [word for word in words or COMPILERS if word[0] != "-" and shutil.which(word)]
    return (there[-1] if words else there[0]) if there else None


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
