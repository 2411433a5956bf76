"""The story of a run: the front page of its report, from the completed config and its results.

The story tells of what there is. A fit without results is named with the last words of its log.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...config import defaults
from ...config.relations import entries, is_baseline, learnt_data
from ...data.references import REFERENCES
from ...files import safe
from ...judge import verdicts
from ...judge.meanings import in_order, meaning
from ...methods.running.method import METHODS
from . import differences, given, groups, numbers, opinion
from .found import Picture, Run, last_words
from .markup import (
    BREAK,
    Html,
    badge,
    code,
    folded,
    html,
    html_table,
    items,
    joined,
    link,
    picture,
    spoken,
    tag,
)

# What follows a fit's own picture, by the end of its name.
PICTURES_OF_FIT = {
    "prior": "Before anything is learnt",
    "observed": "Observed and predicted",
    "chains": "Chains",
    "loss": "Loss",
    "calibration": "Calibration",
    "beside_prior": "Beside its prior",
}

# Of all fits, by name.
PICTURES_OF_ALL = {"all_fits": "All fits side by side", "scores": "Scores"}

# Rows of a fit's parameters that the page has.
MOST_PARAMETERS = 200

# Fits that failed, and fits without results, that the page names.
MOST_FAILED, MOST_NAMES = 20, 10


class Story(NamedTuple):
    """The page in two parts, between which the template explains what the method is."""

    start: str
    rest: str


class Section(NamedTuple):
    """A part of the page with a place in its contents."""

    place: str
    title: str
    content: Html
    level: int = 1

    def html(self) -> Html:
        """The section with its heading."""
        heading = tag("h1" if self.level == 1 else "h2", self.title, id=self.place)
        return tag("section", heading, self.content)


def story(config: dict, results: Path, pictures: Mapping[str, Picture]) -> Story:
    """The front page of the report.

    Args:
        config: as `config.checks.checked` returns it.
        results: the folder of results.
        pictures: the figures of the report by name.

    Raises:
        FileError: if a table is damaged or something else.
    """
    run = Run(config, results, pictures)
    start = [*_fits(run), *_missing(run), *_diagnostics(run)]
    rest = [*_data(run), *_sections(run), *_groups(run)]
    rest += [*_differences(run), *_comparisons(run), *_settings(run)]
    return Story(tag("div", _head(run), _contents(start, rest), *_all(start)), html(_all(rest)))


def of_report(config: dict, files: Sequence) -> Story:
    """The front page, from what Snakemake hands to a report's template.

    Args:
        config: as `config.checks.checked` returns it.
        files: of the report, each with a path and a caption; at least one.
    """
    pictures = {
        file.path.stem: Picture(file.path, file.caption)
        for file in files
        if file.path.suffix == ".png"
    }
    paths = [parent for file in files for parent in file.path.parents]
    return story(config, next(path for path in paths if path.name == "results"), pictures)


def _all(sections: list[Section]) -> list[Html]:
    return [section.html() for section in sections]


def _head(run: Run) -> Html:
    judged = "Each fit is judged by how it was made, and by"
    parts = [tag("h1", "Bayesian neural networks", class_="title")]
    lead = [opinion.summary(run.diagnostics)] if run.diagnostics else []
    lead += [groups.passing(name, spread) for name, spread in run.groups.items()]
    if lead:
        told = f"{judged} {run.held_out}."
        parts.append(tag("p", tag("strong", " ".join(lead)), " ", told))
    if count := len(run.missing):
        lacks = "1 fit of the config has" if count == 1 else f"{count} fits of the config have"
        parts.append(
            tag("p", f"{lacks} no results here: ", link("missing", "what is missing"), ".")
        )
    return html(parts)


def _contents(start: list[Section], rest: list[Section]) -> Html:
    """A list of links to all sections, fits in one line."""
    theory = Section("theory", "What a Bayesian neural network is", html(""))
    entries_, under = [], []
    for section in (*start, theory, *rest):
        if section.level > 1:
            under.append(link(section.place, section.place.partition("-")[2]))
            continue
        entries_.append([link(section.place, section.title), under := []])
    told = [[title, ": ", joined(below)] if below else [title] for title, below in entries_]
    return tag("nav", items(told), class_="contents", aria_label="Contents")


def _fits(run: Run) -> Iterator[Section]:
    if not run.fits:
        return
    rows = [_row(run, name) for name in run.fits]
    for name in run.references:
        words = f"{REFERENCES[name].capitalize()}, for comparison."
        about = [tag("b", name), tag("p", words)]
        rows.append([tag("td"), tag("td", about, numbers.of_fit(run, name))])
    metrics = {metric for found in run.scores.values() for metric in found["metric"]}
    content = [html_table([], rows, class_="fits"), numbers.legend(metrics, run.references)]
    yield Section("fits", "The fits", html(content))


def _row(run: Run, name: str) -> list[Html]:
    """A fit with its picture, what to think of it, and numbers."""
    found = run.diagnostics[name]
    thumbnail = picture(run.pictures[name].path, f"Prediction of {name}", class_="thumbnail")
    lead, *why = opinion.sentences(found, run.regions)
    heading = link(f"fit-{name}", tag("b", name)), " ", badge(verdicts.worst(found["verdict"]))
    about = [
        tag("p", heading, " ", tag("span", _in_words(run, name), class_="settings")),
        tag("p", tag("strong", lead), [[BREAK, text] for text in why]),
        numbers.of_fit(run, name),
        tag(
            "p",
            link(f"diagnostics-{name}", "Its diagnostics"),
            " · ",
            link(f"fit-{name}", "Its section"),
        ),
    ]
    return [tag("td", link(f"fit-{name}", thumbnail), class_="picture"), tag("td", about)]


def _links(*places: tuple[str, str], of: str) -> list[object]:
    """Links to places on the page that belong to a fit, each with its words."""
    return [joined((link(f"{place}-{of}", words) for place, words in places), " · ")]


def _in_words(run: Run, name: str) -> str:
    """A fit's data, network and inference, and the time that they have taken."""
    fit = run.config["fits"][name]
    how = fit["inference"]
    before = [own for own in learnt_data(run.config["fits"], name) if own not in fit["data"]]
    after = f", after {' and '.join(before)}" if before else ""
    told = [
        *([] if fit["title"] == defaults.title(name) else [fit["title"]]),
        f"Data: {' and '.join(fit['data'])}{after}",
        *([] if is_baseline(fit) else _model_in_words(run, fit["model"])),
        f"{how['method'].upper()}: {METHODS.made(how).effort}",
    ]
    if seconds := run.seconds(name):
        told.append(f"Time: {seconds:.0f} s")
    return ". ".join(told) + "."


