"""What every prior of a network's weights is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ..registered import Registry
from ..settings import Settings

if TYPE_CHECKING:
    from pyro.distributions import TorchDistribution
    from torch import Tensor

    from ..files.parameters import Parameters

Shapes = Mapping[str, tuple[int, ...]]
# What makes a distribution of one number from its parameters, and these, in the shape of a site.
Factor = tuple[Callable[..., "TorchDistribution"], tuple["Tensor", ...]]

# The site of a weight over its layer's scale, as Pyro's reparametrisations call it.
DECENTERED = "_decentered"


class Weights:
    """A distribution of all weights of a network: that of the prior's sites.

    A site is a weight by its name, or a weight over its layer's scale, which then is a site, too.

    Args:
        factors: of every site by its name, in order; all numbers are independent of each other.
    """

    def __init__(self, factors: Mapping[str, Factor]):
        self.factors = dict(factors)

    def sample(self) -> dict[str, Tensor]:
        """A value of every weight by its name, from sample statements of Pyro."""
        import pyro

        from ..files.parameters import PRIOR

        return weights_of(
            {
                name: pyro.sample(
                    name,
                    kind(*parameters).to_event(parameters[0].dim()),
                    infer={"role": PRIOR},
                )
                for name, (kind, parameters) in self.factors.items()
            }
        )


class Prior(Settings, ABC):
    """How weights are distributed before there are data; its fields are its settings in a config.

    Weights and biases are independent about zero. A bias has the scale that the settings give. A
    weight has that scale too, or with `fan_in` the scale times √(2 / fan-in), which is that of He
    et al. (2015, arXiv:1502.01852). With `learnt` a layer's scale is a site, half-normal, whose own
    scale is that of `fan_in`; the weights over their scale are sites, too, because samplers and
    guides find it hard where weights and their scale depend on each other (Betancourt and Girolami,
    2013, arXiv:1312.0906).

    Attributes:
        width: the name of the field that has the scale.
        family: the name of its module.
    """

    width: ClassVar[str] = "scale"

    family: str
    scaling: Literal["none", "fan_in", "learnt"] = Field(
        "none",
        description="Of weights, by their layer; biases are not scaled. With `fan_in`, a weight's"
        " scale is √(2 / fan-in of its layer) times the given one. With `learnt`, it is learnt from"
        " the data, one for each layer, with a half-normal prior as wide as the scale of `fan_in`.",
    )

    @abstractmethod
    def distribution(self, loc: Tensor, scale: Tensor) -> TorchDistribution:
        """Of its family, at these places and of these scales."""

    @abstractmethod
    def symbol(self, scale: str) -> str:
        """Its distribution about zero in TeX, given the TeX of a scale."""

    def account(self) -> str:
        """How weights and biases are distributed, for the caption of a fit: reStructuredText."""
        scale = f"{getattr(self, self.width)}"
        narrower = rf"{scale} \sqrt{{2 / n_\mathrm{{in}}}}"
        bias = rf"\qquad b \sim {self.symbol(scale)}"
        where = "for weights *w* into a unit with :math:`n_\\mathrm{in}` inputs, and biases *b*."
        if self.scaling == "none":
            return rf"Every weight and bias is :math:`\theta_j \sim {self.symbol(scale)}`."
        if self.scaling == "fan_in":
            return rf"""Independent, and narrower where a unit has more inputs:

.. math:: w \sim {self.symbol(narrower)}, {bias}

{where}"""
        return rf"""Independent, of a scale that each layer :math:`\ell` learns from the data:

.. math:: w = s_\ell z, \qquad z \sim {self.symbol("1")}, \qquad
   s_\ell \sim \mathrm{{HalfNormal}}\left({narrower}\right), {bias}

