"""The seam: compiled code against Pyro's own evaluation, and where it cannot be had."""

import itertools
import logging
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyro import poutine
from pyro.infer.mcmc.util import initialize_model
from pyro.ops.integrator import potential_grad

from bnnflow.density import kept, native, products
from bnnflow.density.log_density import LogDensity
from bnnflow.density.native import NotCompiledError
from bnnflow.model.activations import ACTIVATIONS
from bnnflow.model.likelihood import LIKELIHOODS
from bnnflow.model.model import Model, Response
from bnnflow.model.network import Network
from bnnflow.model.prior import PRIORS, Weights
from bnnflow.model.several import of_settings

PRIOR_SETTINGS = {
    "none": {"stddev": 3.0},
    "fan_in": {"stddev": 3.0, "scaling": "fan_in"},
    "laplace": {"family": "laplace", "scaling": "fan_in"},
    "student_t": {"family": "student_t", "df": 2.5},
    "learnt": {"stddev": 3.0, "scaling": "learnt"},
    "laplace_learnt": {"family": "laplace", "scaling": "learnt"},
    "student_t_learnt": {"family": "student_t", "scaling": "learnt"},
}

ROUNDING = {dtype: torch.finfo(dtype).eps for dtype in (torch.float32, torch.float64)}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def network(widths, activation, prior, power, seed, dtype, **connections):
    """A network with priors that are constant, scaled, learnt, or different everywhere."""
    random = torch.Generator().manual_seed(seed)
    inputs, *hidden, outputs = widths
    layers = Network(inputs, hidden, outputs, activation, **connections)
    own = {"stored": {"stddev": 3.0}, **PRIOR_SETTINGS}[prior]
    factors = PRIORS.made(own).weights(layers.shapes).factors
    if prior == "stored":
        factors = {
            name: (kind, (torch.randn(loc.shape, generator=random), torch.rand(loc.shape) + 0.1))
            for name, (kind, (loc, _)) in factors.items()
        }
    weights = Weights(
        {
            name: (kind, tuple(each.to(dtype) for each in parameters))
            for name, (kind, parameters) in factors.items()
        }
    )
    likelihood = LIKELIHOODS["normal"](concentration=0.5, rate=1.5, power=power)
    return Model(weights, Response(layers, likelihood, (0,) * outputs)), random


def single(x, y=None):
    """A model of another kind: several supports, no network; x only counts the points."""
    rate = pyro.sample("rate", dist.Gamma(2.0, 3.0))
    level = pyro.sample("level", dist.Beta(2.0, 2.0))
    mix = pyro.sample("mix", dist.Dirichlet(torch.ones(3)))
    shift = pyro.sample("shift", dist.StudentT(4.0, torch.zeros(2), 1.0).to_event(1))
    with pyro.plate("data", len(x)):
        pyro.sample("obs", dist.Normal(shift.sum() + level * mix[0], rate), obs=y)


