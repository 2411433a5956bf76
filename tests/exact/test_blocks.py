"""Rows in blocks and in minibatches: the density of all rows, exactly or on average."""

from itertools import combinations
from unittest.mock import patch

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO

from bnnflow.density import blocks, native
from bnnflow.density.log_density import LogDensity
from bnnflow.density.pyro_private import guide_at_start, guides
from bnnflow.methods import mclmc, nuts, svi
from bnnflow.methods.running.batches import Batches
from bnnflow.model.likelihood import LIKELIHOODS
from bnnflow.model.model import Model, Response
from bnnflow.model.network import Network
from bnnflow.model.prior import PRIORS
from bnnflow.model.several import of_settings
from bnnflow.run import resources

LEVELS = {"bernoulli": (2,), "categorical": (3, 2), "several": (0, 3, 0)}
EACH = ("normal", "categorical", "negative_binomial")

# Of the data below: three blocks, the last filled up by 13 rows.
ROWS = 35

SVI = {"learning_rate": 0.02, "schedule": "cosine", "steps": 30}
NUTS = {"warmup": 5, "draws": 5, "target_accept": 0.8, "max_tree_depth": 3, "init": "uniform"}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def small(monkeypatch):
    """Blocks of 16 rows at most, of tables that have 3 of them or more."""
    monkeypatch.setattr(blocks, "FEWEST", 8)
    monkeypatch.setattr(blocks, "PAYING", 2)
    monkeypatch.setattr(blocks, "TRIED", 7)
    monkeypatch.setattr(blocks, "CACHE", 0)
    monkeypatch.setattr(blocks, "STEP", 16)


@pytest.fixture
def traced(monkeypatch):
    """What the compiler is given, in the place of what it makes of that."""
    monkeypatch.setattr(native, "_machine_code", lambda graph, _: lambda values: graph(*values))


def problem(family="several"):
    """A network's model of some family, learnt noise and several targets, and data of it."""
    torch.manual_seed(0)
    levels = LEVELS.get(family, (0, 0))
    settings = {
        "several": [{"family": own} for own in EACH],
        "correlated": {"family": "normal", "correlated": True},
    }.get(family, {"family": family})
    likelihood = of_settings(settings)
    layers = Network(2, [3], likelihood.outputs(levels), "tanh")
    prior = PRIORS.made({"stddev": 1.0, "scaling": "learnt"}).weights(layers.shapes)
    model = Model(prior, Response(layers, likelihood, levels))
    x = torch.randn(ROWS, 2)
    nodes = poutine.trace(model).get_trace(x).nodes.items()
    seen = [node["value"].reshape(-1, ROWS) for name, node in nodes if name.endswith("obs")]
    y = torch.cat(seen).mT.to(x.dtype)
    return model, x, y[:, 0] if y.shape[1] == 1 else y


def near(found, exact, tolerance):
    for one, other in zip(found, exact, strict=True):
        scale = other.abs().max().item()
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("family", [*LIKELIHOODS, "several", "correlated"])
def test_blocks_add_up_to_all_rows(double, small, traced, family):
    model, x, y = problem(family)
    whole = LogDensity(model, x, y, engine="pyro")
    vectors = torch.randn(3, whole.size) / 2
    exact = whole.value_and_grad(vectors)
    for engine in ("compiled", "pyro"):
        density = LogDensity(model, x, y, engine=engine, by_rows=True)
        assert [len(part[0]) for part in density.parts] == [16, 16, 16]
        # Sums of some hundred terms in double precision, each rounded a few times.
        near(density.value_and_grad(vectors), exact, 1e-11)
        near(density.value_and_grad(vectors[1]), [each[1] for each in exact], 1e-11)
        with pyro.validation_enabled(False):
            near([density.log_probs(vectors, 2)], exact[:1], 1e-11)
        assert density.engine == engine


WALKS = {"optimum_steps": 9, "warmup": 12, "draws": 3, "thinning": 2}
WALKS |= {"energy_variance": 0.01, "decoherence": 1.0, "preconditioning": "none"}


