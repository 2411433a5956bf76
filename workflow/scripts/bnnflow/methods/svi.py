"""Stochastic variational inference (Hoffman et al., 2013, arXiv:1206.7051)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from ..jobs import log
from ..settings import TO_AN_OPTIMUM, WIDTH_OF_STARTS, Count, Few, Positive, Seed, fault
from .running.method import Combined, Method, Work

if TYPE_CHECKING:
    import xarray as xr
    from pyro.infer.autoguide import AutoContinuous
    from torch import Generator

    from ..density.log_density import LogDensity
    from ..files.encodings import Encoding
    from .running.checkpoints import Checkpoint

# Normal in unconstrained space: their whole step is compiled.
GAUSSIAN = ("AutoDiagonalNormal", "AutoMultivariateNormal", "AutoLowRankMultivariateNormal")

SCHEDULES = {
    "constant": lambda progress: 1.0,
    "cosine": lambda progress: (1 + math.cos(math.pi * progress)) / 2,
}

Fit = tuple["AutoContinuous", np.ndarray]
Arrays = dict[str, np.ndarray]

# Seconds of a step beside the gradient, compiled and by Pyro, and by number of the covariance.
STEP, PYRO_STEP, COVARIANCE_TIME = 60e-6, 4e-3, 20e-9


class Svi(Method):
    """Stochastic variational inference."""

    part = "start"
    priority = 1
    first_is_fits = True

    method: Literal["svi"] = Field(
        "svi", description="`svi` fits a normal distribution to the posterior."
    )
    guide: Literal[*GAUSSIAN] = Field(
        "AutoDiagonalNormal",
        description="Pyro's family of variational distributions, all normal in unconstrained space;"
        " `AutoDiagonalNormal` is mean-field, `AutoMultivariateNormal` has a full covariance,"
        " `AutoLowRankMultivariateNormal` a diagonal one and √n more directions of n.",
    )
    learning_rate: Positive = Field(0.01, description="Step size of the Adam optimizer.")
    schedule: Literal[*SCHEDULES] = Field(
        "cosine",
        description="Of the learning rate over the steps; `constant`, or `cosine` from"
        " learning_rate down to zero.",
    )
    batch_size: Count | None = Field(
        None,
        description="Rows of the data that a step takes, a random minibatch in the place of all"
        " rows, from which bound and gradient are estimated without bias; all rows where there is"
        " none, or the data have no more.",
    )
    steps: Count = Field(20_000, description="Gradient steps, each with one draw from the guide.")
    optimum_steps: Count | None = Field(
        None,
        description=f"{TO_AN_OPTIMUM} Without it a start begins at the network's initial weights.",
    )
    start_scale: Positive | None = Field(
        default_factory=lambda data: 1.0 if data.get("optimum_steps") else None,
        description=f"{WIDTH_OF_STARTS} Without it: 1. Only with `optimum_steps`.",
    )
    starts: Few = Field(16, description="Independent starts.")
    starts_per_job: Few = Field(
        8,
        description="Starts that are fitted together in one job; together they take less time in"
        " sum, as jobs of their own they run side by side.",
    )
    combine: Literal["best", "mixture"] = Field(
        "best",
        validate_default=True,
        description="What the starts make together; `best`, the posterior of the start with the"
        " best evidence lower bound at its end, or `mixture`, all starts that have not diverged.",
    )
    draws: Count = Field(
        1000,
        description="Draws from a fitted guide that make the posterior: from the best start's, or"
        " from every start's of a mixture.",
    )
    seed: Seed | None = Field(None, description="Seed in place of the derived one.")

    @field_validator("start_scale")
    @classmethod
    def _of_optima(cls, value: float | None, info: ValidationInfo) -> float | None:
        if (value is not None) and not info.data.get("optimum_steps"):
            raise fault("allowed without optimum_steps is none")
        return value

    @field_validator("combine")
    @classmethod
    def _with_weights(cls, value: str, info: ValidationInfo) -> str:
        if value == "best" and info.data.get("weights") == "stacking":
            raise fault("allowed with weights: stacking is mixture")
        return value

    @property
    def leaves(self) -> frozenset[str]:
        """Of the best start its guide; a mixture is judged by its pooled prediction."""
        own = {"ensemble"} if self.combine == "mixture" else {"guide", "starts"}
        return frozenset({"loss", *own})

    def infer(
        self,
        density: LogDensity,
        seeds: Sequence[int],
        streams: Sequence[Generator],
        *,
        observations: int,
        encoding: Encoding,
        checkpoint: Checkpoint | None = None,
    ) -> xr.DataTree:
        """As for any method: several starts together, and draws from the best, or from all."""
        from ..files import posterior, starts

        names = ("guide", "learning_rate", "schedule", "batch_size", "steps")
        names += ("optimum_steps", "start_scale")
        settings = {name: getattr(self, name) for name in names}
        known = {"observations": observations}
        try:
            fitted = fit(density, streams, **known, **settings, checkpoint=checkpoint)
        except FloatingPointError as error:
            # Other starts may do better.
            log.error("%s", error)
            return starts.packed([math.nan] * len(streams))
        elbos = [final_elbo(*each) for each in fitted]

        def drawn(start: int) -> xr.DataTree:
            own = draws(fitted[start][0], density, self.draws, streams[start], **known)
            return posterior.of_chain(*own, density.facts, encoding)

        if self.combine == "mixture":
            ended = np.flatnonzero(np.isfinite(elbos))
            losses = np.mean([fitted[start][1] for start in ended], axis=0)
            return starts.packed(elbos, posterior.merged(list(map(drawn, ended))), losses)
        best = int(np.nanargmax(elbos))
        guide, losses = fitted[best]
        return starts.packed(elbos, drawn(best), losses, stored(guide), density.sites)

    def combined(self, paths: Sequence[str | Path]) -> Combined:
        """The best of all starts, by its evidence lower bound, or all in a mixture.

        Raises:
            FloatingPointError: if all have diverged.
        """
        from ..files import starts

        try:
            if self.combine == "mixture":
                parts = [starts.read(path, guided=False) for path in paths]
                tree, losses = starts.mixture(parts)
                return Combined(tree, losses=losses)
            return Combined(*starts.best([starts.read(path, guided=True) for path in paths]))
        except FloatingPointError as error:
            rate = self.learning_rate
            raise FloatingPointError(f"{error}; try a learning_rate below {rate:g}") from None

    def work(self, size: int, gradient: float, compiled: bool) -> Work:
        """As for any method."""
        covariance = {
            "AutoMultivariateNormal": size**2,
            # Few, but each is worked on more often.
            "AutoLowRankMultivariateNormal": 10 * round(size**1.5),
        }.get(self.guide, 0)
        return Work(
            together=min(self.starts_per_job, self.starts),
            steps=self.steps + (self.optimum_steps or 0),
            seconds=gradient + (STEP if compiled else PYRO_STEP) + COVARIANCE_TIME * covariance,
            covariance=covariance,
        )

    def rows_of_step(self, observations: int) -> int:
        """A minibatch, or all."""
        return min(observations, self.batch_size or observations)

    @property
    def kept(self) -> int:
        """Those from the best start, or from all."""
        return self.draws * (self.starts if self.combine == "mixture" else 1)

    @property
    def effort(self) -> str:
        """Steps."""
        return f"{self.steps} steps"

    def account(self) -> str:
        """The bound, and how it is maximised."""
        decay = ", decayed to zero along a cosine" if self.schedule == "cosine" else ""
        mixture = f"each of the {self.starts} starts, which make a mixture of such distributions"
        drawn = mixture if self.combine == "mixture" else "it"
        rows = f", each with {self.batch_size} random rows of the data" if self.batch_size else ""
        if self.optimum_steps:
            rows += f", from an optimum that {self.optimum_steps} steps before have found"
        return rf"""A normal distribution :math:`q_\phi` ({self.guide}, in unconstrained
space) that maximises the evidence lower bound

