"""A user's table, as programs write them: CSV in many dialects, or Parquet."""

import codecs
import csv
import io
import itertools
import logging
from collections import Counter
from pathlib import Path

import pandas as pd

from ..files import safe
from ..files.columns import LONGEST

log = logging.getLogger("bnnflow")

EXPECTED = "a table with a header and a row an observation"

SEPARATORS = ",;\t|"

# Texts that mean a blank.
BLANKS = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?", "#N/A")

# Lines from which the separator and the decimal mark are told.
SAMPLE = 200

# By their first bytes; without any a text is UTF-8, or else Western European.
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
FALLBACK = "cp1252"

# Of one table.
MOST_COLUMNS = 10_000


class TableError(ValueError):
    """A table that cannot be used as it is, and what to do."""


def read(path: str | Path) -> pd.DataFrame:
    """A table as it is: columns of numbers, of truth values or of texts; blanks are missing.

    Raises:
        FileError: if there is no such file.
        TableError: if it is no table, with what is wrong and where.
    """
    found = _parquet(path) if Path(path).suffix.lower() in (".parquet", ".pq") else _text(path)
    _check_names(path, list(found))
    if not len(found):
        raise TableError(f"{path}: has a header and no rows")
    return found


def header(path: str | Path) -> list[str]:
    """The names of a table's columns; what is raised as for `read`."""
    if Path(path).suffix.lower() in (".parquet", ".pq"):
        names = list(_parquet(path, rows=False))
    else:
        text, _ = _decoded(path)
        names = _dialect(path, text)[1]
    _check_names(path, names)
    return names


def _parquet(path: str | Path, rows: bool = True) -> pd.DataFrame:
    import pyarrow as pa
    from pyarrow import parquet

    with safe.opened(path, EXPECTED) as file:
        try:
            if not rows:
                return parquet.read_schema(file).empty_table().to_pandas()
            found = parquet.read_table(file).to_pandas(timestamp_as_object=False)
        except (pa.ArrowException, OSError, ValueError, TypeError, NotImplementedError) as error:
            raise TableError(f"{path}: is no Parquet table ({_line(error)})") from error
    found = found.reset_index(drop=isinstance(found.index, pd.RangeIndex))
    found.columns = [str(name) for name in found]
    return pd.DataFrame({name: _plain(path, name, found[name]) for name in found})


def _plain(path: str | Path, name: str, column: pd.Series) -> pd.Series:
    """A column of Parquet as one of numbers, truth values or texts."""
    if pd.api.types.is_bool_dtype(column.dtype):
        return column.astype(object).where(column.notna(), None).map({True: "true", False: "false"})
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column):
        return column.astype(float)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    if all(isinstance(value, str) for value in column.dropna()):
        return column.astype(object).where(column.notna(), None)
    if all(isinstance(value, bool) for value in column.dropna()):
        return column.map({True: "true", False: "false"})
    raise TableError(
        f"{path}: the column {name} is of the type {column.dtype}; allowed are numbers, truth"
        " values and texts"
    )


def _text(path: str | Path) -> pd.DataFrame:
    text, coding = _decoded(path)
    separator, names = _dialect(path, text)
    _check_names(path, names)
    decimal = _decimal(text, separator)
    form = {"sep": separator, "decimal": decimal, "na_values": list(BLANKS)}
    form |= {"keep_default_na": False, "skip_blank_lines": True, "skipinitialspace": True}
    try:
        found = pd.read_csv(
            io.StringIO(text), header=0, names=names, index_col=False, low_memory=False, **form
        )
    except (ValueError, csv.Error, OverflowError) as error:
        raise TableError(f"{path}: is no table ({_line(error)})") from error
    rows = csv.reader(io.StringIO(text), delimiter=separator)
    if long := next((i for i, row in enumerate(rows, 1) if len(row) > len(names)), None):
        raise TableError(f"{path}, line {long}: has more values than the header has names")
    told = [f"separator {separator!r}", f"decimal mark {decimal!r}", f"encoding {coding}"]
    log.info("%s: %d rows of %d columns (%s)", path, len(found), len(names), ", ".join(told))
    return pd.DataFrame({name: _numbers(found[name]) for name in names})


