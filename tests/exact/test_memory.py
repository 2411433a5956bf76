"""What an update carries of a function, where the answer is known exactly."""

from itertools import combinations, permutations

import numpy as np
import pytest
import torch
from pyro import poutine
from scipy import linalg, stats

from bnnflow.density.log_density import LogDensity
from bnnflow.density.pointwise import log_likelihoods
from bnnflow.files import encodings, posterior
from bnnflow.files.memories import Memory
from bnnflow.files.parameters import LIKELIHOOD
from bnnflow.methods import nuts, svi
from bnnflow.model import build
from bnnflow.model.settings import Model
from bnnflow.predict import remembering

NOISE, PRIOR = 0.4, 1.5
LINE = Model().model_dump() | {
    "hidden": [],
    "likelihood": {"family": "normal", "concentration": 2.0, "rate": 1.0, "power": 1},
}
FIRST = {"family": "normal", "stddev": PRIOR, "scaling": "none"}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def exact_draws(mean, covariance, count=200, seed=0):
    """Draws (count, d) whose own mean and covariance are these to rounding."""
    standard = np.random.default_rng(seed).normal(size=(count, len(mean)))
    standard -= standard.mean(0)
    standard = np.linalg.solve(np.linalg.cholesky(np.cov(standard.T)), standard.T)
    return mean + (np.linalg.cholesky(covariance) @ standard).T


def some_normal(size, seed, scale=1.0):
    """Mean and covariance of a normal distribution, of correlations of either sign."""
    random = np.random.default_rng(seed)
    root = random.normal(size=(size, 2 * size))
    return random.normal(size=size), scale * root @ root.T / (2 * size)


def times(prior, loading, target):
    """Mean and covariance of a normal prior times a memory."""
    mean, covariance = prior
    precision = np.linalg.inv(covariance) + loading.T @ loading
    shift = np.linalg.solve(covariance, mean) + loading.T @ target
    return np.linalg.solve(precision, shift), np.linalg.inv(precision)


def learnt(prior, now, weight=(1.0,)):
    """What `learnt_since` makes of draws with exact moments; `now` has mean and covariance."""
    draws = np.stack([exact_draws(*own, seed=seed) for seed, own in enumerate(now)])
    return remembering.learnt_since(draws, np.array(weight), exact_draws(*prior, seed=9))


def test_a_prior_times_its_memory_is_the_posterior(monkeypatch):
    monkeypatch.setattr(remembering, "INDEPENDENT", 0.0)
    prior = some_normal(5, seed=1, scale=4.0)
    now = some_normal(5, seed=2, scale=0.05)
    loading, target = learnt(prior, [now])
    assert loading.shape == (5, 5)
    mean, covariance = times(prior, loading, target)
    # The prior's variances count as a millionth larger, which is less in precisions that are
    # small beside those of the posterior.
    np.testing.assert_allclose(mean, now[0], atol=1e-6)
    np.testing.assert_allclose(covariance, now[1], atol=1e-6 * now[1].max())


def test_chains_are_taken_by_their_weights_and_without_what_lies_between_them(monkeypatch):
    monkeypatch.setattr(remembering, "INDEPENDENT", 0.0)
    prior, weight = some_normal(3, seed=1, scale=4.0), np.array([0.7, 0.3])
    now = [some_normal(3, seed=2, scale=0.05), some_normal(3, seed=3, scale=0.02)]
    mean, covariance = times(prior, *learnt(prior, now, weight))
    within = np.tensordot(weight, np.stack([own[1] for own in now]), 1)
    np.testing.assert_allclose(mean, weight @ np.stack([own[0] for own in now]), atol=1e-6)
    np.testing.assert_allclose(covariance, within, atol=1e-6 * within.max())


