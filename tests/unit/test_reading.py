"""Tables as programs write them: recognised, or refused with a sentence."""

import codecs
import datetime
import re
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from bnnflow.data import reading
from bnnflow.data.reading import TableError
from bnnflow.files.errors import FileError

PLAIN = "width,alloy\n1.5,A\n2.25,B\n-3e2,A\n"
WIDTHS = [1.5, 2.25, -300.0]


def written(folder, content, name="own.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def columns(table):
    return {name: [None if pd.isna(v) else v for v in table[name]] for name in table}


def frame(folder, content, name="own.csv"):
    return columns(reading.read(written(folder, content, name)))


def refused(folder, content, name="own.csv"):
    path = written(folder, content, name)
    with pytest.raises(TableError) as caught:
        reading.read(path)
    told = str(caught.value)
    assert told.startswith(str(path))
    assert "\n" not in told
    return told.removeprefix(str(path))


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.rstrip("\n"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
        PLAIN.replace(",", ", "),
        PLAIN.replace(",", ";").replace(".", ","),
        PLAIN.replace(",", "\t").replace(".", ","),
        PLAIN.replace("\n", ",\n"),
        PLAIN.replace("\n", ", \n"),
        PLAIN.replace("\n", ",,,\n"),
        PLAIN.replace("\n", "\n\n \n"),
        PLAIN.replace("A", '"A"').replace("width", '"width"'),
        "sep=;\n" + PLAIN.replace(",", ";"),
        PLAIN.replace("1.5", "+1.50 "),
        codecs.BOM_UTF8 + PLAIN.encode(),
        PLAIN.encode("utf-16"),
        codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be"),
    ],
)
def test_dialects_of_one_table(tmp_path, content):
    assert frame(tmp_path, content) == {"width": WIDTHS, "alloy": ["A", "B", "A"]}


def test_a_column_that_quotes_what_separates_others(tmp_path):
    found = frame(tmp_path, 'note,x\n"a, ""b""\nc",1\n"d;e",2\n')
    assert found == {"note": ['a, "b"\nc', "d;e"], "x": [1, 2]}


@pytest.mark.parametrize("coding", ["utf-8", "cp1252", "utf-16"])
def test_names_and_levels_of_any_language_that_the_encoding_has(tmp_path, coding):
    found = frame(tmp_path, "größe,sorte\n1,süß\n2,€\n".encode(coding))
    assert found == {"größe": [1, 2], "sorte": ["süß", "€"]}


def test_blanks_of_spreadsheets_are_blanks(tmp_path):
    assert frame(tmp_path, "a\xa0b,c\n 1\xa0,x\xa0y\n2,z\n") == {"a b": [1, 2], "c": ["x y", "z"]}


@pytest.mark.parametrize("blank", [b for b in reading.BLANKS if b])
def test_texts_that_mean_a_blank(tmp_path, blank):
    found = frame(tmp_path, f"a,b\n1,x\n{blank},{blank}\n {blank} , {blank} \n")
    assert found == {"a": [1, None, None], "b": ["x", None, None]}


def test_blanks_beside_decimal_commas(tmp_path):
    assert frame(tmp_path, "a;b\n1,5;x\n NA ;y\n;z\n")["a"] == [1.5, None, None]


@pytest.mark.parametrize("values", [("True", "False"), ("TRUE", "false"), ("true", "FALSE")])
def test_truth_values_are_two_texts(tmp_path, values):
    yes, no = values
    assert frame(tmp_path, f"a,b\n{yes},1\n{no},2\n")["a"] == ["true", "false"]
    assert frame(tmp_path, f"a,b\n{yes},1\n,2\n{no},3\n")["a"] == ["true", None, "false"]


@pytest.mark.parametrize("text", ["1_000", "0x10", "١٢", "1.234,5", "12 mm", "1 2"])
def test_what_only_looks_like_a_number_is_a_text(tmp_path, text):
    assert frame(tmp_path, f"a;b\n{text};1\n2;2\n")["a"] == [text, "2"]


@pytest.mark.parametrize(
    ("values", "separator", "are_texts"),
    [
        (("1,234", "950"), "\t", True),
        (("1.234", "950"), ",", True),
        (("-1.234.567", "950"), ",", True),
        (("1.234", "1.950"), ",", False),
        (("1.234", "0.95"), ",", False),
        (("1.234", "9.5"), ",", False),
        (("0.123", "950"), ",", False),
        (("1.2345", "950"), ",", False),
    ],
)
def test_numbers_whose_marks_may_be_of_thousands_are_left_as_texts(
    tmp_path, values, separator, are_texts
):
    rows = "".join(f"{value}{separator}1\n" for value in (*values, "NA"))
    found = frame(tmp_path, f"a{separator}b\n{rows}")["a"]
    numbers = [float(value.replace(",", ".")) for value in values] if not are_texts else values
    assert found[:2] == [*numbers]
    assert pd.isna(found[2])