@pytest.mark.parametrize("engine", ["compiled", "pyro"])
def test_chains_walk_over_blocks_as_over_all_rows(double, small, traced, engine):
    """Gradients add up over blocks; steps do not."""

    def walked(**by_rows):
        density = LogDensity(*problem("normal"), engine=engine, **by_rows)
        streams = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
        return [part for chain in mclmc.sample(density, streams, **WALKS) for part in chain]

    for found, exact in zip(walked(by_rows=True), walked(), strict=True):
        for name, values in exact.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-6, atol=1e-8)


def test_compiled_blocks_are_pyros(small):
    """By the compiler itself, in single precision."""
    model, x, y = problem("normal")
    compiled, by_pyro = (
        LogDensity(model, x, y, engine=engine, by_rows=True) for engine in ("compiled", "pyro")
    )
    vectors = torch.randn(2, compiled.size) / 2
    near(compiled.value_and_grad(vectors), by_pyro.value_and_grad(vectors), 1e-4)


def test_a_row_that_fills_up_is_a_real_one(small):
    """Rows of zeros would have a scale of 0, and gradients that are not numbers."""

    def model(x, y):
        slope = pyro.sample("slope", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("obs", dist.Normal(slope * x, slope.exp() * x), obs=y)

    x = torch.linspace(1, 2, ROWS)
    vector = torch.tensor([0.3])
    found = LogDensity(model, x, x, engine="pyro", by_rows=True).value_and_grad(vector)
    exact = LogDensity(model, x, x, engine="pyro").value_and_grad(vector)
    near(found, exact, 1e-5)


def test_memory_does_not_grow_with_rows(small):
    """The largest tensor of a value and gradient is that of a block."""
    model, x, y = problem("normal")
    most = []
    for times in (1, 20):
        density = LogDensity(
            model, x.repeat(times, 1), y.repeat(times, 1), engine="pyro", by_rows=True
        )
        vector = torch.zeros(density.size)
        sizes = set()
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor, sizes=sizes: (sizes.add(tensor.numel()), tensor)[1],
            lambda tensor: tensor,
        ):
            density.value_and_grad(vector)
        most.append(max(sizes))
    assert most[0] == most[1] >= 16


def test_small_tables_are_whole():
    x = torch.zeros(1200, 1)
    model = problem("normal")[0]
    layers = Network(1, [500], 1, "tanh")
    likelihood = LIKELIHOODS["normal"]()
    prior = PRIORS.made({"stddev": 1.0}).weights(layers.shapes)
    model = Model(prior, Response(layers, likelihood, (0,)))
    density = LogDensity(model, x, x[:, 0], by_rows=True)
    ((own_x, own_y),) = density.parts
    assert own_x is x
    assert len(own_y) == 1200


@pytest.mark.parametrize(
    ("hidden", "inputs", "widest"), [([16], 5, 16), ([64, 64], 5, 64), ([4], 50, 50)]
)
def test_the_widest_tensor_of_a_block_stays_in_the_cache(hidden, inputs, widest):
    size = blocks.CACHE // widest
    layers = Network(inputs, hidden, 1, "tanh")
    prior = PRIORS.made({"stddev": 1.0}).weights(layers.shapes)
    model = Model(prior, Response(layers, LIKELIHOODS["normal"](), (0,)))
    for rows in (4 * size - 1, 4 * size, 10 * size + 1):
        x = torch.zeros(rows, inputs)
        density = LogDensity(model, x, x[:, 0], by_rows=True)
        together = {len(part[0]) for part in density.parts}
        if rows < 4 * size:
            assert together == {rows}
        else:
            (own,) = together
            # Blocks are of equal size, up to the rows that fill it.
            assert size / 2 < own <= size + blocks.STEP
            assert sum(part[2].sum().item() for part in density.parts) == rows