def test_directions_of_which_nothing_is_learnt_are_dropped(monkeypatch):
    """The prior stays what it was there; of two directions nearly all is left, or more."""
    monkeypatch.setattr(remembering, "INDEPENDENT", 0.0)
    prior = some_normal(4, seed=1)
    root = np.linalg.cholesky(prior[1])
    turned = linalg.qr(np.random.default_rng(3).normal(size=(4, 4)))[0]
    left = np.array([0.01, 0.4, 0.97, 1.3])
    moved = turned @ np.array([2.0, -1.0, 0.5, 0.7])
    now = prior[0] + root @ moved, root @ turned @ np.diag(left) @ turned.T @ root.T
    loading, target = learnt(prior, [now])
    assert loading.shape == (2, 4)
    mean, covariance = times(prior, loading, target)
    axes = np.linalg.solve(root, np.column_stack([mean - prior[0]]))[:, 0] @ turned
    np.testing.assert_allclose(axes, [2.0, -1.0, 0.0, 0.0], atol=1e-5)
    white = np.linalg.solve(root, np.linalg.solve(root, covariance).T)
    kept = turned @ np.diag([0.01, 0.4, 1.0, 1.0]) @ turned.T
    np.testing.assert_allclose(white, kept, atol=1e-5)


def test_nothing_learnt_is_nothing_remembered():
    prior = some_normal(3, seed=1)
    loading, target = learnt(prior, [prior])
    assert (loading.shape, target.shape) == ((0, 3), (0,))


def test_a_share_of_every_variance_is_added():
    """No direction is surer than in the posterior; what numbers have in common hardly less."""
    share, count = remembering.INDEPENDENT, 4
    prior = np.zeros(count), 100 * np.eye(count)
    ones = np.ones((count, count))
    now = np.array([1.0, 2.0, 3.0, 4.0]), ones + 1e-4 * np.eye(count)
    mean, covariance = times(prior, *learnt(prior, [now]))
    np.testing.assert_allclose(mean, now[0], atol=1e-5)
    added = covariance - now[1]
    np.testing.assert_allclose(added, share * np.diag(now[1].diagonal()), atol=1e-5)
    assert np.linalg.eigvalsh(added).min() > 0
    # The variance of the mean of all four, of which it is 1, grows by a quarter of the share.
    assert covariance.mean() == pytest.approx(1 + share / count, abs=1e-4)


# A line: weight and bias, whose posterior is normal where the noise is known.


def design(x):
    return np.column_stack([x, np.ones_like(x)])


def regression(batches):
    """Mean and covariance of weight and bias after some batches."""
    x, y = map(np.concatenate, zip(*batches, strict=True))
    precision = design(x).T @ design(x) / NOISE**2 + np.eye(2) / PRIOR**2
    return np.linalg.solve(precision, design(x).T @ y / NOISE**2), np.linalg.inv(precision)


def batch(low, high, count, seed):
    x = np.linspace(low, high, count)
    return x, 0.8 * x - 0.5 + NOISE * np.random.default_rng(seed).normal(size=count)


BATCHES = batch(-1, 1, 20, 3), batch(1.5, 3, 8, 4), batch(-3, -2, 5, 5)


def lines(mean, covariance, of_log_noise, seed):
    """A posterior of weight, bias and noise, the noise's logarithm independent of the others."""
    whole = linalg.block_diag(covariance, of_log_noise)
    theta = exact_draws(np.append(mean, np.log(NOISE)), whole, seed=seed).astype(np.float32)
    sites = {"layer1.weight": theta[:, :1, None], "layer1.bias": theta[:, 1:2]}
    sites |= {"sigma": np.exp(theta[:, 2])}
    encoding = encodings.of_names(("x",), ("y",))
    return posterior.merged([posterior.of_chain(sites, encoding=encoding)])


def memory_of(mean, covariance, inputs):
    """The memory of a posterior of lines, of exact moments, at inputs (k,)."""
    model = build.network(LINE, FIRST, inputs=1, targets=(0,))
    x = torch.zeros(2, 1)
    density = LogDensity(model, x, x[:, 0], engine="pyro")
    before = lines(np.zeros(2), PRIOR**2 * np.eye(2), 0.4, seed=1)
    at = inputs[:, None].astype(np.float32)
    return remembering.memory_of(density, lines(mean, covariance, 0.04, seed=2), before, at)


def density_of(memory, x, y, engine="pyro", **by_rows):
    """Of a line whose noise is known."""
    model = build.network(LINE, FIRST, inputs=1, targets=(0,), source=memory)
    known = poutine.condition(model, {"sigma": torch.tensor(NOISE)})
    data = torch.tensor(x[:, None]).float(), torch.tensor(y).float()
    return LogDensity(known, *data, engine=engine, **by_rows)