def test_points_beside_decimal_commas_may_be_of_thousands(tmp_path):
    rows = "a;b;c\n{};0,5;1,5\n{};2,5;3,5\n"
    assert frame(tmp_path, rows.format("1.234", "2.345")) == {
        **{"a": ["1.234", "2.345"], "b": [0.5, 2.5], "c": [1.5, 3.5]},
    }
    assert frame(tmp_path, rows.format("1.25", "2.345"))["a"] == [1.25, 2.345]


def test_numbers_beyond_all_are_infinite(tmp_path):
    assert frame(tmp_path, f"a,b,c\n1e999,-inf,{'9' * 400}\n1,1,1\n") == {
        "a": [np.inf, 1],
        "b": [-np.inf, 1],
        "c": [np.inf, 1],
    }


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", ": is empty"),
        (" \n\n", ": is empty"),
        (codecs.BOM_UTF8, ": is empty"),
        ("a,b\n", ": has a header and no rows"),
        ("a,b\n\n \n", ": has a header and no rows"),
        ("a,a\n1,2\n", r": has several columns of the name a; rename or remove all but one"),
        ('""\n1\n', r": has several|: begins with the numbers 1"),
        ('""', r": begins with no names of columns"),
        (",\n1,2\n", r": begins with no names of columns"),
        (
            ",a\n1,2\n",
            r": has no name for the column 1 in its first line \(pandas writes row numbers so with"
            r"out index=False\); name it, or remove what",
        ),
        ("Series 3;;\na;b;y\n1;2;3\n", r": has no name for columns 2, 3 in its first line; name"),
        ("1.5,2\n3,4\n", r": begins with the numbers 1\.5, 2, and not with the names"),
        (
            f"{'a' * 201},b\n1,2\n",
            r": has a column of the name 'a+'; allowed are names of at most 2",
        ),
        ("a\x1b[2J,b\n1,2\n", r": has a column of the name 'a\\x1b\[2J'; allowed"),
        ("a,b\n1,2,3\n", r", line 2: has 3 values, but the header has 2 names, a, b; give every"),
        ("a,b\n1,2\n3\n", r", line 3: has 1 values, but the header has 2 names"),
        ("Series 3\na,b\n1,2\n", r".*1 names, Series 3; .*, and remove what stands above the nam"),
        ("a b c\n1 2 3\n4 5 6\n", r": has columns that blanks separate; write it with commas"),
        ("a,b\n1,2".encode("utf-16-le"), r": is no text in utf-8, because it has bytes of value 0"),
        (codecs.BOM_UTF32_LE + "a,b".encode("utf-32-le"), r": is no text in utf-16, because"),
        (codecs.BOM_UTF16_LE + b"a", r": is no text in utf-16 \(.*truncated data"),
        (b"a,b\n\x81,2\n", r": is no text in utf-8 \(.*byte 0x81 in position 4"),
        (b"PK\x03\x04xl", r": is a workbook or an archive; save the table as CSV"),
        (b"\x1f\x8b\x08", r": is compressed; unpack it"),
        (b"PAR1", r": is Parquet under another name; let the name end in \.parquet"),
        ('a,b\n"1,2\n', r", line \d: has|: is no table"),
        (f"a,b\n{'x' * 200_000},2\n", r": is no table \(field larger than field limit"),
        (",".join(map(str, range(10_001))).replace("0", "a") + "\n", r": has 10001 columns;"),
    ],
)
def test_what_is_no_table_is_refused_with_a_sentence(tmp_path, content, told):
    assert re.match(told, refused(tmp_path, content))


def test_lines_of_quotes_alone_are_refused(tmp_path):
    assert (
        refused(tmp_path, 'a\n1\n""\n2\n') == ": has lines of quotes and nothing else; remove them"
    )


@pytest.mark.parametrize("coding", ["utf-8", "utf-16", "cp1252"])
@pytest.mark.parametrize("size", range(24, 36))
def test_names_are_told_by_the_beginning_of_a_table(tmp_path, monkeypatch, coding, size):
    """However a letter is cut."""
    path = written(tmp_path, ("größe;ß\n" + "äöü;ß\n" * 50).encode(coding))
    monkeypatch.setattr(reading, "BEGINNING", size)
    assert reading.header(path) == ["größe", "ß"]


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(FileError, match="No such file"):
        reading.read(tmp_path / "none.csv")


def test_rows_as_they_are_written(tmp_path):
    path = written(tmp_path, "id;x;note\n007; 1,50;NA\n\n8;2;\n".encode("utf-16"))
    found, decimal = reading.as_written(path)
    assert decimal == ","
    assert columns(found) == {
        "id": ["007", "8"],
        "x": ["1,50", "2"],
        "note": ["NA", ""],
    }


