"""A user's own table: what its columns are, which rows no fit sees, and what is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
import yaml

from ..files.columns import Column
from ..files.encodings import Encoding
from . import conditions, distances, kinds, points, reading, roles, sets, slices, splits
from .conditions import Condition
from .reading import SENTENCE, TableError
from .table import PrecisionError, Table

# The least rows of training, and of those that are held out.
LEAST = 10, splits.LEAST

# Regions that every table has besides its own.
NEAR, FAR, ALL = MADE = "near", "far", "all"

# Columns that can be no inputs: told with why not, and by their names.
REASONS, SHOWN = 3, 20

# Places of conditions in the config.
WHERE, REGION = "data.held_out.where", "evaluation.regions.{}"

# The least rows of a region that a table has of itself.
SCORED = 5

# What a column of the process that made the table says of a target.
PROCESS = ("mean", "stddev")


@dataclass(frozen=True)
class Divided:
    """What becomes of a table.

    Attributes:
        sets: rows of training by name.
        held_out: rows that no fit sees.
        points: the same, as `points.held_out` has them.
        grid: points at which every fit predicts, as `slices.along` has them.
        facts: what a reader should know of the table: numbers of rows, and how they were split.
    """

    sets: Mapping[str, Table]
    held_out: Table
    points: xr.Dataset
    grid: xr.Dataset
    facts: Mapping[str, object]


def divided(
    given: pd.DataFrame,
    settings: Mapping,
    regions: Mapping[str, Condition],
    unseen: pd.DataFrame | None = None,
    several: bool = False,
) -> Divided:
    """Split a table, and say what its columns are.

    Args:
        given: as `reading.read` has it.
        settings: of the data, complete but for `inputs`. Of one of several folds `fold` is its
            place besides.
        regions: conditions by name.
        unseen: the table of the rows that no fit sees, where there is such a table.
        several: whether this split is one of several, so that a region without held-out rows may
            have some in another one, and is left out.

    Raises:
        TableError: with what is wrong, and what to do.
    """
    inputs, targets = roles.by_role(list(given), settings)
    whole = _together(given, unseen, inputs + targets, settings)
    apart = np.arange(len(whole)) >= len(given)
    kept = _kept(whole, inputs, targets, settings["missing"])
    rows, apart = whole[kept].reset_index(drop=True), apart[kept]
    _check_copies(rows, inputs)
    if unseen is None:
        apart = _apart(rows, targets, settings)
    _check_counts(rows[~apart], rows[apart])
    _check_copies(rows[~apart], [*targets, *inputs], len(targets))
    about = _about(rows, ~apart, inputs, targets, settings)
    numbers = kinds.as_numbers(rows, (*about.inputs, *about.targets))
    members = sets.members(rows, settings)
    parts = {
        name: Table(numbers[mask & ~apart].reset_index(drop=True), about)
        for name, mask in members.items()
    }
    for name, own in parts.items():
        if not len(own):
            raise TableError(f"data.sets.{name}: has no training row")
    training, held_out = (
        Table(numbers[mask].reset_index(drop=True), about) for mask in (~apart, apart)
    )
    try:
        distance = distances.relative(held_out, training)
    except PrecisionError as error:
        raise TableError(str(error)) from error
    inside = _regions(rows, apart, distance, regions, several)
    found = points.held_out(
        held_out.columns,
        [column.name for column in about.inputs],
        targets,
        inside,
        {name: mask[apart] for name, mask in members.items()},
    ).assign(_process(rows[apart], targets, settings["truth"]))
    # In all splits the same rows, so that fits differ by what they have learnt alone.
    others = Table(numbers, about) if several else held_out
    grid = slices.along(training, others)
    facts = {
        "rows": len(whole),
        "left out": int((~kept).sum()),
        "training": {name: len(own) for name, own in parts.items()},
        "held out": int(apart.sum()),
        "regions": {name: int(mask.sum()) for name, mask in inside.items()},
    }
    return Divided(parts, held_out, found, grid, facts)


def copies(found: Divided) -> int:
    """The number of held-out rows that are the same as a training row in every column."""
    seen, unseen = (
        [pd.util.hash_pandas_object(own.columns, index=False) for own in tables]
        for tables in (found.sets.values(), [found.held_out])
    )
    return int(unseen[0].isin(pd.concat(seen)).sum())


def as_one_set(
    given: pd.DataFrame, settings: Mapping, unseen: pd.DataFrame | None = None
) -> Encoding:
    """What the columns of a table are, as if all rows were of training.

    Args:
        given, settings, unseen: as for `divided`.

    Raises:
        TableError: as `divided`.
    """
    inputs, targets = roles.by_role(list(given), settings)
    rows = _rows(given, unseen, inputs, targets, settings)
    return _about(rows, np.ones(len(rows), dtype=bool), inputs, targets, settings)


def check_conditions(
    given: pd.DataFrame,
    settings: Mapping,
    regions: Mapping[str, Condition],
    unseen: pd.DataFrame | None = None,
) -> None:
    """That every condition names columns and levels of the table.

    Args:
        given, settings, regions, unseen: as for `divided`.

    Raises:
        TableError: as `divided`.
    """
    rows = _rows(given, unseen, *roles.by_role(list(given), settings), settings)
    conditions.holds(settings["held_out"].get("where", {}), rows, WHERE)
    sets.members(rows, settings)
    for name, condition in regions.items():
        conditions.holds(condition, rows, REGION.format(name))


def read_new(path: str | Path, inputs: Sequence[Column]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A table of rows whose targets nobody knows, as it is, and its inputs as numbers.

    Raises:
        FileError, TableError: as `reading.read`; or if fits cannot take a row, with that row.
    """
    rows = reading.read(path)
    try:
        return rows, kinds.as_numbers(rows, inputs)
    except TableError as error:
        raise TableError(f"{path}: {error}") from error


