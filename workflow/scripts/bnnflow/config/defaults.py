"""Defaults that follow from other settings: fits from their names, places on x from the data."""

from itertools import pairwise

from ..model.likelihood import LIKELIHOODS
from ..model.settings import Model
from .relations import is_simulated, observation_names, reached
from .settings import DEFAULT_MODEL, Fit

# Points of the held-out observations and of the predictions' grid, and how far both reach beyond
# the observations, as a share of their range.
POINTS, BEYOND = 1000, 0.25

# How far f leaves the diagonal, and some room.
HEIGHT = 1.0


def title(name: str) -> str:
    """A fit's name in words."""
    return name.replace("_", " ").strip().capitalize()


def whole_fit(given: dict, sets: list[str]) -> dict:
    """A fit with all its settings, from those that are given.

    Args:
        given: checked, with its title.
        sets: names of all data sets.
    """
    return {"data": list(sets)} | Fit.model_validate(given).model_dump(
        exclude_none=True, warnings=False
    )


def completed(config: dict) -> dict:
    """A config with all its settings.

    Args:
        config: checked, its fits complete.
    """
    models = dict(config["models"])
    if any(own["model"] == DEFAULT_MODEL for own in config["fits"].values()):
        models.setdefault(DEFAULT_MODEL, Model().model_dump(exclude_none=True, warnings=False))
    config |= {"models": models}
    return config | (_simulated(config) if is_simulated(config) else _own(config))


def _own(config: dict) -> dict:
    """The places on the axes and the regions are in the table, which is read by a job."""
    figures = {"data": {"data": observation_names(config)}} | config["figures"]
    return {"figures": figures}


def _simulated(config: dict) -> dict:
    data, names = dict(config["data"]), observation_names(config)
    seen = _merged([interval for set in data["observations"] for interval in set["intervals"]])
    low, high = seen[0][0], max(end for _, end in seen)
    margin = BEYOND * (high - low) or 1.0
    data.setdefault("held_out", [low - margin, high + margin, POINTS])
    data.setdefault("truth", list(data["held_out"]))
    first, last, points = data["held_out"]
    predictions = {"grid": [first, last, max(points, POINTS)]} | config["predictions"]
    regions = config["evaluation"].get("regions") or {
        name: intervals
        for name, intervals in _regions(seen, first, last).items()
        if name == "all"
        or (reached(intervals, data["held_out"]) and reached(intervals, predictions["grid"]))
    }
    xlim = config["figures"].get("xlim", predictions["grid"][:2])
    figures = {
        "xlim": xlim,
        "ylim": [xlim[0] - HEIGHT, xlim[1] + HEIGHT],
        "data": {"data": names},
    } | config["figures"]
    normal = {"likelihood": LIKELIHOODS.made({}).model_dump(exclude_none=True, warnings=False)}
    return {
        "data": data,
        "models": {name: normal | model for name, model in config["models"].items()},
        "predictions": predictions,
        "evaluation": {"regions": regions},
        "figures": figures,
    }


def _merged(intervals: list[list]) -> list[list]:
    """Where the intervals lie, those that touch as one."""
    merged = []
    for low, high, *_ in sorted(intervals):
        if merged and low <= merged[-1][1]:
            merged[-1][1] = max(high, merged[-1][1])
        else:
            merged.append([low, high])
    return merged


def _regions(seen: list[list], first: float, last: float) -> dict[str, list[list]]:
    gap = [[low, high] for (_, low), (high, _) in pairwise(seen)]
    beyond = [[first, seen[0][0]], [seen[-1][1], last]]
    beyond = [[low, high] for low, high in beyond if low < high]
    return {"data": seen, "gap": gap, "extrapolation": beyond, "all": [[first, last]]}
