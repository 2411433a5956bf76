"""One of several classes."""

import numpy as np
from scipy import stats

SETTINGS = [{}]
LEVELS = (3, 2, 4)


class Each:
    """SciPy's distributions of the classes' places at every point, side by side."""

    def __init__(self, log_probability):
        probability = np.exp(log_probability)
        np.testing.assert_allclose(probability.sum(1), 1, rtol=1e-6)
        shares = probability / probability.sum(1, keepdims=True)
        places = range(shares.shape[1])
        self.parts = [stats.rv_discrete(values=(places, share)) for share in shares]

    def _of(self, name, y):
        return np.array([getattr(p, name)(at) for p, at in zip(self.parts, y, strict=True)])

    def logpmf(self, y):
        return self._of("logpmf", y)

    def cdf(self, y):
        return self._of("cdf", y)

    def mean(self):
        return np.array([part.mean() for part in self.parts])

    def var(self):
        return np.array([part.var() for part in self.parts])

    def rvs(self, size, random_state):
        drawn = [part.rvs(size=size[0], random_state=random_state) for part in self.parts]
        return np.stack(drawn, axis=1)


def reference(mean, log_probability):
    """SciPy's distribution of parameters of the components, in their order."""
    return Each(log_probability)
