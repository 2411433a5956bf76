"""Columns of tables as axes of figures: labels, levels and scales; which of many are shown."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os.path import commonprefix

import numpy as np

from ..files.columns import Column
from ..files.encodings import Encoding
from .canvas import Axes, Figure, fewer_ticks, logarithmic, rcParams

# Panels of a sheet, and of one of its rows; dots of a panel; names of what has no panel, at most.
PANELS, ACROSS, DOTS, NAMED = 12, 3, 2_000, 20

# Letters of a line of a label, of one that stands upright, and of a name in a sentence.
LETTERS, UPRIGHT, WORD = 32, 26, 40

# Letters of a line that is as wide as the narrowest panel; longer lines are smaller.
NARROW = 26

# Levels that have names on an axis, at most; letters of each where they are few, and where many.
WRITTEN, LEVEL, SHORT = 14, 16, 11

# Height of a letter, over the size of the font.
ASCENT = 0.76

# By transform of columns whose axes are logarithmic: what makes values places on such an axis, and
# its inverse.
LOGARITHMIC = {
    "log": (np.log, np.exp),
    "log1p": (
        lambda values: np.sign(values) * np.log1p(np.abs(values)),
        lambda places: np.sign(places) * np.expm1(np.abs(places)),
    ),
}

# What a flag says.
FLAG = ("no", "yes")

# The part of the distance between two levels over which dots of a level are spread.
STRIP = 0.6

# The fractional parts of their multiples are spread evenly, and so are pairs of them.
EVENLY = {"x": 0.7548776662466927, "y": 0.5698402909980532}

# Bins in which a mean is taken, and rows that they need together.
BINS, BINNED = 10, 50


@dataclass(frozen=True)
class Axis:
    """A column as an axis.

    Attributes:
        column: with its name and its levels.
        unit: of its values; empty where nobody has said.
    """

    column: Column
    unit: str = ""

    @property
    def name(self) -> str:
        """Of the column."""
        return self.column.name

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the values 0, 1, …; none of a column of numbers."""
        return FLAG if self.column.kind == "flag" else self.column.levels

    def label(self, letters: int = LETTERS) -> str:
        """The column's name and unit, in two lines at most of so many letters."""
        return wrapped(labelled(self.name, self.unit), letters)

    def prepare(self, axes: Axes, which: str, label: str | None = None) -> None:
        """Label, and the names of levels where there are some.

        Args:
            axes: that have the axis.
            which: "x" or "y".
            label: instead of the column's own.
        """
        words = self.label(LETTERS if which == "x" else UPRIGHT) if label is None else label
        axis = {"x": axes.xaxis, "y": axes.yaxis}[which]
        long = which == "x" and max(map(len, words.split("\n"))) > NARROW
        axis.set_label_text(words, fontsize="small" if long else "medium", parse_math=False)
        axis.set_tick_params(labelsize="small")
        if self.column.transform in LOGARITHMIC:
            logarithmic(axes, which, signed=self.column.transform != "log")
            return
        if not self.levels:
            fewer_ticks(axes, which)
            return
        write_levels(axes, which, self.levels)
        {"x": axes.set_xlim, "y": axes.set_ylim}[which](-0.6, len(self.levels) - 0.4)

    @property
    def placed(self) -> tuple[Callable, Callable]:
        """What makes values places on the axis, and its inverse."""
        return LOGARITHMIC.get(self.column.transform, (np.asarray, np.asarray))

    def ends(self, values: np.ndarray) -> tuple[float, float]:
        """Limits of axes that show values (n,), with a margin."""
        forward, back = self.placed
        low, high = forward([values.min(), values.max()])
        margin = 0.03 * ((high - low) or 1.0)
        return tuple(back(np.array([low - margin, high + margin])))

    def spread(self, values: np.ndarray, which: str = "x") -> np.ndarray:
        """Where dots of values (n,) stand on an axis: those of a level side by side in a strip."""
        if not self.levels:
            return values
        return values + STRIP * (np.arange(len(values)) * EVENLY[which] % 1 - 0.5)


