"""The whole config as classes, from which its schema and the table of its keys are made."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from ..data.settings import Condition, Data, Simulated
from ..judge.settings import Diagnostics
from ..methods.running.method import METHODS
from ..model.prior import PRIORS
from ..model.settings import Learnt, Model, Prior
from ..settings import (
    Count,
    Distinct,
    Few,
    Interval,
    Line,
    Name,
    Pair,
    Seed,
    Settings,
    Text,
    Truth,
    fault,
    number,
    one_or_more,
)

# The model of fits that name none.
DEFAULT_MODEL = "default"


class Fit(Settings):
    """What is fitted, and how."""

    title: Line | None = Field(
        None,
        description="Heading of the fit's figures and of its section in the report, one line."
        " Without it the fit's name in words.",
    )
    data: one_or_more(str, "observations") | None = Field(
        None,
        description="Name of the observations that the fit learns from, or a list of names. Without"
        " it all of them.",
    )
    model: str = Field(
        DEFAULT_MODEL,
        description="Name of the model; `default` is there without being given.",
    )
    prior: Prior = Field(
        PRIORS.made({}),
        description="Of weights and biases; a family with its keys, or `posterior_of`.",
    )
    inference: METHODS.setting() = Field(
        METHODS.made({}), description="How the posterior is found."
    )
    note: str | None = Field(
        None,
        description="What a reader should know of the fit, printed in the captions of its figures;"
        " reStructuredText without what begins with `..` (directives, comments, targets).",
    )


class Entry(Fit):
    """An entry of the fits, which may stand for many."""

    replicates: Few | None = Field(
        None, description="Makes the entry as many fits, which differ in their seeds alone."
    )
    grid: (
        Annotated[
            dict[str, Annotated[list[Any], Field(min_length=1, max_length=1000)]],
            Field(min_length=1),
        ]
        | None
    ) = Field(
        None,
        description="Makes the entry a fit for every combination of values, by settings of the fit"
        " such as `model` or `prior.stddev`, each with a list of values.",
    )
    updates: Annotated[list[str], Field(min_length=1, max_length=1000), Distinct] | None = Field(
        None,
        description="Makes the entry as many updates, one after another: each learns from one of"
        " these observations alone, the first with the prior `prior.posterior_of`, and each of the"
        " others with the posterior of the one before.",
    )

    @model_validator(mode="after")
    def _from_a_fit(self) -> Self:
        if self.updates and not isinstance(self.prior, Learnt):
            raise fault("has updates without prior.posterior_of, the fit with which they begin")
        if self.updates and self.data:
            raise fault("has data beside updates, which say what each learns from; leave data out")
        return self


class Predictions(Settings):
    """What is kept of every fit's predictive distribution, in `results/predictions/<fit>.nc`."""

    grid: Interval | None = Field(
        None,
        description="Inputs [from, to, points] at which every fit predicts. Without it 1,000 points"
        " on the range of the held-out observations.",
    )
    quantiles: Annotated[list[number(ge=0.0001, le=0.9999)], Field(min_length=1), Distinct] = Field(
        [0.025, 0.25, 0.5, 0.75, 0.975],
        description="Probabilities of the quantiles that are kept, of the response and of the"
        " latent function.",
    )
    function_draws: Count = Field(
        100,
        description="Number of latent functions kept, evenly spaced over the draws; all of them if"
        " there are fewer.",
    )


Region = Annotated[
    Annotated[list[Pair], Field(min_length=1), Tag("intervals")]
    | Annotated[Condition, Tag("condition")],
    Discriminator(lambda value: "condition" if isinstance(value, dict) else "intervals"),
]


class Evaluation(Settings):
    """Where fits are scored on the held-out observations, in `results/tables/metrics.csv`."""

    regions: Annotated[dict[Name, Region], Field(min_length=1)] | None = Field(
        None,
        description="Regions by name. Of simulated data each is a list of intervals [from, to] of"
        " x, ends included; without them `data`, where there are observations, `gap` between them,"
        " `extrapolation` beyond them, and `all`. Of a table each is a condition on columns; every"
        " table has the regions `near` and `far`, rows as far from the training rows as these are"
        " from each other and rows that are farther, and `all` besides.",
    )


class Figures(Settings):
    """The look of the figures. A change here draws the figures again and refits nothing."""

    style: Text = Field(
        "config/bnnflow.mplstyle",
        description="Path of a Matplotlib style file, looked up in the working directory, then"
        " beside the Snakefile.",
    )
    xlim: Pair | None = Field(
        None,
        description="Range [from, to] of the horizontal axis of every figure over x. Without it"
        " that of predictions.grid.",
    )
    ylim: Pair | None = Field(
        None,
        description="Range [from, to] of the vertical axis of every figure over x. Without it xlim"
        " and 1 to either side, where f lies.",
    )
    data: dict[Name, Annotated[list[str], Field(min_length=1), Distinct]] | None = Field(
        None,
        description="Figures of data by name, each the list of observations that it shows beside"
        " the truth. Without it one, `data`, of all.",
    )


class Config(Settings):
    """The configuration of the workflow. A key set to null counts as absent."""

    seed: Seed = Field(
        0,
        description="Seed from which every job derives its own, together with the job's name.",
    )
    engine: Literal["auto", "compiled", "pyro"] = Field(
        "auto",
        description="What evaluates the log density of a fit. `compiled` is machine code made from"
        " the Pyro model; `pyro` is Pyro itself, the slow reference; `auto` is `compiled` where"
        " there is a C++ compiler and the model can be traced, and else `pyro`, which the log then"
        " says.",
    )
    strict: Truth = Field(
        False,
        description="Whether a fit that fails makes the run fail, after everything but the report"
        " has been written.",
    )
    data: Data = Field(
        Simulated(), description="What fits learn from: a user's own table, or simulated data."
    )
    models: dict[Name, Model] = Field({}, description="Models by name; fits refer to them.")
    fits: Annotated[dict[Name, Entry], Field(min_length=1)] = Field(
        description="Fits by name; the name is also the rule's."
    )
    predictions: Predictions = Field(Predictions(), description=Predictions.__doc__)
    evaluation: Evaluation = Field(Evaluation(), description=Evaluation.__doc__)
    diagnostics: Diagnostics = Field(
        Diagnostics(),
        description="Limits of the diagnostics, two for each; beyond the first the verdict is"
        " `warn`, beyond the second `fail`. Of `ess`, `ebfmi`, `skill` and `transfer` values below"
        " the limits are to be avoided, of all others those above.",
    )
    figures: Figures = Field(Figures(), description=Figures.__doc__)
