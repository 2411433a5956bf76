"""What every diagnostic means: its words, the question that it asks, and what to do if it fails.

The report's table of diagnostics and the one in docs/trust.md are made from these.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..files.safe import is_name

# The parts of a verdict, in the order in which a reader should look: would the same computation,
# done again, say the same; do held-out observations fall as it says; is it better than what is
# cheaper.
COMPUTED, CALIBRATED, SKILLED = PARTS = "computed", "calibrated", "skilled"


@dataclass(frozen=True)
class Remedy:
    """What may help.

    Attributes:
        text: what to do.
        where: settings of inference of the fits that it is for; all fits, if there are none.
    """

    text: str
    where: Mapping[str, str] = field(default_factory=dict)

    def helps(self, inference: Mapping[str, object]) -> bool:
        """Whether a fit with these settings of inference can follow it."""
        return all(inference.get(key) == value for key, value in self.where.items())


@dataclass(frozen=True)
class Meaning:
    """A diagnostic.

    Attributes:
        words: its name in sentences.
        says: what a value beyond its limit says, with places for `value` and `limit`.
        asks: the question that it answers.
        remedies: what to do if it fails, the first thing to try first.
        part: of the verdict, to which it belongs.
    """

    words: str
    says: str
    asks: str
    remedies: tuple[Remedy, ...]
    part: str

    def remedy(self, inference: Mapping[str, object]) -> str:
        """What to do about a fit with these settings of inference."""
        return "; ".join(own.text for own in self.remedies if own.helps(inference))


PYRO, DIAGONAL, CONSTANT, CHAINS, MIXTURE, DEEP, LAPLACE = (
    {"sampler": "pyro"},
    {"guide": "AutoDiagonalNormal"},
    {"schedule": "constant"},
    {"method": "mclmc"},
    {"combine": "mixture"},
    {"method": "ensemble"},
    {"method": "laplace"},
)
LONGER = Remedy("a longer `warmup`")
NUTPIE = Remedy("`sampler: nutpie`", PYRO)
MORE_DRAWS = Remedy("more `draws`")
MORE_THINNING = Remedy("more `thinning`", CHAINS)
MORE_CHAINS = (
    Remedy("more `chains`, with `chains: auto` a higher `most_chains`", CHAINS),
    Remedy("more `starts`", MIXTURE),
    *(Remedy("more `members`", method) for method in (DEEP, LAPLACE)),
)
CORRELATED = Remedy("a guide with correlations: `AutoMultivariateNormal`", DIAGONAL)
SAMPLE = Remedy("a sampled fit: `method: nuts`")
REMEMBERED = Remedy("`carry: function`, or more `inputs` with it")
TOGETHER = Remedy("one fit to all data together")


# In the names of diagnostics stands for any site of a likelihood.
SITE = "<site>"


def _of_chains(quantity: str, what: str) -> dict[str, Meaning]:
    """The diagnostics of chains' convergence, of one quantity."""
    return {
        f"rhat_chain_{quantity}": Meaning(
            f"R-hat of {what} within a chain",
            f"R-hat of {what} within a chain is {{value}} (limit {{limit}})",
            f"Does each chain agree with itself about {what}?",
            (LONGER, MORE_DRAWS, NUTPIE),
            COMPUTED,
        ),
        f"rhat_{quantity}": Meaning(
            f"R-hat of {what}",
            f"R-hat of {what} is {{value}} (limit {{limit}})",
            f"Do the chains agree with each other about {what}?",
            (
                LONGER,
                NUTPIE,
                Remedy(
                    "where each chain agrees with itself, the posterior has several modes, and"
                    " no one of the chains can be trusted there"
                ),
            ),
            COMPUTED,
        ),
        f"ess_bulk_{quantity}": Meaning(
            f"bulk ESS of {what}",
            f"the bulk ESS of {what} is {{value}} (limit {{limit}})",
            f"How many independent draws are the chains worth for the mean of {what}?",
            (MORE_DRAWS, LONGER, NUTPIE),
            COMPUTED,
        ),
        f"ess_tail_{quantity}": Meaning(
            f"tail ESS of {what}",
            f"the tail ESS of {what} is {{value}} (limit {{limit}})",
            f"How many independent draws are the chains worth for the 5 % and 95 % quantiles"
            f" of {what}?",
            (MORE_DRAWS, LONGER, NUTPIE),
            COMPUTED,
        ),
    }


