"""What figures show, from the files of a run."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import xarray as xr

from ..data import table
from ..files import predictions
from ..files.encodings import Encoding
from ..judge import verdicts
from .frame import Frame, Panel, Tables, names_of, not_negative, only_input, panel_of
from .observed import Judged, outcomes, parted
from .sheets import Heading


def read_panels(
    about: Sequence[Mapping],
    given: Mapping,
    sets: Iterable[str],
    settings: Mapping,
) -> tuple[Frame, list[Panel]]:
    """Panels of fits, and the frame of all.

    Args:
        about: of every fit: `fit`, its name; `title`; and `observations`, names of the data sets
            that it has learnt from.
        given: files by role: `predictions` and `diagnostics` of the fits, `observations` of the
            data sets, and `truth`, where the true function is known, and
            `columns`, what the columns are; those of simulated data are known.
        sets: names of the data sets.
        settings: attributes of the frame that are settings.
    """
    found = list(map(predictions.read, given["predictions"]))
    observed = dict(zip(sets, given["observations"], strict=True))
    frame, tables = read_frame(found[0], observed, given, settings)
    panels = []
    for own, values, path in zip(about, found, given["diagnostics"], strict=True):
        observations = {name: tables[name] for name in own["observations"]}
        verdict = verdicts.stamp(verdicts.read(path))
        named = own["fit"], own["title"], observations
        panels.append(
            panel_of(values, *named, quantiles=bool(given.get("columns")), verdict=verdict)
        )
    return frame, panels


def read_judged(
    about: Sequence[Mapping], given: Mapping, roles: Sequence[str] | None = None
) -> list[Judged]:
    """Fits with what they predict for held-out rows.

    Args:
        about: of every fit: `fit`, its name, and `title`.
        given: files by role: `evaluations` and `diagnostics` of the fits.
        roles: of every fit beside the others, in words, where they have some.
    """
    found = []
    files = zip(given["evaluations"], given["diagnostics"], strict=True)
    for own, (path, judged), role in zip(about, files, roles or [""] * len(about), strict=True):
        evaluation = predictions.read_evaluation(path)
        stamp = verdicts.stamp(verdicts.read(judged))
        heading = Heading(own["fit"], own["title"], stamp, role)
        found.append(Judged(heading, outcomes(evaluation), parted(evaluation)))
    return found


def read_tables(files: Mapping[str, str | Path], about: Encoding) -> Tables:
    """Data sets by name."""
    return {name: table.read([path], about).columns for name, path in files.items()}


def read_frame(
    predicted: xr.Dataset,
    observed: Mapping[str, str | Path],
    given: Mapping,
    settings: Mapping,
) -> tuple[Frame, Tables]:
    """The frame of predictions, and data sets by name.

    Args:
        predicted: predictions of a fit.
        observed: files of the data sets by name.
        given: files by role, `truth` and `columns`, as `read_panels` has them.
        settings: attributes of the frame that are settings.
    """
    names = names_of(predicted)
    about = table.columns_of(given.get("columns"))
    tables = read_tables(observed, about)
    truth = given.get("truth")
    true = table.read([truth], about).columns if truth else None
    x = only_input(predicted)
    settings = {**settings, "xlim": settings["xlim"] or (x[0], x[-1])}
    least = not_negative(about)
    return Frame(**settings, **names, truth=true, not_negative=least), tables