def _model_in_words(run: Run, name: str) -> list[str]:
    """A model's layers, and how it takes the targets of a table to be distributed."""
    model = run.config["models"][name]
    told = [f"Hidden layers: {', '.join(map(str, model['hidden'])) or 'none'}"]
    if run.facts:
        told.append(f"Likelihood: {given.likelihood(run, model.get('likelihood'))}")
    return told


def _missing(run: Run) -> Iterator[Section]:
    """Fits of the config of which there are no results, those that failed with their last words."""
    absent, failed, others = set(run.missing), [], []
    for entry, fits in entries(run.config).items():
        for fit in (name for name in fits if name in absent):
            if found := last_words(run, entry, fit):
                words, path = found
                failed.append([code(fit), " failed: ", words, " (", code(path), ")"])
            else:
                others.append(code(fit))
    told = [*failed[:MOST_FAILED]]
    if more := len(failed) - MOST_FAILED if len(failed) > MOST_FAILED else 0:
        told.append(f"{more} more failed")
    if others:
        shown = joined(others[:MOST_NAMES])
        rest = f" and {len(others) - MOST_NAMES} more" if len(others) > MOST_NAMES else ""
        why = "not asked for, or something before failed"
        told.append([shown, rest, f": {why}"])
    if told:
        lead = tag("p", "These fits of the config have no results here.")
        yield Section("missing", "What is missing", html([lead, items(told)]))


def _diagnostics(run: Run) -> Iterator[Section]:
    """Every diagnostic of every fit with its values by region, its limit, and what to do."""
    if not run.fits:
        return
    rows = []
    for name in run.fits:
        found = run.diagnostics[name]
        heading = [link(f"fit-{name}", name), " ", badge(verdicts.worst(found["verdict"]))]
        rows.append([tag("th", heading, colspan=5, scope="rowgroup", id=f"diagnostics-{name}")])
        inference = run.config["fits"][name]["inference"]
        rows += [numbers.finding(run, key, own, inference) for key, own in opinion.ordered(found)]
    names = {name for found in run.diagnostics.values() for name in found["diagnostic"]}
    questions = [
        [tag("dt", meaning(name).words, " ", code(name)), tag("dd", spoken(meaning(name).asks))]
        for name in sorted(names, key=in_order)
    ]
    lead = (
        "Causes stand above what follows from them. A value beyond the first limit warns. A value"
        " beyond the second limit fails."
    )
    content = [
        tag("p", lead),
        html_table(
            ["diagnostic", "values", "limits", "verdict", "what to do"], rows, class_="diagnostics"
        ),
        folded("What the diagnostics ask", tag("dl", questions)),
    ]
    yield Section("diagnostics", "All diagnostics", html(content))