@pytest.fixture
def double():
    """Tensors made of Python's numbers, such as the gamma prior's, in double precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def check_agreement(hidden, inputs, activation, prior, power, seed, **connections):
    """In double precision to its rounding, so that a wrong term cannot hide, one and batched."""
    widths = [inputs, *hidden, 1]
    model, random = network(widths, activation, prior, power, seed, torch.float64, **connections)
    x, y = (torch.randn(s, generator=random).double() for s in ((17, inputs), (17,)))
    fast = LogDensity(model, x, y, engine="compiled")
    reference = LogDensity(model, x, y, engine="pyro")
    vectors = torch.randn(3, fast.size, generator=random).double() / 2

    expected = reference.value_and_grad(vectors)
    found = fast.value_and_grad(vectors)
    one = fast.value_and_grad(vectors[1])
    for several, single, exact in zip(found, one, expected, strict=True):
        # Sums of up to a thousand terms, each rounded a few times.
        tolerance = 1e4 * ROUNDING[torch.float64]
        near = {"rtol": tolerance, "atol": tolerance * exact.abs().max().item()}
        np.testing.assert_allclose(several, exact, **near)
        np.testing.assert_allclose(single, exact[1], **near)


@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    hidden=st.lists(st.integers(1, 12), max_size=4),
    inputs=st.integers(1, 3),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    prior=st.sampled_from(["stored", *PRIOR_SETTINGS]),
    power=st.sampled_from([1, 2, 0.5]),
    seed=st.integers(0, 2**16),
    residual=st.booleans(),
    skip=st.sampled_from(["none", "linear"]),
)
def test_what_is_compiled_agrees_with_pyro(
    double, hidden, inputs, activation, prior, power, seed, residual, skip
):
    """The program that the compiler is given, for random models at random points."""
    with patch.object(native, "_machine_code", lambda graph, _: lambda values: graph(*values)):
        connections = {"residual": residual, "skip": skip}
        check_agreement(hidden, inputs, activation, prior, power, seed, **connections)


@pytest.mark.parametrize(
    ("hidden", "inputs", "activation", "prior", "power", "connections"),
    [
        ([], 2, "tanh", "none", 1, {}),
        ([5], 1, "tanh", "fan_in", 2, {}),
        ([3, 40], 1, "silu", "stored", 2, {}),
        ([4, 4], 3, "leaky_relu", "stored", 0.5, {}),
        ([6, 6, 6], 3, "tanh", "student_t_learnt", 1, {"residual": True, "skip": "linear"}),
        ([5], 1, "tanh", "laplace_learnt", 1, {"skip": "linear"}),
        ([33, 20], 19, "sigmoid", "fan_in", 1, {}),
        ([20, 20], 7, "relu", "learnt", 1, {"residual": True}),
    ],
)
def test_compiled_code_agrees_with_pyro(
    double, hidden, inputs, activation, prior, power, connections
):
    check_agreement(hidden, inputs, activation, prior, power, seed=1, **connections)


LEVELS = {"bernoulli": (2,), "categorical": (3, 2), "several": (0, 3, 0)}
EACH = ("normal", "categorical", "negative_binomial")


def likelihood_of(family):
    given = {"family": family}
    return of_settings([{"family": own} for own in EACH] if family == "several" else given)


def check_likelihood(family):
    """In double precision to its rounding, one vector and several."""
    torch.manual_seed(0)
    levels, likelihood = LEVELS.get(family, (0, 0)), likelihood_of(family)
    layers = Network(2, [3], likelihood.outputs(levels), "tanh")
    prior = PRIORS.made({"stddev": 1.0}).weights(layers.shapes)
    model = Model(prior, Response(layers, likelihood, levels))
    x = torch.randn(17, 2)
    nodes = poutine.trace(model).get_trace(x).nodes.items()
    seen = [node["value"].reshape(-1, 17) for name, node in nodes if name.endswith("obs")]
    y = torch.cat(seen).mT.double()
    fast, reference = (LogDensity(model, x, y, engine=engine) for engine in ("compiled", "pyro"))
    vectors = torch.randn(3, fast.size) / 2
    expected = reference.value_and_grad(vectors)
    pairs = zip(
        fast.value_and_grad(vectors), fast.value_and_grad(vectors[1]), expected, strict=True
    )
    for several, single, exact in pairs:
        near = {"rtol": 1e-10, "atol": 1e-10 * exact.abs().max().item()}
        np.testing.assert_allclose(several, exact, **near)
        np.testing.assert_allclose(single, exact[1], **near)


@pytest.mark.parametrize("family", [*LIKELIHOODS, "several"])
def test_every_likelihood_has_a_program(double, family):
    """Which the compiler is given."""
    with patch.object(native, "_machine_code", lambda graph, _: lambda values: graph(*values)):
        check_likelihood(family)


@pytest.mark.parametrize("family", ["student_t", "negative_binomial", "several"])
def test_special_functions_are_compiled(double, family):
    check_likelihood(family)


@pytest.mark.parametrize("family", [*LIKELIHOODS, "several"])
@pytest.mark.parametrize("size", [30.0, 1e4])
def test_every_likelihood_is_finite_at_extreme_outputs(family, size):
    """Where the network is far from all data, and single precision is all there is."""
    torch.manual_seed(0)
    levels, likelihood = LEVELS.get(family, (0,)), likelihood_of(family)
    response = Response(Network(1, [], likelihood.outputs(levels), "tanh"), likelihood, levels)
    prior = PRIORS.made({"stddev": 1.0}).weights(response.network.shapes)
    x, y = torch.ones(4, 1), torch.tensor([0.0, 1.0, 1.0, 0.0])
    y = y[:, None].expand(4, len(levels)) if len(levels) > 1 else y
    density = LogDensity(Model(prior, response), x, y, engine="pyro")
    for sign in (-1, 1):
        vector = sign * size * torch.ones(density.size)
        # Own sites stay where their priors are.
        own = sum(site.size for site in density.sites if site.role == "likelihood")
        vector[density.size - own :] = 0
        value, grad = density.value_and_grad(vector)
        assert value.isfinite()
        assert grad.isfinite().all()


@pytest.mark.parametrize(
    "widths", [[1, 5, 1], [1, 10, 10, 10, 10, 10, 1], [5, 16, 16, 1], [30, 33, 64, 1]]
)
def test_single_precision_is_as_exact_as_pyros(widths):
    """Both against double precision: the compiler's freedoms cost no more than rounding does.

    The widths are of networks whose products are written out, and of networks with blocks.
    """
    points = torch.linspace(-0.2, 1.0, 1000)
    x = torch.stack([torch.cos(i * points) if i else points for i in range(widths[0])], dim=1)
    y = torch.sin(6 * points)
    densities = {}
    for dtype in ROUNDING:
        model, _ = network(widths, "tanh", "fan_in", 2, 0, dtype)
        densities[dtype] = LogDensity(model, x.to(dtype), y.to(dtype), engine="pyro")
    compiled = LogDensity(densities[torch.float32].model, x, y, engine="compiled")
    vectors = torch.randn(4, compiled.size, generator=torch.Generator().manual_seed(1)) / 2
    torch.set_default_dtype(torch.float64)
    exact, exact_grad = densities[torch.float64].value_and_grad(vectors.double())
    torch.set_default_dtype(torch.float32)
    for by in ("value", "grad"):
        error = {
            name: (
                (density.value_and_grad(vectors)[0] - exact).abs() / exact.abs()
                if by == "value"
                else (density.value_and_grad(vectors)[1] - exact_grad).abs().amax(1)
                / exact_grad.abs().amax(1)
            ).max()
            for name, density in (("pyro", densities[torch.float32]), ("compiled", compiled))
        }
        assert error["compiled"] <= 4 * max(error["pyro"], ROUNDING[torch.float32]), (by, error)


def test_the_engine_pyro_is_pyros_potential():
    model, _ = network([1, 3, 1], "tanh", "none", 2, 0, torch.float32)
    x = torch.linspace(-1, 1, 11)[:, None]
    density = LogDensity(model, x, x[:, 0], engine="pyro")
    start, potential, transforms, _ = initialize_model(model, (x, x[:, 0]))
    grads, energy = potential_grad(potential, start)
    value, grad = density.value_and_grad(density.flattened(start))
    np.testing.assert_allclose(-value, energy, rtol=1e-6)
    np.testing.assert_allclose(-grad, density.flattened(grads), rtol=1e-4, atol=1e-4)
    constrained = density.constrained(start)
    assert torch.equal(constrained["sigma"], transforms["sigma"].inv(start["sigma"]))


def test_any_supports_and_a_strangers_model():
    y = torch.tensor([0.3, 1.9, 0.8])
    densities = [LogDensity(single, y, y, engine=engine) for engine in ("compiled", "pyro")]
    assert [(site.name, site.shape) for site in densities[0].sites] == [
        ("rate", ()),
        ("level", ()),
        ("mix", (2,)),
        ("shift", (2,)),
    ]
    vector = torch.randn(densities[0].size, generator=torch.Generator().manual_seed(0))
    (value, grad), (expected, expected_grad) = (d.value_and_grad(vector) for d in densities)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(grad, expected_grad, rtol=1e-4, atol=1e-5)
    values = densities[0].unflattened(vector)
    assert torch.equal(densities[0].flattened(values), vector)
    mix = densities[0].constrained(densities[0].unflattened(torch.stack([vector, vector])))["mix"]
    assert mix.shape == (2, 3)
    np.testing.assert_allclose(mix.sum(1), 1, rtol=1e-6)


def test_a_gradient_is_a_difference_quotient(double):
    model, random = network([2, 4, 1], "silu", "stored", 1, 5, torch.float64)
    x = torch.randn(9, 2, generator=random).double()
    density = LogDensity(model, x, x[:, 0], engine="pyro")
    vector = torch.randn(density.size, generator=random).double() / 2
    step = 1e-5
    steps = step * torch.eye(density.size).double()
    ups, _ = density.value_and_grad(vector + steps)
    downs, _ = density.value_and_grad(vector - steps)
    _, grad = density.value_and_grad(vector)
    # The central difference's own error: step² of the third derivative, and rounding / step.
    np.testing.assert_allclose((ups - downs) / (2 * step), grad, rtol=1e-5, atol=1e-5)


@given(
    rows=st.integers(1, 70),
    terms=st.integers(1, 70),
    columns=st.integers(1, 70),
    count=st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_products_of_every_shape_are_products(rows, terms, columns, count):
    """Written out or not; a count of 0 is one product, others are batches."""
    random = torch.Generator().manual_seed(rows + 71 * terms)
    batch = (count,) if count else ()
    a = torch.randn(*batch, rows, terms, generator=random)
    b = torch.randn(*batch, terms, columns, generator=random)
    graph, _ = native.traced(lambda a, b: (a @ b,), (a, b), products.LOWERINGS)
    (found,) = graph(a, b)
    exact = a.double() @ b.double()
    # Of each sum: its terms' rounding, and that of every addition (Higham, 2002, section 3.1).
    bound = 2 * terms * ROUNDING[torch.float32] * (a.double().abs() @ b.double().abs())
    assert ((found - exact).abs() <= bound).all()


@pytest.mark.parametrize("count", [1, 6, 7])
@pytest.mark.parametrize("cache", [1, 100, 10**6])
def test_rows_in_groups_are_as_all_at_once(count, cache, monkeypatch):
    """Whatever fits the cache; what is not mapped is given to all."""
    calls = []

    def machine_code(graph, arguments):
        calls.append(len(arguments[0]))
        return lambda values: graph(*values)

    monkeypatch.setattr(native, "_machine_code", machine_code)
    monkeypatch.setattr(products, "CACHE", cache)
    random = torch.Generator().manual_seed(0)
    a, b, c = (torch.randn(s, generator=random) for s in ((count, 5), (count,), (7,)))

    def function(a, b, c, held):
        outer = torch.outer(a, c) + held
        return outer.sin(), b * 2

    run = native.compiled(function, a, b, c, held=(torch.ones(7),), mapped=2)
    outer, double = run(a, b, c)
    assert torch.equal(outer, (a[:, :, None] * c + 1).sin())
    assert torch.equal(double, 2 * b)
    # 35 numbers a row.
    assert calls[0] == max(
        d for d in (1, 2, 3, 6, 7) if count % d == 0 and d <= max(1, cache // 35)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_compiled_products_of_every_shape_are_products(dtype, monkeypatch):
    """Whole and broken blocks; batches; factors stored transposed, or within one vector."""
    monkeypatch.setattr(products, "WRITTEN_OUT", 0)
    monkeypatch.setattr(products, "SMALL_FACTOR", 0)
    monkeypatch.setattr(products, "FEW_TERMS", 0)
    random = torch.Generator().manual_seed(0)
    pairs = []
    for rows, terms, columns in itertools.product((2, 4, 7), (2, 19, 131), (2, 16, 65, 67)):
        a = torch.randn(2, rows, terms, generator=random, dtype=dtype)
        b = torch.randn(2, terms, columns, generator=random, dtype=dtype)
        pairs += [(a, b), (a.mT.contiguous().mT[0], b[0]), (a, b[:1].mT.contiguous().mT)]
    given = [factor for pair in pairs for factor in pair]

    def with_parts(*given):
        first, second = given[-2].reshape(-1)[2:14].split(6)
        own = (first.reshape(2, 3), second.reshape(3, 2)), (given[1][0], given[1][0].mT)
        return [*zip(given[::2], given[1::2], strict=True), *own]

    def every(*given):
        return tuple(a @ b for a, b in with_parts(*given))

    results = native.compiled(every, *given)(*given)
    for (a, b), found in zip(with_parts(*given), results, strict=True):
        exact = a.double() @ b.double()
        bound = 2 * a.shape[-1] * ROUNDING[dtype] * (a.double().abs() @ b.double().abs())
        assert ((found - exact).abs() <= bound).all(), (a.shape, b.shape, a.stride(), b.stride())


def test_only_products_that_gain_by_blocks_are_blocks():
    """And the tutorial's widest, of ten units, keep the numbers that they have always had."""
    for width, expected in ((10, 0), (16, 1), (64, 1)):
        weights, units = torch.zeros(6, width, width), torch.zeros(6, width, 100)
        for a, b in ((weights, units), (units, units.mT)):
            graph, _ = native.traced(lambda a, b: (a @ b,), (a, b), products.LOWERINGS)
            assert graph.code.count("bnnflow.product") == expected


