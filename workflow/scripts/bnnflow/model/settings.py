"""Settings of the model: network, likelihood and prior."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from ..settings import Positive, Settings, fault, integer


class Normal(Settings):
    """A normal response about the network."""

    family: Literal["normal"] = Field(
        "normal",
        description="Distribution of the response; `normal` about the network, with standard"
        " deviation sigma ** power.",
    )
    concentration: Positive = Field(1.0, description="Shape of the gamma prior of sigma.")
    rate: Positive = Field(1.0, description="Rate of the gamma prior of sigma.")
    power: Positive = Field(
        1.0,
        description="Exponent; 2 is the tutorial's, 1 makes sigma the standard deviation itself.",
    )


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
    activation: Literal["tanh", "relu", "leaky_relu", "sigmoid", "silu"] = Field(
        "tanh", description="Function between layers."
    )
    likelihood: Normal = Field(
        Normal(), description="How the response is distributed about the network."
    )


class Independent(Settings):
    """Weights and biases normal about zero, independently of each other."""

    stddev: Positive = Field(1.5, description="Standard deviation of a normal prior about zero.")
    scaling: Literal["none", "fan_in"] = Field(
        "none",
        description="With `fan_in`, the standard deviation of a weight is stddev · √(2 / fan-in of"
        " its layer); biases are not scaled.",
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
    Annotated[Independent, Tag("independent")] | Annotated[Learnt, Tag("learnt")],
    Discriminator(lambda value: "learnt" if "posterior_of" in value else "independent"),
    BeforeValidator(_one),
]
