"""Fits on a GPU: where there is one, as far as they can be tested without, and the error then."""

from copy import deepcopy
from itertools import count

import numpy as np
import pyro
import pytest
import torch
from conftest import SMOKE
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils import _pytree as pytree

from bnnflow import jobs
from bnnflow.density import gpu, native
from bnnflow.density.gpu import NoGpuError
from bnnflow.density.log_density import LogDensity
from bnnflow.density.native import NotCompiledError
from bnnflow.methods import mclmc, nuts, svi
from bnnflow.methods.mclmc import ADAPTED, WALKED, Mclmc
from bnnflow.methods.running import checkpoints, loop
from bnnflow.model import build
from bnnflow.model.activations import ACTIVATIONS
from bnnflow.model.settings import Model

HAS_GPU = torch.cuda.is_available()
needs_gpu = pytest.mark.skipif(not HAS_GPU, reason="PyTorch sees no GPU here")

X = torch.linspace(-1, 1, 40)[:, None]
Y = torch.sin(3 * X[:, 0])
SVI = {"guide": "AutoDiagonalNormal", "learning_rate": 0.02, "schedule": "cosine", "steps": 40}
NUTS = {
    "sampler": "pyro",
    "mass_matrix": "diagonal",
    "init": "prior",
    "warmup": 100,
    "draws": 500,
    "target_accept": 0.8,
    "max_tree_depth": 8,
    "seed": 1,
}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


class _Far(torch.Tensor):
    """What a tensor on a GPU can be asked here: to be copied, stacked with others, or brought back.

    And, once in a call of many steps, whether it is finite.
    """

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is torch.Tensor.cpu:
            return args[0].as_subclass(torch.Tensor).clone()
        allowed = {torch.Tensor.clone, torch.Tensor.detach, torch.Tensor.copy_}
        allowed |= {torch.Tensor.isfinite, torch.Tensor.flatten, torch.Tensor.all}
        allowed |= {torch.Tensor.any, torch.Tensor.__bool__}
        if function is torch.stack and all(isinstance(each, cls) for each in args[0]):
            allowed.add(function)
        if function not in allowed and not function.__name__ == "__get__":
            raise TypeError(f"{function.__name__} of a tensor on the GPU")
        return super().__torch_function__(function, types, args, kwargs or {})


def _called_again(run):
    """In place of a recording: the call itself, with its results in the same place each time."""
    results = [result.as_subclass(_Far) for result in run()]

    def replay():
        for result, new in zip(results, run(), strict=True):
            result.copy_(new)

    return replay, results


@pytest.fixture(params=[pytest.param("cuda", marks=needs_gpu), "in its place the processor"])
def device(request, monkeypatch):
    """A GPU, or what stands for one: all that is done with it, but by the processor."""
    if request.param == gpu.DEVICE:
        return request.param
    monkeypatch.setattr(gpu, "DEVICE", "cpu")
    monkeypatch.setattr(gpu, "name", lambda: "no GPU")
    monkeypatch.setattr(gpu, "_captured", _called_again)
    return "cpu"


# Look whether there was an error.
WAITING = {torch.ops.aten._linalg_check_errors.default, torch.ops.aten.equal.default}


def network(*hidden, activation="tanh", prior=None, **connections):
    likelihood = {"family": "normal", "concentration": 0.5, "rate": 1.0, "power": 2}
    own = {"hidden": hidden, "activation": activation, "likelihood": likelihood}
    model = Model().model_dump() | own | connections
    prior = prior or {"stddev": 3.0, "scaling": "fan_in"}
    return build.network(model, prior, inputs=1, targets=(0,))