def test_the_fast_tanh_is_tanh():
    x = torch.cat([torch.linspace(-12, 12, 100_001), torch.logspace(-30, 0, 1000)])
    (found,) = native.compiled(lambda x: (torch.tanh(x),), x)(x)
    exact = torch.tanh(x.double())
    error = (found - exact).abs() / ROUNDING[torch.float32]
    assert (error <= 2 * exact.abs()).all()
    # A unit in the last place below 1 is half of one above: the nearest number, almost.
    assert error[x.abs() > 3].max() < 0.3
    odd = torch.tensor([0.0, -0.0, 100.0, -torch.inf, torch.nan]).repeat(10)
    (found,) = native.compiled(lambda x: (torch.tanh(x),), odd)(odd)
    torch.testing.assert_close(found, torch.tanh(odd), rtol=0, atol=0, equal_nan=True)


def test_data_and_constants_are_arguments(cache, caplog):
    """One compilation serves all data and all priors of a shape, and later processes."""
    caplog.set_level(logging.INFO)
    for seed in range(3):
        model, random = network([1, 2, 1], "tanh", "stored", 2, seed, torch.float32)
        x, y = torch.randn(5, 1, generator=random), torch.randn(5, generator=random)
        vector = torch.randn(8, generator=random)
        results = [
            LogDensity(model, x, y, engine=engine).value_and_grad(vector)[0].item()
            for engine in ("compiled", "pyro")
        ]
        assert results[0] == pytest.approx(results[1], rel=1e-5)
    assert caplog.text.count("compiling") == 1
    assert len(list(cache.glob("*.pt2"))) == 1
    LogDensity(model, torch.cat([x, x]), torch.cat([y, y])).value_and_grad(vector)
    assert caplog.text.count("compiling") == 2


