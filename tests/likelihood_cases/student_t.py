"""Student t noise."""

from scipy import stats

SETTINGS = [{}, {"concentration": 3.0, "rate": 2.0, "df": 5}]


def reference(mean, scale, df):
    """SciPy's distribution of parameters of the components, in their order."""
    return stats.t(df, mean, scale)