.. math:: \mathrm{{ELBO}}(\phi) =
   \mathbb{{E}}_{{q_\phi}}\left[\log p(\mathcal{{D}} \mid \theta, \sigma)\right]
   - \mathrm{{KL}}\left(q_\phi \,\|\, p(\theta, \sigma)\right)

by {self.steps} steps of Adam with learning rate {self.learning_rate}{decay}{rows}; then
{self.draws} draws from {drawn}."""


def fit(
    density: LogDensity,
    streams: Sequence[Generator],
    *,
    observations: int,
    guide: str,
    learning_rate: float,
    schedule: str,
    steps: int,
    batch_size: int | None = None,
    optimum_steps: int | None = None,
    start_scale: float | None = None,
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
        batch_size: rows of the data that a step takes; all of them if none, or not fewer.
        optimum_steps, start_scale: of the search for optima, about which the guides begin; without
            them they begin where Pyro's do.
        checkpoint: where the state is kept; with one that an earlier call has left, the fit goes
            on from there and ends with the same bytes as one that was never stopped.

    Returns:
        For every start the fitted guide, and the loss (steps,): before each step an estimate of
        the negative bound, in nats. The losses of a start that has diverged are not finite from
        that step on.

    Raises:
        ValueError: if there is no such guide or schedule.
        FloatingPointError: if every start diverges.
        NotCompiledError: if the density's engine `compiled`, or its GPU, is not possible.
        SystemExit: if SIGTERM or SIGINT has come, and there is a checkpoint to go on from.
    """
    from ..density.pyro_private import guide_at_start, guides
    from .running import loop, optimum
    from .running.batches import Batches
    from .running.svi_steps import ByPyro, Compiled, compiled_step

    if schedule not in SCHEDULES:
        raise ValueError(f"the schedule is {schedule!r}, not one of {', '.join(SCHEDULES)}")
    if guide not in guides():
        raise ValueError(f"the guide is {guide!r}, not one of {', '.join(sorted(guides()))}")
    seeds = [stream.get_state() for stream in streams]
    facts = [guide, learning_rate, schedule, batch_size, steps, optimum_steps, start_scale, *seeds]
    rates = [learning_rate * SCHEDULES[schedule](step / steps) for step in range(steps)]
    begun = [guide_at_start(guides()[guide], density.model, density.head, s) for s in streams]
    if guide not in GAUSSIAN:
        density.leave_to_pyro(f"{guide} is fitted by Pyro's SVI")
    elif density.learnable:
        learnt = ", ".join(density.learnable)
        density.leave_to_pyro(f"the model has parameters of its own to learn: {learnt}")
    if optimum_steps:
        places = optimum.optima(density, streams, optimum_steps, start_scale)
        for own, place in zip(begun, places, strict=True):
            own.loc.data.copy_(place)
    size = batch_size if batch_size and batch_size < observations else 0
    batches = [Batches(observations, size, steps, s) for s in streams] if size else []
    starts = density, begun, streams, rates, observations, facts, batches
    step = compiled_step(begun, density, size)
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
    import pyro
    import torch

    from ..density.pyro_private import drawing_from
    from .running.drawn import with_densities

    with drawing_from(stream), torch.no_grad(), pyro.validation_enabled(False):
        posterior = guide.get_posterior()
        vectors = posterior.sample((count,))
        values, lp = with_densities(density, vectors, observations)
        stats = {"lp": lp, "log_q": posterior.log_prob(vectors)}
    return tuple(
        {name: value.numpy() for name, value in group.items()} for group in (values, stats)
    )


def stored(guide: AutoContinuous) -> dict[str, np.ndarray]:
    """The parameters of a guide, named as Pyro's parameter store names them."""
    from ..density.pyro_private import guide_parameters

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
