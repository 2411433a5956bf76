"""The one seam: a Pyro model as a log density of one flat vector in unconstrained space."""

from collections.abc import Callable
from contextlib import contextmanager
from unittest.mock import patch

import pyro
import torch
from pyro import poutine
from pyro.poutine.util import prune_subsample_sites
from torch import Tensor
from torch.distributions import Distribution, biject_to, constraints
from torch.distributions.constraints import Constraint

from .jobs import log
from .native import Function, NotCompiledError, compiled
from .parameters import Site

Values = dict[str, Tensor]

ENGINES = ("auto", "compiled", "pyro")


class LogDensity:
    """log p(data, z) of a model with static structure, z its latent variables without constraints.

    The density of z has the terms |∂θ/∂z| of the maps to the constrained values θ. The model is
    run by Pyro itself; the engine `compiled` traces one such run, gradient included, and has it
    lowered to machine code, in which the data stay arguments.

    Attributes:
        sites: the latent variables in the model's order, which is also the order in z.
        size: entries of z.
        engine: what evaluates it, `compiled` or `pyro`; `auto` is the first if it is possible,
            and settles when something is first evaluated.
        reason: why the engine is `pyro` although `auto` was asked for; empty otherwise.
    """

    def __init__(self, model: Callable, *data: Tensor, engine: str = "auto"):
        """Run `model(*data)` once to find its latent sites; no random stream moves on.

        Raises:
            ValueError: if a latent site is discrete, or the engine unknown.
        """
        if engine not in ENGINES:
            raise ValueError(f"the engine is {engine!r}, not one of {', '.join(ENGINES)}")
        self.model, self.data, self.engine, self.reason = model, data, engine, ""
        self._demanded = engine == "compiled"
        # A draw from the prior may lie where the likelihood cannot be evaluated.
        with torch.random.fork_rng(devices=[]), pyro.validation_enabled(False):
            trace = prune_subsample_sites(poutine.trace(model).get_trace(*data))
        nodes = dict(trace.iter_stochastic_nodes())
        for name, node in nodes.items():
            if node["fn"].support.is_discrete:
                raise ValueError(
                    f"the site {name} is discrete; only continuous ones have gradients"
                )
        self._transforms = {name: biject_to(node["fn"].support) for name, node in nodes.items()}
        self.sites = tuple(
            Site(
                name,
                tuple(self._transforms[name].inv(node["value"]).shape),
                _space(node["fn"].support),
            )
            for name, node in nodes.items()
        )
        self.size = sum(site.size for site in self.sites)
        self._evaluations: dict[tuple[int, ...], Function] = {}

    @property
    def facts(self) -> dict[str, str]:
        """What has evaluated the density, for the record."""
        return {"engine": self.engine} | ({"engine_reason": self.reason} if self.reason else {})

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
            NotCompiledError: if the engine `compiled` was asked for and is not possible.
        """
        if vectors.shape not in self._evaluations:
            self._evaluations[vectors.shape] = self._evaluation(vectors)
        value, grad = self._evaluations[vectors.shape](vectors, *self.data)
        return value, grad

    def compiled(self, function: Function, *examples: Tensor) -> Function | None:
        """A function of the examples and then the data as machine code, `log_prob` within it.

        Returns:
            None where the engine is Pyro's: the caller then evaluates as Pyro does.

        Raises:
            NotCompiledError: if the engine `compiled` was asked for and is not possible.
        """
        if self.engine == "pyro":
            return None
        try:
            with _no_validation():
                made = compiled(function, *examples, *self.data)
        except NotCompiledError as error:
            if self._demanded:
                raise
            self.engine, self.reason = "pyro", str(error)
            log.warning("not compiled, so Pyro evaluates the model, far slower: %s", error)
            return None
        self.engine = "compiled"
        return made

    def _evaluation(self, vectors: Tensor) -> Function:
        if vectors.dim() == 1:
            return self.compiled(self._value_and_grad, vectors) or self._differentiated
        batched = torch.func.vmap(self._value_and_grad, in_dims=(0, *[None] * len(self.data)))
        return self.compiled(batched, vectors) or self._one_by_one

    def _value_and_grad(self, vector: Tensor, *data: Tensor) -> tuple[Tensor, Tensor]:
        grad, value = torch.func.grad_and_value(self.log_prob)(vector, *data)
        return value, grad

    def _differentiated(self, vector: Tensor, *data: Tensor) -> tuple[Tensor, Tensor]:
        with _no_validation(), torch.enable_grad():
            vector = vector.detach().requires_grad_()
            value = self.log_prob(vector, *data)
            return value.detach(), torch.autograd.grad(value, vector)[0]

    def _one_by_one(self, vectors: Tensor, *data: Tensor) -> tuple[Tensor, Tensor]:
        values, grads = zip(*(self._differentiated(v, *data) for v in vectors), strict=True)
        return torch.stack(values), torch.stack(grads)


@contextmanager
def _no_validation():
    """Pyro and torch without the checks of values, which a trace cannot follow."""
    with pyro.validation_enabled(False), patch.object(Distribution, "_validate_sample"):
        yield


def _space(support: Constraint) -> str:
    while hasattr(support, "base_constraint"):
        support = support.base_constraint
    if support is constraints.real:
        return "identity"
    if getattr(support, "lower_bound", None) == 0 and not hasattr(support, "upper_bound"):
        return "log"
    return "unconstrained"