@pytest.mark.parametrize("family", ["normal", "several", "correlated"])
def test_estimates_from_rows_are_without_bias(double, family):
    """The mean over all subsets, and over all of an epoch, is the density of all rows."""
    model, x, y = problem(family)
    x, y = x[:6], y[:6]
    density = LogDensity(model, x, y, engine="pyro", by_rows=True)
    vector = torch.randn(density.size) / 2

    def estimate(numbers):
        return density._part_by_pyro(vector, *density.sampled(numbers))

    exact = density.value_and_grad(vector)
    batches = Batches(6, 2, 3, torch.Generator().manual_seed(1))
    subsets = [torch.tensor(each) for each in combinations(range(6), 2)]
    for samples in (subsets, [batches.rows(number) for number in range(3)]):
        values, grads = zip(*map(estimate, samples), strict=True)
        assert torch.stack(values).std() > 1e-3
        near([torch.stack(values).mean(), torch.stack(grads).mean(0)], exact, 1e-11)


def subsampled(rows):
    """A model whose plate takes some rows of all, as Pyro has it."""

    def model(x, y):
        level = pyro.sample("level", dist.Normal(torch.zeros(2), 1.0).to_event(1))
        scale = pyro.sample("scale", dist.Gamma(2.0, 1.0))
        with pyro.plate("data", len(x), subsample=rows):
            own = (x, y) if rows is None else (x[rows], y[rows])
            pyro.sample("obs", dist.Normal(level[0] + level[1] * own[0], scale), obs=own[1])

    return model


@pytest.mark.parametrize("engine", ["compiled", "pyro"])
def test_a_step_of_rows_is_pyros_subsample(double, traced, engine):
    """Losses of two starts, and where their steps lead, are those of Pyro's ELBO and Adam."""
    x = torch.linspace(-1, 1, 12)
    y = 1 + 2 * x
    steps, size, kind = 7, 5, guides()["AutoDiagonalNormal"]
    settings = {"guide": "AutoDiagonalNormal", "learning_rate": 0.05, "schedule": "constant"}
    streams = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    density = LogDensity(subsampled(None), x, y, engine=engine, by_rows=True)
    known = {"observations": 12, "steps": steps, "batch_size": size}
    fitted = svi.fit(density, streams, **settings, **known)
    assert density.engine == engine
    for seed, (guide, losses) in zip((1, 2), fitted, strict=True):
        stream = torch.Generator().manual_seed(seed)
        with pyro.get_param_store().scope():
            own = guide_at_start(kind, subsampled(None), (x, y), stream)
            batches = Batches(12, size, steps, stream)
            optimizer = torch.optim.Adam(own.parameters(), lr=0.05)
            expected = []
            with torch.random.fork_rng(devices=[]):
                torch.set_rng_state(stream.get_state())
                for number in range(steps):
                    model = subsampled(batches.rows(number))
                    optimizer.zero_grad()
                    expected.append(Trace_ELBO().loss_and_grads(model, own, x, y))
                    optimizer.step()
        # Steps of Adam carry the rounding of double precision on.
        np.testing.assert_allclose(losses, expected, rtol=1e-9)
        for name, value in svi.stored(own).items():
            np.testing.assert_allclose(svi.stored(guide)[name], value, rtol=1e-9)


@pytest.mark.parametrize("guide", svi.GAUSSIAN)
def test_a_fit_in_blocks_is_the_fit_of_all_rows(double, small, traced, guide):
    """By the same noise; draws have the log density of all rows."""
    model, x, y = problem("normal")
    found = []
    for engine, by_rows in (("pyro", False), ("pyro", True), ("compiled", True)):
        streams = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
        density = LogDensity(model, x, y, engine=engine, by_rows=by_rows)
        fitted = svi.fit(density, streams, observations=ROWS, guide=guide, **SVI)
        (own, _), *_ = fitted
        _, stats = svi.draws(own, density, 3, streams[0], observations=ROWS)
        parameters = np.concatenate([value.ravel() for value in svi.stored(own).values()])
        found.append([*(losses for _, losses in fitted), parameters, stats["lp"]])
        assert density.engine == engine
    whole, *others = found
    for other in others:
        for one, exact in zip(other, whole, strict=True):
            np.testing.assert_allclose(one, exact, rtol=1e-7, atol=1e-9)


