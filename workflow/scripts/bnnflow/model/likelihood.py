"""What every likelihood is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ..registered import Registry
from ..settings import Positive, Settings, Truth, fault
from .components import Components

if TYPE_CHECKING:
    from pyro.distributions import TorchDistribution
    from torch import Tensor

    from .correlation import Correlation


# Of every target the number of its levels: 0 where it is a number, 2 of yes and no, K of classes.
Targets = tuple[int, ...]

# What a target may be: a measurement, yes or no (1 or 0), one of several classes (0, 1, …), or how
# often something has happened (0, 1, …).
Kind = Literal["real", "binary", "classes", "count"]

# The site of what correlates residuals.
CORRELATION = "partial_correlation"

# The concentration by which all correlation matrices are equally likely.
UNIFORM = 1.0


class Likelihood(Settings, ABC):
    """How targets are distributed about the outputs of a network.

    Its fields are its settings in a config. Targets and outputs are in the units of the encoding.

    Attributes:
        distributions: the class of the distributions of the response.
        suits: the kinds of targets that it is a likelihood of.
        heavy: whether the exponential of a response has no mean.
        family: the name of its module.
    """

    distributions: ClassVar[type[Components]]
    suits: ClassVar[tuple[Kind, ...]]
    heavy: ClassVar[bool] = False

    family: str

    @abstractmethod
    def outputs(self, targets: Targets) -> int:
        """How many outputs of the network these targets need."""

    @abstractmethod
    def shapes(self, targets: Targets) -> dict[str, tuple[int, ...]]:
        """Of its own sites, by name."""

    @abstractmethod
    def sample(self, outputs: Tensor, targets: Targets, y: Tensor | None = None) -> None:
        """Its sample statements: its own sites, by `site`, and the response, `obs`.

        Args:
            outputs: of the network, (outputs, n).
            targets: levels of each.
            y: the observed targets, (n,), or (n, targets) where there are several.
        """

    @abstractmethod
    def components(
        self, outputs: Tensor, targets: Targets, values: Mapping[str, Tensor]
    ) -> tuple[tuple[Tensor, ...], ...]:
        """What the response's distribution is made of, at values of its sites.

        Args:
            outputs: of the network, (outputs, n).
            targets: levels of each.
            values: of its own sites, by name.

        Returns:
            For every target the parameters of distributions of its class, each (n, ...).
        """

    def kinds(self, targets: Targets) -> tuple[type[Components], ...]:
        """The class of the distributions of every target."""
        return (self.distributions,) * len(targets)

    def scalable(self, targets: Targets) -> tuple[bool, ...]:
        """Of every target whether it may be scaled; counts and levels are what they are."""
        return ("real" in self.suits,) * len(targets)

    def correlation(self, values: Mapping[str, Tensor]) -> Correlation | None:
        """How residuals of targets depend on each other, at draws of its sites (draws, ...)."""
        return None

    @abstractmethod
    def formula(self) -> str:
        r"""The distribution of y_i, given f_\theta(x_i) and its own sites: TeX, in lines."""


class Measured(Likelihood):
    """Of measurements, whose residuals may be correlated between targets.

    The site `partial_correlation` has the canonical partial correlations of the pairs of targets;
    of two targets that is their correlation.
    """

    suits = ("real",)

    correlated: Truth | None = Field(
        None,
        description="Whether residuals are correlated between targets, by a matrix that is learnt"
        " and the same at all inputs. All targets have these settings then.",
    )
    correlation_concentration: Positive | None = Field(
        None,
        description="Concentration of the LKJ prior of the correlation matrix: of 1, which it is"
        " without this key, all matrices are equally likely; of more, those with less correlation"
        " are likelier.",
    )

    @model_validator(mode="after")
    def _of_correlated(self) -> Self:
        if self.correlation_concentration and not self.correlated:
            raise fault(
                "has correlation_concentration without correlated: true; set correlated, or leave"
                " correlation_concentration out"
            )
        return self

    def of_correlation(self, targets: Targets) -> dict[str, tuple[int, ...]]:
        """Shape of the site, where there is one."""
        if not self.correlated:
            return {}
        return {CORRELATION: (len(targets) * (len(targets) - 1) // 2,)}

    def observe_together(
        self, mean: Tensor, scale: Tensor, y: Tensor | None, df: Tensor | float | None = None
    ) -> None:
        """Sample the correlation and the response, which is one site of all targets.

        Args:
            mean: (targets, n).
            scale: (targets, n) or (targets, 1).
            y: the observed targets (n, targets).
            df: degrees of freedom of Student t residuals, a number or (1,); none of normal ones.
        """
        import pyro

        from .correlation import Elliptical, PartialCorrelations

        prior = PartialCorrelations(len(mean), self.correlation_concentration or UNIFORM)
        response = Elliptical(mean, scale, site(CORRELATION, prior), df)
        with pyro.plate("data", mean.shape[-1], dim=-1):
            pyro.sample("obs", response, obs=y)

    def correlation(self, values: Mapping[str, Tensor]) -> Correlation | None:
        """The learnt correlation, where there is one."""
        from .correlation import Correlation

        return Correlation(values[CORRELATION].double()) if self.correlated else None

    def lines(self, one: str, several: str, prior: str) -> str:
        r"""The formula: how targets are distributed, in TeX, and the priors of their sites.

        Args:
            one: distribution of a target y_i.
            several: of all targets of a row, of the correlation matrix R.
            prior: of its other sites.
        """
        if not self.correlated:
            return one + prior
        concentration = self.correlation_concentration or UNIFORM
        return rf"{several}{prior}, \quad R \sim \mathrm{{LKJ}}({concentration})"


def site(name: str, distribution: TorchDistribution) -> Tensor:
    """A sample statement whose site is known as the likelihood's."""
    import pyro

    from ..files.parameters import LIKELIHOOD

    return pyro.sample(name, distribution, infer={"role": LIKELIHOOD})


def sizes(name: str, concentration: float, rate: float, targets: Targets) -> Tensor:
    """A sample statement of a positive number of every target, (targets, 1), gamma distributed."""
    import pyro.distributions as dist

    prior = dist.Gamma(concentration, rate).expand([len(targets)]).to_event(1)
    return site(name, prior)[:, None]


def level(stddev: float, targets: Targets) -> Tensor:
    """A sample statement of the level of every target, (targets, 1), normal about 0."""
    import pyro.distributions as dist

    prior = dist.Normal(0.0, stddev).expand([len(targets)]).to_event(1)
    return site("level", prior)[:, None]


def observe(response: TorchDistribution, y: Tensor | None) -> None:
    """The sample statement of the response, of the batch (targets, n).

    Args:
        response: its distribution.
        y: the observed targets, (n,), or (n, targets) where there are several.
    """
    import pyro

    targets, points = response.batch_shape
    observed = None if y is None else y.reshape(-1, targets).mT
    with pyro.plate("targets", targets, dim=-2), pyro.plate("data", points, dim=-1):
        pyro.sample("obs", response, obs=observed)


LIKELIHOODS = Registry(f"{__package__}.likelihoods", Likelihood, key="family", default="normal")
