"""Predictive distributions in closed form, and what they say of held-out observations."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import special

from ..files.columns import DERIVATIVES, TRANSFORMS, Column
from ..files.predictions import SCORED_CLASSES

# Equal steps of probability, by whose middles a distribution stands that has no closed form.
STEPS = 1000


class Distribution(ABC):
    """Of a target at n points."""

    @abstractmethod
    def summary(self, y: np.ndarray, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Mean, stddev, function_stddev, log_density, crps and pit at observations, each (n,).

        Args:
            y: observations (n,).
            random: that spreads the probability of an observation over the transform, where it has
                some.
        """

    @abstractmethod
    def quantiles(self, levels: Sequence[float]) -> np.ndarray:
        """Of probabilities (q,): (q, n)."""


@dataclass(frozen=True)
class OfNumbers(Distribution):
    """Student t distributions of a target as it is encoded, more than 2 degrees of freedom.

    Attributes:
        mean, scale: of the encoded target, (n,).
        function_scale: of its mean, which is Student t too, (n,).
        df: degrees of freedom; infinite of normal distributions.
        column: how the target is encoded.
    """

    mean: np.ndarray
    scale: np.ndarray
    function_scale: np.ndarray
    df: float
    column: Column

    def summary(self, y: np.ndarray, random: np.random.Generator) -> dict[str, np.ndarray]:
        """In the target's units; `random` is not needed.

        The continuous ranked probability score is that of Jordan, Krüger and Lerch (2019),
        doi:10.18637/jss.v090.i12. A transformed Student t has no moments: mean, stddev and crps
        are then those of STEPS of its quantiles.
        """
        u = (self.column.scaled(y) - self.mean) / self.scale
        derivative = DERIVATIVES[self.column.transform](np.asarray(y, dtype=float))
        by_unit = np.log(derivative / self.column.scale)
        found = {
            "log_density": self._log_density(u) - np.log(self.scale) + by_unit,
            "pit": special.stdtr(self.df, u),
        }
        if self.column.transform != "none":
            return found | self._stepped(y)
        unit = self.column.scale
        spread = 1.0 if np.isinf(self.df) else np.sqrt(self.df / (self.df - 2))
        return found | {
            "mean": self.mean * unit + self.column.centre,
            "stddev": spread * self.scale * unit,
            "function_stddev": spread * self.function_scale * unit,
            "crps": self.scale * unit * self._crps(u),
        }

    def quantiles(self, levels: Sequence[float]) -> np.ndarray:
        """In the target's units."""
        return self._quantiles(levels, self.scale)

    def _quantiles(self, levels: Sequence[float], scale: np.ndarray) -> np.ndarray:
        own = self.mean + scale * special.stdtrit(self.df, np.asarray(levels))[:, None]
        _, backward = TRANSFORMS[self.column.transform]
        return backward(own * self.column.scale + self.column.centre)

    def _log_density(self, u: np.ndarray) -> np.ndarray:
        """Of the standard distribution."""
        if np.isinf(self.df):
            return -(u**2) / 2 - np.log(2 * np.pi) / 2
        df = self.df
        return -(df + 1) / 2 * np.log1p(u**2 / df) - np.log(df) / 2 - special.betaln(df / 2, 0.5)

    def _crps(self, u: np.ndarray) -> np.ndarray:
        """Of the standard distribution."""
        below, density = special.stdtr(self.df, u), np.exp(self._log_density(u))
        if np.isinf(self.df):
            return u * (2 * below - 1) + 2 * density - 1 / np.sqrt(np.pi)
        df = self.df
        apart = special.beta(0.5, df - 0.5) / special.beta(0.5, df / 2) ** 2
        tails = 2 * (density * (df + u**2) - np.sqrt(df) * apart) / (df - 1)
        return u * (2 * below - 1) + tails

    def _stepped(self, y: np.ndarray) -> dict[str, np.ndarray]:
        """Of the quantiles in the middle of equal steps of probability."""
        middles, equal = (np.arange(STEPS) + 0.5) / STEPS, np.full(STEPS, 1 / STEPS)
        values = self._quantiles(middles, self.scale).T
        return {
            "mean": values.mean(1),
            "stddev": values.std(1),
            "function_stddev": self._quantiles(middles, self.function_scale).std(0),
            "crps": stepped_crps(values, equal, y),
        }


