"""Single evaluations and single steps, beside peers."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
import peers
import pyro
import torch
from measure import Row, Trial, compared, interleaved, loop, over, stopwatch
from problems import NETWORKS, Problem, published
from pyro.infer import SVI, Trace_ELBO
from pyro.infer.autoguide import AutoDiagonalNormal
from pyro.optim import Adam

from bnnflow.methods import svi
from bnnflow.methods.running import loop as methods_loop

CHAINS = (16, 64, 256)
STARTS = 16
RATE = 0.01

# A function and arguments to call it with in turn.
Way = tuple[Callable[..., object], Sequence]


def gradient(quick: bool) -> list[Row]:
    """One value and gradient: Pyro as in the tutorial, both engines, NumPyro in both layouts."""
    repeats, seconds = (3, 0.05) if quick else (15, 0.3)
    rows = []
    for name in NETWORKS:
        ways = _ways(published(name))
        _assert_equal(ways)
        times = interleaved({w: loop(over(*way), seconds) for w, way in ways.items()}, repeats)
        rows += compared("gradient", name, "value and gradient", times, "compiled")
    return rows


def chains(quick: bool) -> list[Row]:
    """Values and gradients of many chains in one call, per chain, beside one at a time."""
    repeats, seconds = (3, 0.05) if quick else (11, 0.3)
    rows = []
    for name in NETWORKS:
        problem = published(name)
        density = problem.density()
        single = loop(over(density.value_and_grad, problem.vectors(16)), seconds)
        for count in CHAINS[:1] if quick else CHAINS:
            vectors = problem.vectors(count)
            ways = {"batched": (density.value_and_grad, [vectors])} | {
                who: (
                    peers.numpyro_value_and_grad(problem, layout, batched=True),
                    [jnp.asarray(vectors.numpy())],
                )
                for who, layout in peers.LAYOUTS.items()
            }
            trials = {w: _per(count, loop(over(*way), seconds)) for w, way in ways.items()}
            times = interleaved({"one at a time": single} | trials, repeats)
            rows += compared("chains", name, "per chain", times, "batched", count)
    return rows


def step(quick: bool) -> list[Row]:
    """One step of SVI with a mean-field guide and Adam: Pyro, one start, many starts batched."""
    repeats = 3 if quick else 11
    rows = []
    for name, steps in zip(NETWORKS, (5000, 2000), strict=True):
        problem = published(name)
        trials = {
            "Pyro": _pyro_steps(problem, 0.05 if quick else 0.3),
            "compiled": _steps(problem, 1, steps),
            f"compiled, {STARTS} starts": _per(STARTS, _steps(problem, STARTS, steps // STARTS)),
        }
        times = interleaved(trials, repeats)
        rows += compared("step", name, "SVI step", times, "compiled")
    return rows


def _ways(problem: Problem) -> dict[str, Way]:
    vectors = problem.vectors(16)
    arrays = [jnp.asarray(vector.numpy()) for vector in vectors]
    values = [peers.pyro_values(problem, vector) for vector in vectors]
    return {
        "Pyro": (peers.pyro_value_and_grad(problem), values),
        "engine pyro": (problem.density("pyro").value_and_grad, vectors),
        "compiled": (problem.density("compiled").value_and_grad, vectors),
    } | {
        who: (peers.numpyro_value_and_grad(problem, layout), arrays)
        for who, layout in peers.LAYOUTS.items()
    }


def _assert_equal(ways: dict[str, Way]) -> None:
    """That all evaluate the same function, or there is nothing to compare."""
    results = {}
    for who, (function, arguments) in ways.items():
        value, grad = function(arguments[0])
        if who == "Pyro":  # whose sampler's function returns the gradient first, by site
            value, grad = grad, torch.cat([part.flatten() for part in value.values()])
        results[who] = np.array([float(value), *np.asarray(grad)])
        if who == "Pyro" or who in peers.LAYOUTS:  # potentials
            results[who] *= -1
    for who, result in results.items():
        error = np.linalg.norm(result - results["compiled"]) / np.linalg.norm(result)
        if not error < 1e-3:
            raise AssertionError(f"{who} differs from the compiled engine by {error:.2g} of itself")


def _per(count: int, trial: Trial) -> Trial:
    return lambda: trial() / count


def _pyro_steps(problem: Problem, seconds: float) -> Trial:
    pyro.clear_param_store()
    model = peers.pyro_network(problem)
    fit = SVI(model, AutoDiagonalNormal(model), Adam({"lr": RATE}), loss=Trace_ELBO())
    return loop(lambda: fit.step(problem.x, problem.y), seconds)


def _steps(problem: Problem, starts: int, steps: int) -> Trial:
    """The loop over the steps alone: what comes before it is tracing and compiling."""
    density = problem.density()
    settings = {"guide": "AutoDiagonalNormal", "learning_rate": RATE, "schedule": "constant"}

    def trial() -> float:
        streams = [torch.Generator().manual_seed(seed) for seed in range(starts)]
        with stopwatch(methods_loop) as seconds:
            svi.fit(density, streams, observations=len(problem.x), **settings, steps=steps)
        return sum(seconds) / steps

    return trial
