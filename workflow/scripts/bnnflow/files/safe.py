"""Files that are whole or absent, and tables in them that are what they should be."""

import csv
import io
import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open

from ..written import remember
from .errors import FileError

# The largest file that is read, and the part of the machine's memory that it may take.
LARGEST, SHARE = 8 << 30, 0.5

# Bytes of the largest table that is read.
LARGEST_TABLE = 1 << 30

# Bytes of names, shapes and sites before the tensors of a file.
HEADER = 4 << 20

# Types of the tensors that the workflow writes.
DTYPES = ("F32", "F64", "I64", "U8", "BOOL")

# Of sites, groups and variables: no blanks, quotes, markup or control codes, nothing of paths.
NAME = re.compile(r"[A-Za-z_][\w.$-]{0,199}", re.ASCII)


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A path to write to, beside the given one, whose place it takes when the block ends.

    So nobody ever finds a part of the file under its name: not while it is written, and not
    after an error, a kill or a loss of power, which leave there what was there before. What a
    killed job has left beside it, `.<name>.<process>.part`, is removed by the next. Of an output of
    a job the checksum is remembered.
    """
    target = Path(path)
    for left in target.parent.glob(f".{escape(target.name)}.*.part"):
        if not _runs(left.name.split(".")[-2]):
            left.unlink(missing_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        remember(target, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def opened(path: str | Path, expected: str, limit: int | None = None) -> Iterator[BinaryIO]:
    """A file to read from.

    Args:
        path: of the file.
        expected: what it should be, for the error.
        limit: bytes that it may have, if fewer than `largest`.

    Raises:
        FileError: if there is none, it is no file but a folder, a pipe or a device, or it is
            larger than what is ever read.
    """
    try:
        # Without waiting, as a pipe without a writer would make it.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(number, "rb") as file:
            found = os.fstat(number)
            if not stat.S_ISREG(found.st_mode):
                raise FileError(path, expected, "it is not a regular file")
            most = min(filter(None, (limit, largest())))
            if found.st_size > most:
                reason = f"it has {found.st_size} bytes, more than the {most} that are read here"
                raise FileError(path, expected, reason)
            yield file
    except OSError as error:
        raise FileError(path, expected, error.strerror or error) from error


def safetensors(
    path: str | Path, expected: str, kind: str = "numpy"
) -> tuple[dict[str, Any], dict[str, str]]:
    """The tensors of a file by name, and its metadata.

    Args:
        path: of the file.
        expected: what it should be, for the error.
        kind: "numpy" for arrays, "pt" for tensors of torch.

    Raises:
        FileError: as `opened` does, and if the file is damaged, or has tensors of types that the
            workflow never writes, of which some are none of NumPy's.
    """
    with opened(path, expected) as file:
        header = int.from_bytes(file.read(8), "little")
    if header > HEADER:
        raise FileError(path, expected, f"its header claims {header} bytes")
    try:
        with safe_open(path, framework=kind) as file:
            types = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
            strange = [name for name, found in types.items() if found not in DTYPES]
            if not strange:
                return {name: file.get_tensor(name) for name in types}, file.metadata() or {}
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise FileError(path, expected, error) from error
    raise FileError(path, expected, f"{strange[0]} is of the type {types[strange[0]]}")


def write_table(
    table: pd.DataFrame, path: str | Path, float_format: str | None = None, separator: str = ","
) -> None:
    """Write as CSV without the index; without a format numbers come back to the last bit."""
    with whole(path) as part:
        table.to_csv(part, sep=separator, index=False, float_format=float_format)


def numbers(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV table of these columns, all finite numbers.

    Raises:
        FileError: if the file is damaged or something else.
    """
    expected = f"a table of numbers with the columns {', '.join(columns)}"
    data = _lines(path, expected)
    header, *_ = data.split(b"\n", 1)
    if header.rstrip(b"\r") != ",".join(columns).encode():
        raise FileError(path, expected, f"it begins with {header[:80].decode(errors='replace')!r}")
    if strange := data[len(header) :].translate(None, b"0123456789+-.eE,\r\n"):
        shown = strange[:80].decode(errors="replace")
        raise FileError(path, expected, f"it has {shown!r}, of which no finite number is made")
    rows = data.count(b"\n") - 1
    if not rows or data.count(b",") != (rows + 1) * (len(columns) - 1):
        raise FileError(path, expected, f"it has {rows} rows, or a row with too many or few values")
    try:
        # No line is left out, and no first column is an index.
        form = {"skip_blank_lines": False, "index_col": False}
        table = pd.read_csv(io.BytesIO(data), dtype=float, **form)
    except ValueError as error:
        raise FileError(path, expected, error) from error
    if not np.isfinite(table.to_numpy()).all():
        raise FileError(path, expected, "some numbers are missing or infinite")
    return table


