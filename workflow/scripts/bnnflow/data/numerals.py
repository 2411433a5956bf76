"""Texts that are numbers, and texts that may be."""

import re
from collections.abc import Collection

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.I | re.ASCII)

# The same with marks of thousands or with a decimal comma.
MARKED = re.compile(
    r"[+-]?(([0-9]{1,3}([.,'’\s][0-9]{3})+|[0-9]+)([.,][0-9]*)?|[.,][0-9]+)(e[+-]?[0-9]+)?", re.I
)

# One whose marks may be of thousands.
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}([.,]\d{3})+", re.ASCII)


def is_number(text: str) -> bool:
    """Whether a text is one finite number with a point."""
    return NUMBER.fullmatch(text) is not None


def is_marked(text: str) -> bool:
    """Whether a text is a number, also with marks of thousands or with a decimal comma."""
    return MARKED.fullmatch(text) is not None


def may_be_thousands(values: Collection[str], decimal: str) -> bool:
    """Whether marks in values of a column may be of thousands, as in 1,234 beside 950.

    Args:
        values: different ones, without blanks.
        decimal: the decimal mark of the table.
    """
    marked = [value for value in values if "." in value or "," in value]
    if not marked or not all(map(THOUSANDS.fullmatch, marked)):
        return False
    return len(marked) < len(values) or not any(decimal in value for value in marked)