def update(memory, x, y):
    """Mean and covariance of weight and bias after a batch, by the prior and a memory."""
    at = design(memory.inputs[:, 0])
    own, noise = memory.loading[:, :-1] @ at, memory.loading[:, -1]
    precision = own.T @ own + design(x).T @ design(x) / NOISE**2 + np.eye(2) / PRIOR**2
    shift = own.T @ (memory.target - noise * np.log(NOISE)) + design(x).T @ y / NOISE**2
    return np.linalg.solve(precision, shift), np.linalg.inv(precision)


def updates(batches, inputs):
    """The last memory, and mean and covariance after all batches, each seen once."""
    (x, y), *others = batches
    found = regression([(x, y)])
    for x, y in others:
        memory = memory_of(*found, inputs)
        found = update(memory, x, y)
    return memory, found


def apart(found, exact):
    """How far a mean is, in standard deviations, and the relative covariances' eigenvalues."""
    away = np.linalg.solve(np.linalg.cholesky(exact[1]), found[0] - exact[0])
    return np.linalg.norm(away), linalg.eigh(found[1], exact[1], eigvals_only=True)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_updates_in_any_order_are_one_fit(monkeypatch, order):
    """Where the function has no more numbers than the network has weights."""
    monkeypatch.setattr(remembering, "INDEPENDENT", 0.0)
    batches = [BATCHES[number] for number in order]
    _, found = updates(batches, np.array([-1.0, 2.0]))
    away, ratios = apart(found, regression(batches))
    # Draws, loading and target are in single precision; two updates, of which a direction's
    # variance is a thousandth of the prior's or more.
    assert away < 1e-2
    np.testing.assert_allclose(ratios, 1, rtol=1e-3)


def implied(covariance, inputs):
    """A posterior's covariance of weight and bias as a memory of many numbers has it.

    The covariance of outputs J θ is C = J Σ Jᵀ, to which a share e of its diagonal D is added. By
    Woodbury, weights with the precision Jᵀ (C + e D)⁻¹ J have the covariance Σ + e (Jᵀ D⁻¹ J)⁻¹.
    """
    share, at = remembering.INDEPENDENT, design(inputs)
    own = np.einsum("ni,ij,nj->n", at, covariance, at)
    return covariance + share * np.linalg.inv(at.T @ (at / own[:, None]))


@pytest.mark.parametrize("count", [2, 3, 20])
def test_what_is_added_costs_so_much(count):
    inputs = np.linspace(-1, 2, count)
    first, (x, y) = BATCHES[:2]
    mean, covariance = regression([first])
    memory = memory_of(mean, covariance, inputs)
    own = memory.loading[:, :-1] @ design(inputs)
    precision = np.linalg.inv(implied(covariance, inputs)) - np.eye(2) / PRIOR**2
    np.testing.assert_allclose(own.T @ own, precision, rtol=1e-3, atol=1e-3 * precision.max())
    known = np.linalg.inv(implied(covariance, inputs))
    total = known + design(x).T @ design(x) / NOISE**2
    centre = np.linalg.solve(total, known @ mean + design(x).T @ y / NOISE**2)
    away, ratios = apart(update(memory, x, y), (centre, np.linalg.inv(total)))
    assert away < 1e-2
    np.testing.assert_allclose(ratios, 1, rtol=1e-3)


def test_many_updates_forget_next_to_nothing_and_count_nothing_twice():
    """Ten batches: the variance is the joint fit's, times at most what each update may add."""
    inputs, most = np.linspace(-2, 3, 100), 1.0
    batches = [batch(-2, 3, 10, seed) for seed in range(10)]
    found = regression(batches[:1])
    for x, y in batches[1:]:
        added = linalg.eigh(implied(found[1], inputs), found[1], eigvals_only=True)
        most *= added.max()
        found = update(memory_of(*found, inputs), x, y)
    away, ratios = apart(found, regression(batches))
    # Nine times e times two weights over a hundred inputs, where all count the same.
    assert most < 1.05
    # Draws are in single precision, so each update may be off by a thousandth.
    assert 1 - 9e-3 < ratios.min() <= ratios.max() < most + 9e-3
    assert away < 0.1