@pytest.mark.parametrize("hidden", [(5,), (10, 40, 10)])
def test_values_and_gradients_are_pyros(device, hidden):
    density = LogDensity(network(*hidden), X, Y, device=device)
    vectors = torch.randn(3, density.size, generator=torch.Generator().manual_seed(1)) / 2
    found = density.value_and_grad(vectors)
    again = density.value_and_grad(vectors[[2]])
    single = density.value_and_grad(vectors[2])
    with pyro.validation_enabled(False):
        by_pyro = map(torch.func.grad_and_value(density.log_prob), vectors)
        grads, values = map(torch.stack, zip(*by_pyro, strict=True))
    assert density.facts == {"engine": "compiled", "gpu": gpu.name()}
    for several, few, one, exact in zip(found, again, single, (values, grads), strict=True):
        assert {several.device.type, few.device.type, one.device.type} == {"cpu"}
        # Sums of up to a thousand terms in single precision, each rounded a few times.
        tolerance = 1e4 * torch.finfo(torch.float32).eps
        near = {"rtol": tolerance, "atol": tolerance * exact.abs().max().item()}
        np.testing.assert_allclose(several, exact, **near)
        np.testing.assert_allclose(few[0], exact[2], **near)
        np.testing.assert_allclose(one, exact[2], **near)


@pytest.mark.parametrize("guide", svi.GAUSSIAN)
def test_starts_together_are_those_of_the_processor(device, guide):
    """The same noise, the same steps: apart only by rounding."""

    def fitted(density):
        streams = [torch.Generator().manual_seed(seed) for seed in range(3)]
        fits = svi.fit(density, streams, observations=len(Y), **SVI | {"guide": guide})
        return fits, [torch.rand(1, generator=stream) for stream in streams]

    density = LogDensity(network(5), X, Y, device=device)
    fits, after = fitted(density)
    assert density.facts["gpu"] == gpu.name()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu, "DEVICE", "cuda")
        expected, expected_after = fitted(LogDensity(network(5), X, Y, engine="pyro"))
    assert after == expected_after
    for (found, losses), (reference, expected_losses) in zip(fits, expected, strict=True):
        # Steps are of one sign and at most about the learning rate, so that errors add up slowly.
        np.testing.assert_allclose(losses, expected_losses, rtol=1e-3)
        for name, value in svi.stored(reference).items():
            np.testing.assert_allclose(svi.stored(found)[name], value, rtol=1e-3, atol=1e-4)
    draws, stats = svi.draws(found, density, 4, torch.Generator(), observations=len(Y))
    assert draws["layer1.weight"].shape == (4, 5, 1)
    assert np.isfinite(stats["lp"]).all()


def few_steps(adjusted):
    """Settings of `mclmc.sample`."""
    own = Mclmc(adjusted=adjusted, optimum_steps=20, warmup=10, draws=4, thinning=2).model_dump()
    names = ("optimum_steps", "start_scale", "warmup", "draws", "thinning", "adjusted")
    names += ("decoherence", "preconditioning", *(ADAPTED if adjusted else WALKED))
    return {name: own[name] for name in names}


