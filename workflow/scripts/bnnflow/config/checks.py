"""The config: checked as a whole before any job starts, and completed."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from ..data import sets
from . import agreement, defaults, grids, notes, plain, reading, sizes, studies
from .faults import ConfigError, faults_of
from .relations import entries, observation_names
from .settings import Config, Fit

HELP = "config/README.md explains every key"
# Of a config's faults so many are told at once.
MOST_FAULTS = 20


def checked(
    config: dict, reserved: frozenset[str] = frozenset(), paths: Iterable[str | Path] = ()
) -> dict:
    """Return the config that the workflow runs, or raise.

    It is `config` with every setting, but those that nothing stands for, such as a fit's seed; with
    all fits that its entries stand for, their data as lists; with the `groups` of fits that come
    from one entry; and with `splits`, by fit the split of the table, where there are several.

    Args:
        config: the mapping read from the config files.
        reserved: names of the workflow's own rules, which no fit can take.
        paths: of the files that it was read from, in which no key may stand twice.

    Raises:
        ConfigError: with one line for every fault: the key, its value, what is allowed.
    """
    _raise(islice(plain.faults(config), MOST_FAULTS))
    _raise(_null_fits(config))
    config = plain.without_nulls(config)
    twice = [fault for path in paths for fault in reading.twice(path)]
    _raise([*faults_of(Config, config), *twice])
    given = {
        name: {"title": defaults.title(name)} | entry for name, entry in config["fits"].items()
    }
    config = Config.model_validate(config).model_dump(exclude_none=True, warnings=False)
    splits = sets.splits(config["data"])
    _raise([*grids.faults(given, len(splits)), *notes.faults(given)])
    fits, groups = studies.expanded(given)
    _raise(fault for name, fit in fits.items() for fault in faults_of(Fit, fit, ("fits", name)))
    observed = observation_names(config)
    config |= {"fits": {name: defaults.whole_fit(fit, observed) for name, fit in fits.items()}}
    once = defaults.completed(config) | {"groups": groups, "splits": {}}
    every = once
    if splits != [sets.ONLY]:
        every = once | studies.at_splits(once["fits"], groups, splits)
    # What is wrong with a fit is told once, and not at every split.
    _raise([*agreement.faults(once), *agreement.clashes(every, reserved)])
    _raise(sizes.faults(once))
    return every


def spelled_out(given: dict, valid: dict) -> dict:
    """A config that says all that it stands for, and means the same when it is given.

    Args:
        given: the config.
        valid: what `checked` has made of it.
    """
    fits = {
        name: given["fits"][name] if name in valid["groups"] else valid["fits"][name]
        for name in entries(valid)
    }
    return {key: valid[key] for key in valid if key not in ("groups", "splits")} | {"fits": fits}


def _null_fits(config: dict) -> list[str]:
    """What to write instead, where all fits are null."""
    fits = config.get("fits")
    if not isinstance(fits, dict) or plain.without_nulls(fits):
        return []
    return [
        f"fits.{name}: is null, which leaves no fit; for a fit by defaults write {name}: {{}}"
        for name in fits
    ]


def _raise(faults: Iterable[str]) -> None:
    """Raise the faults, where there are any."""
    if faults := list(faults):
        more = len(faults) - MOST_FAULTS
        shown = [*faults[:MOST_FAULTS], *([f"and {more} more"] if more > 0 else [])]
        lines = "".join(f"\n  {fault}" for fault in shown)
        raise ConfigError(f"the config cannot be run:{lines}\n{HELP}")
