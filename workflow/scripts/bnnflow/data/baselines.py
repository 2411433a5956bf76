"""What every fit should beat: a constant, and a linear model of the encoded inputs."""

from collections.abc import Callable

import numpy as np
from scipy import optimize

from ..files.columns import Column, encoded
from ..jobs import log
from .distributions import Distribution, OfCounts, OfLevels, OfNumbers
from .references import BASELINES
from .table import Table, fitted

# Degrees of freedom that a linear model leaves, so that its predictive distribution has a variance.
LEAST_DF = 3

# Singular values below this part of the largest are taken for nothing.
NOTHING = 1e-10

# Of the normal prior of slopes of standardised inputs, where the model is not linear in its mean
# (as wide as Gelman et al., 2008, advise, doi:10.1214/08-AOAS191).
PRIOR = 2.5

# Logarithms of the smallest and the largest size of a negative binomial distribution; larger ones
# are Poisson's.
SIZES = -7.0, 14.0

# The most steps of a regression.
ITERATIONS = 1000


def foretold(training: Table, inputs: np.ndarray) -> dict[str, list[Distribution]]:
    """By baseline the predictive distribution of every target at points.

    Measurements are taken for normal about a linear function of the encoded inputs, with the
    reference prior p(β, σ²) ∝ 1/σ², which makes predictions Student t (Gelman et al., Bayesian Data
    Analysis, 3rd edition, section 14.2). Counts are negative binomial with a logarithmic link.
    Levels follow a logistic regression; their constants are frequencies, with half an observation
    more of each (the prior of Jeffreys).

    Args:
        training: all rows from which fits learn.
        inputs: of the points (n, inputs), in their own units.
    """
    about = fitted(training, "standard")
    x, at = (encoded(values, about.inputs) for values in (training.inputs, inputs))
    columns = list(zip(training.targets.T, about.targets, strict=True))
    return {
        name: [_FAMILIES[column.kind](*design, y, column) for y, column in columns]
        for name, design in zip(BASELINES, ((x[:, :0], at[:, :0]), (x, at)), strict=True)
    }


def _measured(x: np.ndarray, at: np.ndarray, y: np.ndarray, column: Column) -> OfNumbers:
    """Of encoded inputs (n, widths), at points (m, widths), by least squares of least norm."""
    along, at, seen = *_directions(x, at), column.scaled(y)
    slopes, df = along.T @ seen / len(y), len(y) - 1 - along.shape[1]
    left = seen - seen.mean() - along @ slopes
    # Rounding is all that is left of a target that is linear in the inputs.
    scale = max(np.sqrt(left @ left / df), NOTHING)
    leverage = (1 + (at**2).sum(1)) / len(y)
    mean = seen.mean() + at @ slopes
    return OfNumbers(mean, scale * np.sqrt(1 + leverage), scale * np.sqrt(leverage), df, column)


def _directions(x: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (n, widths) and (m, widths) along the principal directions of the former.

    Along each of them the rows have the mean 0 and the mean square 1. Directions in which they do
    not vary are left out; of more than the rows can tell, those are kept in which rows vary most.
    """
    if not x.shape[1]:
        return x, at
    centre = x.mean(0)
    _, values, directions = np.linalg.svd(x - centre, full_matrices=False)
    rank = int((values > NOTHING * values[0]).sum())
    kept = min(rank, len(x) - 1 - LEAST_DF)
    if kept < rank:
        log.warning(
            "%d training rows are too few for the %d directions of the inputs; the linear model"
            " keeps the %d in which they vary most",
            *(len(x), rank, kept),
        )
    along = directions[:kept].T / values[:kept] * np.sqrt(len(x))
    return (x - centre) @ along, (at - centre) @ along


def _counted(x: np.ndarray, at: np.ndarray, y: np.ndarray, column: Column) -> OfCounts:
    """By Poisson regression, and the size that is most likely with the means of that."""
    from sklearn.linear_model import PoissonRegressor

    if x.shape[1]:
        # The penalty of a mean over rows, the prior of a sum.
        regression = PoissonRegressor(alpha=1 / (len(y) * PRIOR**2), max_iter=ITERATIONS).fit(x, y)
        seen, mean = regression.predict(x), regression.predict(at)
    else:
        seen, mean = np.full(len(y), y.mean()), np.full(len(at), y.mean())

    def loss(log_size: float) -> float:
        return -OfCounts(seen, np.exp(log_size)).log_probability(y).sum()

    best = optimize.minimize_scalar(loss, bounds=SIZES, method="bounded").x
    poisson = -OfCounts(seen, np.inf).log_probability(y).sum()
    return OfCounts(mean, np.inf if poisson <= loss(best) else float(np.exp(best)))


def _levelled(x: np.ndarray, at: np.ndarray, y: np.ndarray, column: Column) -> OfLevels:
    """By logistic regression; a level that no row has is as likely as half a row makes it."""
    from sklearn.linear_model import LogisticRegression

    count = len(column.levels)
    seen = np.bincount(y.astype(int), minlength=count)
    frequencies = (seen + 0.5) / (len(y) + count / 2)
    if not x.shape[1]:
        return OfLevels(np.tile(frequencies, (len(at), 1)))
    regression = LogisticRegression(C=PRIOR**2, max_iter=ITERATIONS).fit(x, y)
    there = regression.classes_.astype(int)
    probability = np.tile(frequencies, (len(at), 1))
    probability[:, there] = frequencies[there].sum() * regression.predict_proba(at)
    return OfLevels(probability)


_FAMILIES: dict[str, Callable[..., Distribution]] = {
    "real": _measured,
    "whole": _measured,
    "count": _counted,
    "binary": _levelled,
    "classes": _levelled,
}
