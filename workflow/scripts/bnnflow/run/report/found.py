"""What there is of a run, for its report."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from ...config import studies
from ...config.relations import is_simulated
from ...data import sets, table
from ...data.observed import MADE
from ...data.references import REFERENCES
from ...jobs import STOPS
from ...judge import scores, splits, verdicts
from ...methods.running.method import METHODS

# What the jobs are called that infer a part of a fit.
PARTS = tuple(method.part for method in METHODS.values())

# Letters of a line of a log that the page has.
LOG_LETTERS = 400


@dataclass(frozen=True)
class Picture:
    """A figure of the report.

    Attributes:
        path: of the PNG.
        caption: HTML that Snakemake has made of the figure's caption.
    """

    path: Path
    caption: str


@dataclass(frozen=True)
class Run:
    """A run's completed config, and what there is of its results.

    Attributes:
        config: as `config.checks.checked` returns it.
        results: the folder.
        pictures: the figures of the report by name.
    """

    config: dict
    results: Path
    pictures: Mapping[str, Picture]

    @cached_property
    def fits(self) -> list[str]:
        """Fits that have a picture of their own, in the order of the config."""
        return [name for name in self.config["fits"] if name in self.pictures]

    @cached_property
    def missing(self) -> list[str]:
        """Fits whose results are not there."""
        return [
            name
            for name in self.config["fits"]
            if name not in self.pictures and not self.of_fit(name, "diagnostics.csv").exists()
        ]

    @cached_property
    def regions(self) -> list[str]:
        """Names of the regions; a table has some besides the config's."""
        own = list(self.config["evaluation"].get("regions", []))
        made = {name for facts in self.facts_by_split for name in facts.get("regions", {})}
        return [*own, *(name for name in MADE if name in made)]

    @cached_property
    def splits(self) -> list[str]:
        """Names of the splits of the data."""
        return sets.splits(self.config["data"])

    def columns(self, split: str) -> Path:
        """The file of what the columns of a table are."""
        return self.results / "data" / split / "columns.json"

    @cached_property
    def facts_by_split(self) -> list[Mapping[str, object]]:
        """What is to be known of a table at the splits that have been made."""
        paths = [] if is_simulated(self.config) else map(self.columns, self.splits)
        return [table.facts_of(path) for path in paths if path.exists()]

    @property
    def facts(self) -> Mapping[str, object]:
        """What is to be known of a table; nothing of simulated data, or before it is split."""
        return next(iter(self.facts_by_split), {})

    @property
    def held_out(self) -> str:
        """Which observations are held out, in words."""
        if len(self.splits) > 1:
            count = len(self.splits)
            return f"what its own of {count} splits holds out, which the fit has not seen"
        data = self.config["data"]
        count = data["held_out"][2] if is_simulated(self.config) else self.facts["held out"]
        return f"{count:,} held-out observations that no fit has seen"

    @cached_property
    def diagnostics(self) -> dict[str, pd.DataFrame]:
        """By fit what has been found."""
        return {name: verdicts.read(self.of_fit(name, "diagnostics.csv")) for name in self.fits}

    @cached_property
    def scores(self) -> dict[str, pd.DataFrame]:
        """By fit its scores; those of references too, where all fits are compared."""
        found = {name: scores.read(self.of_fit(name, "scores.csv")) for name in self.fits}
        for name in REFERENCES if "scores" in self.pictures else ():
            if (path := self.results / "evaluations" / f"{name}.csv").exists():
                found[name] = scores.read(path)
        return found

    @property
    def references(self) -> list[str]:
        """Names of those that have scores."""
        return [name for name in REFERENCES if name in self.scores]

    @cached_property
    def groups(self) -> dict[str, pd.DataFrame]:
        """By group that has a picture the spread of its scores."""
        path = self.results / "tables" / "groups.csv"
        there = [name for name in self.config["groups"] if name in self.pictures]
        spread = studies.read(path) if there and path.exists() else None
        return {} if spread is None else {name: spread[spread["group"] == name] for name in there}

    @cached_property
    def findings(self) -> pd.DataFrame:
        """What has been found of all fits: rows of fit, diagnostic, verdict and more."""
        return verdicts.read(self.results / "tables" / "diagnostics.csv")

    @cached_property
    def differences(self) -> pd.DataFrame | None:
        """Differences of scores between fits and studies, where all are compared."""
        path = self.results / "tables" / "differences.csv"
        there = "scores" in self.pictures and path.exists()
        return splits.read(path) if there else None

    def seconds(self, name: str) -> float:
        """How long the jobs have taken that infer a fit, all together; 0 if nobody knows."""
        folder = self.results / "benchmarks"
        files = [path for part in PARTS for path in folder.glob(f"{name}_{part}/*.tsv")]
        return sum(
            float(path.read_text(encoding="utf-8").splitlines()[1].split()[0]) for path in files
        )

    def of_fit(self, name: str, file: str) -> Path:
        """A file of a fit."""
        return self.results / "fits" / name / file


def last_words(run: Run, entry: str, fit: str) -> tuple[str, Path] | None:
    """What the logs of a fit say of a crash or of a stop, and which log says it.

    Args:
        run: what there is.
        entry: of the config, whose name the rules bear.
        fit: itself, which may be one of a group.
    """
    folder = run.results / "logs"
    own = re.compile(rf"(diagnose_)?{re.escape(entry)}(_({'|'.join(PARTS)}|posterior))?")
    for path in sorted(folder.rglob("*.log")):
        rule, *within = path.relative_to(folder).with_suffix("").parts
        if fit not in within and not (entry == fit and own.fullmatch(rule)):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        said, crash, _ = text.partition("\nTraceback (most recent call last)")
        stopped = re.search(rf"^.*(\bstopped by SIG|: {STOPS}: ).*$", text, re.M)
        if crash or stopped:
            line = stopped[0] if stopped else said.splitlines()[-1]
            return line[:LOG_LETTERS], path
    return None
