"""What runs of a Pyro model tell of its sites, and whether its structure is static."""

from collections.abc import Callable
from contextlib import suppress

import torch
from pyro import poutine
from torch import Tensor
from torch.distributions import constraints
from torch.distributions.constraints import Constraint

from ..files.parameters import PRIOR
from .pyro_private import stochastic_nodes

RUNS = 100  # until one succeeds


def run_of(model: Callable, data: tuple[Tensor, ...]) -> poutine.Trace:
    """A run of a model at a draw from its prior where its matrices have factors."""
    for _ in range(RUNS):
        try:
            return poutine.trace(model).get_trace(*data)
        except torch.linalg.LinAlgError as error:
            fault = error
    raise ValueError(f"the model fails at {RUNS} draws from its prior: {fault}") from fault


def latent(trace: poutine.Trace) -> dict[str, dict]:
    """The latent sites of a run of a model."""
    nodes = stochastic_nodes(trace)
    if not nodes:
        raise ValueError("the model has no latent sites")
    for name, node in nodes.items():
        if node["fn"].support.is_discrete:
            raise ValueError(f"the site {name} is discrete; only continuous ones have gradients")
    return nodes


def observed(trace: poutine.Trace) -> list[str]:
    """Names of the sites that are data, and not what a prior knows."""
    nodes = trace.nodes
    return [name for name in trace.observation_nodes if role(nodes[name]) != PRIOR]


def check_alike(nodes: dict[str, dict], again: dict[str, dict]) -> None:
    """That nothing about the latent sites depends on their values."""
    if list(nodes) != list(again):
        differing = ", ".join(sorted({*nodes} ^ {*again})) or "their order"
        raise ValueError(f"the sites of the model differ from run to run: {differing}")
    for name, node in nodes.items():
        if node["value"].shape != again[name]["value"].shape:
            raise ValueError(f"the shape of the site {name} differs from run to run")
        if not _alike(node["fn"].support, again[name]["fn"].support):
            raise ValueError(f"the support of the site {name} depends on the values of others")


def check_observed(trace: poutine.Trace, again: poutine.Trace) -> None:
    """That data lie where they have a density, as far as that does not depend on other sites."""
    for name in observed(trace):
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


def role(node: dict) -> str:
    """Whose site it is, if its sample statement says so."""
    return node["infer"].get("role", "")


def space(support: Constraint) -> str:
    """How a site of a support lies in unconstrained space."""
    while hasattr(support, "base_constraint"):
        support = support.base_constraint
    if support is constraints.real:
        return "identity"
    if hasattr(support, "lower_bound") and not hasattr(support, "upper_bound"):
        positive = torch.as_tensor(support.lower_bound).eq(0).all()
        return "log" if positive else "unconstrained"
    return "unconstrained"
