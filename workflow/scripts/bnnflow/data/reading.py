"""A user's table, as programs write them: CSV in many dialects, or Parquet."""

import codecs
import csv
import io
import itertools
import logging
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd

from ..files import safe
from ..files.columns import LONGEST
from ..files.errors import plain_sentence
from ..jobs import ToldError
from .numerals import is_number, may_be_thousands

log = logging.getLogger("bnnflow")

EXPECTED = "a table with a header and a row an observation"

SEPARATORS = ",;\t|"

# Texts that mean a blank.
BLANKS = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?", "#N/A")

# Bytes from which the names of columns are told, without reading the whole.
BEGINNING = 1 << 20

# Rows of the beginning of a Parquet file.
FIRST = 10_000

# Lines from which the separator and the decimal mark are told, and rows from which marks of
# thousands are.
SAMPLE, MANY = 200, 1_000

# By their first bytes; without any a text is UTF-8, or else Western European.
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
FALLBACK = "cp1252"

# By their first bytes files that are no texts, and what to do.
FOREIGN = {
    b"PK\x03\x04": "is a workbook or an archive; save the table as CSV",
    b"\xd0\xcf\x11\xe0": "is a workbook; save the table as CSV",
    b"\x1f\x8b": "is compressed; unpack it",
    b"PAR1": "is Parquet under another name; let the name end in .parquet",
}

# What spreadsheets write above a header.
TOLD = re.compile(r"sep=(.)\n", re.I)

# What pandas calls the numbers of rows, which are no column of the table.
INDEX = re.compile(r"__index_level_\d+__")

# Of one table.
MOST_COLUMNS, MOST_VALUES = 10_000, 100_000_000

# Letters of what is wrong with a table.
SENTENCE = 800


class TableError(ToldError):
    """A table that cannot be used as it is, and what to do."""

    def __init__(self, told: str):
        super().__init__(plain_sentence(told, SENTENCE))


def read(path: str | Path) -> pd.DataFrame:
    """A table as it is: columns of numbers, of truth values or of texts; blanks are missing.

    Raises:
        FileError: if there is no such file.
        TableError: if it is no table, with what is wrong and where.
    """
    return _parquet(path) if _is_parquet(path) else _csv(path)


def beginning(path: str | Path) -> tuple[pd.DataFrame, int]:
    """The first rows of a table, and about how many there are in all; raises what `read` does."""
    if _is_parquet(path):
        return _parquet(path, FIRST), _about_parquet(path)[1]
    found, size = _csv(path, BEGINNING), Path(path).stat().st_size
    return found, len(found) * max(size, BEGINNING) // BEGINNING


def header(path: str | Path) -> list[str]:
    """The names of a table's columns, by its beginning; what is raised as for `read`."""
    if _is_parquet(path):
        return _about_parquet(path)[0]
    text, _ = _decoded(path, BEGINNING)
    return _dialect(path, text)[2]


def as_written(path: str | Path) -> tuple[pd.DataFrame, str]:
    """The same rows as they stand in the file, texts all of them if it is one; its decimal mark.

    Raises:
        FileError, TableError: as `read`.
    """
    if _is_parquet(path):
        return _parquet(path), "."
    text, separator, names, *_ = _lines(path, None)
    _, *rows = filter(_has_values, _rows(text, separator))
    return pd.DataFrame(rows, columns=names, dtype=object), _decimal(text, separator)


def _is_parquet(path: str | Path) -> bool:
    return Path(path).suffix.lower() in (".parquet", ".pq")


def _csv(path: str | Path, most: int | None = None) -> pd.DataFrame:
    text, separator, names, count, coding = _lines(path, most)
    decimal = _decimal(text, separator)
    form = {"sep": separator, "decimal": decimal, "na_values": list(BLANKS)}
    form |= {"keep_default_na": False, "skip_blank_lines": True, "skipinitialspace": True}
    unclear = _unclear(text, separator, names, decimal)
    form["dtype"] = dict.fromkeys(unclear, str)
    try:
        found = pd.read_csv(
            io.StringIO(text), header=0, names=names, index_col=False, low_memory=False, **form
        )
    except (ValueError, csv.Error, OverflowError) as error:
        raise TableError(f"{path}: is no table ({_line(error)})") from error
    if len(found) != count:
        raise TableError(f"{path}: has lines of quotes and nothing else; remove them")
    told = [f"separator {separator!r}", f"decimal mark {decimal!r}", f"encoding {coding}"]
    log.info("%s: %d rows of %d columns (%s)", path, len(found), len(names), ", ".join(told))
    texts = {name: _texts(found[name]) for name in unclear}
    return pd.DataFrame(
        {name: texts[name] if name in texts else _numbers(found[name], decimal) for name in names}
    )


