"""The one seam: a Pyro model as a log density of one flat vector in unconstrained space."""

from collections.abc import Callable
from functools import partial

import pyro
import torch
from pyro import poutine
from torch import Tensor
from torch.distributions import biject_to

from ..files.parameters import Site
from ..jobs import log
from . import blocks, gpu, structure
from .blocks import Part
from .native import Function, NotCompiledError, compiled, over_rows
from .pyro_private import without_validation

Values = dict[str, Tensor]

ENGINES = ("auto", "compiled", "pyro")
DEVICES = ("cpu", gpu.DEVICE)


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
        head: the data, or of many rows those that are evaluated together.
        parts: arguments of `log_prob` whose results add up to the log density: the data alone, or
            many rows in blocks.
    """

    def __init__(
        self,
        model: Callable,
        *data: Tensor,
        engine: str = "auto",
        device: str = "cpu",
        by_rows: bool = False,
    ):
        """Run `model(*data)` twice to find its latent sites; no random stream moves on.

        Args:
            model: of Pyro.
            data: its arguments.
            engine, device: as in the config.
            by_rows: whether the model takes any of the rows of all data, which are independent
                given the latent sites and the last dimension of every observation. Many rows are
                then evaluated in blocks, but on a GPU.

        Raises:
            ValueError: if the model has no latent sites, or discrete ones, or a structure that
                is not static: random subsamples, or sites that differ from run to run; if the
                data are not tensors, or outside of what the model allows; if the model fails at
                all of many draws from its prior; or if engine or device are unknown, or the
                engine is `pyro` and the device not the processor; if the data are to be taken by
                rows, and have different ones, or observations have others.
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
        if by_rows and len({len(value) for value in data}) > 1:
            raise ValueError(f"the data have {' and '.join(str(len(d)) for d in data)} rows")
        self.model, self._data, self.engine, self.reason = model, data, engine, ""
        self._by_rows = by_rows
        self._demanded = engine == "compiled" or device == gpu.DEVICE
        # A draw from the prior may lie where the likelihood cannot be evaluated.
        with torch.random.fork_rng(devices=[]), pyro.validation_enabled(False):
            torch.default_generator.manual_seed(0)
            self.head, *others = (
                blocks.in_blocks(model, data) if by_rows and not self._gpu else [data]
            )
            traces = [structure.run_of(model, self.head) for _ in range(2)]
            nodes, again = map(structure.latent, traces)
            structure.check_alike(nodes, again)
            structure.check_observed(*traces)
            for rows in others:
                structure.check_observed(*(structure.run_of(model, rows) for _ in range(2)))
        if by_rows:
            blocks.check(traces[0], len(self.head[0]))
        self.learnable = tuple(traces[0].param_nodes)
        self._transforms = {name: biject_to(node["fn"].support) for name, node in nodes.items()}
        found = {name: self._transforms[name].inv(node["value"]) for name, node in nodes.items()}
        self.sites = tuple(
            Site(
                name, tuple(value.shape), structure.space(node["fn"].support), structure.role(node)
            )
            for (name, value), node in zip(found.items(), nodes.values(), strict=True)
        )
        self.size = sum(site.size for site in self.sites)
        self.dtype = self.flattened(found).dtype
        self.parts = blocks.padded([self.head, *others], self.dtype) if others else [data]
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

    def unconstrained(self, values: Values) -> Values:
        """The inverse of `constrained`."""
        return {
            site.name: self._transforms[site.name].inv(values[site.name]) for site in self.sites
        }

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

    def log_prob(self, vector: Tensor, *part: Tensor) -> Tensor:
        """Pyro's own evaluation at a vector (size,), differentiable; a scalar, in nats.

        Args:
            vector: where.
            part: of the data, all of them if there is none.
        """
        values = self.unflattened(vector)
        sites = self.constrained(values)
        model = poutine.condition(self.of_part, sites)
        trace = poutine.trace(model).get_trace(*part or self.data)
        return trace.log_prob_sum() + self.scaled(
            sum(
                self._transforms[name].log_abs_det_jacobian(value, sites[name]).sum()
                for name, value in values.items()
            ),
            *part,
        )

    def log_probs(self, vectors: Tensor, chunk: int) -> Tensor:
        """`log_prob` at vectors (n, size), so many at a time: (n,)."""

        def over_vectors(vectors: Tensor, *part: Tensor) -> tuple[Tensor]:
            in_dims = (0, *(None for _ in part))
            return (torch.vmap(self.log_prob, in_dims, chunk_size=chunk)(vectors, *part),)

        return blocks.summed(over_vectors, self.parts)(vectors)[0]

    def of_part(self, *part: Tensor) -> object:
        """The model of all data, or of a part of their rows, as Pyro runs it."""
        if self._is_whole(part):
            return self.model(*part)
        *data, weights, share = part
        with blocks.Shared(weights, share):
            return self.model(*data)

    def scaled(self, value: Tensor, *part: Tensor) -> Tensor:
        """Of what is no observation's the share that a part of the data has."""
        return value if self._is_whole(part) else part[-1] * value

    def sampled(self, numbers: Tensor) -> Part:
        """Rows of the data that stand for all, numbers (rows,) or (..., rows).

        Of a random subset of the rows, density and gradient are without bias.

        Raises:
            ValueError: if the model takes its data not by rows.
        """
        if not self._by_rows:
            raise ValueError("some rows stand for all only where a density is made with by_rows")
        return blocks.sampled(self.data, numbers, self.dtype)

    def _is_whole(self, part: tuple[Tensor, ...]) -> bool:
        return len(part) <= len(self.data)

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

        Where there are many `parts` of the data, it is the sum of the results of all of them.

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
        return self._settled(lambda: self._made(function, *examples, mapped=mapped))

    def around(self, function: Function, *examples: Tensor, mapped: int) -> Function:
        """A function with evaluations of the density within it: one program where that is possible.

        Where it is not, as where there are many `parts` of the data, whose values and gradients
        add up and not what is made of them, the evaluations alone are compiled.

        Args:
            function: of `value_and_grad` and the examples; its own operations hold for one row of
                the mapped arguments and for many.
            examples: arguments.
            mapped: of how many of them, the first ones, there is a row for every vector.

        Returns:
            A function of the examples.

        Raises:
            NotCompiledError: if the engine `compiled`, or a GPU, was asked for and is not possible.
        """

        def whole(*values: Tensor) -> tuple[Tensor, ...]:
            given, data = values[: len(examples)], values[len(examples) :]
            return function(lambda vector: self._value_and_grad(vector, *data), *given)

        run = self.compiled(whole, *examples, mapped=mapped) if len(self.parts) == 1 else None
        if run and self._gpu:
            return lambda *values: tuple(result.cpu() for result in run(*values))
        return run or partial(function, self.value_and_grad)

    def compiled_sample(self, function: Function, *examples: Tensor, size: int) -> Function | None:
        """As `compiled`, of `sampled` rows in the place of the data.

        Args:
            function: of a row of every example, and of a part of the data.
            examples: arguments, with a row for every sample.
            size: of a sample.

        Returns:
            A function of the numbers of the rows, (samples, size), and of the examples.
        """
        numbers = torch.zeros(len(examples[0]), size, dtype=torch.long)
        *rows, weights, share = self.sampled(numbers)
        given, held = (*examples, *rows), (weights, share)
        run = self._settled(lambda: self._program(function, given, held, mapped=len(given)))
        return run and (lambda numbers, *values: run(*values, *self.sampled(numbers)[:-2]))

    def _settled(self, make: Callable[[], Function]) -> Function | None:
        if self.engine == "pyro":
            return None
        try:
            made = make()
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
        if len(self.parts) == 1:
            return self._program(function, examples, self.data, mapped)
        run = self._program(function, (*examples, *self.parts[0]), (), mapped)
        return blocks.summed(run, self.parts)

    def _program(
        self,
        function: Function,
        examples: tuple[Tensor, ...],
        held: tuple[Tensor, ...],
        mapped: int,
    ) -> Function:
        with without_validation():
            if not self._gpu:
                return compiled(function, *examples, held=held, mapped=mapped)
            if mapped:
                function = over_rows(function, mapped, len(examples) + len(held))
            return gpu.recorded(function, *examples, held=held)

    def _value_and_grad(self, vector: Tensor, *part: Tensor) -> tuple[Tensor, Tensor]:
        grad, value = torch.func.grad_and_value(self.log_prob)(vector, *part)
        return value.to(vector.dtype), grad

    def _by_pyro(self, vector: Tensor) -> tuple[Tensor, Tensor]:
        return blocks.summed(self._part_by_pyro, self.parts)(vector)

    def _part_by_pyro(self, vector: Tensor, *part: Tensor) -> tuple[Tensor, Tensor]:
        vector = vector.detach().requires_grad_()
        try:
            with without_validation(), torch.enable_grad():
                value = self.log_prob(vector, *part).to(self.dtype)
                if not value.requires_grad:
                    return value, torch.zeros_like(vector)
                return value.detach(), torch.autograd.grad(value, vector)[0]
        except torch.linalg.LinAlgError:
            return vector.new_tensor(torch.nan), torch.full_like(vector, torch.nan).detach()

    def _one_by_one(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        values, grads = zip(*map(self.value_and_grad, vectors), strict=True)
        return torch.stack(values), torch.stack(grads)
