"""What captions of figures say that is neither in the config nor in the results."""

import re
from collections.abc import Iterable, Mapping

from ..config.relations import carries_function, is_baseline, lineage, prior_source, target_names
from ..methods.running.method import METHODS
from ..model.likelihood import LIKELIHOODS
from ..model.prior import PRIORS, learnt_account, remembered_account
from ..model.several import given_of, is_one
from .plan import Plan


def of_fit(plan: Plan, name: str) -> dict[str, str | int | bool | dict[str, str]]:
    """The distribution of the response in TeX, by target where targets have their own; in
    reStructuredText what the prior is, and what the method did; whether residuals are correlated;
    how many draws the fit keeps, and whether their weights are learnt by stacking.
    """
    fit = plan.fit(name)
    source, method = prior_source(fit), METHODS.made(fit["inference"])
    first = PRIORS.made(plan.fit(lineage(plan.fits, name)[0])["prior"])
    prior = first.account()
    if carries_function(fit):
        prior = remembered_account(source, prior)
    elif source:
        prior = learnt_account(source, first.scaling == "learnt")
    return {
        "formulas": _formulas(plan.likelihood(name) or {}, target_names(plan.config)),
        "prior": prior,
        "account": method.account(),
        "is_baseline": is_baseline(fit),
        "correlated": _correlated(plan.likelihood(name) or {}, target_names(plan.config)),
        "draws": method.kept,
        "remembers": carries_function(fit),
        "stacked": method.weights == "stacking",
    }


def _formulas(given: Mapping, targets: Iterable[str]) -> dict[str, str]:
    """Of all targets under no name, or by name, in reStructuredText; empty where its kind decides.

    Where kinds decide for all targets, there are none.
    """
    own = {"": given} if is_one(given) else {name: given.get(name) for name in targets if given}
    return {
        _as_it_is(name): LIKELIHOODS.made(settings).formula() if settings else ""
        for name, settings in own.items()
    }


def _correlated(given: Mapping, targets: Iterable[str]) -> bool:
    """Whether residuals of targets are; all of them are, or none."""
    return any((given_of(given, target) or {}).get("correlated", False) for target in targets)


def _as_it_is(text: str) -> str:
    """A text without markup, whatever letters it has."""
    return re.sub(r"([^\w\s]|_)", r"\\\1", text)
