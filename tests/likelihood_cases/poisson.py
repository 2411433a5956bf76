"""Poisson's counts."""

from scipy import stats

SETTINGS = [{}, {"level_stddev": 2.0}]


def reference(mean):
    """SciPy's distribution of parameters of the components, in their order."""
    return stats.poisson(mean)
