"""Counts that vary more than Poisson's."""

from scipy import stats

SETTINGS = [{}, {"level_stddev": 2.0, "concentration": 3.0, "rate": 30.0}]


def reference(mean, dispersion):
    """SciPy's distribution of parameters of the components, in their order."""
    return stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))
