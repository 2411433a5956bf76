"""Stochastic variational inference (Hoffman et al., 2013, arXiv:1206.7051)."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from inspect import isclass
from itertools import pairwise
from operator import attrgetter
from unittest.mock import patch

import numpy as np
import pyro
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO, autoguide
from pyro.infer.autoguide import AutoContinuous
from torch import Generator, Tensor, nn
from torch.distributions import lowrank_multivariate_normal, multivariate_normal, normal
from torch.func import functional_call, grad_and_value, vmap

from ..density.log_density import LogDensity
from ..density.native import Function
from ..jobs import log, timed
from .checkpoints import Checkpoint, Progress, followed

# Normal in unconstrained space: their whole step is compiled.
GAUSSIAN = ("AutoDiagonalNormal", "AutoMultivariateNormal", "AutoLowRankMultivariateNormal")

SCHEDULES = {
    "constant": lambda progress: 1.0,
    "cosine": lambda progress: (1 + math.cos(math.pi * progress)) / 2,
}

# Adam's, by default in PyTorch as in its paper (Kingma and Ba, 2015, arXiv:1412.6980).
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8

Fit = tuple[AutoContinuous, np.ndarray]
Arrays = dict[str, np.ndarray]

# Numbers that the densities of a chunk of draws may hold at once.
CHUNK = 2**22


def fit(
    density: LogDensity,
    streams: Sequence[Generator],
    *,
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
    kind = getattr(autoguide, guide, None)
    if kind not in _continuous():
        names = ", ".join(sorted(each.__name__ for each in _continuous()))
        raise ValueError(f"the guide is {guide!r}, not one of {names}")
    rates = [learning_rate * SCHEDULES[schedule](step / steps) for step in range(steps)]
    settings = {"guide": guide, "rate": learning_rate, "schedule": schedule, "steps": steps}
    seeds = [stream.get_state() for stream in streams]
    guides = [_begun(kind, density, stream) for stream in streams]
    if guide not in GAUSSIAN:
        density.leave_to_pyro(f"{guide} is fitted by Pyro's SVI")
    elif density.learnable:
        learnt = ", ".join(density.learnable)
        density.leave_to_pyro(f"the model has parameters of its own to learn: {learnt}")
    step = _compiled_step(guides, density)
    with followed(checkpoint, density, settings, *seeds) as progress:
        if step:
            fitted = _fit_compiled(step, guides, density, streams, rates, progress)
        else:
            starts = enumerate(zip(guides, streams, strict=True))
            fitted = [_fit_by_pyro(g, density, s, rates, progress, f"{n}/") for n, (g, s) in starts]
    _report(fitted, density, learning_rate)
    return fitted


def final_elbo(guide: AutoContinuous, losses: np.ndarray) -> float:
    """Where a start has ended, in nats: the mean of its last steps; not a number if it diverged."""
    finite = np.isfinite(losses).all() and all(p.isfinite().all() for p in guide.parameters())
    return -float(losses[-_tail(losses) :].mean()) if finite else math.nan


def draws(
    guide: AutoContinuous, density: LogDensity, count: int, stream: Generator
) -> tuple[Arrays, Arrays]:
    """Independent draws from a fitted guide.

    Returns:
        Draws: for every site an array (count, ...), in constrained space.
        Statistics: `lp`, the log density of each draw, and `log_q`, the guide's, both of the
        unconstrained values in nats, (count,). Their difference is a draw's log weight.
    """
    with _drawing_from(stream), torch.no_grad(), pyro.validation_enabled(False):
        posterior = guide.get_posterior()
        vectors = posterior.sample((count,))
        values = density.constrained(density.unflattened(vectors))
        chunk = max(1, CHUNK // (density.size * _points(density)))
        lp = torch.vmap(density.log_prob, chunk_size=chunk)(vectors)
        stats = {"lp": lp, "log_q": posterior.log_prob(vectors)}
    return tuple(
        {name: value.numpy() for name, value in group.items()} for group in (values, stats)
    )


def stored(guide: AutoContinuous) -> dict[str, np.ndarray]:
    """The parameters of a guide, named as Pyro's parameter store names them."""
    names = (name.removesuffix("_unconstrained") for name, _ in guide.named_parameters())
    values = {name: attrgetter(name)(guide).detach().numpy().copy() for name in names}
    return {f"{type(guide).__name__}.{name}": value for name, value in values.items()}


@cache
def _continuous() -> frozenset[type[AutoContinuous]]:
    """Pyro's guides that a model alone determines, with a posterior to draw from."""
    kinds = {k for k in vars(autoguide).values() if isclass(k) and issubclass(k, AutoContinuous)}
    others = autoguide.AutoLaplaceApproximation, autoguide.AutoNormalizingFlow
    return frozenset(kinds - {AutoContinuous, *others})


