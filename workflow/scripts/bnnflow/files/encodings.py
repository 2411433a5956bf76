"""How columns of a table become what a network sees: kept with what was fitted to them."""

import json
from dataclasses import asdict, dataclass

import numpy as np
import xarray as xr

from .columns import Column

# Of a column, what a data set keeps as numbers.
NUMBERS = ("centre", "scale")


@dataclass(frozen=True)
class Encoding:
    """What is done to the columns of a table, in double precision, before a network sees them.

    Attributes:
        inputs, targets: the columns of each role, in their order.
    """

    inputs: tuple[Column, ...]
    targets: tuple[Column, ...]

    def __post_init__(self):
        """Check what may come from a file.

        Raises:
            ValueError: if a role has no column, or two columns share a name.
        """
        names = [column.name for column in (*self.inputs, *self.targets)]
        if not self.inputs or not self.targets or len(set(names)) < len(names):
            raise ValueError(f"its columns are {', '.join(names)}: none, or one twice")

    @property
    def width(self) -> int:
        """How many inputs a network has."""
        return sum(column.width for column in self.inputs)

    @property
    def levels(self) -> tuple[int, ...]:
        """Of every target the number of its levels; 0 where the target is a number."""
        return tuple(len(column.levels) for column in self.targets)

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
        roles = {"inputs": self.inputs, "targets": self.targets}
        return json.dumps({role: [_whole(c) for c in columns] for role, columns in roles.items()})

    def as_dataset(self) -> xr.Dataset:
        """Centre and scale over `input` and `target`, the names as attributes.

        What is more to be known of a column than its scale is an attribute too.
        """
        variables, names = {}, {}
        for role, columns in (("input", self.inputs), ("target", self.targets)):
            for part in NUMBERS:
                values = np.array([getattr(column, part) for column in columns], dtype=np.double)
                variables[f"{role}_{part}"] = (role, values)
            names[f"{role}s"] = json.dumps([column.name for column in columns])
            if not all(column.is_plain for column in columns):
                names[f"{role}_columns"] = json.dumps([_more(column) for column in columns])
        return xr.Dataset(variables, attrs=names)


def of_names(inputs: tuple[str, ...], targets: tuple[str, ...]) -> Encoding:
    """Of columns of numbers, which are left as they are."""
    return Encoding(tuple(map(Column, inputs)), tuple(map(Column, targets)))


def of_text(text: str) -> Encoding:
    """The encoding in such a text.

    Raises:
        ValueError: if the text is something else.
    """
    try:
        found = json.loads(text)
        return Encoding(*(tuple(map(_column, found[role])) for role in ("inputs", "targets")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"its encoding cannot be read ({error})") from error


def of_dataset(dataset: xr.Dataset) -> Encoding:
    """The encoding in such a data set.

    Raises:
        ValueError: if the data set is something else.
    """

    def columns(role: str) -> tuple[Column, ...]:
        names = json.loads(dataset.attrs[f"{role}s"])
        more = json.loads(dataset.attrs.get(f"{role}_columns", json.dumps([{}] * len(names))))
        numbers = [dataset[f"{role}_{part}"].to_numpy().tolist() for part in NUMBERS]
        return tuple(
            _column({**about, "name": name, "centre": centre, "scale": scale})
            for name, about, centre, scale in zip(names, more, *numbers, strict=True)
        )

    try:
        return Encoding(columns("input"), columns("target"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"its encoding cannot be read ({error})") from error


def _more(column: Column) -> dict:
    """What is to be known of a column besides its name and its scale."""
    usual = asdict(Column(column.name))
    return {
        key: value
        for key, value in asdict(column).items()
        if key not in ("name", *NUMBERS) and value != usual[key]
    }


def _whole(column: Column) -> dict:
    return {key: getattr(column, key) for key in ("name", *NUMBERS)} | _more(column)


def _column(given: dict) -> Column:
    return Column(**{**given, "levels": tuple(given.get("levels", ()))})