def test_a_damaged_cache_is_rebuilt(cache, caplog):
    model, _ = network([1, 2, 1], "tanh", "none", 2, 0, torch.float32)
    x = torch.ones(4, 1)
    values = []
    for damage in (None, lambda b: b[: len(b) // 2], lambda b: b[:-999] + bytes(999)):
        for path in cache.glob("*.pt2"):
            path.write_bytes(damage(path.read_bytes()))
        density = LogDensity(model, x, x[:, 0], engine="compiled")
        values.append(density.value_and_grad(torch.zeros(8))[0].item())
        assert len(list(cache.glob("*.pt2"))) == 1
    assert len(set(values)) == 1
    assert caplog.text.count("is damaged; it is made again") == 2


def test_code_that_cannot_be_loaded_is_made_again(cache, caplog):
    def values():
        return native.compiled(lambda x: (x * 7,), torch.ones(4))(torch.ones(4))[0].tolist()

    values()
    (made,) = cache.glob("*.pt2")
    made.write_bytes(b"whole, but no program")
    made.rename(cache / kept.name(made.name.partition("-")[0], made, ".pt2"))
    assert values() == [7.0] * 4
    assert "cannot be loaded" in caplog.text
    assert len(list(cache.glob("*.pt2"))) == 1


def test_where_no_code_can_be_loaded_pyro_evaluates(cache, monkeypatch):
    def refused(*_):
        raise RuntimeError("failed to map segment from shared object")

    monkeypatch.setattr(torch._C._aoti, "AOTIModelPackageLoader", refused)
    y = torch.tensor([0.3, 1.9])
    density = LogDensity(plain, y, y)
    assert density.value_and_grad(torch.zeros(1))[0].isfinite()
    assert "TMPDIR" in density.reason
    with pytest.raises(NotCompiledError, match="the compiled code cannot be loaded"):
        LogDensity(plain, y, y, engine="compiled").value_and_grad(torch.zeros(1))


def test_a_cache_that_can_only_be_read_is_read(cache, monkeypatch):
    native.compiled(lambda x: (x * 9,), torch.ones(4))
    monkeypatch.setattr(kept, "usable", lambda _: pytest.fail("this wants to write"))
    (found,) = native.compiled(lambda x: (x * 9,), torch.ones(4))(torch.ones(4))
    assert found.tolist() == [9.0] * 4


def test_another_processor_has_code_of_its_own(cache, monkeypatch):
    x = torch.ones(4)
    for processor in ("one", "another"):
        monkeypatch.setattr(native, "processor", lambda name=processor: name)
        native.compiled(lambda x: (x + 1,), x)
    assert len(list(cache.glob("*.pt2"))) == 2


def test_two_jobs_at_once(cache):
    code = """
import torch
from bnnflow.density import building, compilers, kept, native
print(native.compiled(lambda x: (x * 3,), torch.ones(4))(torch.ones(4))[0].tolist())
"""
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(native.__file__).parents[2])},
        )
        for _ in range(2)
    ]
    assert [job.communicate()[0].strip() for job in jobs] == [str([3.0] * 4)] * 2
    assert not list(cache.glob("making-*"))
    assert len(list(cache.glob("*.pt2"))) == 1


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("BNNFLOW_CACHE", str(tmp_path / "file"))
    (found,) = native.compiled(lambda x: (x * 5,), torch.ones(4))(torch.ones(4))
    assert found.tolist() == [5.0] * 4
    assert "BNNFLOW_CACHE can name another folder" in caplog.text


