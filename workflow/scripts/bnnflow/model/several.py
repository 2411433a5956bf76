"""Which likelihood targets have: one of all of them, or for every target one of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..jobs import ToldError
from .components import Components
from .likelihood import LIKELIHOODS, Kind, Likelihood, Targets

if TYPE_CHECKING:
    from torch import Tensor

    from ..files.columns import Column

# Counts vary more than Poisson's in nearly all tables, where Poisson's would be sure of too much;
# where they do not, the negative binomial becomes Poisson's.
_DEFAULTS: dict[Kind, str] = {
    "real": "normal",
    "binary": "bernoulli",
    "classes": "categorical",
    "count": "negative_binomial",
}

# What a column of whole numbers may be taken for, first what it is without being asked.
_MEANT = {"whole": ("real", "count"), "count": ("count", "real")}

# What stands before the names of the sites of a target; the target's own name may have letters that
# no site has.
_PLACE = "target"


@dataclass(frozen=True)
class Several:
    """A likelihood of its own for every target, independent of the others given the network.

    It does what a `Likelihood` does. The sites of a target have its place before their names:
    `target1.sigma`.

    Attributes:
        each: by target.
    """

    each: tuple[Likelihood, ...]

    def outputs(self, targets: Targets) -> int:
        """Those of all targets, one after another."""
        return sum(self._widths(targets))

    def shapes(self, targets: Targets) -> dict[str, tuple[int, ...]]:
        """Of the sites of all targets."""
        return {
            f"{prefix}{name}": shape
            for prefix, own, level in self._parts(targets)
            for name, shape in own.shapes((level,)).items()
        }

    def sample(self, outputs: Tensor, targets: Targets, y: Tensor | None = None) -> None:
        """Sample the sites and the response of one target after another: `target1.obs`."""
        from .prefixed import Prefixed

        of_each = outputs.split(self._widths(targets), -2)
        seen = [None] * len(targets) if y is None else y.unbind(-1)
        parts = zip(self._parts(targets), of_each, seen, strict=True)
        for (prefix, own, level), part, values in parts:
            with Prefixed(prefix):
                own.sample(part, (level,), values)

    def components(
        self, outputs: Tensor, targets: Targets, values: Mapping[str, Tensor]
    ) -> tuple[tuple[Tensor, ...], ...]:
        """Of every target what its own likelihood has."""
        of_each = outputs.split(self._widths(targets), -2)
        found = []
        for (prefix, own, level), part in zip(self._parts(targets), of_each, strict=True):
            sites = {name: values[f"{prefix}{name}"] for name in own.shapes((level,))}
            found += own.components(part, (level,), sites)
        return tuple(found)

    def kinds(self, targets: Targets) -> tuple[type[Components], ...]:
        """The class of the distributions of every target."""
        return tuple(kind for _, own, level in self._parts(targets) for kind in own.kinds((level,)))

    def scalable(self, targets: Targets) -> tuple[bool, ...]:
        """Of every target whether it may be scaled."""
        return tuple(
            each for _, own, level in self._parts(targets) for each in own.scalable((level,))
        )

    def correlation(self, values: Mapping[str, Tensor]) -> None:
        """None: likelihoods of their own are independent."""

    def _parts(self, targets: Targets) -> list[tuple[str, Likelihood, int]]:
        """Of every target what stands before the names of its sites, its likelihood, its levels."""
        prefixes = (f"{_PLACE}{place}." for place in range(1, len(targets) + 1))
        return list(zip(prefixes, self.each, targets, strict=True))

    def _widths(self, targets: Targets) -> list[int]:
        return [own.outputs((level,)) for _, own, level in self._parts(targets)]


def site_of(name: str) -> tuple[int | None, str]:
    """The place of the target, from 0, that a site is of alone, and the site's name without it."""
    found = re.fullmatch(rf"{_PLACE}(\d+)\.(.+)", name)
    return (int(found[1]) - 1, found[2]) if found else (None, name)


def is_one(given: Mapping) -> bool:
    """Whether settings are of one likelihood of all targets, and not by target."""
    return isinstance(given.get("family"), str)


