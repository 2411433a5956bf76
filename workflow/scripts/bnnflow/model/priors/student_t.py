"""Weights with Student's t distribution: a few of them may be far larger than all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ...settings import Positive
from ..prior import Prior

if TYPE_CHECKING:
    from pyro.distributions import TorchDistribution
    from torch import Tensor


class StudentTPrior(Prior):
    """Weights and biases with Student's t distributions about zero."""

    family: Literal["student_t"] = Field(
        "student_t", description="`student_t` about zero, with the heaviest tails."
    )
    df: Positive = Field(
        3.0, description="Degrees of freedom; 1 is a Cauchy prior, many are a normal one."
    )
    scale: Positive = Field(1.0, description="Scale of a Student t prior about zero.")

    def distribution(self, loc: Tensor, scale: Tensor) -> TorchDistribution:
        """Student's t."""
        import pyro.distributions as dist

        return dist.StudentT(self.df, loc, scale)

    def symbol(self, scale: str) -> str:
        """t(0, scale), with df as its index."""
        return rf"t_{{{self.df}}}\left(0, {scale}\right)"