def _report(fitted: list[Fit], density: LogDensity, learning_rate: float) -> None:
    """Log how well the starts have ended.

    Raises:
        FloatingPointError: if none has.
    """
    diverged = {}
    for number, (guide, losses) in enumerate(fitted):
        elbo = final_elbo(guide, losses) / _points(density)
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


def _begun(kind: type[AutoContinuous], density: LogDensity, stream: Generator) -> AutoContinuous:
    """A guide at its start, drawn from the stream as Pyro's SVI draws it before its first step."""
    begun = kind(density.model)
    with _drawing_from(stream):
        begun._setup_prototype(*density.data)
    return begun


def _fit_by_pyro(
    guide: AutoContinuous,
    density: LogDensity,
    stream: Generator,
    rates: list[float],
    progress: Progress,
    part: str,
) -> Fit:
    saved, done = progress.saved(part), progress.done(part)
    losses, elbo = np.full(len(rates), np.nan), Trace_ELBO()
    with (
        pyro.get_param_store().scope(),
        _drawing_from(stream),
        timed("svi", len(rates), done) as report,
    ):
        # The first step is always taken, because it also makes what it needs, and at random.
        with poutine.trace(param_only=True) as used:
            losses[0] = elbo.loss_and_grads(density.model, guide, *density.data)
        values = (site["value"].unconstrained() for site in used.trace.nodes.values())
        # Each once: some have two names.
        learnt = [value for value in dict.fromkeys(values) if value.grad is not None]
        adam, step = torch.optim.Adam(learnt), 0
        while math.isfinite(losses[step]):
            adam.param_groups[0]["lr"] = rates[step]
            adam.step()
            adam.zero_grad(set_to_none=False)
            step += 1
            if step == 1 and saved:
                step = done
                losses[:step] = saved["losses"].numpy()
                _restore(adam, saved["state"], step)
                torch.set_rng_state(saved["stream"])
            else:
                report(step, **{"ELBO per point": -losses[step - 1] / _points(density)})
                # A start that is done, so that those after it need not wait for it again.
                if step == len(rates) or progress.due():
                    kept = {"state": _state_of(adam), "losses": torch.tensor(losses[:step])}
                    progress.save(step, kept | {"stream": torch.get_rng_state()}, part)
            if step == len(rates):
                break
            try:
                losses[step] = elbo.loss_and_grads(density.model, guide, *density.data)
            # After steps, a draw that is not finite, or a matrix without factors.
            except (ValueError, torch.linalg.LinAlgError):
                break
    return guide, losses


def _state_of(adam: torch.optim.Adam) -> Tensor:
    """What Adam has learnt, in one row (3, values) with the two moments."""
    values = adam.param_groups[0]["params"]
    moments = [[adam.state[v][name] for v in values] for name in ("exp_avg", "exp_avg_sq")]
    return torch.stack([nn.utils.parameters_to_vector(row) for row in (values, *moments)]).detach()


def _restore(adam: torch.optim.Adam, state: Tensor, step: int) -> None:
    values = adam.param_groups[0]["params"]
    parts = state.split([value.numel() for value in values], dim=1)
    for value, part in zip(values, parts, strict=True):
        own = adam.state[value]
        own["step"].fill_(step)
        for old, new in zip((value.data, own["exp_avg"], own["exp_avg_sq"]), part, strict=True):
            old.copy_(new.reshape(old.shape))


def _fit_compiled(
    step: Function,
    guides: list[AutoContinuous],
    density: LogDensity,
    streams: Sequence[Generator],
    rates: list[float],
    progress: Progress,
) -> list[Fit]:
    shapes = _noise_shapes(guides[0])
    state = _state(guides)
    noise = state.new_empty(len(guides), sum(map(math.prod, shapes)))
    ends = np.cumsum([0, *map(math.prod, shapes)])
    normal = [
        (row[begin:end], noise.new_zeros(end - begin), noise.new_ones(end - begin), stream)
        for row, stream in zip(noise, streams, strict=True)
        for begin, end in pairwise(ends)
    ]
    factors = state.new_tensor(
        [
            (rate / (1 - BETA1**number), math.sqrt(1 - BETA2**number))
            for number, rate in enumerate(rates, start=1)
        ]
    )
    losses, done = np.full((len(rates), len(guides)), np.nan), progress.done()
    if saved := progress.saved():
        state = saved["state"]
        losses[:done] = saved["losses"].numpy()
        for stream, its in zip(streams, saved["streams"], strict=True):
            stream.set_state(its.clone())  # torch takes a row of a tensor for its first
    with timed("svi", len(rates), done) as report:
        for number, factor in enumerate(factors[done:], start=done):
            for out, zeros, ones, stream in normal:
                torch.normal(zeros, ones, generator=stream, out=out)
            state, loss = step(state, noise, factor)
            losses[number] = loss.cpu().numpy()
            # What has once not been finite stays so, in Adam's moments too.
            if not np.isfinite(losses[number]).any():
                break
            elbo = -np.nanmin(losses[number]) / _points(density)
            report(number + 1, **{"ELBO per point": elbo})
            if progress.due():
                kept = {"state": state.cpu(), "losses": torch.tensor(losses[: number + 1])}
                moved = torch.stack([stream.get_state() for stream in streams])
                progress.save(number + 1, kept | {"streams": moved})
    for guide, (parameters, _, _) in zip(guides, state.cpu(), strict=True):
        nn.utils.vector_to_parameters(parameters, guide.parameters())
    return list(zip(guides, losses.T, strict=True))