def _figure(run: Run, name: str) -> Html:
    """A figure with its caption; nothing where there is none."""
    if name not in run.pictures:
        return html("")
    own = run.pictures[name]
    return tag("figure", picture(own.path, name), tag("figcaption", Html(own.caption)))


def _data(run: Run) -> Iterator[Section]:
    names = [name for name in run.config["figures"]["data"] if name in run.pictures]
    if names:
        own = given.of_table(run) if run.facts else ""
        yield Section("data", "The data", html([own, *(_figure(run, name) for name in names)]))


def _sections(run: Run) -> Iterator[Section]:
    """A section for every fit."""
    if not run.fits:
        return
    yield Section("each-fit", "Each fit", html(""))
    for name in run.fits:
        found = run.diagnostics[name]
        lead = [
            *("The fit ", code(name), " ", badge(verdicts.worst(found["verdict"])), ". "),
            *(next(opinion.sentences(found, run.regions)), " "),
            *_links(("diagnostics", "Its diagnostics"), of=name),
            *(" · ", link("fits", "All fits")),
        ]
        parts = [tag("p", lead), _figure(run, name)]
        for end, words in PICTURES_OF_FIT.items():
            if f"{name}_{end}" in run.pictures:
                figure = _figure(run, f"{name}_{end}")
                parts.append(folded(words, figure, open_=end == "beside_prior"))
        parts += [given.new_rows(run, name), _parameters(run, name)]
        yield Section(f"fit-{name}", run.config["fits"][name]["title"], html(parts), level=2)


def _parameters(run: Run, name: str) -> Html:
    """The moments of a fit's parameters, where it has some."""
    path = run.of_fit(name, "parameters.csv")
    if not path.exists():
        return html("")
    found = safe.read_table(path, "a table of parameters", ("site", "index", "mean", "stddev"))
    rows = [
        list(map(_shortened, row)) for row in found.head(MOST_PARAMETERS).itertuples(index=False)
    ]
    more = len(found) - len(rows)
    note = tag("p", f"{more} more are in ", code(path), ".") if more > 0 else ""
    return folded("Parameters in unconstrained space", html_table(found.columns, rows), note)


def _shortened(text: str) -> str:
    return f"{float(text):.4g}" if re.fullmatch(r"-?\d+\.\d{4,}(e[+-]?\d+)?", text) else text


def _groups(run: Run) -> Iterator[Section]:
    """A section for every group of fits, with the spread of their scores."""
    first = next(iter(run.groups), "")
    for name, spread in run.groups.items():
        parts = [
            groups.of_group(run, name, spread),
            ""
            if run.fits or name != first
            else numbers.legend(set(spread["metric"]), errors=False),
            _figure(run, name),
        ]
        title = run.config["groups"][name]["title"]
        yield Section(f"group-{name}", title, html(parts))


def _differences(run: Run) -> Iterator[Section]:
    if run.groups and run.differences is not None:
        title = "Differences over splits" if len(run.splits) > 1 else "Differences between studies"
        yield Section("differences", title, differences.of_run(run))


def _comparisons(run: Run) -> Iterator[Section]:
    names = [name for name in PICTURES_OF_ALL if name in run.pictures]
    if names:
        parts = [
            tag("section", tag("h2", PICTURES_OF_ALL[name]), _figure(run, name)) for name in names
        ]
        yield Section("comparisons", "All fits compared", html(parts))


def _settings(run: Run) -> Iterator[Section]:
    """The completed config, and where the rest is."""
    told = tag(
        "p",
        "The page Statistics in the menu shows when each job ran and for how long. The menu lists"
        " each figure and table under Results, with the rule, the code and the parameters that made"
        " it. The graph at the end of this page shows the rules in the order in which they run.",
    )
    config = json.dumps(run.config, indent=2, ensure_ascii=False)
    shown_ = folded("The completed config, with every default", tag("pre", config))
    yield Section("run", "The run", html([told, shown_]))
