"""What a fit says before it learns."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from bnnflow.data import slices
from bnnflow.data.table import Table
from bnnflow.files.columns import Column
from bnnflow.files.encodings import Encoding
from bnnflow.model import build
from bnnflow.model.components import Labels, of_labels
from bnnflow.model.likelihoods.normal import Normals
from bnnflow.model.settings import Model
from bnnflow.predict import predictive, prior
from bnnflow.predict.labels import Labelled
from bnnflow.predict.mixture import Mixture

ENCODING = Encoding(
    (Column("dose", 5.0, 2.0), Column("age")), (Column("a", 10.0, 3.0), Column("b"))
)
DRAWS = 400
X, Y = torch.zeros(4, 2), torch.zeros(4, 2)


def tree_of(prior_settings, likelihood, seed=0):
    settings = Model().model_dump() | {"hidden": [], "likelihood": likelihood}
    model = build.network(settings, prior_settings, inputs=2, targets=(0, 0))
    stream = torch.Generator().manual_seed(seed)
    return settings, prior.drawn(model, X, Y, ENCODING, DRAWS, stream)


def test_a_line_of_normal_weights_has_normal_observations():
    """Of the variance s² (1 + |x|²) + 1 where the noise is 1, in the targets' units."""
    sure = {"family": "normal", "concentration": 1e8, "rate": 1e8}
    settings, tree = tree_of({"stddev": 1.5}, sure)
    at = np.array([[5.0, 0.0], [9.0, 1.0], [3.0, -2.0]])
    found = prior.summarised(predictive.mixtures(settings, tree, at), ENCODING.targets, 50)
    seen = np.column_stack([(at[:, 0] - 5) / 2, at[:, 1]])
    spread = np.sqrt(1.5**2 * (1 + (seen**2).sum(1)) + 1)
    for level, quantiles in zip(prior.LEVELS, found["quantiles"].to_numpy(), strict=True):
        z = stats.norm.ppf(level)
        # Five standard errors of a quantile of so many draws.
        error = 5 * np.sqrt(level * (1 - level) / DRAWS) / stats.norm.pdf(z) * spread
        np.testing.assert_array_less(abs(quantiles[0] - 10 - 3 * z * spread), 3 * error)
        np.testing.assert_array_less(abs(quantiles[1] - z * spread), error)
    functions = found["function"].to_numpy()
    assert functions.shape == (50, 2, 3)
    weights = {name: one[0, :50] for name, one in tree["posterior"].items()}
    line = np.einsum("dti,ni->dtn", weights["layer1.weight"], seen)
    line += weights["layer1.bias"].to_numpy()[:, :, None]
    np.testing.assert_allclose(functions[:, 0], 10 + 3 * line[:, 0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(functions[:, 1], line[:, 1], rtol=1e-5, atol=1e-5)


def test_functions_of_classes_are_the_probability_of_the_second():
    logits = torch.tensor(np.random.default_rng(0).normal(size=(6, 2, 3)))
    labels = Labels(*of_labels(logits.log_softmax(-1)))
    kind = Column("kind", kind="classes", levels=("a", "b", "c"))
    found = prior.summarised([Labelled(labels)], [kind], 5)
    expected = logits.softmax(-1)[:5, :, 1].numpy()
    np.testing.assert_allclose(found["function"][:, 0], expected, rtol=1e-12)


def test_draws_come_from_their_own_stream():
    learnt = {"family": "laplace", "scaling": "learnt"}
    (_, tree), (_, again), (_, other) = (
        tree_of(learnt, {"family": "normal"}, seed) for seed in (1, 1, 2)
    )
    for name, draws in tree["posterior"].items():
        np.testing.assert_array_equal(draws, again["posterior"][name])
        assert (draws.to_numpy() != other["posterior"][name].to_numpy()).any()
    assert {"layer1.scale", "layer1.weight_decentered", "layer1.bias"} < set(tree["posterior"])


def test_draws_at_which_numbers_overflow_are_left_out(caplog):
    mean, stddev = torch.zeros(6, 3), torch.ones(6, 3)
    stddev[0, 1], mean[4, 0] = 0, torch.inf
    found = prior.summarised([Mixture(Normals(mean, stddev))], [Column("y")], 5)
    assert np.isfinite(found["quantiles"]).all()
    assert found.sizes["draw"] == 4
    assert "left out: 2 of 6 draws" in caplog.text
    with pytest.raises(FloatingPointError, match="give weights and noise a narrower prior"):
        prior.summarised([Mixture(Normals(mean, 0 * stddev))], [Column("y")], 5)


def test_a_typical_row_has_means_and_the_levels_that_most_rows_have():
    plant = Column("plant", kind="classes", levels=("a", "b", "c"))
    about = Encoding((Column("dose"), plant), (Column("y"),))
    rows = {"dose": [1.0, 2.0, 6.0], "plant": [2.0, 0.0, 2.0], "y": [0.0, 1.0, 2.0]}
    training = Table(pd.DataFrame(rows), about)
    typical = slices.typical(training)
    assert len(typical) == 1
    np.testing.assert_array_equal(typical.inputs, [[3.0, 2.0]])
    # Each input over its range, the other as it typically is.
    along = slices.along(training, typical)
    inputs, varied = along["inputs"].to_numpy(), along["along"].to_numpy()
    assert set(inputs[varied == 0, 1]) == {2.0}
    assert inputs[varied == 1].tolist() == [[3.0, 0.0], [3.0, 1.0], [3.0, 2.0]]
