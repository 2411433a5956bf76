"""Read, split and describe damaged tables of one's own: `fuzz_tables.py --mutations 1000000`.

Tables of every dialect are mutated as `fuzz.py` mutates files, and besides as tables: names,
values, columns, rows, quotes, separators, ends of lines and encodings are changed. A mutation may
then be used, or be refused by a TableError or a FileError, with a sentence of one line. Everything
else is a fault: another exception, a crash, 2 seconds of the processor, 256 MiB. A mutation is
known by kind and number: `--only KIND NUMBER` shows what becomes of it.
"""

import argparse
import random
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import fuzz
import numpy as np
import pandas as pd

from bnnflow.data import kinds, observed, reading
from bnnflow.data.reading import BLANKS, TableError
from bnnflow.data.settings import Own
from bnnflow.files.columns import Column
from bnnflow.files.errors import FileError

ROWS = 24

# Bytes of a mutation.
LARGEST = 2 << 20

# How a table may be used, by the name of its file.
USES = {
    "plain.csv": {},
    "semicolon.csv": {"held_out": {"gap": "n"}, "missing": "median"},
    "utf16.csv": {"held_out": {"group": "g"}, "missing": "drop"},
    "latin.csv": {"targets": ["k"], "missing": "indicator"},
    "count.csv": {"targets": ["n", "y"], "sets": 2, "levels": {"g": ["p", "q", "r"]}},
    "transform.csv": {"transform": {"a": "log", "y": "log1p"}, "held_out": {"tail": "a"}},
    "where.csv": {"held_out": {"where": {"a": [None, 1], "k": ["no"]}}, "inputs": ["a", "g", "n"]},
    "table.parquet": {"missing": "indicator"},
}
NEW = "new.csv"
INPUTS = (
    Column("a", transform="log", fill=1.0),
    Column("k", kind="binary", levels=("no", "yes")),
    Column("g", kind="classes", levels=("p", "q", "r"), fill=0.0),
)

VALUES = ("1e999", "-inf", "-1", "0", "1,5", "1.234,5", "9" * 400, "true", "False", "1_0", "0x10")
VALUES += (*BLANKS, '"', "'", '""', '"a', "\n", "\r", "\t", ";", ",", "a" * 201, "a" * 140_000)
VALUES += (
    "\x1b[2J",
    "\u200b",
    "\xa0",
    "größe",
    "\u202e",
    "😀",
    "\0",
    "sep=;",
    "=1+1",
    "1e308",
    "1e-320",
)
CODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1")


def _table() -> pd.DataFrame:
    at = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "a": at.uniform(0.5, 2, ROWS).round(2),
            "k": at.choice(["yes", "no"], ROWS),
            "g": at.choice(["p", "q", "r"], ROWS),
            "n": at.integers(0, 9, ROWS),
            "y": at.uniform(0, 5, ROWS).round(2),
        }
    )


class Mutations:
    """Damaged tables of every kind, each known by its kind and number."""

    def __init__(self, seed: int):
        self.seed, table = seed, _table()
        blanks = table.astype(object)
        blanks.loc[3:5, "a"] = None
        texts = dict.fromkeys((*USES, NEW), table)
        texts |= dict.fromkeys(("semicolon.csv", "utf16.csv", "latin.csv", NEW), blanks)
        form = {
            "semicolon.csv": {"sep": ";", "decimal": ","},
            "utf16.csv": {"sep": "\t", "lineterminator": "\r\n"},
        }
        self.whole = {
            name: own.to_csv(index=False, **form.get(name, {})).encode(
                {"utf16.csv": "utf-16", "latin.csv": "cp1252"}.get(name, "utf-8")
            )
            for name, own in texts.items()
        }
        self.whole["table.parquet"] = table.to_parquet()
        self.readers: dict[str, Callable] = {name: _using(name) for name in self.whole}

    def mutated(self, kind: str, number: int) -> bytes:
        """The table of that number."""
        at = random.Random(f"{self.seed}/{kind}/{number}")
        data = bytearray(self.whole[kind])
        whole = list(self.whole.values())
        for _ in range(at.choice((1, 1, 1, 2, 4))):
            if kind.endswith(".csv") and at.random() < 0.7:
                data = bytearray(_as_table(at, bytes(data), kind))
            else:
                at.choice(fuzz.CHANGES)(at, data, at.choice(whole))
        return bytes(data[:LARGEST])


def _as_table(at: random.Random, data: bytes, kind: str) -> bytes:
    """A change of a text's rows and columns, or of all of it."""
    coding = {"utf16.csv": "utf-16", "latin.csv": "cp1252"}.get(kind, "utf-8")
    text = data.decode(coding, errors="replace")
    mark = {"semicolon.csv": ";", "utf16.csv": "\t"}.get(kind, ",")
    rows = [line.split(mark) for line in text.splitlines() or [""]]
    row, width = at.choice(rows), max(map(len, rows))
    place, value = at.randrange(width), at.choice(VALUES)
    what = at.randrange(16)
    if what < 5:
        row[at.randrange(len(row))] = value
    elif what == 5:
        rows[0][at.randrange(len(rows[0]))] = value
    elif what == 6:
        at.shuffle(rows[0])
    elif what == 7:
        for own in rows[1:]:
            own[min(place, len(own) - 1)] = value[: LARGEST // len(rows)]
    elif what == 8:
        for own in rows:
            own.append(own[min(place, len(own) - 1)])
    elif what == 9:
        for own in rows:
            del own[min(place, len(own) - 1)]
    elif what == 10:
        rows += rows[1:] * (at.choice((1, 10, 100)) if len(text) < LARGEST // 200 else 1)
    elif what == 11:
        at.choice((row.append, row.extend))(value)
    elif what == 12:
        rows = [[f'"{own}"' for own in each] for each in rows]
    elif what == 13:
        mark = at.choice((",", ";", "\t", "|", " ", "", ":"))
    elif what == 14:
        del rows[at.randrange(len(rows)) :]
    else:
        coding = at.choice(CODINGS)
    end = at.choice(("\n", "\n", "\r\n", "\r"))
    return end.join(mark.join(own) for own in rows).encode(coding, errors="replace")


def _using(name: str) -> Callable[[Path], None]:
    settings = {"table": name, "targets": ["y"]} | USES.get(name, {})
    own = Own.model_validate(settings).model_dump(exclude_none=True, warnings=False)

    def used(path: Path) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                if name == NEW:
                    kinds.as_numbers(reading.read(path), INPUTS)
                    reading.as_written(path)
                else:
                    observed.divided(reading.read(path), own, {})
        except TableError as error:
            if not str(error).isprintable():
                raise RuntimeError("the sentence is not one line") from error
            raise FileError(path, "a table", error) from error

    return used


def main() -> int:
    """Print the table of outcomes; 1 if there were faults."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mutations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs=2, metavar=("KIND", "NUMBER"))
    given = parser.parse_args()
    mutations = Mutations(given.seed)
    if given.only:
        kind, number = given.only[0], int(given.only[1])
        path = Path(tempfile.mkdtemp(), kind)
        path.write_bytes(mutations.mutated(kind, number))
        print(path)
        mutations.readers[kind](path)
        return 0
    wrong = 0
    for kind, counts, faults, seconds in fuzz.campaign(mutations, given.mutations, given.workers):
        wrong += len(faults)
        told = ", ".join(f"{what} {count}" for what, count in sorted(counts.items()))
        print(f"{kind}: {told}; {seconds:.0f} s {faults[:10] or ''}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
