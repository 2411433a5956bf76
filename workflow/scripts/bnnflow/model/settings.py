"""Settings of the model: its network, and which likelihoods and priors there are."""

from collections.abc import Mapping
from itertools import pairwise, starmap
from operator import eq
from typing import Annotated, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ..settings import Few, Settings, Truth, fault, integer, number_only
from .activations import ACTIVATIONS
from .likelihood import LIKELIHOODS
from .prior import PRIORS


class OfKind(Settings):
    """The likelihood of the kind of a target."""


def _each(value: object) -> object:
    """Settings of one likelihood, or of likelihoods by target and nothing else.

    In the place of settings that say nothing but a family its name may stand.
    """
    if isinstance(value, str):
        return {"family": value}
    if not isinstance(value, Mapping):
        raise fault("allowed is the name of a family, or a mapping")
    keys = {key for kind in LIKELIHOODS.values() for key in kind.model_fields}
    value = {
        name: {"family": own} if isinstance(own, str) and name not in keys else own
        for name, own in value.items()
    }
    named = [name for name, own in value.items() if isinstance(own, Mapping)]
    if named and len(named) < len(value):
        others = ", ".join(str(name) for name in value if name not in named)
        raise fault(
            f"has settings of the target {named[0]} beside {others}; allowed is one likelihood of"
            " all targets, or a mapping of target names to likelihoods"
        )
    return value


def _of_targets(value: object) -> bool:
    return isinstance(value, Mapping) and any(isinstance(own, Mapping) for own in value.values())


One = LIKELIHOODS.setting()
OfTarget = Annotated[
    Annotated[One, Tag("own")] | Annotated[OfKind, Tag("kind")],
    Discriminator(lambda value: "kind" if value == {} else "own"),
]
Family = Literal[tuple(LIKELIHOODS)]
Likelihood = Annotated[
    Annotated[One, Tag("own")] | Annotated[dict[str, OfTarget], Tag("targets")],
    Discriminator(lambda value: "targets" if _of_targets(value) else "own"),
    BeforeValidator(_each, json_schema_input_type=Family | One | dict[str, Family | OfTarget]),
]


class Model(Settings):
    """A network and how the response is distributed about it."""

    renamed: ClassVar = {
        "noise": "likelihood: {family: normal, concentration: …, rate: …, power: …}"
    }

    hidden: list[integer(1, 100_000)] = Field(
        [16, 16],
        max_length=100,
        description="Width of each hidden layer; an empty list is a linear model.",
    )
    activation: Literal[ACTIVATIONS] = Field("tanh", description="Function between layers.")
    residual: Truth = Field(
        False,
        description="Whether a hidden layer that follows one of the same width adds that layer's"
        " units to its own; the first hidden layer never does, as inputs are no units.",
    )
    skip: Literal["none", "linear"] = Field(
        "none",
        description="With `linear`, a linear map of the inputs, `skip.weight`, is added to the"
        " outputs, so that the network only has to learn what a line does not.",
    )
    likelihood: Likelihood | None = Field(
        None,
        description="How the response is distributed about the network. Without it by the kind of"
        " the target: numbers are `normal`, yes or no `bernoulli`, classes `categorical`, and small"
        " counts `negative_binomial`. The keys below are of one likelihood of all targets. A"
        " mapping of target names to mappings with these keys gives targets their own; a target"
        " that is not named has the likelihood of its kind. The name of a family stands for the"
        " family by its defaults.",
    )

    @model_validator(mode="after")
    def _connected(self) -> Self:
        """That every connection that is asked for is one."""
        if self.residual and not any(starmap(eq, pairwise(self.hidden))):
            raise fault(
                f"has residual: true with hidden: {self.hidden}, where no layer is as wide as the"
                " one before it; make them equal, or leave residual out"
            )
        if self.skip == "linear" and not self.hidden:
            raise fault(
                "has skip: linear with hidden: [], which is a linear model without it; leave skip"
                " out, or give it a hidden layer"
            )
        return self


# What of a posterior may be carried into an update.
FUNCTION = "function"


class Learnt(Settings):
    """Another fit's posterior."""

    posterior_of: str = Field(
        description="Another fit of the same network, whose posterior is the prior of this one."
    )
    carry: Literal["diagonal", "function"] = Field(
        "diagonal",
        description="What of that posterior: `diagonal`, the means and standard deviations of the"
        " weights of a variational fit, while the noise has the model's prior again; or `function`,"
        " a normal distribution of what the network says at some of the data's inputs, and of the"
        " noise, beside the prior with which the first fit began.",
    )
    inputs: Few | None = Field(
        default_factory=lambda data: 100 if data.get("carry") == FUNCTION else None,
        description="Inputs at which the function is carried, at most. Without it: 100. Only with"
        " `carry: function`.",
    )

    @field_validator("inputs")
    @classmethod
    def _of_functions(cls, value: int | None, info: ValidationInfo) -> int | None:
        carry = info.data.get("carry")
        return number_only(value, carry == FUNCTION, f"with carry: {carry}")


def _one(value: object) -> object:
    if not isinstance(value, Mapping):
        raise fault("allowed is a mapping")
    if "posterior_of" in value and not value.keys() <= Learnt.model_fields.keys():
        raise fault(
            "allowed is either a family with its keys, or posterior_of with carry and inputs (a key"
            " is dropped by setting it to null)"
        )
    if "posterior_of" not in value and value.keys() & Learnt.model_fields.keys():
        raise fault(
            "has carry or inputs, which are of another fit's posterior; write posterior_of with the"
            " name of that fit, too"
        )
    return value


Prior = Annotated[
    Annotated[PRIORS.setting(), Tag("own")] | Annotated[Learnt, Tag("learnt")],
    Discriminator(lambda value: "learnt" if "posterior_of" in value else "own"),
    BeforeValidator(_one),
]
