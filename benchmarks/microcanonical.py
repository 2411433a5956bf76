"""Microcanonical chains: a step beside its gradient and beside blackjax's; beside nutpie's NUTS.

Both samplers of a step are the isokinetic leapfrog with one gradient a step, batched over chains:
blackjax's by `vmap`, many steps by `scan` in one jitted call. All seconds are the processor's.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
import peers
import problems
import torch
import yaml
from blackjax.mcmc.integrators import isokinetic_velocity_verlet
from measure import Row, compared, interleaved, loop, row, stopwatch
from torch import Tensor

from bnnflow.data import tutorial
from bnnflow.density.log_density import LogDensity
from bnnflow.methods import mclmc
from bnnflow.methods.running import by_nutpie
from bnnflow.methods.running import loop as running
from bnnflow.methods.running.walks import Walks
from bnnflow.model import build
from bnnflow.model.model import Response

# Chains of a call, and steps of a call of blackjax.
CHAINS, TOGETHER = 16, 100

# A table as large as the airfoil measurements, and the network that is usual for them.
TABLE = ((16, 16, 16, 16), 5, 1_200)

SAMPLING = {"decoherence": 1.0, "preconditioning": "none", "energy_variance": 0.1}

# Budgets: chains of each sampler, and by how much longer or shorter than the config's chains.
OURS = [(chains, length) for chains in (2, 4, 8, 16) for length in (0.25, 0.5, 1.0)]
NUTPIE = [(chains, length) for chains in (1, 2, 4) for length in (50, 100, 200, 400, 800)]
NUTPIE_SETTINGS = {"target_accept": 0.9, "max_tree_depth": 8}
POINTS = 1_000


def mclmc_step(quick: bool) -> list[Row]:
    """A step of a chain among many: the gradient alone, the workflow's step, and blackjax's."""
    repeats, seconds = (3, 0.01) if quick else (40, 0.05)
    shown = [problems.published(name) for name in problems.NETWORKS]
    shown.append(problems.tabular(*TABLE))
    rows = []
    for problem in shown[:1] if quick else shown:
        density = problem.density()
        starts = 0.1 * problem.vectors(CHAINS)
        trials = {
            "gradient": loop(
                lambda d=density, s=starts: d.value_and_grad(s), seconds, time.process_time
            ),
            "step": _per_step(_walking(density), seconds),
        }
        for who, layout in peers.LAYOUTS.items():
            name = who.replace("NumPyro", "blackjax")
            trials[name] = _per_step(_blackjax(problem, layout, starts), seconds)
        times = {who: each / CHAINS for who, each in interleaved(trials, repeats).items()}
        rows += compared("mclmc_step", problem.name, "a step of a chain", times, "step")
        over = times["step"] / times["gradient"]
        rows.append(
            row("mclmc_step", problem.name, "a step of a chain", "step / gradient", over, "x")
        )
    return rows


def _per_step(call: Callable[[], object], seconds: float) -> Callable[[], float]:
    trial = loop(call, seconds, time.process_time)
    return lambda: trial() / TOGETHER


def _walking(density: LogDensity) -> Callable[[], object]:
    """So many steps of the workflow's chains, as its loop runs them, one draw among them."""
    streams = [torch.Generator().manual_seed(seed) for seed in range(CHAINS)]
    lengths = {"optimum_steps": 100, "warmup": 300, "draws": 100, "thinning": TOGETHER}
    walks = Walks(density, streams, [], **lengths, **SAMPLING)
    state = walks.init()
    for begin, end in ((0, 100), (100, 400)):
        state, _ = walks.step(state, range(begin, end))
    return lambda: walks.step(state, range(400, 400 + TOGETHER))


def _blackjax(problem: problems.Problem, layout: str, starts: Tensor) -> Callable[[], object]:
    """So many steps of blackjax's chains."""
    potential = peers.numpyro_potential(problem, layout)
    sampler = blackjax.mclmc(
        lambda vector: -potential(vector),
        L=1.0,
        step_size=0.01,
        integrator=isokinetic_velocity_verlet,
    )

    def one(states, key):
        states, _ = jax.vmap(sampler.step)(jax.random.split(key, CHAINS), states)
        return states, None

    @jax.jit
    def many(states, key):
        return jax.lax.scan(one, states, jax.random.split(key, TOGETHER))[0]

    keys = jax.random.split(jax.random.key(0), CHAINS)
    states = jax.vmap(sampler.init)(jnp.asarray(starts.numpy()), keys)
    return lambda: jax.block_until_ready(many(states, jax.random.key(1)))


