"""What a predictive distribution says of held-out observations, point by point."""

import math
from collections.abc import Mapping

import numpy as np
import torch
import xarray as xr
from torch import Generator, Tensor

from ..data.regions import Region, within
from .levels import CALIBRATION
from .predictive import ASTRAY, finite, mixture_quantiles

# Groups of draws, each of which is left out once for the Monte Carlo error.
BLOCKS = 10

# Pairs of draws from which their mean difference is estimated, where all would be too many.
PAIRS = 20_000

# Points of every region at which the function is kept draw by draw, chain by chain.
PROBES = 20
# Steps of probability between the quantiles that are kept there.
STEPS = 50

# Data sets that a fit makes itself, to tell what is chance.
SIMULATIONS = 1000

CHUNK = 2**19


def evaluated(mean: Tensor, stddev: Tensor, y: Tensor, levels: list[float]) -> xr.Dataset:
    """Scores and summaries of equal mixtures of normal distributions at their observations.

    Every quantity stands there for all draws (replicate 0) and without each of up to ten
    groups of successive draws (the replicates after), from which the jackknife has its Monte
    Carlo error (Efron and Stein, 1981, doi:10.1214/aos/1176345462). A single draw has no others.

    Args:
        mean, stddev: of the response at every draw, (draws, n).
        y: observations (n,).
        levels: probabilities of the quantiles.

    Raises:
        FloatingPointError: if the response of a draw is not finite, or has no noise, or if either
            is so extreme that a score is not finite.

    Returns:
        Over (replicate, point): mean, stddev; function_stddev, that without the noise;
        log_density, in nats; crps, in units of y; pit, the probability of less than y. Over
        (replicate, level, point): quantiles, to first order in the groups left out.
    """
    wrong = ~(mean.isfinite() & stddev.isfinite() & (stddev > 0)).all(1)
    if wrong.any():
        raise FloatingPointError(
            f"at {wrong.sum()} of {len(mean)} draws the response is not finite, or the noise is"
            f" nothing: {ASTRAY}"
        )
    points = max(1, CHUNK // len(mean))
    parts = (t.split(points, dim=-1) for t in (mean, stddev, y))
    done = [_part(m, s, t, levels) for m, s, t in zip(*parts, strict=True)]
    dims = {"quantiles": ("replicate", "level", "point")}
    found = xr.Dataset(
        {
            name: (
                dims.get(name, ("replicate", "point")),
                torch.cat([part[name] for part in done], dim=-1).numpy(),
            )
            for name in done[0]
        },
        coords={"level": levels},
    )
    return finite(found, "at the held-out observations")


def simulated(
    mean: Tensor, stddev: Tensor, x: np.ndarray, regions: Mapping[str, Region], stream: Generator
) -> xr.Dataset:
    """How observations would fall to a predictive distribution if it were right.

    Each of many data sets is drawn from the response at one draw, so that its points share what
    the fit does not know of the function, and is seen among all of them. Where that is much,
    even a fit that is right has all points on one side.

    Args:
        mean, stddev: of the response at every draw, (draws, n).
        x: inputs (n,).
        regions: intervals of x by name.
        stream: of random numbers.

    Returns:
        Over (region, simulation, below): shares, of a region's points below the predictive
        quantiles of probabilities `levels.CALIBRATION`; regions in the order given.
    """
    draw = torch.arange(SIMULATIONS) * len(mean) // SIMULATIONS
    inside = [within(x, intervals) for intervals in regions.values()]
    shares = np.zeros((len(regions), SIMULATIONS, len(CALIBRATION)))
    points = max(1, CHUNK // SIMULATIONS)
    for begin in range(0, len(x), points):
        part = slice(begin, begin + points)
        noise = torch.randn(SIMULATIONS, len(x[part]), generator=stream)
        y = (mean[draw, part] + stddev[draw, part] * noise).numpy()
        pit = (y.argsort(0).argsort(0) + 0.5) / SIMULATIONS
        for number, level in enumerate(CALIBRATION):
            below = pit <= level
            for region, where in enumerate(inside):
                shares[region, :, number] += below[:, where[part]].sum(1)
    shares /= np.maximum(1, [where.sum() for where in inside])[:, None, None]
    return xr.Dataset(
        {"shares": (("region", "simulation", "below"), shares.astype(np.float32))},
        coords={"below": CALIBRATION},
    )


def probed(
    mean: Tensor, stddev: Tensor, x: np.ndarray, regions: Mapping[str, Region], chains: int
) -> xr.Dataset:
    """A predictive distribution in full at a few points of every region.

    Args:
        mean, stddev: of the response at every draw, (draws, n), one chain after another.
        x: inputs (n,).
        regions: intervals of x by name.
        chains: number of them.

    Returns:
        Over (chain, draw, probe): function. Over (probability, probe): probe_quantiles, of the
        response, in the middle of equal steps of probability. Over probe: probe_x.
    """
    inside = [np.flatnonzero(within(x, intervals)) for intervals in regions.values()]
    spread = [
        i[np.linspace(0, len(i) - 1, min(PROBES, len(i))).round().astype(int)] for i in inside
    ]
    probes = np.unique(np.concatenate(spread))
    mean, stddev = mean[:, probes], stddev[:, probes]
    probability = (np.arange(STEPS) + 0.5) / STEPS
    quantiles = mixture_quantiles(mean, stddev, torch.from_numpy(probability))
    function = mean.reshape(chains, -1, len(probes))
    found = xr.Dataset(
        {
            "probe_x": ("probe", x[probes]),
            "function": (("chain", "draw", "probe"), function.numpy()),
            "probe_quantiles": (("probability", "probe"), quantiles.float().numpy()),
        },
        coords={"probability": probability},
    )
    return finite(found, "on the grid")


def _part(mean: Tensor, stddev: Tensor, y: Tensor, levels: list[float]) -> dict[str, Tensor]:
    centre = mean.mean(0)
    off, square = _replicated(mean - centre), _replicated((mean - centre).square())
    function_variance = (square - off.square()).clamp(min=0)
    u = (y - mean) / stddev
    log_densities = u.double().square() / -2 - stddev.log() - math.log(2 * math.pi) / 2
    return {
        "mean": centre + off,
        "stddev": (function_variance + _replicated(stddev.square())).sqrt(),
        "function_stddev": function_variance.sqrt(),
        "log_density": _log_mean_exp(log_densities),
        "crps": _crps(mean, stddev, y),
        "pit": _replicated(torch.special.ndtr(u)),
        "quantiles": torch.stack(
            [
                _quantile_replicates(mean, stddev, quantile)
                for quantile in mixture_quantiles(mean, stddev, torch.tensor(levels).double())
            ],
            dim=1,
        ),
    }


def _blocks(values: Tensor) -> tuple[Tensor, ...]:
    return values.tensor_split(min(BLOCKS, len(values)))


def _log_mean_exp(values: Tensor) -> Tensor:
    """As `_replicated`, the logarithm of the mean of exponentials, however small these are."""
    blocks = _blocks(values)
    parts = torch.stack([block.logsumexp(0) for block in blocks])
    counts = torch.tensor([len(block) for block in blocks])
    keep = [torch.arange(len(blocks)) != block for block in range(len(blocks))]
    kept = [slice(None), *(keep if len(blocks) > 1 else [])]
    return torch.stack([parts[k].logsumexp(0) - counts[k].sum().log() for k in kept])


def _replicated(values: Tensor) -> Tensor:
    """Means over all draws, and over all but those of each block: (1 + blocks, n)."""
    blocks = _blocks(values)
    sums = torch.stack([block.sum(0, dtype=torch.double) for block in blocks])
    counts = torch.tensor([[len(block)] for block in blocks])
    whole = (sums.sum(0) / len(values))[None]
    if len(blocks) == 1:
        return whole
    return torch.cat([whole, (sums.sum(0) - sums) / (len(values) - counts)])


def _crps(mean: Tensor, stddev: Tensor, y: Tensor) -> Tensor:
    """Continuous ranked probability score of a mixture of normal distributions.

    E|Y - y| - E|Y - Y'| / 2 (Gneiting and Raftery, 2007, doi:10.1198/016214506000001437), with
    the second term from all pairs, or from so many for every draw that they are PAIRS.
    """
    count = len(mean)
    others = torch.zeros_like(mean)
    number = math.ceil(PAIRS / count)
    if number < count // 2:
        # Half of them, because a lag and what is left of the whole make the same pairs.
        lags = ((torch.arange(number) + 0.5) * (count / 2 / number)).round().long().tolist()
    else:
        lags = list(range(1, count))
    for lag in lags:
        pair = _absolute(mean - mean.roll(lag, 0), stddev.hypot(stddev.roll(lag, 0)))
        others += (pair + pair.roll(-lag, 0)) / 2
    own = _absolute(torch.zeros_like(mean), stddev * 2**0.5)
    difference = own / count + others * (1 - 1 / count) / max(1, len(lags))
    pairs = _replicated(difference)
    # Of a sum over pairs, a group's draws are left out twice.
    return _replicated(_absolute(mean - y, stddev)) - (2 * pairs - pairs[0]) / 2


def _absolute(mean: Tensor, stddev: Tensor) -> Tensor:
    """The mean of |X| for normal X."""
    u = mean / stddev
    return mean * torch.erf(u * 2**-0.5) + stddev * (2 / math.pi) ** 0.5 * (u.square() / -2).exp()


def _quantile_replicates(mean: Tensor, stddev: Tensor, quantile: Tensor) -> Tensor:
    u = (quantile - mean) / stddev
    below = _replicated(torch.special.ndtr(u))
    density = ((u.square() / -2).exp() / (stddev * (2 * math.pi) ** 0.5)).mean(0)
    # Between components far apart there is none.
    density = density.clamp(min=torch.finfo(density.dtype).tiny)
    moved = quantile - (below - below[0]) / density
    reach = 6 * stddev.amax(0)
    return moved.clamp(mean.amin(0) - reach, mean.amax(0) + reach)
