"""What a model says before it learns: draws from its prior, and predictions from these."""

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr
from pyro import poutine
from torch import Generator, Tensor

from ..density.pyro_private import drawing_from, stochastic_nodes
from ..files import posterior
from ..files.columns import Column
from ..files.encodings import Encoding
from ..jobs import log
from ..model.model import Model
from .mixture import Mixture
from .units import in_units

# Of the central intervals in which half of all new observations lie, and 95 in 100.
LEVELS = (0.025, 0.25, 0.75, 0.975)


def drawn(
    model: Model, x: Tensor, y: Tensor, encoding: Encoding, count: int, stream: Generator
) -> xr.DataTree:
    """Draws from the prior, as a posterior has its own.

    Args:
        model: of the fit.
        x, y: encoded data, of which only the shape of a row counts.
        encoding: of the data.
        count: number of draws.
        stream: of random numbers.
    """
    with drawing_from(stream):
        runs = [
            stochastic_nodes(poutine.trace(model).get_trace(x[:1], y[:1])) for _ in range(count)
        ]
    draws = {name: np.stack([run[name]["value"].numpy() for run in runs]) for name in runs[0]}
    return posterior.merged([posterior.of_chain(draws, encoding=encoding)])


def summarised(
    mixtures: Sequence[Mixture], targets: Sequence[Column], functions: int
) -> xr.Dataset:
    """What is shown of a prior's predictive distributions, in the targets' units.

    Draws at which numbers overflow are left out.

    Args:
        mixtures: of every target, at the points, of draws of equal weight.
        targets: how they were encoded.
        functions: number of latent functions.

    Returns:
        Over (quantile, target, point): quantiles, of LEVELS. Over (draw, target, point): function,
        the latent functions of the first draws; of a target of classes the probability of the
        second.

    Raises:
        FloatingPointError: if numbers overflow at all draws.
    """
    levels = torch.tensor(LEVELS, dtype=torch.double)
    wrong = torch.stack([mixture.components.wrong() for mixture in mixtures]).any(0)
    if wrong.all():
        raise FloatingPointError(
            "no draw from the prior has a response that floating-point numbers hold; give weights"
            " and noise a narrower prior"
        )
    if wrong.any():
        log.warning("left out: %d of %d draws, where numbers overflow", wrong.sum(), len(wrong))
    by_target = []
    for mixture, column in zip(mixtures, targets, strict=True):
        # In double precision, because a wide prior's squares leave the range of single.
        kept = type(mixture)(mixture.components.of_draws(~wrong).double())
        function = kept.components.probability()[..., 1] if column.levels else kept.components.mean
        own = {"quantiles": kept.quantiles(levels), "function": function[:functions]}
        by_target.append({name: in_units(name, part, column) for name, part in own.items()})
    dims = {"quantiles": "quantile", "function": "draw"}
    return xr.Dataset(
        {
            name: ([dim, "target", "point"], torch.stack([o[name] for o in by_target], 1).numpy())
            for name, dim in dims.items()
        },
        coords={"quantile": list(LEVELS), "target": [column.name for column in targets]},
    )
