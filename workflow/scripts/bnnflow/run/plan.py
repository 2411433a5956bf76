"""What a completed config makes the workflow do: which jobs, of which files, with which seeds."""

import re
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from ..config.agreement import FIGURES_OF_FIT
from ..config.relations import (
    carries_function,
    entries,
    figure_names,
    is_baseline,
    learns_scales,
    learnt_data,
    leaves,
    lineage,
    relatives,
    target_names,
)
from ..config.seeds import derived
from ..data import sets
from ..methods.estimators.gaussian_process import NOISE_FAMILY
from ..methods.running.method import METHODS, Method
from ..model.likelihood import LIKELIHOODS
from ..model.prior import PRIORS
from ..model.several import possible
from ..model.size import Size, of_model
from . import resources, rounds
from .fitting import FILES, MEMORY
from .names import dataset, shortened, with_sorted_keys
from .sources import Source

# Settings of inference, where a fit has them, that combining parts and diagnosing need.
COMBINING = ("method", "learning_rate", "combine", "weights")
JUDGING = ("energy_variance", "max_tree_depth", "steps", "target_accept")


class PlanError(LookupError):
    """Something that is not in the plan was asked for."""


class Plan:
    """Jobs, files, seeds and settings of every fit of a completed config.

    An entry of the config is a fit or a group of fits; the rules of a group serve all its fits,
    which are a wildcard there.
    """

    def __init__(self, config: dict):
        """Of a config as `config.checks.checked` returns it."""
        self.config = config
        self.fits: dict[str, dict] = config["fits"]
        self.groups: dict[str, dict] = config["groups"]
        self.entries: dict[str, list[str]] = entries(config)
        self.relatives: dict[str, dict[str, str]] = relatives(config)
        self.source = Source(config)
        self.observations: list[str] = self.source.sets
        self.single = [name for name in self.fits if name in self.entries]

    # Fits and entries.

    def fit(self, name: str) -> dict:
        """A fit's settings.

        Raises:
            PlanError: if there is none; a name may only look like one of a group's.
        """
        if name in self.fits:
            return self.fits[name]
        group = name.partition("-")[0]
        if group not in self.groups:
            raise PlanError(f"there is no fit {name!r}; {self.known()}")
        members = shortened(self.entries[group])
        raise PlanError(f"there is no fit {name!r}; its group has {members}")

    def known(self) -> str:
        """The entries of the config, in words."""
        return f"this config has {shortened(self.entries)}"

    def method(self, entry: str) -> type[Method]:
        """The method of an entry, which is that of all its fits."""
        return self._method(self.entries[entry][0])

    # Paths and wildcards.

    def place(self, entry: str) -> str:
        """The fit of an entry in paths: a wildcard, where it is one of many."""
        return "{fit}" if entry in self.groups else entry

    def record(self, kind: str, rule: str, *within: str) -> str:
        """Path of a log or a benchmark of a job, with what tells it from others of its rule."""
        end = {"logs": "log", "benchmarks": "tsv"}[kind]
        return f"{Path('results', kind, rule, *within)}.{end}"

    def record_of(self, kind: str, rule: str, entry: str, *within: str) -> str:
        """The same of an entry: one for each fit of a group, and each of its parts."""
        member = ["{fit}"] if entry in self.groups else []
        return self.record(kind, rule, *member, *within)

    def record_by_split(self, kind: str, rule: str) -> str:
        """The same of a rule whose jobs are one for each split of the table."""
        return self.record(kind, rule, *filter(None, (self.source.place,)))

    def posterior_rule(self, entry: str) -> str:
        """The rule that makes the posterior; of a group the entry's name asks for all of them."""
        return f"{entry}_posterior" if entry in self.groups else entry

    def fits_of(self, entries: Iterable[str]) -> str:
        """A wildcard constraint for the fits of entries, of a group by the form of their names."""
        others = "".join(f"(?<!_{figure})" for figure in FIGURES_OF_FIT)
        names = (re.escape(name) + rf"-[\w.-]+{others}" * (name in self.groups) for name in entries)
        return "|".join(names) or "(?!)"

    # Data.

    def data_of(self, fits: Iterable[str]) -> list[str]:
        """Names of the sets from which fits and their priors have learnt, the oldest first."""
        names = chain.from_iterable(learnt_data(self.fits, name) for name in fits)
        return list(dict.fromkeys(names))

    def split(self, fit: str) -> str:
        """The split of the table that a fit is of."""
        self.fit(fit)
        return self.config["splits"].get(fit, sets.ONLY)

    def of_split(self, fits: Iterable[str], split: str) -> list[str]:
        """Those of the fits that are of a split."""
        return [fit for fit in fits if self.split(fit) == split]

    def observed(self, fit: str) -> list[str]:
        """Files of the data that a fit learns from."""
        return [dataset(name, self.split(fit)) for name in self.fit(fit)["data"]]

    def learnt(self, fits: Iterable[str]) -> list[str]:
        """Files of the data that fits of one split and their priors have learnt from."""
        fits = list(fits)
        return [dataset(name, self.split(fits[0])) for name in self.data_of(fits)]

    def shown(self, figure: str) -> list[str]:
        """Files of the data in a figure of data, which shows the first split."""
        names = self.config["figures"]["data"][figure]
        return [dataset(name, self.source.first) for name in names]

    # Fits.

    def parts(self, fit: str) -> list[str]:
        """Files of the parts that make a fit's posterior."""
        folder = f"results/fits/{fit}/{self._method(fit).part}s"
        return [f"{folder}/{together[0]}.nc" for together in self._jobs(fit)]

    def rounds(self, fit: str) -> list[list[range]]:
        """Numbers of the parts that a job makes, for each job of each round."""
        return self._method(fit).rounds(self.fit(fit)["inference"])

    def left(self, entry: str) -> dict[str, str]:
        """Files that the fits of an entry leave, by role: the posterior, and its method's own."""
        files = {"posterior": "posterior.nc", **self._own_files(self.entries[entry][0])}
        return {role: f"results/fits/{self.place(entry)}/{name}" for role, name in files.items()}

    def network(self, fit: str) -> dict:
        """What builds a fit's network; a prior that is another fit's posterior comes as a file."""
        own = self.fit(fit)
        model = self.config["models"][own["model"]]
        # A memory stands beside the prior with which its first fit began.
        first = self.fits[lineage(self.fits, fit)[0]] if carries_function(own) else own
        return {"model": with_sorted_keys(model), "prior": with_sorted_keys(first["prior"])}

    def fitted(self, fit: str) -> dict:
        """The settings by which a posterior is known: what the fit learns from, model, prior."""
        own = self.fit(fit)
        prior = with_sorted_keys(own["prior"])
        return {"data": own["data"], **self.network(fit), "prior": prior}

    def likelihood(self, fit: str) -> dict | None:
        """The settings of a fit's likelihood, if it has some: of all targets or by target."""
        return self.network(fit)["model"].get("likelihood")

    def leaves(self, fit: str) -> list[str]:
        """What a fit's method leaves besides the posterior."""
        return sorted(leaves(self.fit(fit)))

    def response_modules(self, fit: str) -> list[Path]:
        """Modules of the package that a fit's predictions load by their names."""
        given = {"family": NOISE_FAMILY} if is_baseline(self.fit(fit)) else self.likelihood(fit)
        named = possible(given, target_names(self.config))
        return list(dict.fromkeys(map(LIKELIHOODS.file, named)))

    def fit_modules(self, fit: str) -> list[Path]:
        """Modules of the package that a fit's parts load by their names."""
        return [*self.model_modules(fit), *self.method_modules(fit)]

    def model_modules(self, fit: str) -> list[Path]:
        """Modules of the package that a fit's model loads by their names."""
        prior = self.network(fit)["prior"]
        prior = [] if "posterior_of" in prior else [PRIORS.file(prior)]
        return [*self.response_modules(fit), *prior]

    def method_modules(self, fit: str) -> list[Path]:
        """Modules of the package that combining a fit's parts loads by their names."""
        return [METHODS.file(self.fit(fit)["inference"])]

    def settings(self, fit: str) -> dict:
        """The settings of inference that decide what a part computes, but the seed."""
        inference, part = self.fit(fit)["inference"], self._method(fit).part
        left_out = {"seed", "device", f"{part}s", f"{part}s_per_job", f"most_{part}s"}
        return with_sorted_keys(
            {key: value for key, value in inference.items() if key not in left_out}
        )

    def combined_by(self, fit: str) -> dict:
        """The settings of inference that combining the parts needs."""
        return self._chosen(fit, COMBINING)

    def judged_by(self, fit: str) -> dict:
        """The settings of inference that diagnostics need."""
        return self._chosen(fit, JUDGING)

    def device(self, fit: str) -> str:
        """On which a fit is evaluated."""
        return self.fit(fit)["inference"]["device"]

    # Seeds.

    def seeds_of(self, fit: str, first: int) -> list[int]:
        """Seeds of the parts that are made together with this one."""
        together = next((group for group in self._jobs(fit) if group[0] == first), None)
        if together is None:
            raise PlanError(f"no job of {fit} begins with {self._method(fit).part} {first}")
        return [self._seed(fit, part) for part in together]

    def simulation_seed(self, fit: str) -> int:
        """Of the data that are simulated from a fit, to see what chance does to its scores."""
        self.fit(fit)
        return derived(self.config["seed"], fit, "simulated")

    def prior_seed(self, fit: str) -> int:
        """Of the stream that draws from a fit's prior come from."""
        self.fit(fit)
        return derived(self.config["seed"], fit, "prior")

    def seeds(self) -> dict[str, int]:
        """Of all jobs that draw random numbers, by their names."""
        found = self.source.seeds()
        for fit in self.fits:
            for part in chain(*self._jobs(fit)):
                found[f"{fit} {self._method(fit).part} {part}"] = self._seed(fit, part)
        return found

    # Prediction and judgement.

    def relatives_of(self, fit: str) -> dict[str, str]:
        """Fits beside which a fit is judged, by role."""
        self.fit(fit)
        return self.relatives[fit]

    def beside(self, fit: str) -> dict[str, str]:
        """What a fit is judged by besides its own evaluation: those of others by role, what has
        been found of those that serve as a yardstick, and its loss."""
        others = self.relatives_of(fit)
        files = {role: f"results/evaluations/{other}.nc" for role, other in others.items()}
        files |= {
            f"{role}_diagnostics": f"results/fits/{other}/diagnostics.csv"
            for role, other in others.items()
            if role != "source"
        }
        loss = self._own_files(fit).get("loss")
        return files | ({"loss": f"results/fits/{fit}/{loss}"} if loss else {})

    # Figures.

    def title(self, fit: str) -> str:
        """What a fit is called where there is room."""
        return self.fit(fit)["title"]

    def frame(self) -> dict:
        """What all figures of data and of predictions share."""
        limits = {key: self.config["figures"].get(key) for key in ("xlim", "ylim")}
        return limits | {"sets": self.observations, "units": self.source.units}

    def panels(self, fits: Iterable[str]) -> list[dict]:
        """Names, titles and data of the pictures of fits: the data that each has learnt from."""
        return [
            {"fit": fit, "title": self.title(fit), "observations": self.data_of([fit])}
            for fit in fits
        ]

    # What there is in the end.

    def datasets(self) -> list[str]:
        """Files of all data."""
        return self.source.files

    def parameters(self) -> list[str]:
        """Files of the parameters of all fits that have some."""
        return [
            f"results/fits/{fit}/{own[role]}"
            for fit in self.fits
            for role in ("tensors", "table")
            if role in (own := self._own_files(fit))
        ]

    def figures(self) -> list[str]:
        """Files of all figures."""
        names = figure_names(self.config)
        return [f"results/figures/{name}.{end}" for name in names for end in ("png", "svg")]

    def tables(self) -> list[str]:
        """Files of the tables over all fits."""
        names = ("metrics", "diagnostics", "verdicts", *self.compared())
        return [f"results/tables/{name}.csv" for name in names]

    def compared(self) -> list[str]:
        """Names of the tables that compare fits: their differences, and the spread of groups."""
        return [*(["groups"] if self.groups else []), "differences"]

    def rows(self) -> dict[str, list[str]]:
        """What fits and references say of every held-out row, where there is one split."""
        files = [f"results/evaluations/{fit}.nc" for fit in self.fits]
        return {} if self.config["splits"] else {"rows": [*files, *self.source.rows_beside]}

    def results(self) -> list[str]:
        """All that a run makes, but logs, benchmarks, the manifest and the report."""
        files = self.datasets()
        for fit in self.fits:
            own = self._own_files(fit).values()
            names = ("posterior.nc", *own, "scores.csv", "diagnostics.csv")
            files += [*self.parts(fit), *(f"results/fits/{fit}/{name}" for name in names)]
            files += rounds.answers(fit, self.rounds(fit))
            remembers = carries_function(self.fits[fit])
            files += [f"results/fits/{fit}/{MEMORY}"] if remembers else []
            files += [f"results/evaluations/{fit}.nc", f"results/predictions/{fit}.nc"]
            files += [f"results/predictions/{fit}/{name}.csv" for name in self.source.new]
        files += self.source.rows_beside
        return [*files, *self.source.references.values(), *self.tables(), *self.figures()]

    def devices(self) -> list[str]:
        """On which fits are evaluated."""
        return sorted({fit["inference"]["device"] for fit in self.fits.values()})

    # Resources.

    def size(self, fit: str) -> Size:
        """Of a fit's model; that of a table is an estimate."""
        about, scaled = self.source.about, learns_scales(self.fits, fit)
        return of_model(self.network(fit)["model"], scaled, about.width, about.targets)

    def fit_needs(self, fit: str) -> dict[str, int]:
        """Memory, time and, where an entry has fits on one, GPUs of a job that makes a part."""
        own = self.fit(fit)
        inference = own["inference"]
        rows = self.source.rows(own["data"])
        needs = resources.fit_needs(self.size(fit), rows, inference, self.config["engine"])
        return needs | {"gpu": int(inference["device"] == "cuda")}

    def fits_on_gpu(self, entry: str) -> bool:
        """Whether a fit of the entry runs on a GPU."""
        return any(self.device(fit) == "cuda" for fit in self.entries[entry])

    def prediction_needs(self, fit: str) -> dict[str, int]:
        """Memory and time of a fit's predictions."""
        kept = METHODS.made(self.fit(fit)["inference"]).kept
        return resources.prediction_needs(self.size(fit), kept, self.source.points)

    # What the rest is made of.

    def _method(self, fit: str) -> type[Method]:
        return METHODS[self.fit(fit)["inference"]["method"]]

    def _jobs(self, fit: str) -> list[range]:
        return [*chain(*self.rounds(fit))]

    def _own_files(self, fit: str) -> dict[str, str]:
        """Names of the files beside the posterior, by role."""
        own = leaves(self.fit(fit))
        return {role: name for left in FILES if left in own for role, name in FILES[left].items()}

    def _chosen(self, fit: str, keys: Iterable[str]) -> dict:
        inference = self.fit(fit)["inference"]
        return {key: inference[key] for key in keys if key in inference}

    def _seed(self, fit: str, part: int) -> int:
        """Seed of a part; one that the config gives holds for the first."""
        own = self.fit(fit)
        given = own["inference"].get("seed")
        name = () if self._method(fit).first_is_fits and not part else (part,)
        if given is None:
            return derived(self.config["seed"], fit, *name)
        return derived(given, fit, part) if part else given
