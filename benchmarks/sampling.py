"""Samplers: Pyro's and nutpie on the compiled density, beside Pyro's and NumPyro's own."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise, product
from unittest.mock import patch

import arviz
import jax
import numpy as np
import peers
import pyro
import torch
import tutorial
from measure import Row, compared, interleaved, loop, over, row, stopwatch
from numpyro.infer import MCMC, NUTS
from problems import NETWORKS, Problem, published

from bnnflow.density.log_density import LogDensity
from bnnflow.methods import nuts as samplers

TUTORIAL = {"warmup": 50, "draws": 50, "target_accept": 0.8, "max_tree_depth": 10}

# For effective draws: chains, and iterations of each to warm up and again to keep.
SIZES = {"shallow": (6, 500), "deep": (2, 400)}

# The data region, where the network's function is well determined.
REGION = np.r_[np.linspace(-0.2, 0.2, 25), np.linspace(0.6, 1.0, 25)]


def nuts(quick: bool) -> list[Row]:
    """Pyro's sampler at the tutorial's settings, on Pyro's potential and on the compiled density.

    Chains that differ by rounding soon differ altogether. So the ways are compared by the time
    of a gradient over the first iterations of the warm-up, and whole chains are run besides.
    """
    repeats, short = (2 if quick else 5), (15, 1, 10)
    rows = []
    for name in NETWORKS:
        problem = published(name)
        density = problem.density()
        ways = {
            "Pyro": lambda *size, p=problem: _pyro_chain(p, *size),
            "compiled": lambda *size, p=problem, d=density: _compiled_chain(p, d, *size),
        }
        trials = {who: lambda way=way: np.divide(*way(*short)) for who, way in ways.items()}
        times = interleaved(trials, repeats)
        rows += compared("nuts", name, "gradient in Pyro's sampler", times, "compiled")
        if not quick:
            rows += _whole_chains(name, ways)
    return rows


def nutpie(quick: bool) -> list[Row]:
    """The time of a gradient inside nutpie over that of the bare compiled call.

    The two are separate runs, between which a noisy machine differs by more than the overhead.
    So what the sampler spends outside the calls, within the same run, is a row besides. Timing
    the calls, some 0.2 µs of each, is part of both.
    """
    repeats, scale = (3, 0.3) if quick else (5, 1)
    rows = []
    for name, iterations in zip(NETWORKS, (300, 60), strict=True):
        problem = published(name)
        density = problem.density()
        size = max(10, round(iterations * scale))
        outside: list[float] = []
        points = _nutpie_points(density, problem.seed, size)
        some = points[:: max(1, len(points) // 256)]  # few enough to stay in the cache
        trials = {
            "in nutpie": lambda d=density, p=problem, n=size, o=outside: _nutpie_gradient(
                d, p.seed, n, o
            ),
            "bare": loop(over(density.value_and_grad, some), 0.5 * scale),
        }
        times = interleaved(trials, repeats)
        overhead = (times["in nutpie"] - times["bare"]) * 1e6
        rows += [
            row("nutpie", name, "gradient", who, seconds * 1e6, "µs")
            for who, seconds in times.items()
        ]
        rows.append(row("nutpie", name, "gradient", "overhead", overhead, "µs"))
        within = np.array(outside[-repeats:]) * 1e6
        rows.append(row("nutpie", name, "gradient", "outside the call, same run", within, "µs"))
        rows.append(row("nutpie", name, "gradients of a chain", "in nutpie", len(points), ""))
    return rows


def draws(quick: bool) -> list[Row]:
    """Effective draws a second: smallest bulk ESS of the network's function where there are data.

    Chains start at random, warm up as long as they draw, and are one thread's each; what is
    compiled is compiled before. ESS is of every chain by itself, because chains end in different
    modes.
    """
    rows = []
    for name in NETWORKS:
        problem = published(name)
        density = problem.density()
        chains, iterations = (2, 20) if quick else SIZES[name]
        depth = 6 if quick else 10
        setting = {"warmup": iterations, "draws": iterations, "max_tree_depth": depth}
        ways = {
            "NumPyro": _numpyro_chains(problem, **setting),
        } | {
            f"nutpie, {matrix}": lambda seed, d=density, m=matrix, s=setting: _nutpie_chain(
                d, seed, m, **s
            )
            for matrix in ("diagonal", "low_rank")
        }
        found = {who: [] for who in ways}
        for seed, who in product(range(chains), ways):
            found[who].append(ways[who](seed))
        rates = {}
        for who, results in found.items():
            values, seconds, gradients = zip(*results, strict=True)
            ess = np.array([_smallest_ess(problem, v) for v in values])
            rates[who] = ess / seconds
            rows += [
                row("draws", name, "smallest bulk ESS of a chain", who, ess, ""),
                row("draws", name, "seconds of a chain", who, seconds, "s"),
                row("draws", name, "gradients of the draws", who, gradients, ""),
                row("draws", name, "effective draws a second", who, rates[who], "1/s"),
            ]
        rows += [_ratio(name, who, rates[who], rates["NumPyro"]) for who in list(ways)[1:]]
    return rows


def _ratio(network: str, who: str, ours: np.ndarray, theirs: np.ndarray) -> Row:
    """Of the medians over chains; low and high are 5 and 95 % of those of chains drawn again."""
    random = np.random.default_rng(0)
    drawn = (
        np.median(random.choice(rates, (10_000, len(rates))), axis=1) for rates in (ours, theirs)
    )
    low, high = np.quantile(np.divide(*drawn), [0.05, 0.95])
    median = np.median(ours) / np.median(theirs)
    return Row(
        *("draws", network, "effective draws a second", f"{who} / NumPyro", None),
        *(median, low, high, "x", len(ours)),
    )


def _whole_chains(name: str, ways: dict[str, Callable]) -> list[Row]:
    size = TUTORIAL["warmup"], TUTORIAL["draws"], TUTORIAL["max_tree_depth"]
    compiled = [ways["compiled"](*size) for _ in range(3)]
    times, counts = {}, {}
    for who, runs in {"Pyro": [ways["Pyro"](*size)], "compiled": compiled}.items():
        seconds, gradients = np.array(runs, dtype=float).T
        times[who], counts[who] = seconds, gradients
    rows = [row("nuts", name, "whole chain", who, s, "s") for who, s in times.items()]
    rows += [row("nuts", name, "gradients of a chain", who, g, "") for who, g in counts.items()]
    ratio = times["Pyro"] / times["compiled"]
    rows.append(row("nuts", name, "whole chain", "Pyro / compiled", ratio, "x"))
    return rows


def _pyro_chain(problem: Problem, warmup: int, draws: int, depth: int) -> tuple[float, int]:
    """Seconds and gradients of a chain as in the tutorial."""
    model = peers.pyro_network(problem)
    size = {"warmup": warmup, "draws": draws, "depth": depth}
    integrator = pyro.ops.integrator
    pyro.set_rng_seed(problem.seed)
    with _timed_calls(integrator, "potential_grad") as calls:
        begin = time.perf_counter()
        tutorial.sampled(model, problem.x, problem.y, **size, quiet=True)
        return time.perf_counter() - begin, len(calls)


def _compiled_chain(
    problem: Problem, density: LogDensity, warmup: int, draws: int, depth: int
) -> tuple[float, int]:
    """Seconds and gradients of a chain of Pyro's sampler on the compiled density."""
    size = {"warmup": warmup, "draws": draws, "max_tree_depth": depth}
    setting = {"sampler": "pyro", "init": "uniform", "mass_matrix": "diagonal"}
    with _timed_calls(density, "value_and_grad") as calls:
        begin = time.perf_counter()
        samplers.sample_chain(density, seed=problem.seed, target_accept=0.8, **setting, **size)
        return time.perf_counter() - begin, len(calls)


