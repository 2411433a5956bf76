"""Which columns of a table are inputs, and which are targets."""

from collections.abc import Mapping, Sequence

from .kinds import suggestion
from .reading import TableError


def by_role(names: list[str], settings: Mapping) -> tuple[list[str], list[str]]:
    """Names of inputs and targets.

    Without settings every column is an input that is no target, tells no groups apart and says
    nothing of the process that made the table.

    Args:
        names: of the table's columns.
        settings: of the data.

    Raises:
        TableError: if the settings name a column that the table lacks, or leave no input.
    """
    targets = list(settings["targets"])
    process = [column for own in settings["truth"].values() for column in own.values()]
    groups = [settings["held_out"]["group"]] if "group" in settings["held_out"] else []
    others = [*targets, *process, *groups]
    places = {"targets": targets, "inputs": settings.get("inputs", []), "held_out.group": groups}
    places |= {key: settings[key] for key in ("levels", "transform", "units")}
    places["truth"] = [*settings["truth"], *process]
    for key, columns in places.items():
        check(columns, names, f"data.{key}: names")
    inputs = list(settings.get("inputs") or [name for name in names if name not in others])
    if both := [name for name in inputs if name in targets]:
        raise TableError(f"data.inputs: the target {', '.join(both)} cannot be an input too")
    if not inputs:
        raise TableError("data: leaves no column that could be an input")
    return inputs, targets


def check(wanted: Sequence[str], names: list[str], what: str) -> None:
    """That a table has columns.

    Args:
        wanted: their names.
        names: of the columns that there are.
        what: begins the error.

    Raises:
        TableError: with the first that there is not, and what may be meant.
    """
    for name in wanted:
        if name not in names:
            raise TableError(f"{what} the column {name}{suggestion(name, names)}")
