"""Yes or no."""

from scipy import stats

SETTINGS = [{}]
LEVELS = (2,)


def reference(mean, log_probability):
    """SciPy's distribution of parameters of the components, in their order."""
    return stats.bernoulli(mean)