def given_of(given: Mapping | None, target: str) -> Mapping | None:
    """What settings say of the likelihood of a target; nothing where its kind decides."""
    given = given or {}
    return given if is_one(given) else given.get(target) or None


def possible(given: Mapping | None, targets: Sequence[str]) -> list[Mapping]:
    """Settings that name every family that targets of these names may have."""
    own = [given_of(given, name) for name in targets]
    return own if all(own) else LIKELIHOODS.named()


def without_others(given: Mapping, targets: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Keys of likelihoods whose residuals have none that they could be correlated with, and why.

    Args:
        given: settings of one likelihood, or such settings by target.
        targets: names of all targets.
    """
    every = [given_of(given, name) for name in targets]
    for name, own in zip(targets, every, strict=True):
        if not own or not own.get("correlated"):
            continue
        key = "correlated" if is_one(given) else f"{name}.correlated"
        unlike = [other for other, theirs in zip(targets, every, strict=True) if theirs != own]
        if len(targets) == 1:
            yield key, f"is true, but {name} is the only target; leave correlated out"
        elif unlike:
            yield (
                key,
                f"is true, but {unlike[0]} has other settings; residuals are correlated between all"
                f" targets or none: give every target ({', '.join(targets)}) the same settings, or"
                " leave correlated out",
            )
        else:
            continue
        return


def of_settings(settings: Mapping | Sequence[Mapping]) -> Likelihood | Several:
    """The likelihood of such settings as `chosen` gives."""
    if isinstance(settings, Mapping):
        return LIKELIHOODS.made(settings)
    return Several(tuple(map(LIKELIHOODS.made, settings)))


def chosen(given: Mapping | None, targets: Sequence[Column]) -> dict | tuple[dict, ...]:
    """Settings of the likelihood of targets: one of all of them, or where they differ, one each.

    Args:
        given: settings of one likelihood, or such settings by target; a target without any has
            the default of its kind.
        targets: the columns.

    Raises:
        ToldError: if a likelihood does not suit a target.
    """
    found = _each(given, targets)
    for likelihood, target in zip(found, targets, strict=True):
        if not _suits(likelihood.family, target):
            suiting = [name for name in LIKELIHOODS if _suits(name, target)]
            raise ToldError(
                f"the likelihood {likelihood.family} is of {' and '.join(likelihood.suits)}"
                f" targets, but {target.name} is {target.kind}, for which there are"
                f" {', '.join(suiting)}"
            )
    return _joined(found)


def in_words(found: Mapping | Sequence[Mapping], targets: Sequence[Column]) -> list[str]:
    """How each target is distributed: normal of log(price), categorical of colour.

    Args:
        found: settings of the likelihood as `chosen` has them.
        targets: the columns.
    """
    each = [found] * len(targets) if isinstance(found, Mapping) else found
    names = [t.name if t.transform == "none" else f"{t.transform}({t.name})" for t in targets]
    families = (own["family"].replace("_", " ") for own in each)
    return [f"{family} of {name}" for family, name in zip(families, names, strict=True)]


def unchecked(given: Mapping | None, targets: Sequence[Column]) -> dict | tuple[dict, ...]:
    """As `chosen`, whether or not a likelihood suits its target."""
    return _joined(_each(given, targets))


def _each(given: Mapping | None, targets: Sequence[Column]) -> list[Likelihood]:
    return [
        LIKELIHOODS.made(given_of(given, target.name) or _default(target)) for target in targets
    ]


def _joined(found: Sequence[Likelihood]) -> dict | tuple[dict, ...]:
    first, *others = settings = tuple(own.model_dump(warnings=False) for own in found)
    return settings if any(other != first for other in others) else first


def _default(target: Column) -> dict[str, str]:
    return {"family": _DEFAULTS[_kinds(target)[0]]}


def _kinds(target: Column) -> tuple[Kind, ...]:
    return _MEANT.get(target.kind, (target.kind,))


def _suits(family: str, target: Column) -> bool:
    return bool(set(_kinds(target)) & set(LIKELIHOODS[family].suits))
