"""The No-U-Turn sampler (Hoffman and Gelman, 2014, arXiv:1111.4246), Pyro's own."""

import math
from collections.abc import Callable

import numpy as np
import pyro
import torch
from pyro.infer import NUTS
from pyro.infer.mcmc.util import initialize_model
from torch import Tensor

from .jobs import timed
from .latent import Latent

Arrays = dict[str, np.ndarray]


def sample_chain(
    model: Callable,
    x: Tensor,
    y: Tensor,
    *,
    warmup: int,
    draws: int,
    target_accept: float,
    max_tree_depth: int,
    seed: int,
) -> tuple[Arrays, Arrays]:
    """Run one chain of NUTS on `model(x, y)`.

    Args:
        model: a Pyro model.
        x, y: what it is conditioned on.
        warmup: iterations that adapt the step size and the diagonal mass matrix.
        draws: iterations kept.
        target_accept: mean acceptance probability that the step size is adapted to.
        max_tree_depth: limit on the doublings of a trajectory.
        seed: of the whole chain, its starting point included.

    Returns:
        Draws: for every site, in the model's order, an array (draws, ...) in constrained space.
        Statistics: for each an array (draws,), named as ArviZ names them.

    Raises:
        ValueError: if no starting point of finite density is found.
    """
    latent = Latent(model, x, y)
    pyro.set_rng_seed(seed)
    start, potential, _, _ = initialize_model(model, (x, y))
    potential = _Counted(potential)
    kernel = NUTS(
        potential_fn=potential, target_accept_prob=target_accept, max_tree_depth=max_tree_depth
    )
    kernel.initial_params = position = start
    kernel.setup(warmup)

    with timed("warm-up", warmup) as report:
        for step in range(1, warmup + 1):
            position = kernel.sample(position)
            report(step, **_progress(kernel))

    positions, stats = [], []
    with timed("draws", draws) as report:
        for step in range(1, draws + 1):
            calls, accepted = potential.calls, (step - 1) * kernel._mean_accept_prob
            position = kernel.sample(position)
            n_steps = potential.calls - calls
            positions.append(latent.constrained(position))
            stats.append(
                {
                    "lp": -float(potential.function(position)),
                    # Pyro keeps only the mean over the draws so far.
                    "acceptance_rate": step * kernel._mean_accept_prob - accepted,
                    "step_size": float(kernel.step_size),
                    "n_steps": n_steps,
                    "tree_depth": math.ceil(math.log2(n_steps + 1)),
                    "diverging": step - 1 in kernel.diagnostics()["divergences"],
                }
            )
            report(step, **_progress(kernel))
    return (
        {
            site.name: torch.stack([p[site.name] for p in positions]).numpy()
            for site in latent.sites
        },
        {name: np.array([row[name] for row in stats]) for name in stats[0]},
    )


class _Counted:
    """A potential that counts its evaluations: Pyro does not tell the steps of a trajectory."""

    def __init__(self, function: Callable):
        self.function, self.calls = function, 0

    def __call__(self, position: dict[str, Tensor]) -> Tensor:
        self.calls += 1
        return self.function(position)


def _progress(kernel: NUTS) -> dict[str, float]:
    return {"step size": float(kernel.step_size), "acceptance": kernel._mean_accept_prob}