@dataclass(frozen=True)
class OfCounts(Distribution):
    """Negative binomial distributions, whose variance is mean + mean² / size.

    Attributes:
        mean: (n,).
        size: infinite of Poisson distributions.
    """

    mean: np.ndarray
    size: float

    def summary(self, y: np.ndarray, random: np.random.Generator) -> dict[str, np.ndarray]:
        """The probability of an observation counts as its density."""
        less, probability = self._below(y), np.exp(log := self.log_probability(y))
        return {
            "mean": self.mean,
            "stddev": np.sqrt(self.mean + self.mean**2 / self.size),
            "function_stddev": np.zeros_like(self.mean),
            "log_density": log,
            "crps": self._ranked(y),
            "pit": less + random.uniform(size=len(y)) * probability,
        }

    def quantiles(self, levels: Sequence[float]) -> np.ndarray:
        """The least counts below or at which there is so much probability."""
        from scipy import stats

        level = np.asarray(levels)[:, None]
        if np.isinf(self.size):
            return stats.poisson.ppf(level, self.mean)
        return stats.nbinom.ppf(level, self.size, self.size / (self.size + self.mean))

    def log_probability(self, y: np.ndarray) -> np.ndarray:
        """Of counts (n,)."""
        if np.isinf(self.size):
            return special.xlogy(y, self.mean) - self.mean - special.gammaln(y + 1)
        share = self.mean / (self.size + self.mean)
        ways = special.gammaln(y + self.size) - special.gammaln(self.size) - special.gammaln(y + 1)
        return ways + special.xlogy(y, share) + self.size * np.log1p(-share)

    def _below(self, y: np.ndarray) -> np.ndarray:
        """Probability of less than counts (..., n)."""
        if np.isinf(self.size):
            return np.where(y > 0, special.pdtr(np.maximum(y, 1) - 1, self.mean), 0.0)
        share = self.size / (self.size + self.mean)
        return np.where(y > 0, special.betainc(self.size, np.maximum(y, 1), share), 0.0)

    def _ranked(self, y: np.ndarray) -> np.ndarray:
        """The ranked probability score: the sum over k of (P(Y ≤ k) - [y ≤ k])²."""
        most = int(max(y.max(), self.quantiles([1 - 1e-9]).max())) + 1
        found = np.zeros(len(y))
        for k in range(most):
            found += (self._below(np.full(len(y), k + 1.0)) - (y <= k)) ** 2
        return found


@dataclass(frozen=True)
class OfLevels(Distribution):
    """Levels in their order, as their places 0, 1, ….

    Attributes:
        probability: of every level, (n, levels).
    """

    probability: np.ndarray

    def summary(self, y: np.ndarray, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Of places; the ranked probability score of yes and no is the Brier score."""
        own, places = self.probability, np.arange(self.probability.shape[1])
        here = y[:, None] == places
        mass, most = (own * here).sum(1), own.cumsum(1)
        mean = own @ places
        return {
            "mean": mean,
            "stddev": np.sqrt((own * (places - mean[:, None]) ** 2).sum(1)),
            "function_stddev": np.zeros_like(mean),
            "log_density": np.log(mass),
            "crps": ((most - (y[:, None] <= places))[:, :-1] ** 2).sum(1),
            "pit": (most * here).sum(1) - random.uniform(size=len(y)) * mass,
        }

    def quantiles(self, levels: Sequence[float]) -> np.ndarray:
        """The least places below or at which there is so much probability."""
        most = self.probability.cumsum(1)[:, :-1]
        return np.array([(most < level).sum(1) for level in levels], dtype=float)


def scores_at(
    distributions: Sequence[Distribution],
    y: np.ndarray,
    levels: list[float],
    random: np.random.Generator,
) -> xr.Dataset:
    """Scores and summaries of distributions, as `evaluation.scored` has them of a fit.

    Args:
        distributions: of every target, at n points.
        y: observations (target, n), in their own units.
        levels: probabilities of the quantiles.
        random: of those that need some.
    """
    summaries = [own.summary(seen, random) for own, seen in zip(distributions, y, strict=True)]
    values = {name: np.array([own[name] for own in summaries]) for name in summaries[0]}
    quantiles = np.stack([own.quantiles(levels) for own in distributions], axis=1)
    found = as_evaluation(values, quantiles, levels)
    chances = [own.probability.T for own in distributions if isinstance(own, OfLevels)]
    if not chances:
        return found
    # A target has probability 0 of a class that only another one has, and of all if a number.
    whole = np.zeros((1, max(map(len, chances)), len(distributions), y.shape[1]))
    for target, own in enumerate(distributions):
        if isinstance(own, OfLevels):
            whole[0, : own.probability.shape[1], target] = own.probability.T
    return found.assign(class_probability=(SCORED_CLASSES["class_probability"], whole))


def as_evaluation(
    values: Mapping[str, np.ndarray], quantiles: np.ndarray, levels: list[float]
) -> xr.Dataset:
    """A data set of one replicate.

    Args:
        values: by name (target, n).
        quantiles: (level, target, n).
        levels: their probabilities.
    """
    return xr.Dataset(
        {name: (("replicate", "target", "point"), value[None]) for name, value in values.items()}
        | {"quantiles": (("replicate", "level", "target", "point"), quantiles[None])},
        coords={"level": levels},
    )


def stepped_crps(values: np.ndarray, probability: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Continuous ranked probability scores (n,) of discrete distributions at y (n,).

    Args:
        values: (n, k).
        probability: of the values, the same at every point, (k,).
        y: observations.
    """
    order = values.argsort(1)
    sorted_values = np.take_along_axis(values, order, 1)
    weights = probability[order]
    # E|Y - Y'| from the sorted values' places.
    places = 2 * weights.cumsum(1) - weights - 1
    difference = 2 * (weights * sorted_values * places).sum(1)
    return (np.abs(values - y[:, None]) * probability).sum(1) - difference / 2
