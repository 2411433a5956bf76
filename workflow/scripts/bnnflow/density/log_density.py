"""The one seam: a Pyro model as a log density of one flat vector in unconstrained space."""

from collections.abc import Callable
from contextlib import suppress

import pyro
import torch
from pyro import poutine
from torch import Tensor
from torch.distributions import biject_to, constraints
from torch.distributions.constraints import Constraint

from ..files.parameters import Site
from ..jobs import log
from . import gpu
from .native import Function, NotCompiledError, compiled, over_rows
from .pyro_private import stochastic_nodes, without_validation

Values = dict[str, Tensor]

ENGINES = ("auto", "compiled", "pyro")
DEVICES = ("cpu", gpu.DEVICE)
RUNS = 100  # until one succeeds


class LogDensity:
    """log p(data, z) of a model with static structure, z its latent variables without constraints.

    The density of z has the terms |∂θ/∂z| of the maps to the constrained values θ. The model is
    run by Pyro itself; the engine `compiled` traces one such run, gradient included, and has it
    lowered to machine code, in which the data stay arguments, or recorded on a GPU. Everything
    else is on the processor, the random streams too.

    Attributes:
        sites: the latent variables in the model's order, which is also the order in z.
        size: entries of z.
        dtype: of z, and of values and gradients.
        learnable: names of the model's own parameters (`pyro.param`), which count as constants.
        engine: what evaluates it, `compiled` or `pyro`; `auto` is the first if it is possible,
            and settles when something is first evaluated.
        device: where, `cpu` or `cuda`.
        reason: why the engine is `pyro` although `auto` was asked for; empty otherwise.
    """

    def __init__(self, model: Callable, *data: Tensor, engine: str = "auto", device: str = "cpu"):
        """Run `model(*data)` twice to find its latent sites; no random stream moves on.

        Raises:
            ValueError: if the model has no latent sites, or discrete ones, or a structure that
                is not static: random subsamples, or sites that differ from run to run; if the
                data are not tensors, or outside of what the model allows; if the model fails at
                all of many draws from its prior; or if engine or device are unknown, or the
                engine is `pyro` and the device not the processor.
            NoGpuError: if the device is `cuda` and there is none.
        """
        if engine not in ENGINES:
            raise ValueError(f"the engine is {engine!r}, not one of {', '.join(ENGINES)}")
        if device not in DEVICES:
            raise ValueError(f"the device is {device!r}, not one of {', '.join(DEVICES)}")
        if (engine, device) == ("pyro", gpu.DEVICE):
            raise ValueError("the engine pyro evaluates on the processor, not on the device cuda")
        self.device = device
        self._gpu = gpu.name() if device == gpu.DEVICE else ""
        for position, value in enumerate(data, start=1):
            if not isinstance(value, Tensor):
                kind = type(value).__name__
                raise ValueError(
                    f"argument {position} of the model is a {kind}; data are tensors, and"
                    " functools.partial can give the model what is none"
                )
        self.model, self._data, self.engine, self.reason = model, data, engine, ""
        self._demanded = engine == "compiled" or device == gpu.DEVICE
        # A draw from the prior may lie where the likelihood cannot be evaluated.
        with torch.random.fork_rng(devices=[]), pyro.validation_enabled(False):
            torch.default_generator.manual_seed(0)
            traces = [_run(model, data) for _ in range(2)]
        nodes, again = map(_latent, traces)
        _check_alike(nodes, again)
        _check_observed(*traces)
        self.learnable = tuple(traces[0].param_nodes)
        self._transforms = {name: biject_to(node["fn"].support) for name, node in nodes.items()}
        found = {name: self._transforms[name].inv(node["value"]) for name, node in nodes.items()}
        self.sites = tuple(
            Site(name, tuple(value.shape), _space(node["fn"].support), _role(node))
            for (name, value), node in zip(found.items(), nodes.values(), strict=True)
        )
        self.size = sum(site.size for site in self.sites)
        self.dtype = self.flattened(found).dtype
        self._evaluations: dict[tuple[int, ...], Function] = {}

    @property
    def data(self) -> tuple[Tensor, ...]:
        """The model's arguments; other data are another density."""
        return self._data

    @property
    def facts(self) -> dict[str, str]:
        """What has evaluated the density, for the record."""
        facts = {"engine": self.engine, "engine_reason": self.reason, "gpu": self._gpu}
        return {name: fact for name, fact in facts.items() if fact}

    def constrained(self, values: Values) -> Values:
        """Unconstrained values of every site as values in constrained space."""
        return {site.name: self._transforms[site.name](values[site.name]) for site in self.sites}

    def unflattened(self, vectors: Tensor) -> Values:
        """Flat vectors (..., size) as an unconstrained value (..., *shape) for every site."""
        parts = vectors.split([site.size for site in self.sites], dim=-1)
        return {
            site.name: part.reshape((*vectors.shape[:-1], *site.shape))
            for site, part in zip(self.sites, parts, strict=True)
        }

    def flattened(self, values: Values) -> Tensor:
        """Unconstrained values (*shape) of every site as one flat vector (size,)."""
        return torch.cat([values[site.name].reshape(-1) for site in self.sites])

    def log_prob(self, vector: Tensor, *data: Tensor) -> Tensor:
        """Pyro's own evaluation at a vector (size,), differentiable; a scalar, in nats."""
        values = self.unflattened(vector)
        sites = self.constrained(values)
        trace = poutine.trace(poutine.condition(self.model, sites)).get_trace(*data or self.data)
        return trace.log_prob_sum() + sum(
            self._transforms[name].log_abs_det_jacobian(value, sites[name]).sum()
            for name, value in values.items()
        )

    def value_and_grad(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """The log density and its gradient, at one vector or at many in one call.

        Where they are not defined, as where a scale underflows, they are not finite.

        Args:
            vectors: (size,), or (n, size); for each n there is machine code of its own.

        Returns:
            Values () and gradients (size,), or (n,) and (n, size).

        Raises:
            ValueError: if the vectors have another shape.
            NotCompiledError: if the engine `compiled` was asked for and is not possible.
        """
        # Machine code checks neither types nor strides.
        if vectors.dtype is not self.dtype or not vectors.is_contiguous():
            vectors = vectors.to(self.dtype).contiguous()
        if vectors.shape not in self._evaluations:
            self._evaluations[vectors.shape] = self._evaluation(vectors)
        return self._evaluations[vectors.shape](vectors)

    def compiled(self, function: Function, *examples: Tensor, mapped: int = 0) -> Function | None:
        """A function of the examples and then the data, `log_prob` within it, compiled.

        Args:
            function: as `native.compiled` takes it.
            examples: arguments.
            mapped: of how many of them, the first ones, the function takes a row at a time.

        Returns:
            A function of the examples, whose results are on the density's device; or None where
            the engine is Pyro's: the caller then evaluates as Pyro does.

        Raises:
            NotCompiledError: if the engine `compiled`, or a GPU, was asked for and is not possible.
        """
        if self.engine == "pyro":
            return None
        try:
            made = self._made(function, *examples, mapped=mapped)
        except NotCompiledError as error:
            self.leave_to_pyro(str(error))
            return None
        self.engine = "compiled"
        return made

    def leave_to_pyro(self, reason: str) -> None:
        """Settle on the engine `pyro`, and say so.

        Raises:
            NotCompiledError: if the engine `compiled`, or a GPU, was asked for.
        """
        if self._demanded:
            hint = "; Pyro itself can evaluate it, with device: cpu" if self._gpu else ""
            raise NotCompiledError(f"{reason}{hint}")
        if self.engine != "pyro":
            self.engine, self.reason = "pyro", reason
            log.warning("not compiled, so Pyro evaluates the model, far slower: %s", reason)

    def _evaluation(self, vectors: Tensor) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        shape = tuple(vectors.shape)
        if len(shape) not in (1, 2) or shape[-1] != self.size or 0 in shape:
            raise ValueError(
                f"vectors of the shape {shape}; allowed are ({self.size},) and (n, {self.size})"
            )
        if len(shape) == 1:
            run = self.compiled(self._value_and_grad, vectors)
            reference = self._by_pyro
        else:
            self.value_and_grad(vectors[0])  # settles the engine
            run = self._batched(vectors) if self.engine == "compiled" else None
            reference = self._one_by_one
        if run is None:
            return reference
        if self._gpu:
            return lambda given: tuple(result.cpu() for result in run(given))

        def evaluated(given: Tensor) -> tuple[Tensor, Tensor]:
            try:
                value, grad = run(given)
            except RuntimeError:  # as where a matrix has no factors
                return reference(given)
            return value, grad

        return evaluated

    def _batched(self, vectors: Tensor) -> Function | None:
        try:
            return self._made(self._value_and_grad, vectors, mapped=1)
        except NotCompiledError as error:
            log.info("many vectors are evaluated one after another: %s", error)
            return None

    def _made(self, function: Function, *examples: Tensor, mapped: int = 0) -> Function:
        with without_validation():
            if not self._gpu:
                return compiled(function, *examples, held=self.data, mapped=mapped)
            if mapped:
                function = over_rows(function, mapped, len(examples) + len(self.data))
            return gpu.recorded(function, *examples, held=self.data)

    def _value_and_grad(self, vector: Tensor, *data: Tensor) -> tuple[Tensor, Tensor]:
        grad, value = torch.func.grad_and_value(self.log_prob)(vector, *data)
        return value.to(vector.dtype), grad

    def _by_pyro(self, vector: Tensor) -> tuple[Tensor, Tensor]:
        vector = vector.detach().requires_grad_()
        try:
            with without_validation(), torch.enable_grad():
                value = self.log_prob(vector).to(self.dtype)
                if not value.requires_grad:
                    return value, torch.zeros_like(vector)
                return value.detach(), torch.autograd.grad(value, vector)[0]
        except torch.linalg.LinAlgError:
            return vector.new_tensor(torch.nan), torch.full_like(vector, torch.nan).detach()

    def _one_by_one(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        values, grads = zip(*map(self.value_and_grad, vectors), strict=True)
        return torch.stack(values), torch.stack(grads)


def _run(model: Callable, data: tuple[Tensor, ...]) -> poutine.Trace:
    """A run of a model at a draw from its prior where its matrices have factors."""
    for _ in range(RUNS):
        try:
            return poutine.trace(model).get_trace(*data)
        except torch.linalg.LinAlgError as error:
            fault = error
    raise ValueError(f"the model fails at {RUNS} draws from its prior: {fault}") from fault


def _latent(trace: poutine.Trace) -> dict[str, dict]:
    """The latent sites of a run of a model."""
    nodes = stochastic_nodes(trace)
    if not nodes:
        raise ValueError("the model has no latent sites")
    for name, node in nodes.items():
        if node["fn"].support.is_discrete:
            raise ValueError(f"the site {name} is discrete; only continuous ones have gradients")
    return nodes


def _check_alike(nodes: dict[str, dict], again: dict[str, dict]) -> None:
    """That nothing about the latent sites depends on their values."""
    if list(nodes) != list(again):
        differing = ", ".join(sorted({*nodes} ^ {*again})) or "their order"
        raise ValueError(f"the sites of the model differ from run to run: {differing}")
    for name, node in nodes.items():
        if node["value"].shape != again[name]["value"].shape:
            raise ValueError(f"the shape of the site {name} differs from run to run")
        if not _alike(node["fn"].support, again[name]["fn"].support):
            raise ValueError(f"the support of the site {name} depends on the values of others")


def _check_observed(trace: poutine.Trace, again: poutine.Trace) -> None:
    """That data lie where they have a density, as far as that does not depend on other sites."""
    for name in trace.observation_nodes:
        node, other = trace.nodes[name], again.nodes[name]
        with suppress(NotImplementedError):  # a support of which nothing is known
            support = node["fn"].support
            static = _alike(support, other["fn"].support)
            if static and not support.check(node["value"]).all():
                raise ValueError(f"the data of the site {name} are outside of its support")


def _alike(a, b) -> bool:
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and torch.equal(a, b)
    if isinstance(a, Constraint):
        return type(a) is type(b) and _alike(vars(a), vars(b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_alike(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_alike, a, b))
    return a == b


def _role(node: dict) -> str:
    """Whose site it is, if its sample statement says so."""
    return node["infer"].get("role", "")


def _space(support: Constraint) -> str:
    while hasattr(support, "base_constraint"):
        support = support.base_constraint
    if support is constraints.real:
        return "identity"
    if hasattr(support, "lower_bound") and not hasattr(support, "upper_bound"):
        positive = torch.as_tensor(support.lower_bound).eq(0).all()
        return "log" if positive else "unconstrained"
    return "unconstrained"
