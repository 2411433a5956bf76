"""Normal noise of a size of its own at every input."""

from scipy import stats

SETTINGS = [{}, {"concentration": 3.0, "rate": 2.0}]


def reference(mean, stddev):
    """SciPy's distribution of parameters of the components, in their order."""
    return stats.norm(mean, stddev)