@pytest.mark.parametrize("adjusted", [False, True])
def test_many_chains_together_are_those_of_the_processor(device, adjusted):
    """The same noise, the same steps, so few that chains are apart only by rounding."""
    settings = few_steps(adjusted)

    def sampled(density):
        streams = [torch.Generator().manual_seed(seed) for seed in range(3)]
        return mclmc.sample(density, streams, **settings)

    density = LogDensity(network(5), X, Y, device=device)
    chains = sampled(density)
    assert density.facts["gpu"] == gpu.name()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu, "DEVICE", "cuda")
        expected = sampled(LogDensity(network(5), X, Y, engine="pyro"))
    for found, reference in zip(chains, expected, strict=True):
        for values, others in zip(found, reference, strict=True):
            for name, value in others.items():
                np.testing.assert_allclose(values[name], value, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("sampler", ["pyro", "nutpie"])
def test_chains_find_an_exact_posterior(device, sampler):
    """Of a mean of normal observations, whose prior is normal."""

    def location(x, y=None):
        theta = pyro.sample("theta", pyro.distributions.Normal(0.0, 2.0))
        with pyro.plate("data", len(x)):
            pyro.sample("obs", pyro.distributions.Normal(theta, 1.0), obs=y)

    density = LogDensity(location, Y, Y, device=device)
    draws, _ = nuts.sample_chain(density, **NUTS | {"sampler": sampler})
    variance = 1 / (1 / 4 + len(Y))
    # A chain of NUTS on a normal target is at worst as good as a quarter as many independent
    # draws; four of their standard errors.
    independent = len(draws["theta"]) / 4
    error = 4 * np.sqrt(variance / independent)
    assert draws["theta"].mean() == pytest.approx(variance * Y.sum().item(), abs=error)
    error = 4 * variance * np.sqrt(2 / independent)
    assert draws["theta"].var() == pytest.approx(variance, abs=error)
    assert density.facts["gpu"] == gpu.name()


def test_a_killed_fit_goes_on(device, tmp_path, monkeypatch):
    class KilledError(Exception):
        pass

    monkeypatch.setattr(loop, "PACE", 0)

    def losses(checkpoint, kill=None):
        steps = count(1)

        def due(progress):
            if (step := next(steps)) == kill:
                raise KilledError
            return checkpoint is not None and step % 7 == 0

        monkeypatch.setattr(loop._Keeper, "due", due)
        density = LogDensity(network(5), X, Y, device=device)
        streams = [torch.Generator().manual_seed(seed) for seed in range(2)]
        fits = svi.fit(density, streams, observations=len(Y), **SVI, checkpoint=checkpoint)
        return np.stack([losses for _, losses in fits]), next(steps) - 1

    expected, steps = losses(None)
    checkpoint = checkpoints.Checkpoint(tmp_path / "0.checkpoint")
    with pytest.raises(KilledError):
        losses(checkpoint, kill=25)
    found, steps_again = losses(checkpoint)
    assert steps_again == steps - 21
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("hidden", "others"),
    [
        *(((5,), {"activation": activation}) for activation in ACTIVATIONS),
        ((), {}),
        ((10, 40, 10), {}),
        ((4, 4), {"residual": True, "skip": "linear", "prior": {"scaling": "learnt"}}),
        ((5,), {"prior": {"family": "laplace"}}),
        ((5,), {"prior": {"family": "student_t", "scaling": "learnt"}}),
    ],
)
def test_what_goes_to_a_gpu_stays_there(monkeypatch, hidden, others):
    """No tensor of it is elsewhere, and nothing waits for a value, which cannot be recorded."""
    graphs = []

    def moved(graph, _):
        graphs.append(deepcopy(graph))
        as_it_is(graphs[-1], "cuda:0")

    as_it_is = gpu.moved
    monkeypatch.setattr(gpu, "DEVICE", "cpu")
    monkeypatch.setattr(gpu, "name", lambda: "no GPU")
    monkeypatch.setattr(gpu, "_captured", _called_again)
    monkeypatch.setattr(gpu, "moved", moved)
    density = LogDensity(network(*hidden, **others), X, Y, device="cpu")
    density.value_and_grad(torch.zeros(3, density.size))
    for guide in svi.GAUSSIAN:
        streams = [torch.Generator().manual_seed(seed) for seed in range(3)]
        svi.fit(density, streams, observations=len(Y), **SVI | {"guide": guide, "steps": 1})
    for adjusted in (False, True):
        streams = [torch.Generator().manual_seed(seed) for seed in range(3)]
        mclmc.sample(density, streams, **few_steps(adjusted))
    # Of both kinds of chains a step to the optimum and one of the walk, and a trajectory's.
    assert len(graphs) == 2 + len(svi.GAUSSIAN) + 5
    for graph in graphs:
        _OnGpu(graph).run()


