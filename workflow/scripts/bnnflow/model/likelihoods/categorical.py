"""One of several classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ..components import Labels, of_labels
from ..likelihood import Likelihood, Targets, observe

if TYPE_CHECKING:
    from torch import Tensor

# Of a class that a target does not have, where another has it: a probability of 0.
NEVER = -1e9


class Categorical(Likelihood):
    """y ~ Categorical, whose logits are outputs of the network, one a class; so for each target.

    As many outputs as classes have a prior that treats all classes alike.
    """

    distributions = Labels
    suits = ("binary", "classes")

    family: Literal["categorical"] = Field(
        "categorical",
        description="`categorical`, one of several classes, with an output of the network for every"
        " class.",
    )

    def outputs(self, targets: Targets) -> int:
        """One a class of every target."""
        return sum(targets)

    def shapes(self, targets: Targets) -> dict[str, tuple[int, ...]]:
        """None."""
        return {}

    def sample(self, outputs: Tensor, targets: Targets, y: Tensor | None = None) -> None:
        """Sample the response (targets, n)."""
        import pyro.distributions as dist
        import torch

        most = max(targets)
        logits = torch.stack(
            [
                torch.nn.functional.pad(own.mT, (0, most - levels), value=NEVER)
                for own, levels in zip(outputs.split(targets, -2), targets, strict=True)
            ]
        )
        observe(dist.Categorical(logits=logits), y)

    def components(
        self, outputs: Tensor, targets: Targets, values: Mapping[str, Tensor]
    ) -> tuple[tuple[Tensor, ...], ...]:
        """Mean place, (n,), and log probabilities of all classes, (n, classes)."""
        return tuple(of_labels(own.mT.log_softmax(-1)) for own in outputs.split(targets, -2))

    def formula(self) -> str:
        """The logits."""
        return (
            r"y_i \mid \theta \sim \mathrm{Categorical}(p_i), \qquad"
            r" p_{ik} = \frac{e^{f_{\theta k}(x_i)}}{\sum_j e^{f_{\theta j}(x_i)}}"
        )