# By the diagnostic's name, causes before what follows from them; one of a site of a likelihood has
# the name of the site in the place of SITE.
MEANINGS: dict[str, Meaning] = {
    "divergences": Meaning(
        "divergences",
        "{value} of the draws end a divergent trajectory (limit {limit})",
        "Has the sampler met places that it cannot enter? The share of draws that end a divergent"
        " trajectory.",
        (Remedy("a higher `target_accept`"), NUTPIE, Remedy("a narrower prior")),
        COMPUTED,
    ),
    "saturated_depth": Meaning(
        "saturated tree depth",
        "{value} of the trajectories end at the greatest depth of the tree (limit {limit})",
        "Do trajectories end before they turn? The share of those that reach `max_tree_depth`.",
        (LONGER, NUTPIE, Remedy("a higher `max_tree_depth`")),
        COMPUTED,
    ),
    "acceptance_off_target": Meaning(
        "acceptance off its target",
        "the acceptance of a chain is {value} off its target (limit {limit})",
        "Has the step size adapted?",
        (LONGER,),
        COMPUTED,
    ),
    "ebfmi": Meaning(
        "E-BFMI",
        "the E-BFMI is {value} (limit {limit})",
        "Does the energy move freely from draw to draw?",
        (LONGER, Remedy("a prior with lighter tails")),
        COMPUTED,
    ),
    "effective_chains": Meaning(
        "effective chains",
        "the weights leave {value} effective chains (limit {limit})",
        "How many chains carry the prediction? One over the sum of the squared weights.",
        MORE_CHAINS,
        COMPUTED,
    ),
    "elbo_drift": Meaning(
        "the ELBO still moves",
        "the ELBO still moves by {value} nats per observation (limit {limit})",
        "Has the bound come to rest? The last tenth of the steps is compared with the one before;"
        " fifths, where noise hides too much in tenths. It is not measurable where noise still"
        " hides a failure.",
        (Remedy("more `steps`"), Remedy("`schedule: cosine`", CONSTANT)),
        COMPUTED,
    ),
    "restart_spread": Meaning(
        "spread over restarts",
        "the median start ends {value} nats per observation below the best (limit {limit})",
        "Do several `starts` end at the same bound?",
        (Remedy("more `starts`"),),
        COMPUTED,
    ),
    **_of_chains("function", "the function"),
    **_of_chains(SITE, f"`{SITE}`"),
    "energy_variance": Meaning(
        "energy variance of the steps",
        "the steps are adapted to an energy variance of {value} an entry, at which the draws are"
        " biased (limit {limit})",
        "Are the steps of chains that are not adjusted so short that their bias is small? The"
        " setting `energy_variance`.",
        (Remedy("a smaller `energy_variance`"), Remedy("`adjusted: true`")),
        COMPUTED,
    ),
    "spread_growth": Meaning(
        "growing spread of chains",
        "a chain's variance over all of its draws is {value} times that over half of them"
        " (limit {limit})",
        "Have many chains left their starts? The variance of the function over the draws of a"
        " chain, over that in each half of the draws; the median over chains and held-out points."
        " It is 1 for chains at rest, about 1.55 for chains that wander freely, and 4 for chains"
        " that go straight on.",
        (LONGER, MORE_THINNING, MORE_DRAWS),
        COMPUTED,
    ),
    "computation_error": Meaning(
        "error of the computation",
        "the prediction would move by {value} standard deviations if it were computed again"
        " (limit {limit})",
        "Would other chains, starts or members predict the same? The standard error of the"
        " function's pooled mean, or the average one of its quantiles if that is larger, without"
        " each of them in turn, over the predictive standard deviation; the mean over a region.",
        (*MORE_CHAINS, Remedy("a longer `warmup`", CHAINS)),
        COMPUTED,
    ),
    "half_drift": Meaning(
        "drift of the prediction",
        "the prediction moves by {value} standard deviations more than chains wander by chance,"
        " from the first half of the draws to the second (limit {limit})",
        "Has the pooled prediction come to rest? The change of the function's mean and quantiles,"
        " as of `computation_error`, between halves of the draws, beyond two standard errors.",
        (LONGER, MORE_DRAWS, MORE_THINNING),
        COMPUTED,
    ),
    "pareto_k": Meaning(
        "Pareto k",
        "Pareto k is {value} (limit {limit})",
        "Can importance weights repair the guide? Above 0.7 they cannot. It fails without a value"
        " where the weights span more than floating-point numbers hold.",
        (CORRELATED, SAMPLE),
        COMPUTED,
    ),
    "curvature_error": Meaning(
        "error of the curvature",
        "a typical draw's log density is {value} nats per observation off what the curvature at its"
        " optimum foretells (limit {limit})",
        "Is the posterior where the draws of `laplace` lie what the curvature at their optimum"
        " foretells? The interquartile range of the log weights of posterior against normal"
        " distribution over the draws of a member, of the median member, in nats per observation.",
        (
            Remedy("a smaller network or a narrower prior; more rows"),
            Remedy("`method: mclmc`, or the optima by themselves: `method: ensemble`"),
        ),
        COMPUTED,
    ),
    "engine": Meaning(
        "Pyro's own code",
        "the fit ran on Pyro's own code",
        "Was the fit compiled?",
        (Remedy("the reason says what to install"),),
        COMPUTED,
    ),
    "disagreement": Meaning(
        "disagreement with the sampled fit",
        "the predictions are {value} standard deviations off those of the sampled fit"
        " (limit {limit})",
        "How far is the predictive distribution from the sampled one of the same model, prior and"
        " data, in its standard deviations? It is not measurable where the sampled fit itself"
        " fails.",
        (Remedy("trust the sampled fit, if it passes"), CORRELATED),
        COMPUTED,
    ),
    "calibration_error": Meaning(
        "calibration",
        "the calibration is off by {value} beyond chance (limit {limit})",
        "How far are the shares of held-out observations below predictive quantiles, or in central"
        " intervals, from their probabilities, on average and beyond what is chance?",
        (Remedy("look at the picture: a wrong mode, or a wrong model"),),
        CALIBRATED,
    ),
    "skill": Meaning(
        "gain over what is cheaper",
        "the gain over what is cheaper is {value} standard errors (limit {limit})",
        "Does the fit predict better than the better one of a constant and a linear model? The mean"
        " difference of their log densities over the held-out observations, in its standard"
        " errors.",
        (
            Remedy("the linear model, which is simpler"),
            Remedy("the diagnostics above, if they fail"),
            Remedy("another `model` or prior, or more rows"),
        ),
        SKILLED,
    ),
    "forgetting": Meaning(
        "forgetting",
        "the update has lost {value} nats per observation (limit {limit})",
        "What has an update lost on the old data? What a fit to all data together loses too is no"
        " fault of the update.",
        (REMEMBERED, TOGETHER),
        SKILLED,
    ),
    "transfer": Meaning(
        "transfer",
        "the update has won {value} nats per observation (limit {limit})",
        "What has an update won on the new data?",
        (TOGETHER,),
        SKILLED,
    ),
    "behind_joint": Meaning(
        "behind the joint fit",
        "the update is {value} nats per observation behind the joint fit (limit {limit})",
        "How far is an update behind a fit to all data together?",
        (REMEMBERED, TOGETHER),
        SKILLED,
    ),
    "behind_alone": Meaning(
        "behind the fit to the new data alone",
        "the update is {value} nats per observation behind the fit to the new data alone"
        " (limit {limit})",
        "How far is an update behind a fit to the new data alone, or behind one to all data if that"
        " is worse?",
        (REMEMBERED, TOGETHER),
        SKILLED,
    ),
}

# Values of these are shares, and read as per cent.
SHARES = frozenset({"divergences", "saturated_depth"})


def is_known(name: str) -> bool:
    """Whether it is the name of a diagnostic."""
    return name in MEANINGS or _site(name) is not None


def meaning(name: str) -> Meaning:
    """Of a diagnostic, which may be one of a site.

    Raises:
        KeyError: if there is none.
    """
    site = _site(name)
    return MEANINGS[name] if site is None else _of_chains(site, site)[name]


def in_order(name: str) -> tuple[int, str]:
    """Rank of a diagnostic: causes come before what follows from them."""
    site = _site(name) or ""
    return list(MEANINGS).index(name.removesuffix(site) + SITE if site else name), site


def _site(name: str) -> str | None:
    """The site that a diagnostic is of, if it is of one."""
    forms = [key.removesuffix(SITE) for key in MEANINGS if key.endswith(SITE)]
    parts = (name.removeprefix(form) for form in forms if name.startswith(form))
    return None if name in MEANINGS else next(filter(is_name, parts), None)


def shown(name: str, value: float) -> str:
    """A value of a diagnostic, or a limit, as a reader takes it in; empty if there is none."""
    if value != value:
        return ""
    if name in SHARES:
        return f"{100 * value:.3g} %"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
