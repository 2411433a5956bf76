"""Settings of the model: its network, and which likelihoods and priors there are."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from ..settings import Settings, fault, integer
from .activations import ACTIVATIONS
from .likelihood import LIKELIHOODS
from .prior import PRIORS


class Model(Settings):
    """A network and how the response is distributed about it."""

    renamed: ClassVar = {
        "noise": "likelihood: {family: normal, concentration: …, rate: …, power: …}"
    }

    hidden: list[integer(1, 100_000)] = Field(
        [10],
        max_length=100,
        description="Width of each hidden layer; an empty list is a linear model.",
    )
    activation: Literal[ACTIVATIONS] = Field("tanh", description="Function between layers.")
    likelihood: LIKELIHOODS.setting() = Field(
        LIKELIHOODS.made({}), description="How the response is distributed about the network."
    )


class Learnt(Settings):
    """Another fit's posterior."""

    posterior_of: str = Field(
        description="A variational fit of the same network; its means and standard deviations are"
        " the prior of this one. The prior of the noise stays the model's."
    )


def _one(value: object) -> object:
    if not isinstance(value, Mapping):
        raise fault("allowed is a mapping")
    if "posterior_of" in value and len(value) > 1:
        raise fault(
            "allowed is either stddev with scaling, or posterior_of alone (a key is dropped by"
            " setting it to null)"
        )
    return value


Prior = Annotated[
    Annotated[PRIORS.setting(), Tag("own")] | Annotated[Learnt, Tag("learnt")],
    Discriminator(lambda value: "learnt" if "posterior_of" in value else "own"),
    BeforeValidator(_one),
]
