"""Residuals that are correlated between targets: a correlation matrix, and densities with one.

A correlation matrix is known by its canonical partial correlations, one a pair of targets: those of
the first target are correlations, and those of the others are given all targets before. Each may be
anything between -1 and 1, whatever the others are (Lewandowski, Kurowicka and Joe, 2009,
doi:10.1016/j.jmva.2009.04.008). Pairs are in the order of the rows below the diagonal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor


class PartialCorrelations(TorchDistribution):
    """Canonical partial correlations (pairs,) of matrices R of density |R|^(concentration - 1).

    They are independent, each a beta distribution stretched to between -1 and 1.
    """

    arg_constraints = {}  # noqa: RUF012 (as torch has it)
    support = constraints.independent(constraints.interval(-1.0, 1.0), 1)

    def __init__(self, targets: int, concentration: float):
        _, before = torch.tril_indices(targets, targets, -1)
        # How many targets are not yet given shrinks by one with each.
        self.shape = concentration + (targets - 2 - before) / 2
        super().__init__((), self.shape.shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Of partial correlations (..., pairs), in nats: (...)."""
        shape = self.shape.to(value)
        height = (2 * shape).lgamma() - 2 * shape.lgamma() - (2 * shape - 1) * math.log(2)
        return ((shape - 1) * (-value.square()).log1p() + height).sum(-1)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        """Partial correlations (*sample_shape, pairs)."""
        beta = torch.distributions.Beta(self.shape, self.shape)
        return 2 * beta.sample(sample_shape) - 1


class Elliptical(TorchDistribution):
    """Normal or Student t residuals of several targets (targets, n), correlated at every point.

    Student t has one chi-square for all targets of a point.

    Args:
        loc: their means (targets, n).
        scale: (targets, n) or (targets, 1).
        partial: canonical partial correlations (pairs,).
        df: degrees of freedom, a number or (1,); none where they are normal.
    """

    arg_constraints = {}  # noqa: RUF012 (as torch has it)
    support = constraints.real_vector

    def __init__(self, loc: Tensor, scale: Tensor, partial: Tensor, df: Tensor | None = None):
        self.loc, self.scale, self.partial, self.df = loc, scale, partial, df
        targets, points = loc.shape
        super().__init__((points,), (targets,), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Of values (n, targets), in nats: (n,)."""
        u = (value.mT - self.loc) / self.scale
        return log_elliptical(u, self.partial, self.df) - self.scale.log().sum(-2)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        """Values (*sample_shape, n, targets)."""
        noise = factor(self.partial, len(self.loc)) @ torch.randn(*sample_shape, *self.loc.shape)
        if self.df is not None:
            df = torch.as_tensor(self.df).expand(*sample_shape, 1, self.loc.shape[-1])
            noise = noise * (df / torch.distributions.Chi2(df).sample()).sqrt()
        return (self.loc + self.scale * noise).mT


@dataclass(frozen=True)
class Correlation:
    """How residuals of targets depend on each other at posterior draws.

    Attributes:
        partial: canonical partial correlations (draws, pairs), in double precision.
        df: degrees of freedom (draws, 1) of Student t residuals; none where they are normal.
    """

    partial: Tensor
    df: Tensor | None = None

    def log_density(self, u: Tensor) -> Tensor:
        """What a joint density has beyond those of the targets: (draws, n), in nats.

        Args:
            u: residuals over their scale (draws, targets, n).
        """
        u = u.double()
        every = None if self.df is None else self.df[:, None]
        alone = log_elliptical(u[:, :, None], u.new_zeros(*u.shape[:2], 0), every)
        return log_elliptical(u, self.partial, self.df) - alone.sum(1)

    def matrices(self, targets: int) -> Tensor:
        """Correlation matrices (draws, targets, targets)."""
        own = factor(self.partial, targets)
        return own @ own.mT


def factor(partial: Tensor, targets: int) -> Tensor:
    """The Cholesky factors (..., targets, targets) of matrices with such partial correlations."""
    rows = _rows(partial, targets)
    padded = [
        torch.nn.functional.pad(torch.stack(row, -1), (0, targets - len(row))) for row in rows
    ]
    return torch.stack(padded, -2)


def log_elliptical(u: Tensor, partial: Tensor, df: Tensor | None = None) -> Tensor:
    """Log densities (..., n) of residuals over their scale (..., targets, n), in nats.

    Args:
        u: the residuals.
        partial: (..., pairs).
        df: (..., 1) degrees of freedom; none where residuals are normal.
    """
    targets, squares, solved = u.shape[-2], 0.0, []
    for place, (*before, last) in enumerate(_rows(partial, targets)):
        known = sum(each[..., None] * z for each, z in zip(before, solved, strict=True))
        solved.append((u[..., place, :] - known) / last[..., None])
        squares = squares + solved[-1].square()
    log_volume = ((-partial.square()).log1p().sum(-1) / 2)[..., None]
    if df is None:
        return -squares / 2 - log_volume - targets * math.log(2 * math.pi) / 2
    height = ((df + targets) / 2).lgamma() - (df / 2).lgamma() - targets * (math.pi * df).log() / 2
    return height - (df + targets) / 2 * (squares / df).log1p() - log_volume


def _rows(partial: Tensor, targets: int) -> list[list[Tensor]]:
    """Entries (...) of the Cholesky factor, row by row up to the diagonal."""
    found, place = [], 0
    for row in range(targets):
        left, entries = torch.ones_like(partial[..., :1].sum(-1)), []
        for own in partial[..., place : place + row].unbind(-1):
            entries.append(own * left)
            left = left * (1 - own.square()).sqrt()
        found.append([*entries, left])
        place += row
    return found