@contextmanager
def _timed_calls(owner: object, name: str) -> Iterator[list[float]]:
    """Seconds of every call of a function of an object or module, as they come."""
    seconds: list[float] = []
    original = getattr(owner, name)

    def timed(*arguments):
        begin = time.perf_counter()
        result = original(*arguments)
        seconds.append(time.perf_counter() - begin)
        return result

    with patch.object(owner, name, timed):
        yield seconds


def _nutpie_gradient(
    density: LogDensity, seed: int, iterations: int, outside: list[float]
) -> float:
    """Seconds of sampling over the number of gradients, those of the warm-up included.

    What of it was spent outside the calls of the density is appended to a list.
    """
    setting = {"warmup": iterations, "draws": iterations, "max_tree_depth": 10}
    with _timed_calls(density, "value_and_grad") as calls:
        _, seconds, _ = _nutpie_chain(density, seed, "diagonal", **setting)
    others = calls[1:]  # the first is before the sampler starts
    outside.append((seconds - sum(others)) / len(others))
    return seconds / len(others)


def _nutpie_points(density: LogDensity, seed: int, iterations: int) -> list[torch.Tensor]:
    """Where such a chain evaluates the density."""
    points: list[torch.Tensor] = []
    original = density.value_and_grad

    def recorded(vector: torch.Tensor) -> tuple:
        points.append(vector.clone())
        return original(vector)

    with patch.object(density, "value_and_grad", recorded):
        setting = {"warmup": iterations, "draws": iterations, "max_tree_depth": 10}
        _nutpie_chain(density, seed, "diagonal", **setting)
    return points