def test_the_models_log_density_has_the_memory_as_a_factor():
    """-|L s - m|²/2 - r log(2π)/2, of the outputs and of the noise's logarithm."""
    memory, (mean, covariance) = updates(BATCHES[:2], np.linspace(-1, 2, 5))
    x, y = BATCHES[1]
    random = np.random.default_rng(0)
    vectors = random.multivariate_normal(mean, 9 * covariance, size=4)
    said = vectors @ design(memory.inputs[:, 0]).T
    said = np.column_stack([said, np.full(4, np.log(NOISE))])
    expected = stats.norm.logpdf(said @ memory.loading.T.astype(float) - memory.target).sum(1)
    assert np.ptp(expected) > 1
    at = torch.tensor(vectors, dtype=torch.float32)
    for engine in ("compiled", "pyro"):
        with_it, without = (
            density_of(own, x, y, engine).value_and_grad(at)[0].double().numpy()
            for own in (memory, None)
        )
        # Values of up to some hundred nats, in single precision.
        np.testing.assert_allclose(with_it - without, expected, rtol=1e-4, atol=1e-3)


def test_the_models_posterior_is_the_updates():
    memory, (mean, covariance) = updates(BATCHES[:2], np.linspace(-1, 2, 5))
    density = density_of(memory, *BATCHES[1])
    random = np.random.default_rng(0)
    vectors = random.multivariate_normal(mean, 9 * covariance, size=6)
    values, grads = density.value_and_grad(torch.tensor(vectors, dtype=torch.float32))
    exact = stats.multivariate_normal(mean, covariance).logpdf(vectors)
    np.testing.assert_allclose(values - values[0], exact - exact[0], rtol=1e-3, atol=1e-2)
    expected = -np.linalg.solve(covariance, (vectors - mean).T).T
    np.testing.assert_allclose(grads, expected, rtol=1e-3, atol=1e-3 * abs(expected).max())


def test_a_sampled_update_is_the_joint_fit():
    """Two batches, sampled: within Monte Carlo error, and what is added to variances."""
    inputs = np.linspace(-1, 3, 20)
    memory, exact = updates(BATCHES[:2], inputs)
    settings = {"sampler": "nutpie", "mass_matrix": "diagonal", "init": "uniform", "seed": 1}
    settings |= {"warmup": 500, "draws": 2000, "target_accept": 0.8, "max_tree_depth": 10}
    draws, _ = nuts.sample_chain(density_of(memory, *BATCHES[1], engine="compiled"), **settings)
    theta = np.column_stack([draws["layer1.weight"].ravel(), draws["layer1.bias"].ravel()])
    joint = regression(BATCHES[:2])
    away, ratios = apart((theta.mean(0), np.cov(theta.T)), joint)
    cost, costs = apart(exact, joint)
    # At worst as good as a quarter as many independent draws.
    assert away < cost + 4 * np.sqrt(2 / 500)
    np.testing.assert_allclose(ratios, costs, rtol=4 * np.sqrt(2 / 500))
    # Old rows count as one at most, and as no less than one over 1 + e.
    assert 1 - 1e-3 < costs.min() <= costs.max() < 1 + remembering.INDEPENDENT


# A network of two targets, in blocks and in minibatches.


def remembering_network(rows):
    """A network's density with a memory of random numbers, without, and its data."""
    torch.manual_seed(0)
    settings = Model().model_dump() | {"hidden": [3], "likelihood": {"family": "normal"}}
    prior = FIRST | {"scaling": "learnt"}
    x, y = torch.randn(rows, 2), torch.randn(rows, 2)
    plain = build.network(settings, prior, inputs=2, targets=(0, 0))
    sites = LogDensity(plain, x, y, engine="pyro").sites
    random = np.random.default_rng(0)
    numbers = 2 * 4 + sum(site.size for site in sites if site.role == LIKELIHOOD)
    arrays = [random.normal(size=shape) for shape in ((4, 2), (5, numbers), (5,))]
    memory = Memory(sites, *(array.astype(np.float32) for array in arrays))
    return build.network(settings, prior, inputs=2, targets=(0, 0), source=memory), plain, x, y


