"""What every fit begins with: its data and its network as tensors."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from ..data import datasets
from ..files import parameters
from .network import BayesianNetwork, normal_prior, posterior_prior


def observations(paths: Iterable[str | Path]) -> tuple[Tensor, Tensor]:
    """Inputs (n, 1) and responses (n,) of data sets one after another, in single precision.

    Raises:
        FileError: if a file is not a data set.
    """
    table = pd.concat([datasets.read(path) for path in paths])
    x, y = (torch.tensor(table[name].to_numpy(), dtype=torch.float32) for name in ("x", "y"))
    return x[:, None], y


def network(model: dict, prior: dict, source: str | Path | None = None) -> BayesianNetwork:
    """The network of a fit, one input and one output.

    Args:
        model, prior: the fit's settings.
        source: the parameters file of the fit whose posterior is the prior, where it is one.

    Raises:
        FileError: if the source is not such a file.
        ValueError: if its parameters do not belong to this network.
    """
    widths = [1, *model["hidden"], 1]
    if source is None:
        sites = normal_prior(widths, prior["stddev"], prior["scaling"])
    else:
        sites = posterior_prior(parameters.read(source))
    return BayesianNetwork(widths, model["activation"], sites, model["noise"])
