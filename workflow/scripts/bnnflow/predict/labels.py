"""The predictive distribution of classes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..model.components import Labels
from .counts import Counted


@dataclass(frozen=True)
class Labelled(Counted):
    """A mixture of distributions of classes over posterior draws, at n points."""

    components: Labels

    def probability(self) -> Tensor:
        """Replicates (replicate, class, n) of the probability of every class."""
        own = self.components.probability()
        found = self.replicates(own.flatten(1))
        return found.reshape(len(found), *own.shape[1:]).mT

    def crossings(self, levels: Tensor) -> Tensor:
        """Where `below`, which is a line within every class, rises to levels (q,): (q, n)."""
        own = self.probability()[0]
        reached, last = own.cumsum(0), len(own) - 1
        places = (reached < levels[:, None, None]).sum(1).clamp(max=last)
        beyond = reached.gather(0, places) - levels[:, None]
        share = beyond / own.gather(0, places).clamp(min=torch.finfo(own.dtype).tiny)
        return (places + 1 - share.clamp(0, 1)).to(self.components.mean)

    def half_differences(self) -> Tensor:
        """Replicates (replicate, n) of E|Y - Y'| / 2, of places."""
        below = self.probability().cumsum(1)
        return (below * (1 - below)).sum(1)
