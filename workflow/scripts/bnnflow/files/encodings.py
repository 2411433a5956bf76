"""How columns of a table become what a network sees: kept with what was fitted to them."""

import json
import math
from dataclasses import asdict, dataclass

import numpy as np
import xarray as xr

# Letters of a column's name.
LONGEST = 200


@dataclass(frozen=True)
class Scaled:
    """A column of numbers, of which the network sees (value - centre) / scale.

    Attributes:
        name: of the column.
        centre, scale: in the column's units; the scale is positive.
    """

    name: str
    centre: float
    scale: float

    def __post_init__(self):
        """Check what may come from a file.

        Raises:
            ValueError: if there is no such column.
        """
        name, numbers = self.name, (self.centre, self.scale)
        if not (isinstance(name, str) and 0 < len(name) <= LONGEST and name.isprintable()):
            raise ValueError(f"a column has the name {str(name)[:LONGEST]!r}")
        if not all(isinstance(n, float) and math.isfinite(n) for n in numbers) or self.scale <= 0:
            raise ValueError(f"{name} has the centre {self.centre} and the scale {self.scale}")


@dataclass(frozen=True)
class Encoding:
    """What is done to the columns of a table, in double precision, before a network sees them.

    Attributes:
        inputs, targets: the columns of each role, in their order.
    """

    inputs: tuple[Scaled, ...]
    targets: tuple[Scaled, ...]

    def __post_init__(self):
        """Check what may come from a file.

        Raises:
            ValueError: if a role has no column, or two columns share a name.
        """
        names = [column.name for column in (*self.inputs, *self.targets)]
        if not self.inputs or not self.targets or len(set(names)) < len(names):
            raise ValueError(f"its columns are {', '.join(names)}: none, or one twice")

    @property
    def target_loc(self) -> np.ndarray:
        """In the targets' units what is 0 to a network: (targets,)."""
        return np.array([column.centre for column in self.targets])

    @property
    def target_scale(self) -> np.ndarray:
        """In the targets' units what is 1 to a network: (targets,)."""
        return np.array([column.scale for column in self.targets])

    def as_text(self) -> str:
        """As JSON, which gives every number back to the last bit."""
        return json.dumps(asdict(self))

    def as_dataset(self) -> xr.Dataset:
        """Centre and scale over `input` and `target`, the names as attributes."""
        variables, names = {}, {}
        for role, columns in (("input", self.inputs), ("target", self.targets)):
            for part in ("centre", "scale"):
                values = np.array([getattr(column, part) for column in columns], dtype=np.double)
                variables[f"{role}_{part}"] = (role, values)
            names[f"{role}s"] = json.dumps([column.name for column in columns])
        return xr.Dataset(variables, attrs=names)


def encoded(values: np.ndarray, columns: tuple[Scaled, ...]) -> np.ndarray:
    """Columns of numbers (n, columns) as a network sees them, in double precision."""
    centre, scale = ([getattr(each, part) for each in columns] for part in ("centre", "scale"))
    return (np.asarray(values, dtype=np.double) - centre) / scale


def of_text(text: str) -> Encoding:
    """The encoding in such a text.

    Raises:
        ValueError: if the text is something else.
    """
    try:
        found = json.loads(text)
        return Encoding(
            *(tuple(Scaled(**each) for each in found[k]) for k in ("inputs", "targets"))
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"its encoding cannot be read ({error})") from error


def of_dataset(dataset: xr.Dataset) -> Encoding:
    """The encoding in such a data set.

    Raises:
        ValueError: if the data set is something else.
    """

    def columns(role: str) -> tuple[Scaled, ...]:
        names = json.loads(dataset.attrs[f"{role}s"])
        numbers = [dataset[f"{role}_{part}"].to_numpy().tolist() for part in ("centre", "scale")]
        return tuple(Scaled(*each) for each in zip(names, *numbers, strict=True))

    try:
        return Encoding(columns("input"), columns("target"))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"its encoding cannot be read ({error})") from error