def _rows(
    given: pd.DataFrame,
    unseen: pd.DataFrame | None,
    inputs: list[str],
    targets: list[str],
    settings: Mapping,
) -> pd.DataFrame:
    """The rows of both tables that stay, levels as declared."""
    whole = _together(given, unseen, inputs + targets, settings)
    return whole[_kept(whole, inputs, targets, settings["missing"])]


def _together(
    given: pd.DataFrame, unseen: pd.DataFrame | None, names: list[str], settings: Mapping
) -> pd.DataFrame:
    """The rows of both tables, levels as declared."""
    whole = kinds.as_declared(_joined(given, unseen, names, settings), settings["levels"])
    for name in names:
        if name not in settings["levels"] and not kinds.is_numeric(whole[name]):
            kinds.check_texts(whole[name])
    return whole


def _joined(
    given: pd.DataFrame, unseen: pd.DataFrame | None, names: list[str], settings: Mapping
) -> pd.DataFrame:
    """The rows of both tables."""
    if unseen is None:
        return given
    path = settings["held_out"]["table"]
    roles.check(names, list(unseen), f"{path}: lacks")
    for name in names:
        one, other = (kinds.is_numeric(own[name].dropna()) for own in (given, unseen))
        blank = given[name].isna().all() or unseen[name].isna().all()
        if one != other and not blank and name not in settings["levels"]:
            raise TableError(
                f"{path}: the column {name} is of {'texts' if one else 'numbers'}, but of"
                f" {'numbers' if one else 'texts'} in data.table; list its levels under data.levels"
                " if it has some"
            )
    return pd.concat([given, unseen], ignore_index=True)


def _kept(table: pd.DataFrame, inputs: list[str], targets: list[str], missing: str) -> np.ndarray:
    """Rows that stay; blanks are left out, filled, or refused, but for those of empty inputs."""
    used = [name for name in inputs if table[name].notna().any()]
    blank = table[[*used, *targets]].isna()
    if missing == "drop":
        return ~blank.any(axis=1).to_numpy()
    refused = blank if missing == "refuse" else blank[targets]
    counts = refused.sum()
    if counts.any():
        told = ", ".join(f"{name} {count}" for name, count in counts[counts > 0].items())
        raise TableError(
            f"the table has blanks: {told}. `missing: drop` under data leaves their rows out;"
            " `median` and `indicator` fill those of inputs"
        )
    return np.ones(len(table), dtype=bool)


def _check_copies(rows: pd.DataFrame, names: Sequence[str], targets: int = 0) -> None:
    """That no input is the same as another column.

    Args:
        rows: of the table.
        names: of columns, targets first.
        targets: number of them.
    """
    found = {}
    for place, name in enumerate(names):
        values = rows[name]
        key = int(pd.util.hash_pandas_object(values, index=False).sum() % 2**63)
        for other in found.setdefault(key, []) if place >= targets else []:
            if values.equals(rows[other]) and values.notna().any():
                what = "the target" if other in names[:targets] else "the column"
                same = f"the column {name} is the same as {what} {other}"
                raise TableError(_without({name: same}, names[targets:]))
        found.setdefault(key, []).append(name)


