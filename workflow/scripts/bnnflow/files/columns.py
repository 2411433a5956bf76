"""A column of a table: what its values are, and how a network sees them."""

import math
from dataclasses import dataclass, replace

import numpy as np

# Letters of a column's name, and of a level's.
LONGEST = 200

# Measurements; whole numbers from 0; the same, and small; two levels; levels; whether another
# column was blank.
NUMBERS = ("real", "whole", "count")
KINDS = (*NUMBERS, "binary", "classes", "flag")

# What is done to numbers before they are scaled: the function and its inverse.
TRANSFORMS = {
    "none": (lambda values: values, lambda values: values),
    "log": (np.log, np.exp),
    "log1p": (np.log1p, np.expm1),
    # A negative root, which no value has, is taken for one of a negative number.
    "sqrt": (np.sqrt, lambda roots: roots * np.abs(roots)),
}
# Of the former.
DERIVATIVES = {
    "none": np.ones_like,
    "log": lambda values: 1 / values,
    "log1p": lambda values: 1 / (1 + values),
    "sqrt": lambda values: 0.5 / np.sqrt(values),
}


@dataclass(frozen=True)
class Column:
    """A column, as numbers: those of a column of levels are the levels' places.

    A network sees (g(value) - centre) / scale, where g is the transform.

    Attributes:
        name: in the table.
        centre, scale: of the transformed values; the scale is positive.
        kind: one of KINDS.
        levels: the names of the values, where they are levels.
        transform: one of TRANSFORMS.
        fill: what stands for a blank: a number, or the place of a level; none where blanks are
            refused.
        of: the column whose blanks a flag marks.
    """

    name: str
    centre: float = 0.0
    scale: float = 1.0
    kind: str = "real"
    levels: tuple[str, ...] = ()
    transform: str = "none"
    fill: float | None = None
    of: str = ""

    def __post_init__(self):
        """Check what may come from a file.

        Raises:
            ValueError: if there is no such column.
        """
        for name in (self.name, *self.levels, *([self.of] if self.of else [])):
            if not (isinstance(name, str) and len(name) <= LONGEST and name.isprintable()):
                raise ValueError(f"a column or a level has the name {str(name)[:LONGEST]!r}")
        numbers = (self.centre, self.scale, *([] if self.fill is None else [self.fill]))
        if not all(isinstance(n, float) and math.isfinite(n) for n in numbers) or self.scale <= 0:
            raise ValueError(
                f"{self.name} has the centre {self.centre} and the scale {self.scale}"
                f"{'' if self.fill is None else f' and the fill {self.fill}'}"
            )
        named = self.kind in ("binary", "classes")
        known = self.kind in KINDS and self.transform in TRANSFORMS
        if (
            not self.name
            or not known
            or named != (len(self.levels) > 1)
            or len(set(self.levels)) < len(self.levels)
            or (self.kind == "binary" and len(self.levels) != 2)
        ):
            raise ValueError(f"{self.name} is of the kind {self.kind}, levels {len(self.levels)}")

    @property
    def is_plain(self) -> bool:
        """Whether the column is numbers, of which nothing but their scale is to be known."""
        return self == Column(self.name, self.centre, self.scale)

    @property
    def width(self) -> int:
        """How many inputs of a network the column is: one a level where there are three or more."""
        return len(self.levels) if len(self.levels) > 2 else 1

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """Values (n,) as numbers that a network sees, in double precision."""
        forward, _ = TRANSFORMS[self.transform]
        with np.errstate(divide="ignore", invalid="ignore"):
            return (forward(np.asarray(values, dtype=np.double)) - self.centre) / self.scale

    def as_they_are(self) -> "Column":
        """The same without a scale."""
        return replace(self, centre=0.0, scale=1.0)


def transformed(values: np.ndarray, columns: tuple[Column, ...]) -> np.ndarray:
    """Columns of numbers (n, columns), each transformed and scaled, in double precision."""
    parts = zip(columns, np.asarray(values, dtype=np.double).T, strict=True)
    return np.stack([column.scaled(own) for column, own in parts], axis=1)


def encoded(values: np.ndarray, columns: tuple[Column, ...]) -> np.ndarray:
    """Columns of numbers (n, columns) as a network's inputs (n, widths), in double precision."""
    return widened(transformed(values, columns), columns)


def widened(values: np.ndarray, columns: tuple[Column, ...]) -> np.ndarray:
    """Scaled columns (n, columns) with three levels or more as one number a level (n, widths).

    The number is 1 for the level that is there, and 0 for the others.
    """
    parts = [
        own[:, None] if column.width == 1 else own[:, None] == np.arange(column.width)
        for column, own in zip(columns, values.T, strict=True)
    ]
    return np.concatenate(parts, axis=1, dtype=values.dtype)
