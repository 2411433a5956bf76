"""Settings of inference: a class for every method."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from ..settings import Count, Few, Positive, Seed, Settings, Share, fault, integer

Device = Literal["cpu", "cuda"]
# The first is what a sampler learns in the warm-up unless it is told otherwise.
MASS_MATRICES = {"pyro": ("diagonal", "dense"), "nutpie": ("low_rank", "diagonal")}


class Nuts(Settings):
    """The No-U-Turn sampler."""

    method: Literal["nuts"] = Field(
        "nuts", description="`nuts` samples the posterior, `svi` fits a normal distribution to it."
    )
    sampler: Literal["pyro", "nutpie"] = Field(
        "nutpie",
        description="Implementation of NUTS; `pyro` is the tutorial's, `nutpie` the faster one with"
        " the better adaptation.",
    )
    device: Device = Field(
        "cpu",
        description="Where the log density is evaluated; `cpu`, the processor, or `cuda`, a GPU.",
    )
    warmup: integer(0, 10_000_000) = Field(
        500,
        description="Iterations that adapt step size and mass matrix, and are not kept; at least 1"
        " for nutpie.",
    )
    draws: Count = Field(500, description="Draws kept of each chain.")
    chains: Few = Field(4, description="Independent chains, each a job of its own.")
    target_accept: Share = Field(
        0.9, description="Mean acceptance probability that the adaptation aims at."
    )
    max_tree_depth: integer(1, 20) = Field(
        10, description="A trajectory has at most 2 ** max_tree_depth - 1 leapfrog steps."
    )
    mass_matrix: Literal["diagonal", "dense", "low_rank"] = Field(
        default_factory=lambda data: MASS_MATRICES.get(data.get("sampler"), [""])[0],
        description="What the warm-up learns of the posterior's covariance; `diagonal`, with `pyro`"
        " also `dense`, with `nutpie` also `low_rank`. Without it: `low_rank` for `nutpie`,"
        " `diagonal` for `pyro`.",
    )
    init: Literal["uniform", "median", "prior"] = Field(
        "uniform",
        description="Where a chain starts; `uniform` in (-2, 2) for every unconstrained value, the"
        " `median` of draws from the prior, or a draw from the `prior`.",
    )
    seed: Seed | None = Field(
        None, description="Seed of the first chain in place of the derived one."
    )

    @field_validator("mass_matrix")
    @classmethod
    def _learnt_by_the_sampler(cls, value: str, info: ValidationInfo) -> str:
        allowed = MASS_MATRICES.get(sampler := info.data.get("sampler"), (value,))
        if value not in allowed:
            raise fault(f"allowed with the sampler {sampler} are {', '.join(allowed)}")
        return value

    @field_validator("warmup")
    @classmethod
    def _enough_for_the_sampler(cls, value: int, info: ValidationInfo) -> int:
        if info.data.get("sampler") == "nutpie" and value < 1:
            raise fault("allowed with the sampler nutpie is 1 or more")
        return value


class Svi(Settings):
    """Stochastic variational inference."""

    method: Literal["svi"] = Field(
        "svi", description="`nuts` samples the posterior, `svi` fits a normal distribution to it."
    )
    guide: Literal[
        "AutoDiagonalNormal", "AutoMultivariateNormal", "AutoLowRankMultivariateNormal"
    ] = Field(
        "AutoDiagonalNormal",
        description="Pyro's family of variational distributions, all normal in unconstrained space;"
        " `AutoDiagonalNormal` is mean-field, `AutoMultivariateNormal` has a full covariance,"
        " `AutoLowRankMultivariateNormal` a diagonal one and √n more directions of n.",
    )
    device: Device = Field(
        "cpu",
        description="Where the log density is evaluated; `cpu`, the processor, or `cuda`, a GPU.",
    )
    learning_rate: Positive = Field(0.01, description="Step size of the Adam optimizer.")
    schedule: Literal["constant", "cosine"] = Field(
        "cosine",
        description="Of the learning rate over the steps; `constant`, or `cosine` from"
        " learning_rate down to zero.",
    )
    steps: Count = Field(20_000, description="Gradient steps, each with one draw from the guide.")
    starts: Few = Field(
        16,
        description="Independent starts; the posterior is that of the best, by the evidence lower"
        " bound at its end.",
    )
    starts_per_job: Few = Field(
        8,
        description="Starts that are fitted together in one job; together they take less time in"
        " sum, as jobs of their own they run side by side.",
    )
    draws: Count = Field(1000, description="Draws from the fitted guide that make the posterior.")
    seed: Seed | None = Field(None, description="Seed in place of the derived one.")


def _with_method(value: object) -> object:
    """Settings without a method are those of the first, unless they are of another."""
    if not isinstance(value, Mapping) or "method" in value:
        return value
    own, *others = (kind.model_fields.keys() for kind in _METHODS.values())
    for name, keys in zip([*_METHODS][1:], others, strict=True):
        if found := [key for key in value if key in keys - own]:
            are = "is a key" if len(found) == 1 else "are keys"
            raise fault(f"lacks the key method ({', '.join(found)} {are} of the method {name})")
    return {"method": next(iter(_METHODS)), **value}


# The first is what a fit has that names none.
_METHODS = {"nuts": Nuts, "svi": Svi}
Inference = Annotated[
    Annotated[Nuts | Svi, Field(discriminator="method")], BeforeValidator(_with_method)
]
