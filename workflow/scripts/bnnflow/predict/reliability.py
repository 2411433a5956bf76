"""How far probabilities of classes are from reliable."""

import numpy as np

# Of probabilities, within which they are compared with frequencies.
BINS = 10


def gaps(probability: np.ndarray, y: np.ndarray) -> np.ndarray:
    """By how much what was seen differs from its probability, point by point and bin by bin.

    Args:
        probability: of every class, (..., class, n).
        y: places of the classes that were seen, (n,).

    Returns:
        Differences (..., class + 1, BINS, n), 0 in all bins but that of the probability: of every
        class, and at last of the likeliest one at every point.
    """
    seen = np.arange(probability.shape[-2])[:, None] == y
    best = probability.argmax(-2)[..., None, :]
    pairs = [
        np.concatenate([each, np.take_along_axis(each, best, -2)], -2)
        for each in (probability, np.broadcast_to(seen, probability.shape))
    ]
    expected, seen = (each[..., None, :] for each in pairs)
    bins = np.minimum((expected * BINS).astype(int), BINS - 1) == np.arange(BINS)[:, None]
    return (seen - expected) * bins


def reliability_errors(means: np.ndarray) -> np.ndarray:
    """How far probabilities of classes are from reliable, in two ways; 0 for those that are.

    The expected calibration error, over bins of probability, of all classes (Kull et al., 2019,
    arXiv:1910.12656) and of the likeliest one (Guo et al., 2017, arXiv:1706.04599).

    Args:
        means: over points, of `gaps` (class + 1, BINS, ...).

    Returns:
        Both (2, ...); the first is the mean over classes.
    """
    of_each = np.abs(means).sum(1)
    return np.array([of_each[:-1].mean(0), of_each[-1]])
