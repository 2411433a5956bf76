"""Deep ensembles (Lakshminarayanan, Pritzel and Blundell, 2017, arXiv:1612.01474)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from .running.members import Members

if TYPE_CHECKING:
    import numpy as np
    from torch import Generator, Tensor

    from ..density.log_density import LogDensity


class Ensemble(Members):
    """Optima of the log posterior, a draw each."""

    method: Literal["ensemble"] = Field(
        "ensemble", description="`ensemble` takes many optima of the posterior for its draws."
    )
    draws: Literal[1] = Field(1, description="A member is one draw.")

    def drawn(
        self, density: LogDensity, optimum: Tensor, stream: Generator
    ) -> tuple[Tensor, dict[str, np.ndarray]]:
        """The optimum itself."""
        return optimum[None], {}

    def account(self) -> str:
        """What the members are."""
        return (
            f"A deep ensemble: {self.members} maxima of the log posterior, each from a random start"
            rf" by {self.optimum_steps} steps of Adam, are the draws :math:`\theta_s`."
        )
