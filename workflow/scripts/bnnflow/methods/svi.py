"""Stochastic variational inference (Hoffman et al., 2013, arXiv:1206.7051)."""

import math
from collections.abc import Sequence

import numpy as np
import pyro
import torch
from pyro.infer.autoguide import AutoContinuous
from torch import Generator

from ..density.log_density import LogDensity
from ..density.pyro_private import drawing_from, guide_at_start, guide_parameters, guides
from ..jobs import log
from . import loop
from .checkpoints import Checkpoint
from .svi_steps import ByPyro, Compiled, compiled_step

# Normal in unconstrained space: their whole step is compiled.
GAUSSIAN = ("AutoDiagonalNormal", "AutoMultivariateNormal", "AutoLowRankMultivariateNormal")

SCHEDULES = {
    "constant": lambda progress: 1.0,
    "cosine": lambda progress: (1 + math.cos(math.pi * progress)) / 2,
}

Fit = tuple[AutoContinuous, np.ndarray]
Arrays = dict[str, np.ndarray]

# Numbers that the densities of a chunk of draws may hold at once.
CHUNK = 2**22


def fit(
    density: LogDensity,
    streams: Sequence[Generator],
    *,
    observations: int,
    guide: str,
    learning_rate: float,
    schedule: str,
    steps: int,
    checkpoint: Checkpoint | None = None,
) -> list[Fit]:
    """Maximise the evidence lower bound with Adam, one draw from the guide a step.

    A Gaussian guide's whole step is one call of compiled code, for all starts together; its noise
    is drawn on the processor, so that a GPU has the same. With any other guide, or where nothing
    can be compiled, Pyro's own SVI does the same.

    Args:
        density: of the posterior.
        streams: of random numbers, one for every start; each moves on as Pyro's SVI moves it.
        observations: how many the data are, for the log.
        guide: name of one of Pyro's automatic guides.
        learning_rate: of Adam.
        schedule: of the learning rate over the steps, "constant", or "cosine" down to zero.
        steps: number of gradient steps.
        checkpoint: where the state is kept; with one that an earlier call has left, the fit goes
            on from there and ends with the same bytes as one that was never stopped.

    Returns:
        For every start the fitted guide, and the loss (steps,): before each step an estimate of
        the negative bound, in nats. The losses of a start that has diverged are not finite from
        that step on.

    Raises:
        ValueError: if there is no such guide.
        FloatingPointError: if every start diverges.
        NotCompiledError: if the density's engine `compiled`, or its GPU, is not possible.
        SystemExit: if SIGTERM or SIGINT has come, and there is a checkpoint to go on from.
    """
    if guide not in guides():
        raise ValueError(f"the guide is {guide!r}, not one of {', '.join(sorted(guides()))}")
    seeds = [stream.get_state() for stream in streams]
    facts = [guide, learning_rate, schedule, steps, *seeds]
    rates = [learning_rate * SCHEDULES[schedule](step / steps) for step in range(steps)]
    begun = [guide_at_start(guides()[guide], density.model, density.data, s) for s in streams]
    if guide not in GAUSSIAN:
        density.leave_to_pyro(f"{guide} is fitted by Pyro's SVI")
    elif density.learnable:
        learnt = ", ".join(density.learnable)
        density.leave_to_pyro(f"the model has parameters of its own to learn: {learnt}")
    starts = density, begun, streams, rates, observations, facts
    step = compiled_step(begun, density)
    method = Compiled(step, *starts) if step else ByPyro(*starts)
    state, rows = loop.run(method, checkpoint)
    method.finish(state)
    fitted = list(zip(begun, rows["loss"].double().numpy().T, strict=True))
    _report(fitted, observations, learning_rate)
    return fitted


def final_elbo(guide: AutoContinuous, losses: np.ndarray) -> float:
    """Where a start has ended, in nats: the mean of its last steps; not a number if it diverged."""
    finite = np.isfinite(losses).all() and all(p.isfinite().all() for p in guide.parameters())
    return -float(losses[-_tail(losses) :].mean()) if finite else math.nan


def draws(
    guide: AutoContinuous, density: LogDensity, count: int, stream: Generator, *, observations: int
) -> tuple[Arrays, Arrays]:
    """Independent draws from a fitted guide, densities in chunks that observations keep small.

    Returns:
        Draws: for every site an array (count, ...), in constrained space.
        Statistics: `lp`, the log density of each draw, and `log_q`, the guide's, both of the
        unconstrained values in nats, (count,). Their difference is a draw's log weight.
    """
    with drawing_from(stream), torch.no_grad(), pyro.validation_enabled(False):
        posterior = guide.get_posterior()
        vectors = posterior.sample((count,))
        values = density.constrained(density.unflattened(vectors))
        chunk = max(1, CHUNK // (density.size * observations))
        lp = torch.vmap(density.log_prob, chunk_size=chunk)(vectors)
        stats = {"lp": lp, "log_q": posterior.log_prob(vectors)}
    return tuple(
        {name: value.numpy() for name, value in group.items()} for group in (values, stats)
    )


def stored(guide: AutoContinuous) -> dict[str, np.ndarray]:
    """The parameters of a guide, named as Pyro's parameter store names them."""
    return {name: value.numpy().copy() for name, value in guide_parameters(guide).items()}


def _report(fitted: list[Fit], observations: int, learning_rate: float) -> None:
    """Log how well the starts have ended.

    Raises:
        FloatingPointError: if none has.
    """
    diverged = {}
    for number, (guide, losses) in enumerate(fitted):
        elbo = final_elbo(guide, losses) / observations
        if math.isfinite(elbo):
            log.info("final ELBO %.4f nats per point, mean of %d steps", elbo, _tail(losses))
        elif np.isfinite(losses).all():
            diverged[number] = "in its last step"
        else:
            diverged[number] = f"at step {np.argmin(np.isfinite(losses)) + 1} of {len(losses)}"
    advice = f"try a learning_rate below {learning_rate:g}"
    if len(diverged) == len(fitted):
        when = next(iter(diverged.values()))
        raise FloatingPointError(f"the loss is not finite any more {when}; {advice}")
    for number, when in diverged.items():
        log.warning("start %d has diverged %s; %s", number, when, advice)


def _tail(losses: np.ndarray) -> int:
    return max(1, len(losses) // 100)