def write_levels(axes: Axes, which: str, levels: Sequence[str]) -> None:
    """Names of levels at their places 0, 1, …; of many levels every second, or fewer."""
    count = len(levels)
    shown = range(0, count, -(-count // WRITTEN))
    letters = SHORT if count > 5 else LEVEL
    names = _shortened(levels, letters)
    names = [names[place] for place in shown]
    axis = {"x": axes.xaxis, "y": axes.yaxis}[which]
    axis.set_ticks(list(shown), names, parse_math=False)
    if which == "x" and sum(map(len, names)) > LETTERS:
        axes.tick_params(axis="x", rotation=90 if count > 5 else 30)
    elif which == "x":
        # On one line, whatever stands above or below the letters.
        labels = axis.get_ticklabels()
        axis.set_tick_params(pad=rcParams["xtick.major.pad"] + ASCENT * labels[0].get_size())
        for label in labels:
            label.set_verticalalignment("baseline")


def _shortened(levels: Sequence[str], letters: int) -> list[str]:
    """Names of so many letters at most, without what all begin with where that tells them apart."""
    names = [cut(level, letters) for level in levels]
    if len(set(names)) == len(names):
        return names
    shared = len(commonprefix(levels))  # noqa: RUF071 (they are no paths)
    return [cut(f"…{level[shared:]}", letters) for level in levels] if shared > 1 else names


def axes_of(about: Encoding, units: Mapping[str, str]) -> tuple[tuple[Axis, ...], tuple[Axis, ...]]:
    """The inputs and the targets of a table as axes."""
    inputs, targets = (
        tuple(Axis(column, units.get(column.name, "")) for column in role)
        for role in (about.inputs, about.targets)
    )
    return inputs, targets


def is_curve(about: Encoding) -> bool:
    """Whether the only input is one of numbers, and so are targets: predictions are curves."""
    if any(target.levels for target in about.targets):
        return False
    return len(about.inputs) == 1 and not Axis(about.inputs[0]).levels


def labelled(name: str, unit: str = "") -> str:
    """A column's name with its unit, where there is one."""
    return f"{name} ({unit})" if unit else name


def wrapped(text: str, letters: int) -> str:
    """A text in two lines of so many letters at most."""
    shorter = (textwrap.wrap(cut(text, kept), letters) for kept in range(2 * letters, 0, -1))
    return "\n".join(next(lines for lines in shorter if len(lines) <= 2))


def cut(text: str, letters: int) -> str:
    """A text of so many letters at most, without its middle: names often differ at their ends."""
    tail = letters // 3
    return text if len(text) <= letters else f"{text[: letters - tail - 1]}…{text[-tail:]}"


def left_out(names: Sequence[str]) -> str:
    """A sentence of the inputs that have no panel; empty where all have one."""
    if not names:
        return ""
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    told = [cut(name, WORD) for name in names[:NAMED]]
    return f"Not shown: {', '.join([*told, *more])}"


def of_all(shown: int, count: int) -> str:
    """How many rows there are, or are shown of how many: 60 rows, 2,000 of 40,000 rows."""
    return f"{count:,} rows" if shown == count else f"{shown:,} of {count:,} rows"


def thinned(count: int, most: int = DOTS) -> np.ndarray:
    """Places of an even choice of so many rows, or of all."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int)


def bins(axis: Axis, values: np.ndarray) -> np.ndarray:
    """Of values (n,) of a column the place of the level, or of one of ten bins of equally many."""
    if axis.levels:
        return values.astype(int)
    # Equal values stay together.
    edges = np.unique(np.quantile(values, np.arange(1, BINS) / BINS))
    return np.searchsorted(edges, values, side="right")


def means(axis: Axis, values: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over the bins of a column.

    Args:
        axis: the column.
        values: of the column (n,).
        of: what the means are taken of, (n,).

    Returns:
        The mean of the values, and of the others, in every bin that has some.
    """
    place = bins(axis, values)
    counts = np.bincount(place)
    some = counts > 0
    return tuple(np.bincount(place, each)[some] / counts[some] for each in (values, of))


def association(axis: Axis, values: np.ndarray, of: np.ndarray) -> float:
    """The share of a variance that lies between the bins of a column: from 0 to 1.

    Args:
        axis: the column.
        values: of the column (n,).
        of: a target (n,).
    """
    _, centres = means(axis, values, of)
    counts = np.bincount(bins(axis, values))
    between = (counts[counts > 0] * (centres - of.mean()) ** 2).sum() / len(of)
    whole = of.var()
    return float(between / whole) if whole else 0.0


def sheet(rows: Sequence[int], high: float = 0.66) -> tuple[Figure, list]:
    """A figure of blocks of panels, one below the other, and of each block the grid of its cells.

    Args:
        rows: of every block, numbers of panels.
        high: of a row, as a share of the height of a figure by itself.
    """
    width, height = rcParams["figure.figsize"]
    across = 2 if max(rows) in (2, 4) else min(ACROSS, max(rows))
    lines = [-(-count // across) for count in rows]
    figure = Figure(figsize=(1.25 * width, high * height * sum(lines) + 1.4))
    grid = figure.add_gridspec(sum(lines), across)
    cells, begin = [], 0
    for count, own in zip(rows, lines, strict=True):
        places = [divmod(place, across) for place in range(count)]
        cells.append([grid[begin + row, column] for row, column in places])
        begin += own
    return figure, cells
