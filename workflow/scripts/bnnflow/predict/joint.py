"""What predictive distributions say of several targets of a row together."""

from collections.abc import Sequence

import torch
import xarray as xr
from torch import Tensor

from ..files.columns import Column
from ..files.predictions import TOGETHER
from ..model.correlation import Correlation
from .mixture import Mixture
from .units import in_units
from .weighted import CHUNK

# Quantiles over draws that are told of a correlation: its middle, and what it lies between.
CERTAINTY = (0.025, 0.5, 0.975)


def jointly(
    mixtures: Sequence[Mixture],
    targets: Sequence[Column],
    seen: Tensor,
    correlation: Correlation | None = None,
) -> xr.Dataset:
    """How likely all targets of a row are together.

    Args:
        mixtures: of every target, of two or more.
        targets: how they were encoded.
        seen: observations (target, n), in the units of the mixtures.
        correlation: of the residuals; none where they are independent, given the network.

    Returns:
        Over (replicate, point): joint_log_density, in nats. Where residuals are correlated, over
        (certainty, target, other): correlation, its quantiles over draws.
    """
    points = max(1, CHUNK // mixtures[0].draws)
    parts = zip(*(mixture.parts(points) for mixture in mixtures), strict=True)
    joint = torch.cat(
        [
            _joint(part, y, correlation)
            for part, y in zip(parts, seen.split(points, 1), strict=True)
        ],
        dim=-1,
    )
    for column in targets:
        joint = in_units("log_density", joint, column)
    found = {"joint_log_density": joint}
    if correlation is not None:
        matrices = correlation.matrices(len(targets))
        quantiles = mixtures[0].quantiles_of(matrices.flatten(1), torch.tensor(CERTAINTY))
        found["correlation"] = quantiles.unflatten(-1, matrices.shape[1:])
    return xr.Dataset(
        {name: (TOGETHER[name], values.numpy()) for name, values in found.items()},
        coords={"certainty": list(CERTAINTY)} if correlation is not None else None,
    )


def _joint(part: Sequence[Mixture], seen: Tensor, correlation: Correlation | None) -> Tensor:
    """Replicates (replicate, n) of the log density of observations (target, n) together."""
    components = [mixture.components for mixture in part]
    pairs = list(zip(components, seen, strict=True))
    density = sum(own.log_density(y) for own, y in pairs)
    if correlation is not None:
        density = density + correlation.log_density(
            torch.stack([own.standardized(y) for own, y in pairs], 1)
        )
    return part[0].log_average(density)
