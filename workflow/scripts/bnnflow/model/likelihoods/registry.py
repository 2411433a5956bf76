"""All likelihoods, by the family that the config names."""

from .likelihood import Likelihood
from .normal import Normal

LIKELIHOODS: dict[str, type[Likelihood]] = {"normal": Normal}
