"""Distributions of counts by the logarithm of their mean, exact in single precision.

The textbook formulas are differences of numbers as large as y log y.
"""

from __future__ import annotations

import math

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor

# Natural logarithms of the smallest and the largest mean; beyond them it stays.
LOG_MEANS = -20.0, 20.0


def bounded(log_mean: Tensor) -> Tensor:
    """The same, kept where counts have a density."""
    return log_mean.clamp(*LOG_MEANS)


def log_poisson(log_mean: Tensor, y: Tensor) -> Tensor:
    """Log probabilities of counts y, in nats."""
    away = log_mean - y.clamp(min=1).log()
    some = y * (away - away.expm1()) + _saddle(y)
    return torch.where(y > 0, some, -log_mean.exp())


def log_negative_binomial(log_mean: Tensor, shape: Tensor, y: Tensor) -> Tensor:
    """Log probabilities of counts y of the variance mean + mean² / shape, in nats."""
    away = log_mean - y.clamp(min=1).log()
    own, rest = shape / (shape + y), y / (shape + y)
    ratio = own * (-rest * away).expm1() + rest * (own * away).expm1()
    some = _saddle(y) + _stirling(y + shape) - _stirling(shape) - (y / shape).log1p() / 2
    some = some - (shape + y) * ratio.log1p()
    return torch.where(y > 0, some, -shape * (log_mean.exp() / shape).log1p())


def _saddle(y: Tensor) -> Tensor:
    """The log probability of y of Poisson's distribution with the mean y; 0 is taken for 1."""
    y = y.clamp(min=1)
    return -(2 * math.pi * y).log() / 2 - _stirling(y)


def _stirling(x: Tensor) -> Tensor:
    """log Γ(x) - (x - 1/2) log x + x - log(2π) / 2, x > 0 (Abramowitz and Stegun, 6.1.41)."""
    # log Γ(x) = log Γ(x + 8) - log x (x + 1) … (x + 7)
    small = x.clamp(max=8)
    shifted = small + 8
    product = small
    for step in range(1, 8):
        product = product * (small + step)
    log_gamma = (shifted - 0.5) * shifted.log() - shifted + _series(shifted) - product.log()
    return torch.where(
        x > 8, _series(x.clamp(min=8)), log_gamma - (small - 0.5) * small.log() + small
    )


def _series(x: Tensor) -> Tensor:
    square = x.square().reciprocal()
    return (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680))) / x


class _Counting(TorchDistribution):
    """Of counts, with a log mean of every one of them."""

    arg_constraints = {}  # noqa: RUF012 (as torch has it)
    support = constraints.nonnegative_integer

    def __init__(self, log_mean: Tensor):
        self.log_mean = log_mean
        super().__init__(log_mean.shape, validate_args=False)


class LogPoisson(_Counting):
    """Poisson's distribution by the logarithm of its mean."""

    def log_prob(self, value: Tensor) -> Tensor:
        """Log probabilities, in nats."""
        return log_poisson(self.log_mean, value)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        """Counts."""
        return torch.poisson(self.log_mean.exp().expand(*sample_shape, *self.batch_shape))


class LogNegativeBinomial(_Counting):
    """The negative binomial distribution by the logarithm of its mean, and its shape."""

    def __init__(self, log_mean: Tensor, shape: Tensor):
        super().__init__(log_mean)
        self.shape = shape.expand_as(log_mean)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log probabilities, in nats."""
        return log_negative_binomial(self.log_mean, self.shape, value)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        """Counts: Poisson's, of means that are gamma distributed."""
        shape = self.shape.expand(*sample_shape, *self.batch_shape)
        means = torch.distributions.Gamma(shape, shape).sample() * self.log_mean.exp()
        return torch.poisson(means)