def test_a_fit_of_rows_compiles_and_follows_pyros_own():
    """By the compiler itself: apart only by rounding."""
    model, x, y = problem("normal")
    found = []
    for engine in ("pyro", "compiled"):
        streams = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
        density = LogDensity(model, x, y, engine=engine, by_rows=True)
        known = {"observations": ROWS, "guide": "AutoDiagonalNormal", "batch_size": 8}
        found.append(svi.fit(density, streams, **known, **SVI))
    for (_, losses), (_, expected) in zip(*found, strict=True):
        np.testing.assert_allclose(losses, expected, rtol=2e-3)


def test_a_chain_in_blocks_is_a_chain_of_all_rows(double, small, traced):
    model, x, y = problem("normal")
    settings = NUTS | {"sampler": "pyro", "mass_matrix": "diagonal", "seed": 3}
    whole, by_pyro, compiled = (
        nuts.sample_chain(LogDensity(model, x, y, engine=engine, by_rows=by_rows), **settings)[0]
        for engine, by_rows in (("pyro", False), ("pyro", True), ("compiled", True))
    )
    for name, exact in whole.items():
        for found in (by_pyro, compiled):
            np.testing.assert_allclose(found[name], exact, rtol=1e-6, atol=1e-8)


def test_a_chain_starts_where_all_rows_have_a_density(small):
    """Where those that are tried first have one everywhere, and one of the others has not."""

    def model(x, y):
        edge = pyro.sample("edge", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("obs", dist.Normal(0.0, torch.where(x * edge > 0, x * edge, 1.0)), obs=y)

    x = torch.zeros(ROWS)
    x[-1] = 1.0

    def gap(density, vector):
        value, grad = type(density).value_and_grad(density, vector)
        return (value, grad) if vector[0] > 1.5 else (value - torch.inf, grad)

    density = LogDensity(model, x, x, engine="pyro", by_rows=True)
    with patch.object(density, "value_and_grad", lambda vector: gap(density, vector)):
        start = nuts._start(density, "uniform", torch.Generator().manual_seed(1))
    assert start[0] > 1.5
    with (
        patch.object(density, "value_and_grad", lambda _: (torch.tensor(torch.nan),) * 2),
        pytest.raises(ValueError, match=r"no point of finite log density.*init: median or prior"),
    ):
        nuts._start(density, "uniform", torch.Generator().manual_seed(1))


def outside(x, y):
    level = pyro.sample("level", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("obs", dist.Normal(level, 1.0).expand([len(x), 2]).to_event(1), obs=y)


def across(x, y):
    level = pyro.sample("level", dist.Normal(0.0, 1.0))
    pyro.sample("obs", dist.Normal(level, 1.0).expand([len(x)]).to_event(1), obs=y)


def test_rows_that_are_none_are_refused(small):
    x = torch.zeros(ROWS)
    with pytest.raises(ValueError, match=r"the site obs has the batch \(\), whose last dimension"):
        LogDensity(across, x, x, by_rows=True)
    with pytest.raises(ValueError, match="the data have 35 and 4 rows"):
        LogDensity(across, x, x[:4], by_rows=True)
    LogDensity(outside, x, torch.zeros(ROWS, 2), by_rows=True)
    with pytest.raises(ValueError, match="only where a density is made with by_rows"):
        LogDensity(across, x, x).sampled(torch.arange(3))


def test_data_outside_of_a_support_are_seen_in_every_block(small):
    def model(x, y):
        rate = pyro.sample("rate", dist.Gamma(1.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("obs", dist.Poisson(rate), obs=y)

    y = torch.ones(ROWS)
    LogDensity(model, y, y, by_rows=True)
    y[-1] = -1
    with pytest.raises(ValueError, match="the data of the site obs are outside of its support"):
        LogDensity(model, y, y, by_rows=True)


def test_a_cluster_is_asked_for_the_memory_of_blocks():
    """The plan knows them without torch."""
    assert resources.ROWS == blocks.PAYING * blocks.FEWEST
    assert resources.WIDEST == blocks.PAYING * blocks.CACHE
