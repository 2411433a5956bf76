"""Yes or no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ..components import Labels, of_labels
from ..likelihood import Likelihood, Targets, observe

if TYPE_CHECKING:
    from torch import Tensor


class Bernoulli(Likelihood):
    """y ~ Bernoulli, whose log odds are the network's output; so for each target."""

    distributions = Labels
    suits = ("binary",)

    family: Literal["bernoulli"] = Field(
        "bernoulli", description="`bernoulli`, yes or no, with the network as the log odds of yes."
    )

    def outputs(self, targets: Targets) -> int:
        """One a target."""
        return len(targets)

    def shapes(self, targets: Targets) -> dict[str, tuple[int, ...]]:
        """None."""
        return {}

    def sample(self, outputs: Tensor, targets: Targets, y: Tensor | None = None) -> None:
        """Sample the response (targets, n)."""
        import pyro.distributions as dist

        observe(dist.Bernoulli(logits=outputs), y)

    def components(
        self, outputs: Tensor, targets: Targets, values: Mapping[str, Tensor]
    ) -> tuple[tuple[Tensor, ...], ...]:
        """Probability of yes, (n,), and log probabilities of no and of yes, (n, 2)."""
        import torch

        both = torch.stack([-outputs, outputs], dim=-1)
        return tuple(map(of_labels, torch.nn.functional.logsigmoid(both)))

    def formula(self) -> str:
        """The log odds."""
        return (
            r"y_i \mid \theta \sim \mathrm{Bernoulli}(p_i), \qquad"
            r" \log \frac{p_i}{1 - p_i} = f_\theta(x_i)"
        )