def test_a_memory_counts_once_over_any_rows(monkeypatch):
    """In three blocks, in the mean of minibatches, and by either engine."""
    from bnnflow.density import blocks

    for name, value in {"FEWEST": 8, "PAYING": 2, "TRIED": 7, "CACHE": 0, "STEP": 16}.items():
        monkeypatch.setattr(blocks, name, value)
    model, plain, x, y = remembering_network(rows=48)
    whole = LogDensity(model, x, y, engine="pyro")
    at = torch.randn(3, whole.size) / 2
    value, grad = whole.value_and_grad(at)
    factor = value - LogDensity(plain, x, y, engine="pyro").value_and_grad(at)[0]
    assert (factor.abs() > 1).all()
    for engine in ("compiled", "pyro"):
        density = LogDensity(model, x, y, engine=engine, by_rows=True)
        assert len(density.parts) == 3
        own, slope = density.value_and_grad(at)
        # Sums of some hundred terms in single precision.
        np.testing.assert_allclose(own, value, rtol=1e-4)
        np.testing.assert_allclose(slope, grad, rtol=1e-3, atol=1e-4 * grad.abs().max())
    bare = LogDensity(plain, x, y, engine="pyro", by_rows=True)
    for size in (1, 6, 48):
        numbers = torch.arange(size)
        with_it, without = (
            own.log_prob(at[0], *own.sampled(numbers)).detach() for own in (density, bare)
        )
        assert with_it - without == pytest.approx(factor[0].item(), abs=1e-2)


def test_a_guide_is_fitted_to_a_memory_by_either_engine():
    """Pyro replays the guide's sites in the model, the noise among them."""
    model, _, x, y = remembering_network(rows=7)
    known = {"observations": 7, "guide": "AutoDiagonalNormal", "steps": 20}
    losses = []
    for engine in ("compiled", "pyro"):
        density = LogDensity(model, x, y, engine=engine, by_rows=True)
        streams = [torch.Generator().manual_seed(1)]
        settings = {"learning_rate": 0.02, "schedule": "cosine"} | known
        ((_, own),) = svi.fit(density, streams, **settings)
        losses.append(own)
    # Steps of Adam carry the rounding of single precision on.
    np.testing.assert_allclose(*losses, rtol=2e-3)


def test_a_memory_is_no_row_of_the_log_likelihoods():
    """Those of stacking are of the data alone."""
    model, plain, x, y = remembering_network(rows=7)
    found = []
    for own in (model, plain):
        density = LogDensity(own, x, y, engine="pyro", by_rows=True)
        stream = torch.Generator().manual_seed(1)
        flat = torch.randn(4, density.size, generator=stream)
        draws = density.constrained(density.unflattened(flat))
        found.append(log_likelihoods(density, draws, torch.arange(7)))
    assert found[0].shape == (4, 7)
    np.testing.assert_array_equal(*found)


# Inputs at which a function is remembered.


def test_inputs_are_farthest_from_each_other():
    random = np.random.default_rng(0)
    rows = random.normal(size=(40, 3)).astype(np.float32)
    # Every row twice, in another order.
    chosen = remembering.spread_inputs(np.concatenate([rows, rows[::-1]]), 12)
    assert (chosen.shape, chosen.dtype) == ((12, 3), np.float32)
    own = rows.astype(float)
    first = np.linalg.norm(own - own.mean(0), axis=1).argmin()
    np.testing.assert_array_equal(chosen[0], rows[first])
    for number in range(1, 12):
        to_chosen = np.linalg.norm(own[:, None] - chosen[:number].astype(float), axis=2).min(1)
        np.testing.assert_array_equal(chosen[number], rows[to_chosen.argmax()])


def test_all_different_inputs_are_taken_where_they_are_no_more():
    rows = np.array([[0, 1], [2, 1], [0, 1], [-0.0, 1], [2, 3]], np.float32)
    for count in (3, 4, 1000):
        chosen = remembering.spread_inputs(rows, count)
        assert sorted(map(tuple, chosen)) == [(0, 1), (2, 1), (2, 3)]
    assert len(remembering.spread_inputs(rows, 1)) == 1


@pytest.mark.parametrize("seed", range(5))
def test_no_input_is_farther_than_twice_what_is_possible(seed):
    rows = np.random.default_rng(seed).normal(size=(12, 2)).astype(np.float32)

    def radius(chosen):
        return np.linalg.norm(rows[:, None] - chosen, axis=2).min(1).max()

    for count in (2, 3, 4):
        best = min(radius(rows[list(own)]) for own in combinations(range(12), count))
        assert best <= radius(remembering.spread_inputs(rows, count)) <= 2 * best
