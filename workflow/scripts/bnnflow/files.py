"""Files that are whole or absent."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

import pandas as pd


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A path to write to, beside the given one, whose place it takes when the block ends.

    So nobody ever finds a part of the file under its name: not while it is written, and not
    after an error, a kill or a loss of power, which leave there what was there before. What a
    killed job has left beside it, `.<name>.<process>.part`, is removed by the next.
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
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def write_table(table: pd.DataFrame, path: str | Path, float_format: str | None = None) -> None:
    """Write as CSV without the index; without a format numbers come back to the last bit."""
    with whole(path) as part:
        table.to_csv(part, index=False, float_format=float_format)


def _runs(process: str) -> bool:
    """Whether another process of this number runs here."""
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return int(process) != os.getpid()
