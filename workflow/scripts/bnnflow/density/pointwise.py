"""The log likelihood of every observation by itself."""

from collections.abc import Mapping

import torch
from pyro import poutine
from torch import Tensor

from . import structure
from .log_density import LogDensity
from .pyro_private import without_validation

# Numbers that are worked on together: rows times draws times numbers of the model.
CHUNK = 2**24


def log_likelihoods(density: LogDensity, sites: Mapping[str, Tensor], rows: Tensor) -> Tensor:
    """Of rows of the data at draws, in nats: (draws, rows).

    Args:
        density: made with by_rows.
        sites: for every site its draws (draws, ...), in constrained space.
        rows: their numbers, (rows,).
    """
    latent = {site.name for site in density.sites}
    draws = len(next(iter(sites.values())))
    found = []
    with torch.no_grad(), without_validation():
        for numbers in rows.split(max(1, CHUNK // (draws * density.size))):
            data = tuple(value[numbers] for value in density.data)

            def of_draw(values: dict[str, Tensor], data: tuple[Tensor, ...] = data) -> Tensor:
                trace = poutine.trace(poutine.condition(density.model, values)).get_trace(*data)
                trace.compute_log_prob()
                seen = [name for name in structure.observed(trace) if name not in latent]
                parts = [trace.nodes[name]["log_prob"] for name in seen]
                return sum(part.reshape(-1, part.shape[-1]).sum(0) for part in parts)

            found.append(torch.vmap(of_draw)(dict(sites)))
    return torch.cat(found, 1)