def _compiled_step(guides: list[AutoContinuous], density: LogDensity) -> Function | None:
    """One step of all starts: states, standard normal noise and factors to states and losses.

    A state (3, parameters) has the guide's parameters without constraints, then Adam's first and
    second moments. The factors are the learning rate over the first moment's bias, and the root
    of the second's.
    """
    if density.engine == "pyro":
        return None
    guide, shapes = guides[0], _noise_shapes(guides[0])
    names, values = zip(*guide.named_parameters(), strict=True)
    sizes, forms = [v.numel() for v in values], [v.shape for v in values]
    posterior = _Posterior(guide)

    def loss(parameters: Tensor, noise: Tensor, *data: Tensor) -> Tensor:
        parts = zip(names, parameters.split(sizes), forms, strict=True)
        given = {f"guide.{name}": part.reshape(form) for name, part, form in parts}
        q = functional_call(posterior, given, ())
        parts = noise.split([math.prod(shape) for shape in shapes])
        eps = iter([part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)])
        with _standard_normal(lambda *_, **__: next(eps)):
            vector = q.rsample()
        return q.log_prob(vector) - density.log_prob(vector, *data)

    def step(state: Tensor, noise: Tensor, factor: Tensor, *data: Tensor) -> tuple[Tensor, Tensor]:
        parameters, first, second = state.unbind()
        grad, value = grad_and_value(loss)(parameters, noise, *data)
        first = BETA1 * first + (1 - BETA1) * grad
        second = BETA2 * second + (1 - BETA2) * grad**2
        rate, root = factor.unbind()
        parameters = parameters - rate * first / (second.sqrt() / root + EPSILON)
        return torch.stack([parameters, first, second]), value

    state = _state(guides)
    noise = state.new_zeros(len(guides), sum(map(math.prod, shapes)))
    every = vmap(step, in_dims=(0, 0, None, *[None] * len(density.data)))
    return density.compiled(every, state, noise, state.new_ones(2))


def _state(guides: list[AutoContinuous]) -> Tensor:
    parameters = [nn.utils.parameters_to_vector(guide.parameters()) for guide in guides]
    return torch.stack([torch.stack([p, p * 0, p * 0]) for p in parameters]).detach()


class _Posterior(nn.Module):
    def __init__(self, guide: AutoContinuous):
        super().__init__()
        self.guide = guide

    def forward(self) -> torch.distributions.Distribution:
        return self.guide.get_posterior()


def _noise_shapes(guide: AutoContinuous) -> list[torch.Size]:
    """Shapes of the standard normal draws that a draw from the guide is made of, in order."""
    shapes = []

    def recorded(shape, dtype, device):
        shapes.append(torch.Size(shape))
        return torch.zeros(shape, dtype=dtype, device=device)

    with _standard_normal(recorded):
        guide.get_posterior().rsample()
    return shapes


@contextmanager
def _standard_normal(source: Callable[..., Tensor]) -> Iterator[None]:
    """torch's normal distributions with a source of noise in place of the random stream."""
    with ExitStack() as stack:
        for module in (normal, multivariate_normal, lowrank_multivariate_normal):
            stack.enter_context(patch.object(module, "_standard_normal", source))
        yield


@contextmanager
def _drawing_from(stream: Generator) -> Iterator[None]:
    """The stream as torch's global one."""
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(stream.get_state())
        yield
        state = torch.get_rng_state()
    stream.set_state(state)


def _points(density: LogDensity) -> int:
    """Observations, or 1 where there are none to count."""
    return max(1, len(density.data[-1])) if density.data and density.data[-1].dim() else 1
