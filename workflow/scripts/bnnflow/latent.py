"""A Pyro model's latent variables as one flat vector in unconstrained space."""

from collections.abc import Callable

import pyro
import torch
from pyro import poutine
from pyro.poutine.util import prune_subsample_sites
from torch import Tensor
from torch.distributions import biject_to, constraints
from torch.distributions.constraints import Constraint

from .parameters import Site


class Latent:
    """The latent variables of a model with static structure.

    Attributes:
        sites: in the model's order, which is also the order in the flat vector.
    """

    def __init__(self, model: Callable, *args):
        """Run `model(*args)` once to find its latent sites; no random stream moves on."""
        # A draw from the prior may lie where the likelihood cannot be evaluated.
        with torch.random.fork_rng(devices=[]), pyro.validation_enabled(False):
            trace = prune_subsample_sites(poutine.trace(model).get_trace(*args))
        nodes = dict(trace.iter_stochastic_nodes())
        self._transforms = {name: biject_to(node["fn"].support) for name, node in nodes.items()}
        self.sites = tuple(
            Site(name, tuple(node["value"].shape), _space(node["fn"].support))
            for name, node in nodes.items()
        )

    def constrained(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """Unconstrained values of every site as values in constrained space."""
        return {site.name: self._transforms[site.name](values[site.name]) for site in self.sites}

    def unflattened(self, vectors: Tensor) -> dict[str, Tensor]:
        """Flat vectors (..., n) as a value (..., *shape) for every site."""
        parts = vectors.split([site.size for site in self.sites], dim=-1)
        return {
            site.name: part.reshape(*vectors.shape[:-1], *site.shape)
            for site, part in zip(self.sites, parts, strict=True)
        }


def _space(support: Constraint) -> str:
    while hasattr(support, "base_constraint"):
        support = support.base_constraint
    if support is constraints.real:
        return "identity"
    if getattr(support, "lower_bound", None) == 0 and not hasattr(support, "upper_bound"):
        return "log"
    return "unconstrained"