def rows_of(path: str | Path, levels: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Read a CSV table of observations, levels as their places.

    Args:
        path: of the file.
        levels: by column, in their order, the levels that it may have; none of a column of numbers.

    Raises:
        FileError: if the file is damaged or something else, or if a value is no finite number, or
            none of the levels.
    """
    named = {name: own for name, own in levels.items() if own}
    if not named and all(NAME.fullmatch(name) for name in levels):
        return numbers(path, list(levels))
    expected = f"a table of observations with the columns {', '.join(levels)}"
    try:
        lines = csv.reader(_lines(path, expected).decode().splitlines(keepends=True), strict=True)
        if (header := next(lines)) != list(levels):
            raise FileError(path, expected, f"it begins with {','.join(header)[:80]!r}")
        columns = dict(zip(header, zip(*lines, strict=True), strict=True))
        places = {name: {level: i for i, level in enumerate(own)} for name, own in named.items()}
        values = {
            name: [places[name][value] for value in column] if name in named else column
            for name, column in columns.items()
        }
        table = pd.DataFrame(values).astype(float)
    except KeyError as error:
        raise FileError(path, expected, f"{error} is none of the levels") from error
    except (ValueError, csv.Error, StopIteration) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(path, expected, error) from error
    if not len(table) or not np.isfinite(table.to_numpy()).all():
        raise FileError(path, expected, "there are no rows, or some numbers are not finite")
    return table


def read_table(
    path: str | Path, expected: str, columns: Collection[str], numeric: Collection[str] = ()
) -> pd.DataFrame:
    """Read a small CSV table.

    Args:
        path: of the file.
        expected: what it should be, for the error.
        columns: that it must have; others are read too.
        numeric: columns of numbers, missing where there is nothing; all others are text.

    Raises:
        FileError: if the file is damaged or something else.
    """
    try:
        lines = _lines(path, expected).decode().splitlines(keepends=True)
        header, *rows = csv.reader(lines, strict=True)
        if not rows or len(set(header)) < len(header) or not set(columns) <= set(header):
            raise FileError(path, expected, f"it has {len(rows)} rows of {', '.join(header)}")
        values = dict(zip(header, zip(*rows, strict=True), strict=True))
        return pd.DataFrame(
            {
                name: [float(v or "nan") for v in column] if name in numeric else list(column)
                for name, column in values.items()
            }
        )
    except (ValueError, csv.Error) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(path, expected, error) from error


def _lines(path: str | Path, expected: str) -> bytes:
    """The bytes of a file of whole lines."""
    with opened(path, expected, LARGEST_TABLE) as file:
        data = file.read()
    if b"\0" in data or not data.endswith(b"\n"):
        raise FileError(path, expected, "it is no text of whole lines")
    return data


def largest() -> int:
    """Bytes of the largest file that is read on this machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(LARGEST, int(SHARE * memory))


def is_name(name: object) -> bool:
    """Whether something is fit to name a site, a group or a variable."""
    return isinstance(name, str) and NAME.fullmatch(name) is not None


def _runs(process: str) -> bool:
    """Whether another process of this number runs here."""
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return int(process) != os.getpid()
