"""From what a mixture is of to the targets' units."""

import math

from torch import Tensor

from ..files.columns import Column

# What moves with the target, and what only grows with it; a log density shrinks, all else stays.
PLACES = {"mean", "quantiles", "function", "function_quantiles", "probe_quantiles"}
SIZES = {"stddev", "function_stddev", "crps"}


def of_mixture(column: Column) -> Column:
    """How the numbers of a mixture are those of a target: scaled, or as they are.

    A mixture of a target that is transformed is in the target's units.
    """
    return column if column.transform == "none" else Column(column.name)


def in_units(name: str, values: Tensor, column: Column) -> Tensor:
    """Values of a quantity in the units of a target, in double precision where it is scaled.

    Args:
        name: of the quantity.
        values: as they are of the target's mixture.
        column: how the target was encoded.
    """
    column = of_mixture(column)
    if (column.centre, column.scale) == (0.0, 1.0):
        return values
    if name in PLACES:
        return values.double() * column.scale + column.centre
    if name in SIZES:
        return values.double() * column.scale
    return values.double() - math.log(column.scale) if name == "log_density" else values
