"""What settings are made of: a strict class, and types with their limits.

The classes themselves lie beside what they set; bnnflow/config puts them together.
"""

import re
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

# Of a number's text.
LETTERS = 100


class Settings(BaseModel):
    """A mapping of the config: its keys and no others, each of its type and no other."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    # Keys that it had once, and what to write in their place.
    renamed: ClassVar[dict[str, str]] = {}


def fault(what: str) -> PydanticCustomError:
    """An error of a validator, told as it stands after the key: `allowed is …`."""
    return PydanticCustomError("fault", "{what}", {"what": what})


def number_only(value: float | None, needed: bool, where: str) -> float | None:
    """The value of a setting that is a number where it is needed, and none elsewhere.

    Args:
        value: of the setting.
        needed: whether it is.
        where: the words for that, such as "with adjusted: true".

    Raises:
        PydanticCustomError: if it is the other way round.
    """
    if (value is not None) != needed:
        raise fault(f"allowed {where} is {'a number' if needed else 'none'}")
    return value


def allowed(what: str) -> WrapValidator:
    """Tells in one sentence what is allowed, whatever the fault."""

    def validated(value, validator):
        try:
            return validator(value)
        except ValidationError:
            raise PydanticCustomError("allowed", "{what}", {"what": what}) from None

    return WrapValidator(validated)


def _read(value: object) -> object:
    """A number or a truth value, where YAML reads one: `--config data={noise: 1}` passes texts."""
    if not isinstance(value, str) or len(value) > LETTERS:
        return value
    try:
        read = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError):
        return value
    return read if isinstance(read, int | float) else value


def _as_given(value, validator):
    """An integer stays one where any number is allowed."""
    value = _read(value)
    validator(value)
    return value


def _distinct(values: list) -> list:
    if any(value in values[:i] for i, value in enumerate(values)):
        raise PydanticCustomError("twice", "no entry may stand twice")
    return values


def _entries(number: int) -> Callable[[object], tuple]:
    def validated(value: object) -> tuple:
        if not isinstance(value, list):
            raise PydanticCustomError("list_type", "a list")
        if len(value) != number:
            raise fault(f"allowed are exactly {number} entries")
        return tuple(value)

    return validated


def _row(number: int) -> tuple:
    """What makes a list of so many entries, each of its own type, from an annotated tuple."""
    return Strict(False), BeforeValidator(_entries(number)), PlainSerializer(list)


Truth = Annotated[
    bool,
    BeforeValidator(_read),
    allowed("true or false (in a file; on the command line, --config strict=True)"),
]


def integer(least: int, most: int) -> object:
    """The type of an integer between two, both included."""
    return Annotated[int, Field(ge=least, le=most), BeforeValidator(_read)]


def number(**limits: float) -> object:
    """The type of a number within limits of `Field`: ge, gt, le, lt."""
    return Annotated[float, Field(**limits), WrapValidator(_as_given)]


Seed = integer(0, 2**32 - 1)
Count = integer(1, 10_000_000)
# In place of the number of chains: as many as are needed.
AUTO = "auto"


def _not_auto(value: object) -> object:
    if value == AUTO:
        raise fault(f"allowed is an integer from 1 to 1000; {AUTO} is for chains of method: mclmc")
    return value


# Chains and the like, of which each may be a job.
Few = Annotated[integer(1, 1000), BeforeValidator(_not_auto)]
FewOrAuto = Annotated[Few | Literal[AUTO], allowed(f"an integer from 1 to 1000, or {AUTO}")]
# What is told of the search for an optimum, whatever begins there.
TO_AN_OPTIMUM = "Steps of Adam up the log posterior to an optimum, with a rate that ends at zero."
WIDTH_OF_STARTS = (
    "Standard deviation of the weights from which Adam starts, over one over the root of their"
    " layer's inputs. Wider starts find more different optima; networks that see inputs in other"
    " units than their standard deviations need starts as much wider."
)
# Of a data set.
POINTS = 1_000_000
Points = integer(1, POINTS)

# Of the numbers that a config gives.
LARGEST = 1_000_000_000
Number = number(ge=-LARGEST, le=LARGEST)
Positive = number(gt=0, le=LARGEST)
Share = number(gt=0, lt=1)

# Snakemake takes a name whose end repeats itself 20 times for one that grows without end.
Name = Annotated[
    str,
    StringConstraints(
        max_length=64, pattern=re.compile(r"^(?!.*?(.{1,3})\1{19}$)[a-z][a-z0-9_]*$(?!\n)")
    ),
    allowed(
        "a name of lower-case letters, digits and underscores that starts with a letter, of at most"
        " 64 characters, the last of which do not repeat themselves 20 times"
    ),
]
Line = Annotated[
    str,
    StringConstraints(max_length=200, pattern=re.compile(r"^\S([^\r\n]*\S)?$(?![\r\n])")),
    allowed("one line of text, of at most 200 letters"),
]
Text = Annotated[str, StringConstraints(min_length=1)]

Pair = Annotated[tuple[Number, Number], *_row(2)]
Interval = Annotated[tuple[Number, Number, Points], *_row(3)]
Distinct = AfterValidator(_distinct)


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def one_or_more(kind: object, what: str) -> object:
    """The type of a list of texts, in whose place one text may stand.

    Args:
        kind: the type of each.
        what: each of them is, for the error.
    """
    text = TypeAdapter(kind).json_schema()
    return Annotated[
        list[kind],
        Field(min_length=1),
        Distinct,
        BeforeValidator(_listed),
        allowed(f"the name of {what}, or a list of such names"),
        WithJsonSchema({"anyOf": [text, {"type": "array", "items": text, "minItems": 1}]}),
    ]