class _OnGpu(torch.fx.Interpreter):
    """Runs a graph with tensors that have a device, the GPU, but no values."""

    def run(self):
        self.mode = FakeTensorMode()
        with self.mode:
            results = super().run(*[None] * 100)
        assert {result.device.type for result in results} == {"cuda"}
        # Passed on to the next call, and to checkpoints.
        assert all(result.is_contiguous() for result in results)

    def placeholder(self, *_):
        given = self.current.meta["val"]
        alike = torch.empty_strided(given.shape, given.stride(), dtype=given.dtype, device="meta")
        return FakeTensor(self.mode, alike, torch.device("cuda:0"))

    def run_node(self, node):
        self.current = node
        assert node.target not in WAITING
        result = super().run_node(node)
        for tensor in pytree.tree_leaves(result):
            # A number may be anywhere.
            if isinstance(tensor, torch.Tensor) and tensor.dim():
                assert tensor.device.type == "cuda", node.format_node()
        return result


def test_a_matrix_without_factors_is_not_a_number():
    """Nor an error, which would end the others of the same call."""

    def total(matrix):
        return torch.linalg.cholesky(matrix).sum()

    matrices = torch.stack([torch.eye(2), torch.tensor([[1.0, 2.0], [2.0, 1.0]]), 4 * torch.eye(2)])
    function = torch.func.vmap(torch.func.grad_and_value(total))
    graph, constants = native.traced(function, (matrices[[0, 0, 0]],))
    grads, values = graph(matrices, *constants)
    np.testing.assert_array_equal(values, [2, np.nan, 4])
    assert grads.isfinite().all((1, 2)).tolist() == [True, False, True]
    expected, _ = torch.func.grad_and_value(total)(matrices[2])
    np.testing.assert_array_equal(grads[2], expected)


def test_what_cannot_be_recorded_is_no_fit(device, monkeypatch):
    def refused(_):
        try:
            raise RuntimeError("operation not permitted when stream is capturing")
        finally:  # as torch.cuda.graph does
            raise RuntimeError("operation failed due to a previous error during capture")

    monkeypatch.setattr(gpu, "_captured", refused)
    density = LogDensity(network(5), X, Y, device=device)
    with pytest.raises(NotCompiledError, match=r"not permitted .* with device: cpu"):
        density.value_and_grad(torch.zeros(density.size))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_a_gpu_without_memory_is_said_to_be(device, error, monkeypatch):
    def refused(_):
        raise error

    monkeypatch.setattr(gpu, "_captured", refused)
    density = LogDensity(network(5), X, Y, device=device)
    with pytest.raises(type(error)) as raised:
        density.value_and_grad(torch.zeros(density.size))
    assert "--resources gpu=1" in jobs.remedy(raised.value)


def test_a_gpu_does_not_run_what_pyro_runs():
    with pytest.raises(ValueError, match="the engine pyro evaluates on the processor"):
        LogDensity(network(5), X, Y, engine="pyro", device="cuda")
    with pytest.raises(ValueError, match="the device is 'gpu', not one of cpu, cuda"):
        LogDensity(network(5), X, Y, device="gpu")


@pytest.mark.parametrize(
    ("cuda", "message"),
    [(None, "is built without CUDA"), ("13.0", "sees no GPU here: nvidia-smi lists")],
)
def test_without_a_gpu_the_error_says_why(monkeypatch, cuda, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    with pytest.raises(NoGpuError, match=rf"{message}.*or let the fit have device: cpu"):
        LogDensity(network(5), X, Y, device="cuda")


ON_GPU = """\
engine: auto
fits:
  svi_shallow: {inference: {device: cuda, starts: 2, starts_per_job: 2}}
"""


def test_a_fit_on_a_gpu_runs_or_says_why_not(empty):
    empty.append("config/gpu.yaml", ON_GPU)
    fit = ("svi_shallow", "--cores", "2", *SMOKE, "config/gpu.yaml")
    printed = empty.snakemake(*fit, fails=not HAS_GPU)
    if HAS_GPU:
        assert gpu.name() in printed
        return
    (log,) = empty.folder.glob("results/logs/svi_shallow_start/*.log")
    assert "NoGpuError: the device is cuda, but" in log.read_text(encoding="utf-8")
    assert not list(empty.folder.glob("results/fits/svi_shallow/**/*.nc"))
