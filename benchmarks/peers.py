"""The same posteriors as Pyro's and NumPyro's users write them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import torch
import tutorial
from numpyro.infer.util import initialize_model
from problems import Problem
from pyro.infer.mcmc.util import initialize_model as initialize_pyro
from pyro.ops.integrator import potential_grad

# JAX hands small calls to a thread of its own unless told not to, which doubles their time.
jax.config.update("jax_cpu_enable_async_dispatch", False)

# How NumPyro's model lays out its hidden units: as is usual, or as the workflow's does.
LAYOUTS = {"NumPyro": "points by units", "NumPyro, units by points": "units by points"}


@contextmanager
def compiling() -> Iterator[list[float]]:
    """Seconds that JAX spends meanwhile on tracing and compiling, as NumPyro does at every run."""
    seconds: list[float] = []

    def listener(event: str, duration: float, **_) -> None:
        if event.startswith("/jax/core/compile/"):
            seconds.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listener)
    try:
        yield seconds
    finally:
        jax.monitoring.unregister_event_duration_listener(listener)


def pyro_network(problem: Problem) -> tutorial.Network:
    """The model as in the tutorial."""
    scaled = problem.prior["scaling"] == "fan_in"
    priors = tutorial.normal_priors(problem.widths, problem.prior["stddev"], scaled)
    return tutorial.Network(problem.widths, priors)


def pyro_value_and_grad(problem: Problem) -> Callable[[torch.Tensor], tuple]:
    """Potential and gradient as Pyro's sampler evaluates them, of the sites' values by name."""
    _, potential, _, _ = initialize_pyro(pyro_network(problem), (problem.x, problem.y))
    return lambda values: potential_grad(potential, values)


def pyro_values(problem: Problem, vector: torch.Tensor) -> dict[str, torch.Tensor]:
    """A flat vector of the workflow as values of the tutorial's sites."""
    values = problem.density().unflattened(vector)
    return {
        name if name == "sigma" else f"layers.{int(name[5:].split('.')[0]) - 1}.{name[7:]}": value
        for name, value in values.items()
    }


def numpyro_model(problem: Problem, layout: str) -> Callable:
    """The model, its sites named and shaped as in the workflow."""
    power, across = problem.noise["power"], layout == "units by points"
    scaled = problem.prior["scaling"] == "fan_in"
    scales = tutorial.deviations(problem.widths, problem.prior["stddev"], scaled)
    gamma = problem.noise["concentration"], problem.noise["rate"]

    def model(x, y=None):
        units = x.T if across else x
        for number, (fan_in, fan_out) in enumerate(pairwise(problem.widths), start=1):
            scale, bias_scale = scales[number - 1]
            weight_prior = dist.Normal(0.0, scale).expand([fan_out, fan_in]).to_event(2)
            weight = numpyro.sample(f"layer{number}.weight", weight_prior)
            bias_prior = dist.Normal(0.0, bias_scale).expand([fan_out]).to_event(1)
            bias = numpyro.sample(f"layer{number}.bias", bias_prior)
            units = weight @ units + bias[:, None] if across else units @ weight.T + bias
            if number < len(problem.widths) - 1:
                units = jnp.tanh(units)
        sigma = numpyro.sample("sigma", dist.Gamma(*gamma))
        with numpyro.plate("data", len(x)):
            f = units[0] if across else units[:, 0]
            numpyro.sample("obs", dist.Normal(f, sigma**power), obs=y)

    return model


def numpyro_data(problem: Problem) -> tuple[jax.Array, jax.Array]:
    """The data as JAX's arrays."""
    return jnp.asarray(problem.x.numpy()), jnp.asarray(problem.y.numpy())


def numpyro_potential(problem: Problem, layout: str) -> Callable:
    """NumPyro's potential of a flat vector of the workflow."""
    found = initialize_model(
        jax.random.key(0), numpyro_model(problem, layout), model_args=numpyro_data(problem)
    )
    sites = problem.density().sites
    ends = np.cumsum([site.size for site in sites])[:-1]

    def potential(vector):
        parts = zip(sites, jnp.split(vector, ends), strict=True)
        return found.potential_fn({site.name: part.reshape(site.shape) for site, part in parts})

    return potential


def numpyro_value_and_grad(problem: Problem, layout: str, *, batched: bool = False) -> Callable:
    """The same and its gradient, jitted, of a flat vector or of many."""
    function = jax.value_and_grad(numpyro_potential(problem, layout))
    call = jax.jit(jax.vmap(function) if batched else function)
    return lambda vectors: jax.block_until_ready(call(vectors))
