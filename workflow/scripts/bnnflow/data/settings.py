"""Settings of the data: a user's own table, or data that the workflow simulates."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationInfo,
)

from ..files.columns import LONGEST, TRANSFORMS
from ..settings import (
    Distinct,
    Interval,
    Line,
    Name,
    Number,
    Positive,
    Seed,
    Settings,
    Share,
    allowed,
    fault,
    integer,
    one_or_more,
)

# Snakemake takes braces for wildcards.
Path = Annotated[
    str, StringConstraints(min_length=1, pattern=r"^[^{}]+$"), allowed("a path without braces")
]

# A column's name; the table itself says which there are.
Column = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)]

SCALING = Field(
    "standard",
    description="What is done to every number before a network sees it, in double precision:"
    " `standard` takes the mean of a fit's data away and divides by their standard deviation,"
    " `none` does nothing. An update does what the fit did that it goes on from. Predictions,"
    " scores and figures are in the data's own units.",
)


class Observations(Settings):
    """One simulated data set."""

    name: Name = Field(
        description="The set is written to `results/data/<name>.csv`, and fits refer to it by this"
        " name."
    )
    intervals: Annotated[list[Interval], Field(min_length=1)] = Field(
        description="Intervals [from, to, points] of equally spaced x, ends included."
    )


class Simulated(Settings):
    """Simulated data sets y = f(x + e) with f(x) = x + 0.3 sin(2πx) + 0.3 sin(4πx)."""

    renamed: ClassVar = dict.fromkeys(
        ("target", "targets", "input", "inputs"), "table: as well, for a table of your own"
    )

    seed: Seed = Field(
        42,
        description="Seed of the one NumPy stream from which all observations are drawn, in the"
        " order of the config.",
    )
    noise: Positive = Field(
        0.02, description="Standard deviation of e, the normal noise of the input."
    )
    observations: Annotated[list[Observations], Field(min_length=1)] = Field(
        [
            Observations(name="old", intervals=[[-0.2, 0.2, 500], [0.6, 1.0, 500]]),
            Observations(name="new", intervals=[[0.2, 0.6, 100]]),
        ],
        description="The data sets, in the order in which they are drawn from the stream.",
    )
    scaling: Literal["none", "standard"] = SCALING
    truth: Interval | None = Field(
        None,
        description="Interval [from, to, points] on which f itself is written to"
        " `results/data/truth.csv`. Without it that of held_out.",
    )
    held_out: Interval | None = Field(
        None,
        description="Interval [from, to, points] of the observations that no fit sees, in"
        " `results/data/held_out.csv`; their noise has a stream of its own. Without it 1,000 points"
        " on the range of the observations and a quarter of it to either side.",
    )


Columns = one_or_more(Column, "a column (in quotes, if the name is a number, yes or no)")

# How often the rows of a table are split.
Splits = integer(2, 1000)

_End = Number | None
_Ends = Annotated[list[_End], Field(min_length=2, max_length=2)]
_Levels = Annotated[list[str | int | float | bool], Field(min_length=1), Distinct]

Condition = Annotated[
    dict[Column, _Ends | Annotated[list[_Ends], Field(min_length=1)] | _Levels],
    Field(min_length=1),
    allowed(
        "a mapping of columns to levels, such as {alloy: [A, B]}, or to an interval [from, to]"
        " with null for an open end, such as {width: [2.5, null]}"
    ),
]


Sets = Annotated[
    Annotated[dict[Name, Condition], Tag("named")]
    | Annotated[
        integer(2, 1000),
        allowed("a mapping of names to conditions, or a number of parts from 2 to 1000"),
        Tag("number"),
    ],
    Discriminator(lambda value: "named" if isinstance(value, dict) else "number"),
]


# Keys that split a table several times, and ways to hold rows out that always hold out the same.
SEVERAL = "folds", "repeats"
DETERMINED = "gap", "tail", "where", "table"

# The share at random and of groups, and that of a gap and of both tails together.
FIFTH, THIRD = 0.2, 1 / 3


class HeldOut(Settings):
    """Which rows no fit sees; on these all fits are judged."""

    share: Share | None = Field(
        None,
        description="The share of the rows that is held out. Without it a fifth; of `gap` and"
        " `tail` a third.",
    )
    group: Column | None = Field(
        None,
        description="A column; all rows of one of its values are held out together, or none. The"
        " column is no input.",
    )
    gap: Column | None = Field(
        None, description="A column of numbers; the rows in the middle of its values are held out."
    )
    tail: Column | None = Field(
        None, description="A column of numbers; the rows at both ends of its values are held out."
    )
    where: Condition | None = Field(
        None, description="A condition on columns; the rows of which it holds are held out."
    )
    table: Path | None = Field(
        None, description="Path of a table of the same columns; all of its rows are held out."
    )


def _held_out(value: object, info: ValidationInfo) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = {"share": value}
    if not isinstance(value, dict | HeldOut):
        raise fault("allowed is a share, such as 0.2, or a mapping, such as {group: plant}")
    if isinstance(value, dict):
        ways = [key for key in ("group", *DETERMINED) if key in value]
        folds, repeats = (info.data.get(key) for key in SEVERAL)
        if folds and {"share", *DETERMINED} & {*value}:
            raise fault(
                "allowed beside data.folds is {group: <column>}, because every row is held out in"
                f" one of the {folds} folds"
            )
        if repeats and {*DETERMINED} & {*value}:
            raise fault(
                "allowed beside data.repeats is a share, with or without a group; every repeat"
                f" would hold out the same rows by {ways[-1]}"
            )
        if len(ways) > 1:
            raise fault(f"allowed is one of {', '.join(ways)}")
        if "share" in value and ways and ways[0] in ("where", "table"):
            raise fault(f"allowed is share or {ways[0]}, which says itself which rows they are")
        if not folds and not {"where", "table"} & {*ways}:
            return {"share": THIRD if {"gap", "tail"} & {*ways} else FIFTH} | value
    return value


def _new(value: object) -> object:
    if not isinstance(value, Mapping):
        raise fault("allowed is a mapping of names to paths, such as {new: new.csv}")
    return value


def _usual(data: Mapping) -> HeldOut:
    """What is held out where nothing is said: a fifth at random, or one fold after another."""
    return HeldOut(share=None if data.get("folds") else FIFTH)


def _repeats(value: object, info: ValidationInfo) -> object:
    if value is not None and info.data.get("folds"):
        raise fault("allowed is one of data.folds and data.repeats")
    return value


class Process(Settings):
    """Columns of the process that made a table, where somebody knows them."""

    mean: Column = Field(description="The column of the target without its noise.")
    stddev: Column | None = Field(
        None,
        description="The column of the noise's standard deviation; the process itself, with normal"
        " noise, then stands beside the fits as `oracle`.",
    )


class Own(Settings):
    """A table of observations. It has a header and a row an observation."""

    table: Path = Field(
        description="Path of the table, from the working directory: CSV, TSV or Parquet. Separator,"
        " decimal mark and encoding are recognised."
    )
    targets: Columns = Field(description="Names of the columns that are predicted.")
    inputs: Columns | None = Field(
        None,
        description="Names of the columns from which they are predicted. Without it every other"
        " column, but for those that `held_out.group` and `truth` name.",
    )
    levels: dict[
        Column, Annotated[_Levels, allowed("a list of different texts, numbers or truth values")]
    ] = Field(
        {},
        description="Columns of levels, with all their levels in order. Columns of texts and of"
        " truth values are columns of levels without being named here.",
    )
    transform: dict[Column, Literal[tuple(name for name in TRANSFORMS if name != "none")]] = Field(
        {},
        description="What is done to the numbers of columns before they are scaled: `log`, `log1p`"
        " or `sqrt`. Predictions and scores of a target are in its own units all the same.",
    )
    units: dict[Column, Line] = Field({}, description="Units of columns, for figures.")
    scaling: Literal["none", "standard"] = SCALING
    missing: Literal["refuse", "drop", "median", "indicator"] = Field(
        "refuse",
        description="What is done about blanks: `refuse` the table; `drop` their rows; `median`"
        " fills those of inputs with the median of the training rows, or with the most frequent"
        " level; `indicator` does the same and adds an input that says where blanks were.",
    )
    folds: Splits | None = Field(
        None,
        description="Number of parts of the rows, of which each is held out once: at random by"
        " `seed`, of classes the same share in each. Makes every entry of the fits as many fits.",
    )
    repeats: Annotated[Splits | None, BeforeValidator(_repeats)] = Field(
        None,
        description="How many times rows are held out at random: the first time by `seed`, then by"
        " seeds that derive from `seed`. Makes every entry of the fits as many fits.",
    )
    held_out: Annotated[
        HeldOut, BeforeValidator(_held_out, json_schema_input_type=Share | HeldOut)
    ] = Field(
        default_factory=_usual,
        description="Which rows no fit sees, as a mapping, or as a number, which is the share.",
    )
    sets: Sets = Field(
        {},
        description="Parts of the training rows by name, each by a condition on columns; or a"
        " number of parts in the order of the rows, `batch1` and so on, of ten or more `batch01`."
        " Without it one, `train`.",
    )
    truth: dict[Column, Process] = Field(
        {},
        description="By target what is known of the process that made the table. These columns are"
        " no inputs.",
    )
    predict: Annotated[dict[Name, Path], BeforeValidator(_new)] = Field(
        {},
        description="Paths of tables of new rows by name. Every fit predicts their targets in"
        " `results/predictions/<fit>/<name>.csv`.",
    )
    seed: Seed = Field(42, description="Seed by which rows are held out.")


def is_own(value: object) -> bool:
    """Whether data are meant as a table: by the key `table`, or one that is nearest to it."""
    keys = [*Own.model_fields, *Simulated.model_fields]
    return isinstance(value, Mapping) and any(
        isinstance(key, str) and get_close_matches(key, keys, n=1) == ["table"] for key in value
    )


def _kind(value: object) -> str:
    return "own" if isinstance(value, Own) or is_own(value) else "simulated"


Data = Annotated[
    Annotated[Simulated, Tag("simulated")] | Annotated[Own, Tag("own")],
    Discriminator(_kind),
]
