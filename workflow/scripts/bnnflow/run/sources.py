"""Where the data of a config come from: files, seeds and sizes."""

from collections.abc import Iterable
from functools import cached_property
from itertools import chain
from pathlib import Path

import pandas as pd

from ..config.relations import is_simulated, knows_process
from ..config.seeds import derived
from ..data import observed, reading, roles, sets, slices
from ..data.reading import TableError
from ..data.references import BASELINES, ORACLE, at_split
from ..data.table import columns_of
from ..files.encodings import Encoding, of_names
from ..files.errors import FileError
from ..written import note, noted, state
from .names import COLUMNS, GRID, POINTS, data_file, dataset

# Of a table that nobody has seen.
ROWS_UNKNOWN, UNKNOWN = 10_000, [f"column {number}" for number in range(20)]


class Source:
    """The data of a completed config: a user's own table, or sets that the workflow simulates.

    A table may be split several times. Files of a split then bear its name, and rules that make
    them have it as a wildcard.
    """

    def __init__(self, config: dict):
        """Of a config as `config.checks.checked` returns it."""
        self.settings: dict = config["data"]
        self.regions: dict = config["evaluation"].get("regions", {})
        self.sets: list[str] = sets.names(self.settings)
        self.splits: list[str] = sets.splits(self.settings)
        self.simulated = is_simulated(config)
        self.knows_process = knows_process(config)
        self._grid: int = config["predictions"]["grid"][2] if self.simulated else slices.MOST

    @property
    def first(self) -> str:
        """The split that stands for all where one is shown."""
        return self.splits[0]

    @property
    def place(self) -> str:
        """The split in paths: a wildcard, where it is one of several."""
        return "{split}" if len(self.splits) > 1 else self.first

    # Files by role; a role that the data do not have is absent.

    @property
    def given(self) -> dict[str, str]:
        """Of the user: the table, and that of held-out rows."""
        if self.simulated:
            return {}
        held_out = self.settings["held_out"].get("table")
        return {"table": self.settings["table"]} | ({"unseen": held_out} if held_out else {})

    @property
    def new(self) -> dict[str, str]:
        """Of the user, by name: tables of new rows."""
        return {} if self.simulated else self.settings["predict"]

    def columns(self, split: str) -> dict[str, str]:
        """What the columns of a table are; those of simulated data are known."""
        return {} if self.simulated else {"columns": data_file(COLUMNS, split)}

    @property
    def columns_of_splits(self) -> dict[str, list[str]]:
        """What the columns of a table are at every split, where there are several."""
        several = len(self.splits) > 1
        return {"columns": [data_file(COLUMNS, own) for own in self.splits]} if several else {}

    def apart(self, split: str) -> dict[str, str]:
        """Held-out rows of a table, which figures of the data show."""
        return {} if self.simulated else {"held_out": dataset("held_out", split)}

    def grid(self, split: str) -> dict[str, str]:
        """Points at which fits of a table predict."""
        return {} if self.simulated else {"grid": data_file(GRID, split)}

    def held_out_points(self, split: str) -> str:
        """What is known of the held-out points."""
        return data_file(POINTS, split)

    @property
    def truth(self) -> dict[str, str]:
        """The true function of simulated data."""
        return {"truth": dataset("truth")} if self.simulated else {}

    @property
    def references(self) -> dict[str, str]:
        """Scores of what stands beside the fits: the process, where it is known, and baselines."""
        return {
            called: self.scores_of(name, split)
            for name, own in self.references_by_split.items()
            for called, split in own.items()
        }

    @property
    def rows_beside(self) -> list[str]:
        """Files of what `references` say of every held-out point, in their order."""
        by_split = self.references_by_split.items()
        return [self.rows_of(name, split) for name, own in by_split for split in own.values()]

    @property
    def references_by_split(self) -> dict[str, dict[str, str]]:
        """Of what stands beside the fits, by its name, what it is called, and at which split."""
        names = [*([ORACLE] if self.knows_process else []), *BASELINES]
        return {name: {at_split(name, split): split for split in self.splits} for name in names}

    def baselines(self, split: str) -> dict[str, str]:
        """What each says of every held-out point."""
        return {name: self.rows_of(name, split) for name in BASELINES}

    def scores_of(self, reference: str, split: str) -> str:
        """File of the scores of what stands beside the fits."""
        return f"results/evaluations/{at_split(reference, split)}.csv"

    def rows_of(self, reference: str, split: str) -> str:
        """File of what stands beside the fits says of every held-out point."""
        return f"results/evaluations/{at_split(reference, split)}.nc"

    @property
    def files(self) -> list[str]:
        """All files of the data that the workflow makes."""
        return [*self.truth.values(), *chain.from_iterable(map(self._files, self.splits))]

    def _files(self, split: str) -> list[str]:
        own = (
            *self.columns(split).values(),
            *self.grid(split).values(),
            self.held_out_points(split),
        )
        return [*(dataset(name, split) for name in (*self.sets, "held_out")), *own]

    def read_by_split(self, split: str) -> dict:
        """The settings by which a table is split; paths are inputs of the job."""
        left_out = ("table", "predict", "scaling", "repeats")
        own = {key: value for key, value in self.settings.items() if key not in left_out}
        own["seed"] = self.held_out_seed(split)
        return own | ({"fold": self.splits.index(split)} if "folds" in own else {})

    def check(self, seen: Path) -> None:
        """Look at what the user gives, before any job does.

        Whole tables are read only where there are new rows or conditions, and where tables or
        settings are not those of an earlier call that has found nothing.

        Args:
            seen: a file in which this call leaves for the next what has been looked at.

        Raises:
            TableError: if a table is not there, has not the columns and levels that the config
                names, or has new rows that no fit can take.
        """
        names = {"table": "data.table", "unseen": "data.held_out.table"}
        paths = {names[key]: path for key, path in self.given.items()}
        paths |= {f"data.predict.{name}": path for name, path in self.new.items()}
        for key, path in paths.items():
            if not Path(path).is_file():
                raise TableError(f"{key}: is {path!r}; there is no such file in {Path.cwd()}")
        if self.simulated:
            return
        names = reading.header(self.settings["table"])
        inputs, _ = roles.by_role(names, self.settings)
        for path in self.new.values():
            roles.check(inputs, reading.header(path), f"{path}: lacks")
        tables = {path: state(path) for path in paths.values()}
        facts = {"settings": self.settings, "regions": self.regions, "tables": tables}
        of_sets = isinstance(self.settings["sets"], dict) and self.settings["sets"]
        named = self.regions or of_sets or "where" in self.settings["held_out"]
        if (self.new or named) and facts != noted(seen):
            self._check_rows()
            note(facts, seen)

    def _check_rows(self) -> None:
        tables = {name: reading.read(path) for name, path in self.given.items()}
        table, unseen = tables["table"], tables.get("unseen")
        observed.check_conditions(table, self.settings, self.regions, unseen)
        if self.new:
            about = observed.as_one_set(table, self.settings, unseen)
            for path in self.new.values():
                observed.read_new(path, about.inputs)

    @property
    def units(self) -> dict[str, str]:
        """Of columns by name."""
        return self.settings.get("units", {})

    # Seeds.

    def held_out_seed(self, split: str) -> int:
        """Of the stream that held-out observations come from, or by which they are drawn."""
        seed = self.settings["seed"]
        if self.simulated:
            return derived(seed, "held_out")
        again = self.splits.index(split) if "repeats" in self.settings else 0
        return derived(seed, "repeat", again) if again else seed

    def baselines_seed(self, split: str) -> int:
        """By which baselines spread the probability of a count over its transform."""
        return derived(self.settings["seed"], at_split("baselines", split))

    def seeds(self) -> dict[str, int]:
        """Of all jobs that draw random numbers, by their names."""
        simulated = {f"data {name}": self.settings["seed"] for name in self.sets}
        drawn = {"data held_out": self.held_out_seed, "baselines": self.baselines_seed}
        own = {
            at_split(job, split): of(split) for job, of in drawn.items() for split in self.splits
        }
        return simulated | own if self.simulated else own

    # Simulated data.

    def stream_until(self, name: str) -> list:
        """Intervals of a data set and of those drawn before it, so that later ones change none."""
        before = self.settings["observations"][: self.sets.index(name) + 1]
        return [own["intervals"] for own in before]

    def intervals(self) -> dict[str, list]:
        """Of the input, in which the observations of every data set are, by its name."""
        observations = self.settings["observations"]
        return {own["name"]: [ends[:2] for ends in own["intervals"]] for own in observations}

    # Sizes; those of a table are estimates.

    def rows(self, names: Iterable[str]) -> int:
        """Observations of these data sets together."""
        if not self.simulated:
            return self._beginnings[self.settings["table"]][1]
        own = {each["name"]: each["intervals"] for each in self.settings["observations"]}
        return sum(count for name in names for *_, count in own[name])

    @property
    def points(self) -> int:
        """Points at which a fit predicts, held-out ones included."""
        if self.simulated:
            return self._grid + self.settings["held_out"][2]
        return self._grid + max(rows for _, rows in self._beginnings.values())

    @cached_property
    def about(self) -> Encoding:
        """What the columns are; those of a table by its beginning, an estimate."""
        if self.simulated:
            return columns_of(None)
        first, _ = self._beginnings[self.settings["table"]]
        try:
            return observed.as_one_set(first, self.settings)
        except TableError:
            # As many inputs as there are columns, all of them numbers.
            targets = tuple(self.settings["targets"])
            inputs = tuple(name for name in first if name not in targets)
            return of_names(inputs or tuple(UNKNOWN), targets)

    @cached_property
    def _beginnings(self) -> dict[str, tuple[pd.DataFrame, int]]:
        """By path the first rows of a table, and how many there are; both a guess without one."""
        found = {}
        for path in (*self.given.values(), *self.new.values()):
            try:
                found[path] = reading.beginning(path)
            except (TableError, FileError):
                found[path] = pd.DataFrame(columns=UNKNOWN), ROWS_UNKNOWN
        return found
