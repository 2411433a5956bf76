"""Linear models of counts and of yes and no: from the density to predictions, by quadrature.

The weight and the bias lie on a grid, whose points are draws with the density for weights.
"""

import numpy as np
import pytest
import torch
from pyro import poutine
from scipy import special, stats

from bnnflow.density.log_density import LogDensity
from bnnflow.model import build, settings
from bnnflow.model.prior import PRIORS
from bnnflow.predict.counts import Counted
from bnnflow.predict.labels import Labelled

FLAT, STEPS = 1000.0, 61
AT = np.array([-1.5, 0.2, 2.0])


def poisson(outputs):
    return stats.poisson(np.exp(outputs))


def bernoulli(outputs):
    return stats.bernoulli(special.expit(outputs))


@pytest.mark.parametrize(
    ("family", "exact", "levels", "kind"),
    [("poisson", poisson, 0, Counted), ("bernoulli", bernoulli, 2, Labelled)],
)
def test_a_linear_model_with_a_flat_prior_is_quadrature(family, exact, levels, kind):
    random = np.random.default_rng(0)
    x = random.uniform(-2, 2, size=40)
    y = exact(0.9 * x + 0.4).rvs(random_state=random)
    given = settings.Model(hidden=[], likelihood={"family": family})
    prior = PRIORS.made({"stddev": FLAT}).model_dump()
    model = build.network(given.model_dump(), prior, inputs=1, targets=(levels,))
    level = {"level": torch.zeros(1)} if family == "poisson" else {}
    data = torch.tensor(x[:, None]).float(), torch.tensor(y).float()
    density = LogDensity(poutine.condition(model, level), *data, engine="pyro")

    axis = np.linspace(-2, 2, STEPS)
    weight, bias = (part.ravel() for part in np.meshgrid(0.9 + axis, 0.4 + axis))
    vectors = torch.tensor(np.column_stack([weight, bias])).float()
    found = density.value_and_grad(vectors)[0].double().numpy()
    outputs = weight[:, None] * x + bias[:, None]
    log_posterior = exact(outputs).logpmf(y).sum(1)
    # A prior this flat changes by 1e-5 over the grid; the rest is single precision.
    off = (found - log_posterior) - (found - log_posterior)[log_posterior.argmax()]
    assert np.abs(off / (1 + np.abs(log_posterior))).max() < 1e-5

    draws = {"layer1.weight": weight[:, None, None], "layer1.bias": bias[:, None]}
    draws |= {name: np.zeros((len(weight), 1)) for name in level}
    draws = {name: values.astype(np.float32) for name, values in draws.items()}
    at = torch.tensor(AT[:, None]).float()
    (components,) = model.response.components(draws, at)
    own = kind.of(components, torch.tensor(np.exp(found - found.max())))
    shares = np.exp(log_posterior - log_posterior.max())
    shares /= shares.sum()
    predicted = exact(weight[:, None] * AT + bias[:, None])
    np.testing.assert_allclose(own.mean(), shares @ predicted.mean(), rtol=1e-3)
    for seen in (0, 1):
        expected = np.log(shares @ predicted.pmf(seen))
        values = own.log_density(torch.full((3,), float(seen)))[0]
        np.testing.assert_allclose(values, expected, rtol=1e-3, atol=1e-3)
    spread = shares @ predicted.mean() ** 2 - (shares @ predicted.mean()) ** 2
    np.testing.assert_allclose(own.function_stddev(), np.sqrt(spread), rtol=1e-2)
