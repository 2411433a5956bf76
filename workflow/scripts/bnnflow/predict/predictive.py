"""Predictive distributions: the mixture of a model's response over posterior draws."""

from collections.abc import Callable

import numpy as np
import pyro
import torch
import xarray as xr
from pyro import poutine
from torch import Tensor

from ..density.log_density import LogDensity

CHUNK = 2**21

# Of many components, so few are enough to begin with.
THIN = 16

# What a user can do about numbers that are none.
ASTRAY = "the fit has gone astray; look at its log, and fit again with other settings"


def response(model: Callable, draws: dict[str, np.ndarray], x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the response at every draw.

    Args:
        model: a Pyro model with a normal response `obs`.
        draws: for every site an array (draws, ...).
        x: inputs (n, inputs).

    Returns:
        Tensors (draws, n).

    Raises:
        ValueError: if the draws are not of this model's sites.
    """
    unseen = torch.zeros(len(x))
    needed = {site.name: site.shape for site in LogDensity(model, x, unseen).sites}
    given = {name: array.shape[1:] for name, array in draws.items()}
    if given != needed:
        raise ValueError(f"the draws are of the sites {given}, the model has {needed}")

    def one(values: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        with poutine.condition(data={**values, "obs": unseen}):
            node = poutine.trace(model).get_trace(x).nodes["obs"]
        return node["fn"].mean, node["fn"].stddev

    values = {name: torch.from_numpy(array) for name, array in draws.items()}
    with pyro.validation_enabled(False), torch.no_grad():
        return torch.vmap(one, chunk_size=max(1, CHUNK // (8 * len(x))))(values)


def summarised(
    x: np.ndarray, mean: Tensor, stddev: Tensor, quantiles: list[float], function_draws: int
) -> xr.Dataset:
    """What is kept of a predictive distribution, in single precision.

    The response's moments are those of the mixture over draws, by the laws of total expectation
    and variance; its quantiles are the mixture's. Nothing is sampled.

    Args:
        x: inputs (n,).
        mean, stddev: of the response at every draw, (draws, n).
        quantiles: probabilities of the quantiles.
        function_draws: number of latent functions kept, evenly spaced over the draws.

    Returns:
        Over `point`: x, mean, stddev, and function_stddev, the standard deviation without the
        noise. Over (quantile, point): quantiles and function_quantiles. Over (sample, point):
        function.

    Raises:
        FloatingPointError: if one of these is not finite.
    """
    sample = torch.linspace(0, len(mean) - 1, min(function_draws, len(mean))).round().long()
    levels = torch.tensor(quantiles, dtype=torch.double)
    over = {
        "mean": mean.mean(0, dtype=torch.double),
        "stddev": _mixture_stddev(mean, stddev),
        "function_stddev": mean.double().std(0, correction=0),
    }
    per_level = {
        "quantiles": mixture_quantiles(mean, stddev, levels),
        "function_quantiles": torch.quantile(mean.T.contiguous(), levels.float(), dim=1),
    }
    kept = xr.Dataset(
        {name: ("point", value.float().numpy()) for name, value in over.items()}
        | {
            name: (("quantile", "point"), value.float().numpy())
            for name, value in per_level.items()
        }
        | {"function": (("sample", "point"), mean[sample].numpy())},
        coords={"x": ("point", x), "quantile": quantiles},
    )
    return finite(kept, "on the grid")


def finite(predictions: xr.Dataset, where: str) -> xr.Dataset:
    """The same, if all of it is finite.

    Raises:
        FloatingPointError: with the names of what is not.
    """
    wrong = [name for name, values in predictions.items() if not np.isfinite(values).all()]
    if wrong:
        raise FloatingPointError(
            f"{', '.join(wrong)} {where} cannot be computed in floating-point numbers, because the"
            f" response is too large or the noise too small: {ASTRAY}"
        )
    return predictions


def mixture_quantiles(mean: Tensor, stddev: Tensor, levels: Tensor) -> Tensor:
    """Quantiles of equal mixtures of normal distributions, by Newton's method kept between bounds.

    Args:
        mean, stddev: of the components, (components, n).
        levels: probabilities (q,).

    Returns:
        Tensor (q, n) at which the mixture's probability is within 1e-6 of the level, as long as
        single precision can tell the components from points.
    """
    if len(mean) >= 64 * THIN:
        start = mixture_quantiles(mean[::THIN], stddev[::THIN], levels)
    else:
        start = mean.mean(0) + _mixture_stddev(mean, stddev) * torch.special.ndtri(levels)[:, None]
    points = max(1, CHUNK // (16 * len(mean)))
    parts = (part.split(points, dim=-1) for part in (mean, stddev, start.to(mean)))
    return torch.cat(
        [
            torch.stack([_root(m, s, t, p) for t, p in zip(ts, levels, strict=True)])
            for m, s, ts in zip(*parts, strict=True)
        ],
        dim=1,
    )


def _root(mean: Tensor, stddev: Tensor, start: Tensor, level: Tensor) -> Tensor:
    reach = 6 * stddev.amax(0)
    low, high = mean.amin(0) - reach, mean.amax(0) + reach
    inverse, density = stddev.reciprocal(), 1 / (stddev * (2 * torch.pi) ** 0.5)
    t = start.clamp(low, high)
    for _ in range(60):
        u = (t - mean) * inverse
        excess = torch.erf(u * 2**-0.5).mean(0) / 2 + 0.5 - level
        if torch.all(excess.abs() < 1e-6):
            break
        low, high = torch.where(excess < 0, t, low), torch.where(excess < 0, high, t)
        step = excess / (density * torch.exp(u.square() / -2)).mean(0)
        # Newton's step where it stays between the bounds, their middle elsewhere.
        newton = t - step
        t = torch.where((low < newton) & (newton < high), newton, (low + high) / 2).float()
    return t


def _mixture_stddev(mean: Tensor, stddev: Tensor) -> Tensor:
    variance = stddev.double().square().mean(0) + mean.double().var(0, correction=0)
    return variance.sqrt()