def test_the_cache_has_a_place(monkeypatch, tmp_path):
    monkeypatch.delenv("BNNFLOW_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kept.directory() == tmp_path / "bnnflow"
    monkeypatch.setenv("BNNFLOW_CACHE", str(tmp_path / "mine"))
    assert kept.directory() == tmp_path / "mine"
    monkeypatch.setenv("BNNFLOW_CACHE", "~/mine")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert kept.directory() == tmp_path / "mine"


def test_a_user_without_a_home_has_a_cache(monkeypatch):
    for name in ("BNNFLOW_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    with patch.object(Path, "home", side_effect=RuntimeError("no home")):
        assert kept.directory().is_dir()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (None, "g++"),
        ("", "g++"),
        ("g++ -O1", "g++"),
        ("no-such-wrapper g++", "g++"),
        ("c++", "c++"),
    ],
)
def test_the_compiler_is_the_one_that_is_named(monkeypatch, asked, found):
    monkeypatch.delenv("CXX", raising=False)
    if asked is not None:
        monkeypatch.setenv("CXX", asked)
    assert native.compiler() == found


def test_the_compilers_own_complaint_is_in_the_reason(cache, monkeypatch, tmp_path):
    compiler = tmp_path / "compiler"
    complaint = "a.cpp:1:10: fatal error: omp.h: No such file or directory"
    fails = f'echo "{complaint}" >&2; exit 1'
    compiler.write_text(f'#!/bin/sh\ncase "$*" in *.cpp*) {fails};; esac\nexec g++ "$@"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    y = torch.tensor([0.3, 1.9])
    density = LogDensity(plain, y, y)
    density.value_and_grad(torch.zeros(1))
    assert complaint in density.reason
    assert "install a C++ compiler" in density.reason


def branching(x, y=None):
    theta = pyro.sample("theta", dist.Normal(0.0, 1.0))
    scale = 1.0 if theta > 0 else 2.0
    with pyro.plate("data", len(x)):
        pyro.sample("obs", dist.Normal(theta, scale), obs=y)


def plain(x, y=None):
    theta = pyro.sample("theta", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("obs", dist.Normal(theta, 1.0), obs=y)


@pytest.mark.parametrize(
    ("model", "compiler", "reason"),
    [
        (branching, None, "the model cannot be traced"),
        (plain, "no-such-compiler", r"there is no C\+\+ compiler 'no-such-compiler'; install"),
        (plain, "false", "PyTorch's compiler failed .*; install"),
    ],
)
def test_nobody_is_stranded(cache, caplog, monkeypatch, model, compiler, reason):
    if compiler:
        monkeypatch.setenv("CXX", compiler)
    y = torch.tensor([0.3, 1.9])
    density = LogDensity(model, y, y)
    value, grad = density.value_and_grad(torch.tensor([-0.4]))
    density.value_and_grad(torch.tensor([[-0.4], [0.4]]))
    expected = LogDensity(model, y, y, engine="pyro").value_and_grad(torch.tensor([-0.4]))
    assert (value, grad) == expected
    assert density.facts["engine"] == "pyro"
    assert density.reason
    assert caplog.text.count("so Pyro evaluates the model") == 1
    with pytest.raises(NotCompiledError, match=reason):
        LogDensity(model, y, y, engine="compiled").value_and_grad(torch.tensor([-0.4]))


@pytest.mark.parametrize("engine", ["compiled", "pyro"])
def test_vectors_of_any_type_and_layout(engine):
    model, random = network([1, 2, 1], "tanh", "none", 2, 0, torch.float32)
    x = torch.linspace(-1, 1, 6)[:, None]
    density = LogDensity(model, x, x[:, 0], engine=engine)
    vectors = torch.randn(3, density.size, generator=random)
    expected, _ = density.value_and_grad(vectors)
    for same in (vectors.double(), vectors.T.contiguous().T, vectors.repeat(1, 2)[:, :8]):
        assert torch.equal(density.value_and_grad(same)[0], expected)
    wide = vectors[0].repeat_interleave(2)[::2]
    assert density.value_and_grad(wide)[0].item() == pytest.approx(expected[0].item(), rel=1e-5)
    for wrong in ((7,), (3, 7), (0, 8), (1, 1, 8), ()):
        with pytest.raises(ValueError, match=r"allowed are \(8,\) and \(n, 8\)"):
            density.value_and_grad(torch.zeros(wrong))


@pytest.mark.parametrize("engine", ["compiled", "pyro"])
def test_data_in_double_precision(engine):
    """As torch makes of NumPy's arrays: sites stay in single precision."""
    x = torch.from_numpy(np.linspace(0, 1, 5))
    density = LogDensity(plain, x, x, engine=engine)
    for vector in (torch.tensor([0.3]), torch.tensor([0.3]).double(), torch.tensor([[0.3]] * 2)):
        value, grad = density.value_and_grad(vector)
        assert value.dtype == grad.dtype == torch.float32
        normal = torch.distributions.Normal
        exact = normal(0.0, 1.0).log_prob(torch.tensor(0.3)) + normal(0.3, 1.0).log_prob(x).sum()
        np.testing.assert_allclose(value, exact.expand(value.shape), rtol=1e-6)


@pytest.mark.parametrize("engine", ["compiled", "pyro"])
def test_where_a_matrix_has_no_factors_the_density_is_not_finite(engine):
    def correlated(y):
        slope = pyro.sample("slope", dist.Normal(0.0, 1.0))
        covariance = torch.eye(2) * (1 - slope) + slope * torch.ones(2, 2)
        pyro.sample("y", dist.MultivariateNormal(torch.zeros(2), covariance), obs=y)

    for seed in range(10):  # about one draw in three from the prior has no factors
        torch.manual_seed(seed)
        density = LogDensity(correlated, torch.ones(2), engine=engine)
    assert density.value_and_grad(torch.tensor([0.5]))[0].isfinite()
    assert density.value_and_grad(torch.tensor([3.0]))[0].isnan()
    values, _ = density.value_and_grad(torch.tensor([[0.5], [3.0]]))
    assert values.isfinite().tolist() == [True, False]


def test_a_model_that_fails_everywhere_is_refused():
    def impossible(y):
        slope = pyro.sample("slope", dist.Normal(0.0, 1.0))
        pyro.sample("y", dist.MultivariateNormal(slope.repeat(2), -torch.eye(2)), obs=y)

    with pytest.raises(ValueError, match=r"fails at 100 draws from its prior: linalg\.cholesky"):
        LogDensity(impossible, torch.ones(2))


@pytest.mark.parametrize("engine", ["compiled", "pyro"])
def test_where_a_scale_underflows_the_density_is_not_finite(engine):
    model, _ = network([1, 2, 1], "tanh", "none", 2, 0, torch.float32)
    x = torch.ones(4, 1)
    vector = torch.zeros(8)
    vector[-1] = -60.0  # log sigma
    value, _ = LogDensity(model, x, x[:, 0], engine=engine).value_and_grad(vector)
    assert not value.isfinite()


def test_what_has_no_gradient_is_refused():
    def counted(x, y=None):
        pyro.sample("number", dist.Poisson(3.0))

    with pytest.raises(ValueError, match="the site number is discrete"):
        LogDensity(counted, torch.ones(1))
    with pytest.raises(ValueError, match="the engine is 'fast', not one of auto, compiled, pyro"):
        LogDensity(plain, torch.ones(1), engine="fast")


def subsampled(x):
    theta = pyro.sample("theta", dist.Normal(0.0, 1.0))
    with pyro.plate("data", 100, subsample_size=10) as index:
        pyro.sample("obs", dist.Normal(theta, 1.0), obs=x.repeat(100)[index])


def dependent(x):
    top = pyro.sample("top", dist.Gamma(2.0, 1.0))
    pyro.sample("below", dist.Uniform(0.0, top))


def varying(x):
    if pyro.sample("first", dist.Normal(0.0, 1.0)) > VARYING.pop():
        pyro.sample("second", dist.Normal(0.0, 1.0))


VARYING = []


def of_counts(x):
    pyro.sample("obs", dist.Poisson(pyro.sample("rate", dist.Gamma(2.0, 1.0))), obs=x)


@pytest.mark.parametrize(
    ("model", "data", "complaint"),
    [
        (subsampled, torch.ones(1), "the plate data takes random subsamples"),
        (dependent, torch.ones(1), "the support of the site below depends on the values of others"),
        (varying, torch.ones(1), "the sites of the model differ from run to run: second"),
        (lambda x: None, torch.ones(1), "the model has no latent sites"),
        (plain, 3, "argument 1 of the model is a int; data are tensors"),
        (of_counts, torch.tensor(-1.0), "the data of the site obs are outside of its support"),
    ],
)
def test_what_has_no_static_density_is_refused(model, data, complaint):
    VARYING[:] = [-100.0, 100.0]
    with pytest.raises(ValueError, match=complaint):
        LogDensity(model, data)


def test_bounds_may_be_many():
    """And may depend on the data, as those of an observed site on the others."""

    def bounded(y):
        edges = pyro.sample(
            "edges", dist.Uniform(torch.zeros(2), torch.tensor([1.0, 2.0])).to_event(1)
        )
        with pyro.plate("data", len(y)):
            pyro.sample("obs", dist.Uniform(-edges[0] - 1, edges[1] + 1), obs=y)

    density = LogDensity(bounded, torch.zeros(3), engine="pyro")
    assert density.sites[0].transform == "unconstrained"
    assert density.value_and_grad(torch.zeros(2))[0].isfinite()


def test_validation_is_back_after_compilation():
    x = torch.ones(3)
    LogDensity(plain, x, x).value_and_grad(torch.zeros(1))
    with pytest.raises(ValueError, match="constraint"):
        dist.Normal(torch.tensor(0.0), torch.tensor(-1.0))


def test_sites_follow_their_sizes():
    """Every entry of a vector belongs to one site, in order."""
    model, _ = network([1, 3, 2, 1], "tanh", "none", 2, 0, torch.float32)
    density = LogDensity(model, torch.ones(2, 1), torch.ones(2))
    values = density.unflattened(torch.arange(density.size))
    ends = np.cumsum([0, *(site.size for site in density.sites)])
    for site, (begin, end) in zip(density.sites, pairwise(ends), strict=True):
        assert values[site.name].flatten().tolist() == list(range(begin, end))
