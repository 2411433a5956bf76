"""Stochastic variational inference (Hoffman et al., 2013, arXiv:1206.7051), Pyro's own."""

import math
from collections.abc import Callable

import numpy as np
import pyro
from pyro.infer import SVI, Trace_ELBO, autoguide
from pyro.infer.autoguide import AutoContinuous
from pyro.optim import Adam
from torch import Tensor

from .jobs import log, timed
from .latent import Latent


def fit(
    model: Callable, x: Tensor, y: Tensor, *, guide: str, learning_rate: float, steps: int
) -> tuple[AutoContinuous, np.ndarray]:
    """Maximise the evidence lower bound of `model(x, y)` with Adam, one draw from the guide a step.

    Draws from torch's random stream: seed it before.

    Args:
        model: a Pyro model.
        x, y: what it is conditioned on.
        guide: name of one of Pyro's automatic guides.
        learning_rate: of Adam, constant.
        steps: number of gradient steps.

    Returns:
        The fitted guide, and the loss (steps,): before each step an estimate of the negative
        bound, in nats.

    Raises:
        FloatingPointError: if the loss ceases to be finite.
    """
    pyro.clear_param_store()
    fitted = getattr(autoguide, guide)(model)
    svi = SVI(model, fitted, Adam({"lr": learning_rate}), loss=Trace_ELBO())
    losses = np.empty(steps)
    with timed("svi", steps) as report:
        for step in range(steps):
            try:
                losses[step] = svi.step(x, y)
            except ValueError as error:  # of Pyro's validation: a draw that is not finite
                raise _diverged("not defined", step, steps, learning_rate) from error
            if not math.isfinite(losses[step]):
                raise _diverged(losses[step], step, steps, learning_rate)
            report(step + 1, **{"ELBO per point": -losses[step] / len(y)})
    tail = losses[-max(1, steps // 100) :]
    log.info("final ELBO %.4f nats per point, mean of %d steps", -tail.mean() / len(y), len(tail))
    return fitted, losses


def _diverged(loss: float | str, step: int, steps: int, rate: float) -> FloatingPointError:
    return FloatingPointError(
        f"the loss is {loss} at step {step + 1} of {steps}; try a learning_rate below {rate}"
    )


def draws(guide: AutoContinuous, latent: Latent, count: int) -> dict[str, np.ndarray]:
    """Independent draws from a fitted guide: for every site an array (count, ...).

    Draws from torch's random stream: seed it before.
    """
    vectors = guide.get_posterior().sample((count,))
    values = latent.constrained(latent.unflattened(vectors))
    return {name: value.numpy() for name, value in values.items()}


def stored() -> dict[str, np.ndarray]:
    """The parameters of the guide fitted last, named as Pyro's parameter store names them."""
    params = pyro.get_param_store().items()
    return {name: value.detach().numpy().copy() for name, value in params}