{where}"""

    def weights(self, shapes: Shapes) -> Weights:
        """The distribution of a network's weights of these shapes.

        A weight has two dimensions (units, units before), a bias has one.
        """
        import pyro.distributions as dist
        import torch

        scale, factors = float(getattr(self, self.width)), {}
        for name, shape in shapes.items():
            own, site = scale, name
            if len(shape) == 2 and self.scaling != "none":
                own = scale * (2 / shape[1]) ** 0.5
            if len(shape) == 2 and self.scaling == "learnt":
                factors[_scale_of(name)] = dist.HalfNormal, (torch.tensor(own),)
                own, site = 1.0, name + DECENTERED
            factors[site] = self.distribution, (torch.zeros(shape), torch.full(shape, own))
        return Weights(factors)


def learnt(shapes: Shapes, parameters: Parameters) -> Weights:
    """What a fit has learnt of weights of these shapes: normal without constraints, independent.

    How the sites of the fit covary is left out.

    Raises:
        ValueError: if the parameters are not of weights of these shapes.
    """
    import pyro.distributions as dist
    import torch

    from ..files.parameters import PRIOR

    own = {site.name: site for site in parameters.sites if site.role == PRIOR}
    given = {name: site.shape for name, site in own.items()}
    if given != sites_of(shapes, given):
        raise ValueError(f"the prior has the sites {given}, the network needs {dict(shapes)}")
    kinds = {"identity": dist.Normal, "log": dist.LogNormal}
    moments = parameters.by_site()
    return Weights(
        {
            name: (kinds[site.transform], tuple(map(torch.from_numpy, moments[name])))
            for name, site in own.items()
        }
    )


def learnt_account(source: str, scales: bool) -> str:
    """What a prior is that a fit has learnt, for the caption of an update: reStructuredText.

    Args:
        source: name of that fit.
        scales: whether it has learnt scales of layers.
    """
    also = ", and of the logarithm of each layer's scale" if scales else ""
    return rf"""The means and standard deviations that *{source}* has found, weight by
weight{also}:

.. math:: \theta_j \sim \mathcal{{N}}(\mu_j, s_j^2), \qquad
   p(\theta, \sigma \mid \mathcal{{D}}') \propto p(\mathcal{{D}}' \mid \theta, \sigma)
   \prod_j \mathcal{{N}}(\theta_j \mid \mu_j, s_j^2) \; p(\sigma) ."""


def remembered_account(source: str, first: str) -> str:
    """What a prior is beside which another fit's function stands: reStructuredText.

    Args:
        source: name of that fit.
        first: what the prior is with which the first fit began.
    """
    return rf"""{first.rstrip()}

Beside it stands what *{source}* says of the outputs *f* at some inputs :math:`z_k`,
and of the noise, since that prior:

.. math:: p(\theta \mid \mathcal{{D}}') \propto p(\mathcal{{D}}' \mid \theta) \, p(\theta) \,
   \mathcal{{N}}\left(L s(\theta) \mid m, 1\right), \qquad
   s(\theta) = (f_\theta(z_1), \dots, f_\theta(z_K), \log \sigma) ."""


def weights_of(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights by their names, from values of a prior's sites."""
    scales = {_scale_of(name) for name in values if name.endswith(DECENTERED)}
    return {
        name.removesuffix(DECENTERED): (
            value * values[_scale_of(name)] if name.endswith(DECENTERED) else value
        )
        for name, value in values.items()
        if name not in scales
    }


def sites_of(shapes: Shapes, names: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Shapes of a prior's sites, from those of the weights.

    Args:
        shapes: of the weights.
        names: of sites, which say of what weights there are scales.
    """
    names, sites = set(names), {}
    for name, shape in shapes.items():
        if name + DECENTERED in names:
            sites |= {_scale_of(name): (), name + DECENTERED: shape}
        else:
            sites[name] = shape
    return sites


def _scale_of(name: str) -> str:
    """The site of the scale of a weight's layer."""
    return f"{name.rpartition('.')[0]}.scale"


PRIORS = Registry(f"{__package__}.priors", Prior, key="family", default="normal")
