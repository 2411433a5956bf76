"""Residuals correlated between targets, against SciPy, compiled and by Pyro."""

import numpy as np
import pytest
import torch
from pyro import poutine
from scipy import integrate, stats

from bnnflow.density.log_density import LogDensity
from bnnflow.methods import nuts
from bnnflow.model import build
from bnnflow.model.components import Numbers
from bnnflow.model.correlation import (
    Correlation,
    Elliptical,
    PartialCorrelations,
    factor,
    log_elliptical,
)
from bnnflow.model.likelihood import CORRELATION

POINTS = 9
NETWORK = {"hidden": [3], "activation": "tanh", "residual": False, "skip": "none"}
LINEAR = NETWORK | {"hidden": []}
GIVEN = [
    {"family": "normal", "power": 2.0},
    {"family": "heteroscedastic_normal"},
    {"family": "student_t"},
    {"family": "student_t", "df": 5, "correlation_concentration": 3.0},
]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def built(given, targets, network=NETWORK, **more):
    likelihood = {"correlated": True} | given | more
    return build.network(network | {"likelihood": likelihood}, {}, inputs=2, targets=(0,) * targets)


def partials(targets, draws=()):
    """Anything that partial correlations may be."""
    random = torch.Generator().manual_seed(targets)
    size = (*draws, targets * (targets - 1) // 2)
    return 1.8 * torch.rand(size, generator=random, dtype=torch.double) - 0.9


@pytest.mark.parametrize("targets", [2, 3, 5])
def test_any_partial_correlations_are_those_of_a_correlation_matrix(targets):
    partial = partials(targets)
    own = factor(partial, targets)
    matrix = (own @ own.T).numpy()
    np.testing.assert_allclose(np.diag(matrix), 1, rtol=1e-12)
    assert (np.triu(own.numpy(), 1) == 0).all()
    # Those of the first target are correlations, the next is given the first.
    pairs = dict(
        zip(zip(*np.tril_indices(targets, -1), strict=True), partial.tolist(), strict=True)
    )
    for row in range(1, targets):
        assert matrix[row, 0] == pytest.approx(pairs[row, 0])
    for row in range(2, targets):
        given = (matrix[row, 1] - matrix[row, 0] * matrix[1, 0]) / np.sqrt(
            (1 - matrix[row, 0] ** 2) * (1 - matrix[1, 0] ** 2)
        )
        assert given == pytest.approx(pairs[row, 1])
    assert np.linalg.slogdet(matrix)[1] == pytest.approx((1 - partial**2).log().sum().item())


@pytest.mark.parametrize("targets", [2, 3, 4])
@pytest.mark.parametrize("concentration", [0.5, 1.0, 4.0])
def test_the_prior_is_that_of_lewandowski_kurowicka_and_joe(targets, concentration):
    """PyTorch's, of the entries of the Cholesky factor below the diagonal."""
    at = partials(targets)
    low = torch.tril_indices(targets, targets, -1)

    def entries(partial):
        return factor(partial, targets)[*low]

    slope = torch.autograd.functional.jacobian(entries, at)
    theirs = torch.distributions.LKJCholesky(targets, torch.tensor(concentration).double())
    expected = theirs.log_prob(factor(at, targets)) + slope.logdet()
    own = PartialCorrelations(targets, concentration)
    assert own.log_prob(at).item() == pytest.approx(expected.item(), rel=1e-9)
    torch.manual_seed(0)
    drawn, shape = own.sample((4000,)).numpy(), own.shape.numpy()
    for values, each in zip(drawn.T, shape, strict=True):
        assert stats.kstest(values, stats.beta(each, each, -1, 2).cdf).pvalue > 1e-4


@pytest.mark.parametrize("targets", [2, 4])
@pytest.mark.parametrize("df", [None, 3.5])
def test_the_density_is_scipys(targets, df):
    random = np.random.default_rng(0)
    mean = random.normal(size=(targets, POINTS))
    scale = random.gamma(2, size=(targets, POINTS))
    y = random.normal(size=(POINTS, targets))
    partial = partials(targets)
    own = factor(partial, targets).numpy()
    degrees = None if df is None else torch.tensor([df]).double()
    response = Elliptical(torch.tensor(mean), torch.tensor(scale), partial, degrees)
    found = response.log_prob(torch.tensor(y))
    for i in range(POINTS):
        spread = np.diag(scale[:, i]) @ own
        if df is None:
            exact = stats.multivariate_normal(mean[:, i], spread @ spread.T)
        else:
            exact = stats.multivariate_t(mean[:, i], spread @ spread.T, df=df)
        assert found[i].item() == pytest.approx(exact.logpdf(y[i]), rel=1e-9)


@pytest.mark.parametrize("df", [None, 6.0])
def test_samples_have_the_moments_of_the_density(df):
    partial, scale = torch.tensor([0.7]), torch.tensor([[1.0], [3.0]])
    degrees = None if df is None else torch.tensor([df]).double()
    torch.manual_seed(0)
    y = Elliptical(torch.zeros(2, 40_000), scale, partial, degrees).sample().double().numpy()
    assert y.shape == (40_000, 2)
    # Four standard errors of a correlation of normal numbers; of heavier tails twice as many.
    error = 4 * (1 - 0.7**2) / 200 * (1 if df is None else 2)
    assert np.corrcoef(y.T)[0, 1] == pytest.approx(0.7, abs=error)
    own = stats.norm if df is None else stats.t(df)
    for values, size in zip(y.T, (1, 3), strict=True):
        assert stats.kstest(values / size, own.cdf).pvalue > 1e-4
    # One chi-square a point: of t residuals, large ones come together even without correlation.
    y = Elliptical(torch.zeros(2, 40_000), scale, 0 * partial, degrees).sample().numpy()
    together = np.corrcoef(np.abs(y.T))[0, 1]
    assert abs(together) < 0.02 if df is None else together > 0.1


@pytest.mark.parametrize("given", GIVEN[:2])
def test_without_correlation_the_model_is_the_one_of_independent_targets(given):
    torch.manual_seed(0)
    x, y = torch.randn(POINTS, 2), torch.randn(POINTS, 3)
    own, alone = built(given, 3), built(given, 3, correlated=False)
    values = {
        name: node["value"]
        for name, node in poutine.trace(alone).get_trace(x).nodes.items()
        if node["type"] == "sample" and name != "obs"
    }
    values = {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}
    values = {name: value for name, value in values.items() if name in shapes(alone)}

    def log_density(model, **more):
        trace = poutine.trace(poutine.condition(model, values | more)).get_trace(x, y)
        return trace.log_prob_sum()

    partial = torch.zeros(3)
    prior = PartialCorrelations(3, 1.0).log_prob(partial)
    found = log_density(own, **{CORRELATION: partial}) - prior
    torch.testing.assert_close(found, log_density(alone), rtol=1e-5, atol=1e-4)


def shapes(model):
    return model.response.own | model.response.network.shapes


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("targets", [2, 3])
def test_sites_components_and_correlation_are_one_distribution(given, targets):
    """Densities of the targets and how they depend on each other make the response's."""
    model = built(given, targets)
    torch.manual_seed(1)
    x, y = torch.randn(POINTS, 2), torch.randn(POINTS, targets)
    traces = [poutine.trace(model).get_trace(x, y) for _ in range(4)]
    draws = {
        name: np.stack([trace.nodes[name]["value"].numpy() for trace in traces])
        for name in shapes(model)
    }
    assert {name: values.shape[1:] for name, values in draws.items()} == shapes(model)
    components = model.response.components(draws, x)
    correlation = model.response.correlation(draws)
    u = torch.stack([own.standardized(y[:, i]) for i, own in enumerate(components)], 1)
    found = sum(own.log_density(y[:, i]) for i, own in enumerate(components))
    found = found + correlation.log_density(u)
    for at, trace in zip(found, traces, strict=True):
        expected = trace.nodes["obs"]["fn"].log_prob(y)
        torch.testing.assert_close(at.float(), expected, rtol=1e-4, atol=1e-3)
    matrices = correlation.matrices(targets)
    assert matrices.shape == (4, targets, targets)
    assert all(isinstance(own, Numbers) for own in components)


def test_residuals_of_independent_targets_have_no_more_density_together():
    u = torch.randn(3, 2, POINTS).double()
    assert Correlation(torch.zeros(3, 1).double()).log_density(u).abs().max() < 1e-12
    one = log_elliptical(u[:, :1], torch.zeros(3, 0).double())
    np.testing.assert_allclose(one, stats.norm.logpdf(u[:, 0]), rtol=1e-12)


@pytest.mark.parametrize("given", GIVEN)
def test_compiled_code_agrees_with_pyro(given):
    model = built(given, 3)
    torch.manual_seed(2)
    x, y = torch.randn(40, 2), torch.randn(40, 3)
    compiled, reference = (LogDensity(model, x, y, engine=own) for own in ("compiled", "pyro"))
    for vector in torch.randn(3, compiled.size) / 2:
        value, grad = compiled.value_and_grad(vector)
        exact, slope = reference.value_and_grad(vector)
        # Sums of a hundred terms in single precision, in another order.
        torch.testing.assert_close(value, exact, rtol=1e-5, atol=1e-3)
        torch.testing.assert_close(grad, slope, rtol=1e-4, atol=1e-2)
    assert compiled.engine == "compiled"


def posterior_of_correlation(y, concentration):
    """Mean and standard deviation, by quadrature; means 0 and sizes 1 are known."""
    n, squares, product = len(y), (y**2).sum(), y.prod(1).sum()

    def log_density(r):
        away = 1 - r**2
        own = -n / 2 * np.log(away) - (squares - 2 * r * product) / (2 * away)
        return own + (concentration - 1) * np.log(away)

    top = max(map(log_density, np.linspace(-0.999, 0.999, 999)))
    mass, first, second = (
        integrate.quad(
            lambda r, k=k: r**k * np.exp(log_density(r) - top), -1, 1, limit=500, points=[0.6]
        )[0]
        for k in range(3)
    )
    return first / mass, np.sqrt(second / mass - (first / mass) ** 2)


def test_the_posterior_of_the_correlation_is_that_of_quadrature():
    random = np.random.default_rng(4)
    y = random.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=60)
    model = built({"family": "normal"}, 2, LINEAR, correlation_concentration=2.0)
    known = {"layer1.weight": torch.zeros(2, 2), "layer1.bias": torch.zeros(2)}
    known = poutine.condition(model, known | {"sigma": torch.ones(2)})
    data = torch.zeros(60, 2), torch.tensor(y).float()
    density = LogDensity(known, *data, engine="compiled")
    settings = {"sampler": "nutpie", "mass_matrix": "diagonal", "init": "uniform"}
    settings |= {"warmup": 300, "draws": 2000, "target_accept": 0.8, "max_tree_depth": 6, "seed": 1}
    draws, _ = nuts.sample_chain(density, **settings)
    mean, stddev = posterior_of_correlation(y, 2.0)
    found = draws[CORRELATION][:, 0]
    # A quarter as many independent draws; four standard errors.
    assert found.mean() == pytest.approx(mean, abs=4 * stddev / 500**0.5)
    assert found.std() == pytest.approx(stddev, rel=4 / 1000**0.5)


@pytest.mark.parametrize("given", GIVEN[1:3])
def test_a_known_correlation_is_recovered_with_all_else_unknown(given):
    random = np.random.default_rng(5)
    x = random.normal(size=(400, 2))
    noise = random.multivariate_normal([0, 0], [[1, -0.7], [-0.7, 1]], size=400)
    y = x @ [[1, -1], [0.5, 2]] + [0.3, 1.5] * noise
    model = built(given, 2, LINEAR)
    data = torch.tensor(x).float(), torch.tensor(y).float()
    settings = {"sampler": "nutpie", "mass_matrix": "diagonal", "init": "uniform"}
    settings |= {"warmup": 400, "draws": 600, "target_accept": 0.8, "max_tree_depth": 8, "seed": 1}
    draws, _ = nuts.sample_chain(LogDensity(model, *data, engine="compiled"), **settings)
    found = draws[CORRELATION][:, 0]
    # As Fisher has the standard error of a correlation; four of these.
    error = (1 - 0.7**2) / 20
    assert found.mean() == pytest.approx(-0.7, abs=4 * error)
    assert found.std() == pytest.approx(error, rel=0.5)
