"""Half the mean difference of two values of a mixture, with and without closed forms."""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from .weighted import Weighted

# Of t (n,), replicates (replicate, n) of the probability of less.
Below = Callable[[Tensor], Tensor]

# Pairs of draws from which their mean difference is estimated, where all would be too many.
PAIRS = 20_000

# Draws whose mixture is integrated or summed.
DRAWS = 250

# Standard normal quantiles, of whose probabilities the mixture's quantiles are ends of intervals,
# and even number of steps within each.
REACH, INTERVALS, STEPS = 4.5, 28, 4

# Interpolations that find about these quantiles, of probabilities kept as far from 0 and 1.
PASSES, LEAST = 2, 1e-9


def of_pairs(mixture: Weighted) -> Tensor:
    """Replicates (replicate, n), from all pairs of draws or from PAIRS of them."""
    pairs = mixture.replicates(_by_draw(mixture))
    # Of a sum over pairs, a group's draws are left out twice.
    return (2 * pairs - pairs[0]) / 2


def levels() -> Tensor:
    """Probabilities whose quantiles are ends of intervals for `of_integral`."""
    return torch.special.ndtr(torch.linspace(-REACH, REACH, INTERVALS + 1).double())


def of_integral(below: Below, ends: Tensor) -> Tensor:
    """Replicates (replicate, n), as the integral of F (1 - F), F the probability of less.

    By Simpson's rule within intervals. Outside of the quantiles of `levels` there are 4e-6 of the
    probability to either side.

    Args:
        below: F.
        ends: of the intervals (ends, n), in order.
    """
    total: Tensor | float = 0.0
    for low, high in pairwise(ends):
        for step in range(STEPS + 1):
            factor = 1 if step in (0, STEPS) else 4 if step % 2 else 2
            at = below(torch.lerp(low, high, step / STEPS))
            total = total + factor / (3 * STEPS) * (high - low) * at * (1 - at)
    return total


def spaced(below: Below, mean: Tensor, stddev: Tensor, limits: tuple[Tensor, Tensor]) -> Tensor:
    """About the quantiles of `levels`, found by interpolation: ends for `of_integral`.

    Args:
        below: of the mixture.
        mean, stddev: of the mixture, (n,), in double precision.
        limits: between which the probability lies, each (n,).
    """
    normal = torch.linspace(-REACH, REACH, INTERVALS + 1).double()[:, None]
    low, high = (limit.double() for limit in limits)
    ends = mean + normal * stddev
    for _ in range(PASSES):
        ends = torch.stack([low, *ends.maximum(low).minimum(high), high])
        reached = torch.stack([below(end)[0] for end in ends])
        ends = _interpolated(normal, torch.special.ndtri(reached.clamp(LEAST, 1 - LEAST)), ends)
    return ends


def _interpolated(x: Tensor, knots: Tensor, values: Tensor) -> Tensor:
    """Of values (k, n) at knots (k, n), which do not fall, at x (q, 1): (q, n)."""
    own = knots.mT.contiguous()
    after = torch.searchsorted(own, x.mT.expand(len(own), -1).contiguous()).mT
    after = after.clamp(1, len(knots) - 1)
    start, end = knots.gather(0, after - 1), knots.gather(0, after)
    share = (x - start) / (end - start).clamp(min=torch.finfo(own.dtype).tiny)
    return torch.lerp(values.gather(0, after - 1), values.gather(0, after), share.clamp(0, 1))


def _by_draw(mixture: Weighted) -> Tensor:
    """Means of |Y - Y'| by the draw of Y, which may be that of Y' too: (draws, n)."""
    count, components = mixture.draws, mixture.components
    number = math.ceil(PAIRS / count)
    if number < count // 2:
        # Half of them, because a lag and what is left of the whole make the same pairs.
        lags = ((torch.arange(number) + 0.5) * (count / 2 / number)).round().long().tolist()
    else:
        lags = list(range(1, count))
    others, own = torch.zeros_like(components.mean), components.spread()
    if mixture.weights is None:
        for lag in lags:
            pair = components.apart(lag)
            others += (pair + pair.roll(-lag, 0)) / 2
        return own / count + others * (1 - 1 / count) / max(1, len(lags))
    weights = mixture.weights[:, None].to(others)
    seen = torch.zeros_like(weights)
    for lag in lags:
        pair, before, after = components.apart(lag), weights.roll(lag, 0), weights.roll(-lag, 0)
        others += (before * pair + after * pair.roll(-lag, 0)) / 2
        seen += (before + after) / 2
    return weights * own + (1 - weights) * others / seen.clamp(min=torch.finfo(seen.dtype).tiny)
