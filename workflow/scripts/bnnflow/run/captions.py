"""What captions of figures say that is neither in the config nor in the results."""

from ..config.relations import is_baseline, lineage, prior_source
from ..methods.running.method import METHODS
from ..model.likelihood import LIKELIHOODS
from ..model.prior import PRIORS, learnt_account
from .plan import Plan


def of_fit(plan: Plan, name: str) -> dict[str, str | int | bool]:
    """The distribution of the response in TeX; in reStructuredText what the prior is, and what the
    method did; and how many draws the fit keeps."""
    fit = plan.fit(name)
    source, method = prior_source(fit), METHODS.made(fit["inference"])
    first = PRIORS.made(plan.fit(lineage(plan.fits, name)[0])["prior"])
    likelihood = plan.likelihood(name)
    return {
        "formula": LIKELIHOODS.made(likelihood).formula() if likelihood else "",
        "prior": learnt_account(source, first.scaling == "learnt") if source else first.account(),
        "account": method.account(),
        "is_baseline": is_baseline(fit),
        "draws": method.kept,
    }
