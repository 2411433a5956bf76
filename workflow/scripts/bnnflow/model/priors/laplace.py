"""Laplace weights: more of them near zero, and more of them far away, than normal ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ...settings import Positive
from ..prior import Prior

if TYPE_CHECKING:
    from pyro.distributions import TorchDistribution
    from torch import Tensor


class LaplacePrior(Prior):
    """Weights and biases with Laplace distributions about zero."""

    family: Literal["laplace"] = Field(
        "laplace", description="`laplace` about zero, with more weights near zero and far from it."
    )
    scale: Positive = Field(
        1.0, description="Scale of a Laplace prior about zero: its mean distance from zero."
    )

    def distribution(self, loc: Tensor, scale: Tensor) -> TorchDistribution:
        """Laplace."""
        import pyro.distributions as dist

        return dist.Laplace(loc, scale)

    def symbol(self, scale: str) -> str:
        """Laplace(0, scale)."""
        return rf"\mathrm{{Laplace}}\left(0, {scale}\right)"