@dataclass(frozen=True)
class Fit:
    """A fit of the default config, and rows that the fit does not see.

    Attributes:
        density: of the posterior.
        response: network and likelihood.
        x, y: of the held-out rows (n, 1) and (n,).
        settings: of the fit's inference.
    """

    density: LogDensity
    response: Response
    x: Tensor
    y: Tensor
    settings: dict

    def log_densities(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Of every draw at every held-out row, (draws, n)."""
        (own,) = self.response.components(values, self.x)
        return own.log_density(self.y).numpy()


@cache
def _fit(name: str) -> Fit:
    """The fit of the default config with this name."""
    config = yaml.safe_load((problems.ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    fit, data = config["fits"][name], config["data"]
    model = config["models"][fit["model"]]
    intervals = next(o["intervals"] for o in data["observations"] if o["name"] == fit["data"])
    (x, y), unseen = (
        (torch.tensor(table[["x"]].to_numpy(), dtype=torch.float32),
         torch.tensor(table["y"].to_numpy(), dtype=torch.float32))
        for table in (
            tutorial.simulated(own, data["noise"], np.random.RandomState(seed))
            for seed, own in ((data["seed"], intervals), (1, [[*data["held_out"][:2], POINTS]]))
        )
    )  # fmt: skip
    network = build.network(model, fit["prior"], inputs=1, targets=(0,))
    density = LogDensity(network, x, y, engine="compiled")
    return Fit(density, network.response, *unseen, fit["inference"])


def reach(quick: bool) -> list[Row]:
    """Seconds of one core until held-out rows have the best log density that nutpie reaches.

    Every budget is a run of its own, from nothing but compiled code to draws of all chains
    pooled.
    """
    rows = []
    for name in ("shallow", "deep", "noise")[: 1 if quick else None]:
        fit = _fit(f"ensemble_{name}")
        found = {
            "mclmc": [_ours(fit, *own) for own in OURS[: 2 if quick else None]],
            "nutpie": [_theirs(fit, *own) for own in NUTPIE[: 2 if quick else None]],
        }
        lppd = "log density of held-out rows"
        for who, runs in found.items():
            rows.append(row("reach", name, lppd, who, max(own for _, own in runs), "nats"))
        level, until = max(own for _, own in found["nutpie"]), "core seconds until nutpie's best"
        best = {who: _until(level, runs) for who, runs in found.items()}
        rows += [row("reach", name, until, who, seconds, "s") for who, seconds in best.items()]
        ratio = best["nutpie"] / best["mclmc"]
        rows.append(row("reach", name, until, "nutpie / mclmc", ratio, "x"))
    return rows


def _until(level: float, found: Sequence[tuple[float, float]]) -> float:
    return min((seconds for seconds, lppd in found if lppd >= level), default=float("nan"))


def _ours(fit: Fit, chains: int, length: float) -> tuple[float, float]:
    """Seconds of the steps of a run, and the log density of the held-out rows."""
    own = fit.settings
    lengths = {name: round(length * own[name]) for name in ("optimum_steps", "warmup", "draws")}
    streams = [torch.Generator().manual_seed(seed) for seed in range(chains)]
    with stopwatch(running, time.process_time) as seconds:
        drawn = mclmc.sample(
            fit.density, streams, **lengths, thinning=own["thinning"],
            start_scale=own["start_scale"], **SAMPLING,
        )  # fmt: skip
    return sum(seconds), _lppd(fit.log_densities(values) for values, _ in drawn)


def _theirs(fit: Fit, chains: int, length: int) -> tuple[float, float]:
    """The same of nutpie, as many iterations of warm-up as draws."""
    parts = []
    with stopwatch(by_nutpie, time.process_time) as seconds:
        for seed in range(chains):
            stream = torch.Generator().manual_seed(seed)
            start = torch.empty(fit.density.size).uniform_(-2, 2, generator=stream)
            vectors, _ = by_nutpie.chain(
                fit.density, start, warmup=length, draws=length, seed=seed,
                mass_matrix="low_rank", **NUTPIE_SETTINGS,
            )  # fmt: skip
            values = fit.density.constrained(fit.density.unflattened(vectors))
            parts.append({site: value.numpy() for site, value in values.items()})
    return sum(seconds), _lppd(map(fit.log_densities, parts))


def _lppd(parts: Iterator[np.ndarray]) -> float:
    """Of draws (draws, n) of several chains, the mean over rows of the mixture's log density."""
    pooled = np.concatenate(list(parts))
    return float((np.logaddexp.reduce(pooled) - np.log(len(pooled))).mean())
