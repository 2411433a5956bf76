"""From a posterior to its predictions: three inputs, two targets, units, weights of chains."""

import numpy as np
import pytest
import torch
import xarray as xr

from bnnflow.data import points
from bnnflow.files import posterior, predictions
from bnnflow.files.columns import Column
from bnnflow.files.encodings import Encoding
from bnnflow.model.likelihoods.normal import Normals
from bnnflow.model.settings import Model
from bnnflow.predict import predictive
from bnnflow.predict.mixture import Mixture

LIKELIHOOD = {"family": "normal", "concentration": 0.5, "rate": 1.0, "power": 2}
MODEL = Model().model_dump() | {"hidden": [4], "likelihood": LIKELIHOOD}
PLAIN = Encoding(
    tuple(Column(name, 0.0, 1.0) for name in ("dose", "age", "mass")),
    tuple(Column(name, 0.0, 1.0) for name in ("a", "b c")),
)
SCALED = Encoding(
    tuple(Column(column.name, 1e6, 10.0) for column in PLAIN.inputs),
    (Column("a", 1e8, 0.25), Column("b c", -3.0, 40.0)),
)


def chain(number, encoding=PLAIN):
    """A chain of 8 draws."""
    random = np.random.default_rng(number)
    shapes = {
        "layer1.weight": (4, 3),
        "layer1.bias": (4,),
        "layer2.weight": (2, 4),
        "layer2.bias": (2,),
        "sigma": (2,),
    }
    draws = {
        name: random.normal(size=(8, *shape)).astype(np.float32) for name, shape in shapes.items()
    }
    draws["sigma"] = np.abs(draws["sigma"]) + np.float32(0.5)
    return posterior.of_chain(draws, encoding=encoding)


@pytest.fixture
def inputs():
    return np.random.default_rng(9).normal(size=(30, 3))


def test_the_response_is_the_networks_at_every_draw(inputs):
    tree = posterior.merged([chain(0)])
    first, second = predictive.mixtures(MODEL, tree, inputs)
    draws = {name: one.astype(float) for name, one in posterior.pooled(tree).items()}
    for place in range(8):
        at = {name: one[place] for name, one in draws.items()}
        hidden = np.tanh(at["layer1.weight"] @ inputs.T + at["layer1.bias"][:, None])
        outputs = at["layer2.weight"] @ hidden + at["layer2.bias"][:, None]
        for target, mixture in enumerate((first, second)):
            # Sums of a few terms in single precision.
            close = {"rtol": 1e-5, "atol": 1e-5}
            np.testing.assert_allclose(mixture.components.mean[place], outputs[target], **close)
            stddev = np.full(30, at["sigma"][target] ** 2)
            np.testing.assert_allclose(mixture.components.stddev[place], stddev, **close)


def test_draws_of_another_model_are_refused(inputs):
    tree = posterior.merged([chain(0)])
    with pytest.raises(ValueError, match=r"layer1\.weight.*\(4, 3\).*the model has.*\(5, 3\)"):
        predictive.mixtures(MODEL | {"hidden": [5]}, tree, inputs)


def test_a_chain_that_weighs_twice_as_much_counts_as_two(inputs):
    weighted = posterior.weighted(posterior.merged([chain(0), chain(1)]), np.array([1, 2]) / 3)
    repeated = posterior.merged([chain(0), chain(1), chain(1)])
    ours, theirs = (predictive.mixtures(MODEL, tree, inputs) for tree in (weighted, repeated))
    for own, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(own.mean(), other.mean(), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(own.stddev(), other.stddev(), rtol=1e-6)


def grid_of(inputs):
    return points.grid(dict(zip(("dose", "age", "mass"), inputs.T, strict=True)))


def kept_of(encoding, inputs):
    tree = posterior.merged([chain(0, encoding), chain(1, encoding)])
    mixtures = predictive.mixtures(MODEL, tree, inputs)
    given = [0.1, 0.5, 0.8]
    return mixtures, predictive.summarised(mixtures, encoding.targets, grid_of(inputs), given, 5)


def test_predictions_on_a_grid_are_those_of_the_mixture_by_target(inputs):
    mixtures, kept = kept_of(PLAIN, inputs)
    assert {name: kept[name].dims for name in predictions.GRID} == predictions.GRID
    sizes = {"target": 2, "point": 30, "input": 3, "quantile": 3, "sample": 5}
    assert dict(kept.sizes) == sizes
    assert kept["target"].values.tolist() == ["a", "b c"]
    levels = torch.tensor([0.1, 0.5, 0.8], dtype=torch.double)
    for target, own in enumerate(mixtures):
        at = kept.isel(target=target)
        np.testing.assert_array_equal(at["mean"], own.mean().float())
        np.testing.assert_array_equal(at["stddev"], own.stddev().float())
        np.testing.assert_array_equal(at["function_stddev"], own.function_stddev().float())
        np.testing.assert_array_equal(at["quantiles"], own.quantiles(levels))
        np.testing.assert_array_equal(at["function_quantiles"], own.function_quantiles(levels))


def test_predictions_are_in_the_targets_units(inputs):
    _, plain = kept_of(PLAIN, inputs)
    _, scaled = kept_of(SCALED, 1e6 + 10.0 * inputs)
    np.testing.assert_array_equal(scaled["inputs"], 1e6 + 10.0 * inputs)
    for target, column in enumerate(SCALED.targets):
        own, other = plain.isel(target=target), scaled.isel(target=target)
        for name in ("mean", "quantiles", "function_quantiles", "function"):
            # Inputs are rounded to single precision after they are encoded.
            moved = (other[name] - column.centre) / column.scale
            np.testing.assert_allclose(moved, own[name], rtol=1e-5, atol=1e-5)
        for name in ("stddev", "function_stddev"):
            grown = other[name] / column.scale
            np.testing.assert_allclose(grown, own[name], rtol=1e-5, atol=1e-5)


def test_function_draws_are_spread_over_the_draws():
    mean = torch.arange(10.0)[:, None].expand(10, 3)
    mixture, grid = (
        Mixture(Normals(mean, torch.ones(10, 3))),
        points.grid({"x": np.zeros(3)}),
    )
    for count, expected in ((1, [0]), (2, [0, 9]), (4, [0, 3, 6, 9]), (50, range(10))):
        kept = predictive.summarised([mixture], PLAIN.targets[:1], grid, [0.5], count)
        assert kept["function"][:, 0, 0].values.tolist() == list(expected)


def test_predictions_that_are_not_finite_are_an_error_with_a_remedy():
    mixture = Mixture(Normals(torch.full((2, 1), 3e38), torch.full((2, 1), 3e38)))
    grid = points.grid({"x": np.zeros(1)})
    with pytest.raises(FloatingPointError, match=r"on the grid cannot .* and fit again"):
        predictive.summarised([mixture], PLAIN.targets[:1], grid, [0.5], 1)


def test_a_grid_has_its_inputs_by_name():
    grid = points.grid({"dose": np.arange(3), "age": np.ones(3)})
    expected = xr.Dataset(
        {"inputs": (("point", "input"), [[0.0, 1], [1, 1], [2, 1]])},
        coords={"input": ["dose", "age"]},
    )
    xr.testing.assert_identical(grid, expected)