def _numbers(column: pd.Series) -> pd.Series:
    """Numbers as such; truth values as texts; texts without the blanks around them."""
    if column.dtype == bool:
        return column.map({True: "true", False: "false"}).astype(object)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.astype(float)
    texts = column.map(str, na_action="ignore").str.strip()
    texts = texts.where(~texts.isin(BLANKS), None)
    try:
        return texts.astype(float)
    except (ValueError, TypeError):
        pass
    lower = texts.str.lower()
    return (lower if lower.dropna().isin(("true", "false")).all() else texts).astype(object)


def _decoded(path: str | Path) -> tuple[str, str]:
    """The text of a file and how it was encoded."""
    with safe.opened(path, EXPECTED, safe.LARGEST_TABLE) as file:
        data = file.read()
    coding = next((name for mark, name in MARKS.items() if data.startswith(mark)), "utf-8")
    if b"\0" in data and coding != "utf-16":
        raise TableError(f"{path}: is no text, because it has bytes of value 0")
    try:
        try:
            text = data.decode(coding)
        except UnicodeDecodeError:
            if coding != "utf-8":
                raise
            coding, text = FALLBACK, data.decode(FALLBACK)
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: is no text in {coding} ({_line(error)})") from error
    if not text.strip():
        raise TableError(f"{path}: is empty")
    return text, "utf-8" if coding == "utf-8-sig" else coding


def _dialect(path: str | Path, text: str) -> tuple[str, list[str]]:
    """The separator that splits the first lines into equally many parts, and the names."""
    lines = list(itertools.islice((own for own in io.StringIO(text) if own.strip()), SAMPLE))
    best = None
    for separator in SEPARATORS:
        try:
            rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
        except csv.Error as error:
            raise TableError(f"{path}: is no table ({_line(error)})") from error
        width, often = Counter(map(len, rows)).most_common(1)[0]
        found = (often / len(rows) if width > 1 else 0.0, width, separator, rows[0])
        best = found if best is None or found[:2] > best[:2] else best
    share, _, separator, names = best
    if not share and " " in lines[0].strip() and len(set(map(len, map(str.split, lines)))) == 1:
        raise TableError(
            f"{path}: has columns that blanks separate; write it with commas or tabs between them"
        )
    names = [name.strip() for name in names]
    while names and not names[-1] and all(own.rstrip().endswith(separator) for own in lines):
        names.pop()
    if any(_is_number(name) for name in names if name) and all(map(_is_number, names)):
        raise TableError(
            f"{path}: begins with the numbers {', '.join(names)[:60]}, and not with the names of"
            " its columns; put a line of names above them"
        )
    return separator, names


def _decimal(text: str, separator: str) -> str:
    """A comma, where commas do not separate columns and numbers are written with them."""
    if separator == ",":
        return "."
    rows = csv.reader(itertools.islice(io.StringIO(text), 1, SAMPLE), delimiter=separator)
    values = [value.strip() for row in rows for value in row]
    commas = sum(value.count(",") == 1 and _is_number(value.replace(",", ".")) for value in values)
    points = sum("." in value and _is_number(value) for value in values)
    return "," if commas > points else "."


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_names(path: str | Path, names: list[str]) -> None:
    if len(names) > MOST_COLUMNS:
        raise TableError(f"{path}: has {len(names)} columns; allowed are {MOST_COLUMNS} or fewer")
    if blank := [str(place) for place, name in enumerate(names, 1) if not name]:
        raise TableError(f"{path}: has no name for the column {', '.join(blank[:10])}; name it")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise TableError(
            f"{path}: has several columns of the name {', '.join(twice[:10])}; rename or remove"
            " all but one"
        )
    for name in names:
        if len(name) > LONGEST or not name.isprintable():
            raise TableError(
                f"{path}: has a column of the name {name[:60]!r}; allowed are names of at most"
                f" {LONGEST} printable letters"
            )


def _line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
