"""Normal weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ...settings import Positive
from ..prior import Prior

if TYPE_CHECKING:
    from pyro.distributions import TorchDistribution
    from torch import Tensor


class NormalPrior(Prior):
    """Weights and biases normal about zero."""

    width: ClassVar[str] = "stddev"

    family: Literal["normal"] = Field(
        "normal", description="Distribution of weights and biases; `normal` about zero."
    )
    stddev: Positive = Field(1.5, description="Standard deviation of a normal prior about zero.")

    def distribution(self, loc: Tensor, scale: Tensor) -> TorchDistribution:
        """Normal."""
        import pyro.distributions as dist

        return dist.Normal(loc, scale)

    def symbol(self, scale: str) -> str:
        """N(0, scale²)."""
        base = f"({scale})" if " " in scale else scale
        return rf"\mathcal{{N}}\left(0, {base}^2\right)"