def _parquet(path: str | Path, most: int | None = None) -> pd.DataFrame:
    import pyarrow as pa
    from pyarrow import parquet

    names, _ = _about_parquet(path)
    with safe.opened(path, EXPECTED) as file:
        try:
            if most is None:
                rows = parquet.read_table(file, use_threads=False)
            else:
                whole = parquet.ParquetFile(file)
                first = itertools.islice(whole.iter_batches(most, use_threads=False), 1)
                rows = pa.Table.from_batches([*first], whole.schema_arrow)
            # Texts may be no UTF-8.
            rows.validate(full=True)
            found = rows.to_pandas(ignore_metadata=True, use_threads=False)
        except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError) as error:
            raise TableError(f"{path}: is no Parquet table ({_line(error)})") from error
    if not len(found):
        raise TableError(f"{path}: has a header and no rows")
    return pd.DataFrame({name: _plain(path, name, found[name]) for name in names})


def _about_parquet(path: str | Path) -> tuple[list[str], int]:
    """Names of the columns, and number of rows."""
    import pyarrow as pa
    from pyarrow import parquet

    with safe.opened(path, EXPECTED) as file:
        try:
            about = parquet.read_metadata(file)
            every = about.schema.to_arrow_schema().names
            names = [name for name in every if not INDEX.fullmatch(name)]
        except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError) as error:
            raise TableError(f"{path}: is no Parquet table ({_line(error)})") from error
    _check_names(path, names)
    if about.num_rows * len(names) > MOST_VALUES:
        raise TableError(
            f"{path}: has {about.num_rows} rows of {len(names)} columns; allowed are {MOST_VALUES}"
            " values or fewer"
        )
    return names, about.num_rows


