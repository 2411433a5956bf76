"""Normal distributions at many optima, by the curvature there (MacKay, 1992, Neural Computation 4).

A mixture of many is of Eschenhagen, Daxberger, Hennig and Kristiadi (2021, arXiv:2111.03577).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ..settings import Count
from .running.members import Members
from .running.method import Work

if TYPE_CHECKING:
    import numpy as np
    from torch import Generator, Tensor

    from ..density.log_density import LogDensity

# Entries of the posterior up to which the covariance is full.
FULL = 2000


class Laplace(Members):
    """Laplace's approximation at many optima."""

    leaves = frozenset({"ensemble", "normals"})

    method: Literal["laplace"] = Field(
        "laplace",
        description="`laplace` makes normal distributions at many optima of the posterior, by the"
        f" curvature there, with all covariances of up to {FULL:,} entries and none of more.",
    )
    draws: Count = Field(125, description="Draws from the normal distribution of each member.")

    def drawn(
        self, density: LogDensity, optimum: Tensor, stream: Generator
    ) -> tuple[Tensor, dict[str, np.ndarray]]:
        """From the normal distribution at an optimum, or a Newton step from there.

        The step is taken where the log density is higher at its end.

        Returns:
            Draws (draws, n), and `log_q`, the log density of each in the normal distribution, in
            nats, (draws,).
        """
        import torch
        from torch.distributions import Normal

        from .running.curvature import precision

        found = precision(density, optimum, full=len(optimum) <= FULL)
        root = torch.linalg.cholesky(found) if found.dim() == 2 else found.sqrt()
        value, gradient = density.value_and_grad(optimum)
        slope = gradient.double()[:, None]
        step = torch.cholesky_solve(slope, root)[:, 0] if found.dim() == 2 else slope[:, 0] / found
        there = (optimum.double() + step).to(optimum.dtype)
        mean = there if density.value_and_grad(there)[0] > value else optimum
        noise = torch.randn(self.draws, len(optimum), generator=stream, dtype=torch.double)
        if found.dim() == 2:
            apart, roots = torch.linalg.solve_triangular(root.T, noise.T, upper=True).T, root.diag()
        else:
            apart, roots = noise / root, root
        log_q = Normal(0, 1).log_prob(noise).sum(1) + roots.log().sum()
        return (mean.double() + apart).to(optimum.dtype), {"log_q": log_q.numpy()}

    def work(self, size: int, gradient: float, compiled: bool) -> Work:
        """As for any method; a product with the Hessian counts as four steps."""
        return Work(
            together=min(self.members_per_job, self.members),
            steps=self.optimum_steps + 4 * size,
            seconds=gradient,
            covariance=min(size, FULL) ** 2,
        )

    def account(self) -> str:
        """What the members are."""
        return (
            f"Laplace's approximation at {self.members} maxima of the log posterior, each from a"
            f" random start by {self.optimum_steps} steps of Adam: {self.draws} draws"
            r" :math:`\theta_s` from the normal distribution in unconstrained space whose precision"
            " is the curvature of the log posterior there."
        )