def _nutpie_chain(density: LogDensity, seed: int, mass_matrix: str, **setting) -> tuple:
    """Draws of one chain, the seconds of sampling, and the gradients of the draws."""
    setting |= {"sampler": "nutpie", "init": "uniform", "target_accept": 0.8}
    with stopwatch(samplers) as seconds:
        values, stats = samplers.sample_chain(
            density, seed=seed, mass_matrix=mass_matrix, **setting
        )
    return values, sum(seconds), stats["n_steps"].sum()


def _numpyro_chains(problem: Problem, warmup: int, draws: int, max_tree_depth: int) -> Callable:
    """What draws a chain of a seed: its draws, the seconds of sampling, gradients of the draws."""
    kernel = NUTS(
        peers.numpyro_model(problem, "units by points"),
        target_accept_prob=0.8,
        max_tree_depth=max_tree_depth,
    )
    mcmc = MCMC(kernel, num_warmup=warmup, num_samples=draws, progress_bar=False)
    data, fields = peers.numpyro_data(problem), {"extra_fields": ("num_steps",)}

    def run(seed: int) -> tuple:
        key = jax.random.key(seed)
        mcmc._compile(key, *data, **fields)  # finds besides where the chain starts
        begin = time.perf_counter()
        with peers.compiling() as compiling:
            mcmc.run(key, *data, **fields)
        values = {name: np.asarray(value) for name, value in mcmc.get_samples().items()}
        seconds = time.perf_counter() - begin - sum(compiling)
        return values, seconds, int(mcmc.get_extra_fields()["num_steps"].sum())

    return run


def _smallest_ess(problem: Problem, values: dict[str, np.ndarray]) -> float:
    f = _function(problem, values, REGION)
    return min(float(arviz.ess(f[None, :, point], method="bulk")) for point in range(f.shape[1]))


def _function(problem: Problem, values: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """The network's function (draws, points) at draws of its weights and biases."""
    units = np.broadcast_to(x, (len(values["sigma"]), 1, len(x)))
    last = len(problem.widths) - 1
    for number, _ in enumerate(pairwise(problem.widths), start=1):
        weight, bias = (values[f"layer{number}.{part}"] for part in ("weight", "bias"))
        units = weight @ units + bias[..., None]
        units = np.tanh(units) if number < last else units
    return units[:, 0]