def _plain(path: str | Path, name: str, column: pd.Series) -> pd.Series:
    """A column of Parquet as one of numbers, truth values or texts."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object).infer_objects()
    known = column.dropna()
    if pd.api.types.is_bool_dtype(column.dtype) or all(isinstance(value, bool) for value in known):
        if len(known):
            return column.astype(object).map({True: "true", False: "false"}).astype(object)
        return column.astype(float)
    if pd.api.types.is_numeric_dtype(column.dtype) or all(isinstance(v, Decimal) for v in known):
        return column.astype(float)
    if all(isinstance(value, (date, time, timedelta)) for value in known):
        return column.astype(object).map(str, na_action="ignore")
    if all(isinstance(value, str) for value in known):
        return _numbers(column, ".")
    raise TableError(
        f"{path}: the column {name} is of the type {type(known.iloc[0]).__name__}; allowed are"
        " numbers, truth values, texts, dates and times"
    )


def _numbers(column: pd.Series, decimal: str) -> pd.Series:
    """Numbers as such; truth values as texts; texts without the blanks around them."""
    if column.dtype == bool:
        return column.map({True: "true", False: "false"}).astype(object)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.astype(float)
    texts = _texts(column)
    known = texts.dropna()
    plain = known if decimal == "." else known.str.replace(decimal, ".")
    if plain.map(is_number).all():
        return plain.astype(float).reindex(texts.index)
    lower = known.str.lower()
    return (lower if lower.isin(("true", "false")).all() else known).reindex(texts.index)


def _texts(column: pd.Series) -> pd.Series:
    """Texts without the blanks around them."""
    texts = column.astype(object).map(str, na_action="ignore").str.strip()
    return texts.where(~texts.isin(BLANKS) & texts.notna(), None).astype(object)


def _lines(path: str | Path, most: int | None) -> tuple[str, str, list[str], int, str]:
    """The text of a file, separator, names of columns, number of rows, and how it was encoded.

    In the text every row has as many values as there are names.

    Args:
        path: of the file.
        most: bytes that are read; of more, the last line is left out.
    """
    text, coding = _decoded(path, most)
    if most is not None and most < Path(path).stat().st_size:
        text = text[: text.rfind("\n") + 1]
    text, separator, names = _dialect(path, text)
    try:
        count, rows = -1, _rows(text, separator)
        for row in rows:
            if _has_values(row):
                count += 1
                if len(row) != len(names):
                    raise TableError(
                        f"{path}, line {rows.line_num}: has {len(row)} values, but the header has"
                        f" {len(names)} names, {', '.join(names)[:60]}; give every row a value or"
                        " a blank for every name, and remove what stands above the names"
                    )
    except csv.Error as error:
        raise TableError(f"{path}: is no table ({_line(error)})") from error
    if not count:
        raise TableError(f"{path}: has a header and no rows")
    return text, separator, names, count, coding


def _dialect(path: str | Path, text: str) -> tuple[str, str, list[str]]:
    """The text without what some programs put beside a table, its separator, and its names."""
    told = TOLD.match(text)
    text = text[told.end() :] if told else text
    lines = list(itertools.islice((own for own in io.StringIO(text) if own.strip()), SAMPLE))
    if not lines:
        raise TableError(f"{path}: is empty")
    try:
        separator = told[1] if told else _separator(path, lines)
        names = [name.strip() for name in next(filter(_has_values, _rows(text, separator)), [])]
    except csv.Error as error:
        raise TableError(f"{path}: is no table ({_line(error)})") from error
    while names and not names[-1] and all(own.rstrip(" \n").endswith(separator) for own in lines):
        lines = [own.rstrip(" \n").removesuffix(separator) for own in lines]
        text = re.sub(rf"{re.escape(separator)} *$", "", text, flags=re.M)
        names.pop()
    _check_header(path, names)
    return text, separator, names


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    """Rows of values; as the reader itself, it knows its line."""
    return csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)


def _has_values(row: list[str]) -> bool:
    """Whether a row is no blank line."""
    return len(row) > 1 or (len(row) == 1 and bool(row[0].strip()))


def _decoded(path: str | Path, most: int | None = None) -> tuple[str, str]:
    """The text of a file, with plain blanks and ends of lines, and how it was encoded.

    Args:
        path: of the file.
        most: bytes that are read; the text then is of whole letters.
    """
    with safe.opened(path, EXPECTED, safe.LARGEST_TABLE) as file:
        data = file.read(most)
    if what := next((own for mark, own in FOREIGN.items() if data.startswith(mark)), None):
        raise TableError(f"{path}: {what}")
    coding = next((name for mark, name in MARKS.items() if data.startswith(mark)), "utf-8")
    whole = most is None or len(data) < most
    try:
        text = codecs.getincrementaldecoder(coding)().decode(data, whole)
    except UnicodeDecodeError as error:
        try:
            text = data.decode(FALLBACK if coding == "utf-8" else coding)
        except UnicodeDecodeError:
            raise TableError(
                f"{path}: is no text in {coding} ({_line(error)}); save the table as CSV in UTF-8"
            ) from error
        coding = FALLBACK
    if "\0" in text:
        raise TableError(
            f"{path}: is no text in {coding}, because it has bytes of value 0; save the table as"
            " CSV in UTF-8"
        )
    for old, plain in (("\r\n", "\n"), ("\r", "\n"), ("\xa0", " ")):
        text = text.replace(old, plain)
    return text, "utf-8" if coding == "utf-8-sig" else coding


def _separator(path: str | Path, lines: list[str]) -> str:
    """What splits the first lines into equally many parts."""
    best = None
    for separator in SEPARATORS:
        rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
        width, often = Counter(map(len, rows)).most_common(1)[0]
        found = (often / len(rows) if width > 1 else 0.0, width, separator)
        best = found if best is None or found[:2] > best[:2] else best
    share, _, separator = best
    if not share and " " in lines[0].strip() and len(set(map(len, map(str.split, lines)))) == 1:
        raise TableError(
            f"{path}: has columns that blanks separate; write it with commas or tabs between them"
        )
    return separator


def _check_header(path: str | Path, names: list[str]) -> None:
    if not any(names):
        raise TableError(f"{path}: begins with no names of columns; put a line of names first")
    if all(map(is_number, filter(None, names))):
        raise TableError(
            f"{path}: begins with the numbers {', '.join(names)[:60]}, and not with the names of"
            " its columns; put a line of names above them"
        )
    _check_names(path, names)


def _decimal(text: str, separator: str) -> str:
    """A comma, where commas do not separate columns and numbers are written with them."""
    if separator == ",":
        return "."
    rows = itertools.islice(_rows(text, separator), 1, SAMPLE)
    values = [value.strip() for row in rows for value in row]
    commas = sum(value.count(",") == 1 and is_number(value.replace(",", ".")) for value in values)
    points = sum("." in value and is_number(value) for value in values)
    return "," if commas > points else "."


def _unclear(text: str, separator: str, names: list[str], decimal: str) -> list[str]:
    """Columns of numbers whose marks may be of thousands, by the first rows."""
    rows = itertools.islice(filter(_has_values, _rows(text, separator)), 1, MANY)
    columns = ({value.strip() for value in values} for values in zip(*rows, strict=True))
    return [
        name
        for name, values in zip(names, columns, strict=True)
        if may_be_thousands(values.difference(BLANKS), decimal)
    ]


def _check_names(path: str | Path, names: list[str]) -> None:
    if len(names) > MOST_COLUMNS:
        raise TableError(f"{path}: has {len(names)} columns; allowed are {MOST_COLUMNS} or fewer")
    if blank := [str(place) for place, name in enumerate(names, 1) if not name]:
        what = f"the column {blank[0]}" if len(blank) == 1 else f"columns {', '.join(blank[:10])}"
        row_numbers = " (pandas writes row numbers so without index=False)" * (blank == ["1"])
        raise TableError(
            f"{path}: has no name for {what} in its first line{row_numbers}; name it, or remove"
            " what stands above the names"
        )
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