def _without(useless: Mapping[str, str], inputs: Sequence[str]) -> str:
    """Why columns can be no inputs, and what to write, if that is not too long."""
    told = "; ".join([*useless.values()][:REASONS])
    if others := [*useless][REASONS:]:
        told += f"; nor can {', '.join(others[:SHOWN])} be inputs"
    left = [name for name in inputs if name not in useless]
    if not left:
        return f"{told}; no input is left"
    names = yaml.safe_dump(left, default_flow_style=True, allow_unicode=True, width=SENTENCE)
    told += f"; leave {'it' if len(useless) == 1 else 'them'} out under data, by"
    whole = f"{told} inputs: {names.strip()}"
    return whole if len(whole) < SENTENCE else f"{told} naming the inputs"


def _apart(rows: pd.DataFrame, targets: list[str], settings: Mapping) -> np.ndarray:
    """Which rows no fit sees."""
    how, random = settings["held_out"], np.random.default_rng(settings["seed"])
    if "folds" in settings:
        return _folds(rows, targets, settings["folds"], how, random) == settings["fold"]
    if "where" in how:
        return conditions.holds(how["where"], rows, WHERE)
    share = how["share"]
    if "group" in how:
        return splits.of_groups(rows[how["group"]], share, random)
    for kind in ("gap", "tail"):
        if kind in how:
            roles.check([how[kind]], list(rows), f"data.held_out.{kind}: names")
            return getattr(splits, kind)(rows[how[kind]], share)
    return splits.at_random(len(rows), share, random, _strata(rows[targets[0]]))


def _folds(
    rows: pd.DataFrame,
    targets: list[str],
    number: int,
    how: Mapping,
    random: np.random.Generator,
) -> np.ndarray:
    """The fold of every row."""
    if "group" in how:
        return splits.folds_of_groups(rows[how["group"]], number, random)
    return splits.folds(len(rows), number, random, _strata(rows[targets[0]]))


def _strata(target: pd.Series) -> pd.Series | None:
    """A target, where its values are classes."""
    named = not kinds.is_numeric(target) or target.isin((0, 1)).all()
    return target if named and target.nunique() <= len(target) / 2 else None


def _check_counts(training: pd.DataFrame, held_out: pd.DataFrame) -> None:
    for own, least, what in zip((training, held_out), LEAST, ("training", "held-out"), strict=True):
        if len(own) < least:
            raise TableError(f"the table leaves {len(own)} {what} rows; needed are {least} or more")


def _about(
    rows: pd.DataFrame,
    training: np.ndarray,
    inputs: list[str],
    targets: list[str],
    settings: Mapping,
) -> Encoding:
    declared, missing, transform = (settings[key] for key in ("levels", "missing", "transform"))
    own, useless = [], {}
    for name in inputs:
        how = declared, missing, transform.get(name, "none")
        try:
            own.append(kinds.input_column(rows[name], training, *how))
        except kinds.UselessError as error:
            useless[name] = str(error)
    if useless:
        raise TableError(_without(useless, inputs))
    own += [*kinds.flags(own, rows, missing)]
    of_targets = [
        kinds.target_column(rows[name], training, declared, transform.get(name, "none"))
        for name in targets
    ]
    return Encoding(tuple(own), tuple(of_targets))


def _regions(
    rows: pd.DataFrame,
    apart: np.ndarray,
    distance: np.ndarray,
    regions: Mapping[str, Condition],
    several: bool,
) -> dict[str, np.ndarray]:
    """Held-out rows (n,) of every region that has some."""
    own = {}
    for name, condition in regions.items():
        inside = conditions.holds(condition, rows, REGION.format(name))
        if inside[apart].any():
            own[name] = inside[apart]
        elif not (several and inside.any()):
            raise TableError(
                f"{REGION.format(name)}: has no held-out row; leave the region out, or hold out"
                " other rows"
            )
    made = {NEAR: distance <= 1, FAR: distance > 1}
    if all(mask.sum() >= SCORED for mask in made.values()):
        own |= made
    return own | {ALL: np.ones(len(distance), dtype=bool)}


def _process(
    rows: pd.DataFrame, targets: list[str], truth: Mapping[str, Mapping[str, str]]
) -> dict[str, tuple]:
    """What is known of the process that made the held-out rows, where it is of all targets."""
    names = dict(zip(PROCESS, ("truth", "noise"), strict=True))
    found = {}
    for part, name in names.items():
        if all(part in truth.get(target, {}) for target in targets):
            columns = [truth[target][part] for target in targets]
            known = all(kinds.is_numeric(rows[column]) for column in columns)
            if not known or not np.isfinite(rows[columns].to_numpy(dtype=float)).all():
                raise TableError(
                    f"data.truth: names {', '.join(columns)}, which must have a number in every"
                    " held-out row"
                )
            values = rows[columns].to_numpy(dtype=float).T
            found[name] = (points.HELD_OUT["targets"], values)
    return found
