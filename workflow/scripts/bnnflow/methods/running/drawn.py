"""Vectors in unconstrained space as draws of a model's sites, with their log densities."""

import math

import pyro
import torch
from torch import Tensor

from ...density.log_density import LogDensity, Values

# Numbers that the densities of a chunk of draws may hold at once.
CHUNK = 2**22


def with_densities(
    density: LogDensity, vectors: Tensor, observations: int
) -> tuple[Values, Tensor]:
    """What draws are, densities in chunks that observations keep small.

    Args:
        density: of the posterior.
        vectors: (draws, n).
        observations: how many the data are.

    Returns:
        For every site the draws (draws, ...), in constrained space; and the log density of each, of
        the unconstrained values in nats, (draws,).
    """
    with torch.no_grad(), pyro.validation_enabled(False):
        values = density.constrained(density.unflattened(vectors))
        together = math.ceil(observations / len(density.parts))
        return values, density.log_probs(vectors, max(1, CHUNK // (density.size * together)))
