"""What figures over one input show, from the files of a run."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import xarray as xr

from ..data import table
from ..files import predictions
from ..judge import verdicts
from .frame import Frame, Panel, Tables, names_of, only_input, panel_of


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
        panels.append(panel_of(values, own["fit"], own["title"], observations, verdict=verdict))
    return frame, panels


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
    tables = {name: table.read([path], about).columns for name, path in observed.items()}
    truth = given.get("truth")
    true = table.read([truth], about).columns if truth else None
    x = only_input(predicted)
    settings = {**settings, "xlim": settings["xlim"] or (x[0], x[-1])}
    return Frame(**settings, **names, truth=true), tables
