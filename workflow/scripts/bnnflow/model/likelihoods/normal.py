"""Normal noise of one size for every target."""

from collections.abc import Mapping

import pyro
import pyro.distributions as dist
from torch import Tensor

from .likelihood import Likelihood, site


class Normal(Likelihood):
    """y ~ Normal(f(x), sigma ** power), f the network's output, sigma ~ Gamma; so for each target.

    Args:
        targets: number of them.
        concentration, rate: of the gamma distribution.
        power: exponent.
    """

    def __init__(self, targets: int, *, concentration: float, rate: float, power: float):
        super().__init__(targets)
        self.concentration, self.rate, self.power = concentration, rate, power

    @property
    def outputs(self) -> int:
        """One a target."""
        return self.targets

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """`sigma`, a scalar, or (targets,) where there are several."""
        return {"sigma": () if self.targets == 1 else (self.targets,)}

    def sample(self, outputs: Tensor, y: Tensor | None = None) -> None:
        """Sample sigma, and the response: (n,), or (targets, n) where there are several."""
        prior = dist.Gamma(self.concentration, self.rate)
        if self.targets > 1:
            prior = prior.expand([self.targets]).to_event(1)
        mean, stddev = self._moments(outputs, site("sigma", prior))
        with pyro.plate("data", outputs.shape[-1], dim=-1):
            if self.targets == 1:
                pyro.sample("obs", dist.Normal(mean, stddev), obs=y)
            else:
                with pyro.plate("targets", self.targets, dim=-2):
                    pyro.sample("obs", dist.Normal(mean, stddev), obs=None if y is None else y.mT)

    def components(self, outputs: Tensor, values: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Mean and standard deviation, each (targets, n)."""
        mean, stddev = self._moments(outputs, values["sigma"])
        return outputs, stddev.expand_as(mean).reshape(outputs.shape)

    def _moments(self, outputs: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation: (n,) and (), or (targets, n) and (targets, 1)."""
        if self.targets == 1:
            return outputs.squeeze(-2), sigma**self.power
        return outputs, (sigma**self.power)[:, None]