@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1),
            st.integers(-(10**6), 10**6),
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from(",;\t|"),
)
def test_what_pandas_writes_is_read(tmp_path_factory, rows, separator):
    table = pd.DataFrame([("1", "text", 0), *rows], columns=["x", "t", "n"])
    table["x"] = table["x"].astype(float)
    path = tmp_path_factory.mktemp("table") / "own.csv"
    table.to_csv(path, sep=separator, index=False)
    found = reading.read(path)
    # The fast parser of numbers may be off by the last bit.
    np.testing.assert_allclose(found["x"], table["x"], rtol=1e-15)
    assert found["n"].tolist() == table["n"].tolist()
    kept = [None if text in reading.BLANKS else text for text in table["t"]]
    assert columns(found)["t"] == kept
    assert reading.as_written(path)[0]["t"].tolist() == table["t"].tolist()


PARQUET = {
    "x": [1.0, None, 3.0],
    "n": pd.array([1, None, 3], dtype="Int64"),
    "yes": [True, False, True],
    "maybe": pd.array([True, None, False], dtype="boolean"),
    "kind": pd.Categorical(["a", None, "b"]),
    "grade": pd.Categorical([1, 2, None]),
    "price": [Decimal("1.5"), None, Decimal(2)],
    "text": ["a", "NA", None],
    "empty": [None, None, None],
    "when": [pd.Timestamp("2020-01-31 13:45"), None, pd.Timestamp("2020-02-01")],
    "day": [datetime.date(2020, 1, 31), None, datetime.date(2020, 2, 1)],
    "clock": [datetime.time(13, 45), None, datetime.time(14)],
    "lasts": [pd.Timedelta("90min"), None, pd.Timedelta("1D")],
}


def test_parquet_has_the_same_kinds_of_columns(tmp_path):
    path = tmp_path / "own.parquet"
    pd.DataFrame(PARQUET).to_parquet(path)
    assert reading.header(path) == list(PARQUET)
    assert columns(reading.read(path)) == {
        "x": [1, None, 3],
        "n": [1, None, 3],
        "yes": ["true", "false", "true"],
        "maybe": ["true", None, "false"],
        "kind": ["a", None, "b"],
        "grade": [1, 2, None],
        "price": [1.5, None, 2],
        "text": ["a", None, None],
        "empty": [None] * 3,
        "when": ["2020-01-31 13:45:00", None, "2020-02-01 00:00:00"],
        "day": ["2020-01-31", None, "2020-02-01"],
        "clock": ["13:45:00", None, "14:00:00"],
        "lasts": ["0 days 01:30:00", None, "1 days 00:00:00"],
    }


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"x": [[1, 2]]}, ": the column x is of the type ndarray; allowed are numbers"),
        ({"x": [b"a"]}, ": the column x is of the type bytes; allowed are numbers"),
        ({"x": []}, ": has a header and no rows"),
    ],
)
def test_parquet_of_other_kinds_is_refused(tmp_path, table, told):
    path = tmp_path / "own.parquet"
    pd.DataFrame(table).to_parquet(path)
    assert refused(tmp_path, path.read_bytes(), "own.parquet").startswith(told)


def test_parquet_that_is_damaged_or_too_large_is_refused(tmp_path, monkeypatch):
    assert refused(tmp_path, PLAIN, "own.parquet").startswith(": is no Parquet table (")
    path = tmp_path / "own.parquet"
    pd.DataFrame({"x": [1.0, 2.0], "y": [1.0, 2.0]}).to_parquet(path)
    monkeypatch.setattr(reading, "MOST_VALUES", 3)
    told = refused(tmp_path, path.read_bytes(), "own.parquet")
    assert told == ": has 2 rows of 2 columns; allowed are 3 values or fewer"


def test_numbers_of_rows_that_pandas_has_written_are_no_column(tmp_path):
    path = tmp_path / "filtered.parquet"
    pd.DataFrame({"a": [1.0, 2.0, 3.0]}).iloc[[0, 2]].to_parquet(path)
    assert list(reading.read(path)) == reading.header(path) == ["a"]
    assert list(reading.beginning(path)[0]) == list(reading.as_written(path)[0]) == ["a"]


def test_parquet_with_texts_that_are_no_utf_8_is_refused(tmp_path):
    path = tmp_path / "own.parquet"
    texts = pa.array([b"a", b"\xff\xffs"]).cast(pa.string(), safe=False)
    parquet.write_table(pa.table({"x": [1.0, 2.0], "t": texts}), path)
    told = refused(tmp_path, path.read_bytes(), "own.parquet")
    assert told.startswith(": is no Parquet table (")
    assert "Invalid UTF8 sequence" in told
