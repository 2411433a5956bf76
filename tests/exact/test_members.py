"""Posteriors that are made of many starts or members, where the posterior is known."""

import numpy as np
import pytest
import torch
from method_cases import COVARIANCE, MEAN, X, Y, regression

from bnnflow.density.log_density import LogDensity
from bnnflow.files import posterior
from bnnflow.files.columns import Column
from bnnflow.files.encodings import Encoding
from bnnflow.methods.running.method import METHODS

ENCODING = Encoding(*(tuple(Column(name, 0.0, 1.0) for name in names) for names in ("abc", "yz")))


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def made(inference, seeds, folder, model=regression, data=(X, Y)):
    """The posterior of parts with these seeds, made by one job."""
    method = METHODS.made(inference)
    streams = [torch.Generator().manual_seed(seed) for seed in seeds]
    density = LogDensity(model, *data, engine="compiled", by_rows=True)
    known = {"observations": len(data[0]), "encoding": ENCODING}
    posterior.write(method.infer(density, seeds, streams, **known), folder / "part.nc")
    return method.combined([folder / "part.nc"]).posterior


def test_two_disjoint_sets_of_starts_say_the_same(tmp_path):
    """Each is the posterior, within four standard errors and what Adam leaves."""
    starts, draws = 4, 1000
    mixture = {"method": "svi", "combine": "mixture", "guide": "AutoMultivariateNormal"}
    mixture |= {"learning_rate": 0.03, "steps": 4000, "draws": draws}
    root = np.linalg.inv(np.linalg.cholesky(COVARIANCE))
    for seeds in ([1, 2, 3, 4], [11, 12, 13, 14]):
        tree = made(mixture, seeds, tmp_path)
        assert tree["posterior"].sizes["chain"] == starts
        slopes = posterior.pooled(tree)["slopes"]
        white = (slopes - MEAN) @ root.T
        np.testing.assert_allclose(white.mean(0), 0, atol=4 / np.sqrt(starts * draws) + 0.05)
        for target in (0, 1):
            spread = np.cov(white[:, target], rowvar=False)
            error = 4 * np.sqrt(2 / (starts * draws)) + 0.1
            np.testing.assert_allclose(spread, np.eye(3), atol=error)
