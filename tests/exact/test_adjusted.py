"""Adjusted microcanonical dynamics: reversible trajectories, and draws without bias."""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

from bnnflow.density.log_density import LogDensity
from bnnflow.files.parameters import Site
from bnnflow.methods import mclmc
from bnnflow.methods.running import adjusted, loop, walks

# Independent chains, each begun at an exact draw; they are the clusters of all standard errors.
CHAINS = 4000

# Standard errors that are a fault: of some fifty normal statistics, one in sixty thousand runs.
FAR = 5.0


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def with_gradient(log_density):
    """Value and gradient of a log density of rows (..., n)."""

    def value_and_grad(place):
        with torch.enable_grad():
            leaf = place.detach().requires_grad_()
            value = log_density(leaf)
            (gradient,) = torch.autograd.grad(value.sum(), leaf)
        return value.detach(), gradient

    return value_and_grad


SCALES = torch.tensor([0.2, 1.0, 5.0, 1.0, 0.5, 2.0], dtype=torch.double)
FREEDOM = 10


def normal(z):
    return -(z / SCALES).square().sum(-1) / 2


def banana(z):
    """z0 normal, z1 normal about z0² - 1, with the standard deviation 1/2."""
    x, y = z.unbind(-1)
    return -(x.square() + 4 * (y - x.square() + 1).square()) / 2


def student(z):
    return -(FREEDOM + z.shape[-1]) / 2 * (1 + z.square().sum(-1) / FREEDOM).log()


def half(z):
    """Normal, the first entry positive; the root of a negative number is no number."""
    return -z.square().sum(-1) / 2 + 0 * z[..., 0].sqrt()


def drawn(name, noise):
    """Exact draws of standard normal ones, (chains, n)."""
    if name == "normal":
        return noise * SCALES
    if name == "banana":
        x, y = noise.unbind(-1)
        return torch.stack([x, x.square() - 1 + y / 2], -1)
    if name == "student":
        stream = np.random.default_rng(1)
        return noise * torch.tensor(FREEDOM / stream.chisquare(FREEDOM, (len(noise), 1))).sqrt()
    return torch.cat([noise[:, :1].abs(), noise[:, 1:]], 1)


@dataclass(frozen=True)
class Target:
    """A distribution of known moments.

    Attributes:
        log_density: of rows (..., n).
        size: n.
        step: so large that many trajectories are rejected.
        length: over which the direction is forgotten.
        mean, square: of every entry and of its square, (n,).
    """

    log_density: object
    size: int
    step: float
    length: float
    mean: list[float]
    square: list[float]


TARGETS = {
    "normal": Target(normal, 6, 0.7, 6.0, [0.0] * 6, SCALES.square().tolist()),
    "banana": Target(banana, 2, 0.5, 2.0, [0.0, 0.0], [1.0, 2.25]),
    "student": Target(student, 4, 4.0, 8.0, [0.0] * 4, [FREEDOM / (FREEDOM - 2)] * 4),
    "half": Target(half, 3, 0.5, 1.3, [math.sqrt(2 / math.pi), 0.0, 0.0], [1.0] * 3),
}


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def off(target, places):
    """How many standard errors means and squares are off, chains (steps, chains, n) as clusters."""
    exact = torch.tensor([target.mean, target.square]).double()
    found = torch.stack([places, places.square()]).mean(1)
    error = found.std(1) / math.sqrt(found.shape[1])
    return (found.mean(1) - exact) / error


def begun(target, columns):
    """Exact draws, and the vectors and numbers of chains there."""
    name = next(name for name, other in TARGETS.items() if other is target)
    place = drawn(name, torch.randn(CHAINS, target.size, generator=random()).double())
    density, gradient = with_gradient(target.log_density)(place)
    direction = place / place.norm(dim=-1, keepdim=True)
    vectors = torch.stack([place, direction, gradient, torch.ones_like(place), place, gradient], 1)
    numbers = place.new_zeros(CHAINS, columns)
    numbers[:, walks.STEP], numbers[:, walks.LENGTH] = target.step, target.length
    numbers[:, walks.DENSITY] = density
    return vectors, numbers


@pytest.mark.parametrize("name", TARGETS)
def test_large_steps_leave_a_distribution_as_it_is(name):
    """Chains that begin at exact draws stay exact draws, however large the steps are."""
    target = TARGETS[name]
    vectors, numbers = begun(target, 10)
    start, stream = vectors[:, walks.PLACE], random(1)
    step = partial(adjusted.proposed, with_gradient(target.log_density), target_accept=0.9)
    still, places, errors = torch.zeros(1).double(), [], []
    for _ in range(120):
        noise = torch.randn(CHAINS, target.size + adjusted.UNIFORM, generator=stream).double()
        vectors, numbers = step(vectors, noise, numbers, still)
        places.append(vectors[:, adjusted.ORIGIN])
        errors.append(numbers[:, adjusted.ERROR])
    chance = torch.stack(errors[60:]).clamp(min=0).neg().exp().mean()
    assert 0.4 < chance < 0.9, chance
    places = torch.stack(places)
    assert off(target, places[60:]).abs().max() < FAR
    assert off(target, places[-1:]).abs().max() < FAR
    # Chains that stood still would be exact draws too.
    assert (places[-1] - start).square().mean() > start.var(0).mean() / 2


@pytest.mark.parametrize("name", ["normal", "banana", "student"])
def test_without_acceptance_the_same_steps_have_a_bias(name):
    target = TARGETS[name]
    vectors, numbers = begun(target, 6)
    step = partial(walks.walked, with_gradient(target.log_density), energy_variance=0.1)
    still, stream, places = torch.zeros(2).double(), random(1), []
    for _ in range(60):
        noise = torch.randn(CHAINS, target.size, generator=stream).double()
        vectors, numbers, _ = step(vectors, noise, numbers, still)
        places.append(vectors[:, walks.PLACE])
    assert off(target, torch.stack(places[30:])).abs().max() > 2 * FAR


@pytest.mark.parametrize("name", TARGETS)
def test_a_trajectory_goes_back_the_way_it_came(name):
    """And gains the kinetic energy that it has lost."""
    target = TARGETS[name]
    vectors, _ = begun(target, 10)
    place, direction, gradient = vectors[:, 0], vectors[:, 1], vectors[:, 2]
    scale, step = torch.linspace(0.5, 1.5, target.size).double(), torch.full((CHAINS,), 0.05)
    move = partial(
        walks.leapfrog, with_gradient(target.log_density), scale=scale, step=step.double()
    )

    def moved(place, direction, gradient):
        gained = 0.0
        for _ in range(10):
            place, direction, gradient, _, gain = move(place, direction, gradient)
            gained = gained + gain
        return place, direction, gradient, gained

    end, turned, slope, there = moved(place, direction, gradient)
    back, reversed_direction, _, here = moved(end, -turned, slope)
    inside = back.isfinite().all(1)
    assert inside.float().mean() > 0.5
    for found, expected in [(back, place), (reversed_direction, -direction), (here, -there)]:
        torch.testing.assert_close(found[inside], expected[inside], rtol=1e-7, atol=1e-7)
    assert (end - place)[inside].norm(dim=-1).min() > 0.05


SETTINGS = {"optimum_steps": 100, "draws": 100, "decoherence": 1.0, "preconditioning": "none"}


def test_chains_stay_where_there_is_density():
    def positive(x):
        z = pyro.sample("z", dist.Normal(torch.zeros(3), 1.0).to_event(1))
        pyro.sample("obs", dist.Normal(torch.log(z[0] + 0.01), 1.0), obs=x)

    density = LogDensity(positive, torch.tensor(0.0), engine="pyro")
    settings = SETTINGS | {"warmup": 300, "thinning": 5, "target_accept": 0.9}
    for draws, stats in mclmc.sample(density, [random(), random(1)], adjusted=True, **settings):
        assert (draws["z"][:, 0] > -0.01).all()
        assert np.isfinite(stats["lp"]).all()
        assert len(np.unique(stats["lp"])) > 10


class Regressions:
    """As many log densities as chains: z0 + z1 x with noise of exp(z2 / 2), each of its own data.

    Args:
        truths: of the parameters, (chains, 3).
        stream: of random numbers.
    """

    size, dtype = 3, torch.double
    sites = (Site("z", (3,), "real", "weight"),)

    def __init__(self, truths, stream):
        self._x = torch.linspace(-1.5, 1.5, 4).double()
        noise = torch.randn(len(truths), 4, generator=stream).double()
        line = truths[:, :1] + truths[:, 1:2] * self._x
        self._y = line + (truths[:, 2:] / 2).exp() * noise

    def flattened(self, values):
        return values["z"]

    def around(self, function, *examples, mapped):
        return partial(function, with_gradient(self.log_prob))

    def log_prob(self, z):
        away = self._y - z[:, :1] - z[:, 1:2] * self._x
        likelihood = -(away.square() * (-z[:, 2:]).exp() + z[:, 2:]).sum(1) / 2
        return likelihood - z.square().sum(1) / 2


def trajectories(density, chains, **settings):
    """Draws of chains, what they leave by name (draws, chains, ...)."""
    streams = [random(2 + chain) for chain in range(chains)]
    _, rows = loop.run(adjusted.Trajectories(density, streams, [], **SETTINGS | settings))
    return rows


@pytest.mark.parametrize("target_accept", [0.6, 0.9])
def test_the_step_size_has_the_acceptance_that_was_asked_for(target_accept):
    density = Regressions(torch.randn(100, 3, generator=random()).double(), random(1))
    rows = trajectories(density, 100, warmup=2000, thinning=5, target_accept=target_accept)
    found = rows["energy_error"].clamp(min=0).neg().exp().mean(0)
    # Draws are at fixed steps, so that long trajectories, which err more, count more.
    assert abs(found.mean() - target_accept) < FAR * found.std() / math.sqrt(100) + 0.05


def test_ranks_of_what_made_the_data_are_uniform():
    """Simulation-based calibration (Talts et al., 2018, arXiv:1804.06788), a data set a chain."""
    replications, draws = 1000, 19
    truths = torch.randn(replications, 3, generator=random()).double()
    density = Regressions(truths, random(1))
    size = {"warmup": 400, "draws": draws, "thinning": 40}
    rows = trajectories(density, replications, **size, target_accept=0.8)
    counts = (rows["vector"] < truths).sum(0)
    for entry in range(3):
        observed = torch.bincount(counts[:, entry], minlength=draws + 1).double()
        expected = replications / (draws + 1)
        chi = ((observed - expected).square() / expected).sum().item()
        # Of as many degrees of freedom as draws, mean and variance are draws and 2 draws.
        assert chi < draws + FAR * math.sqrt(2 * draws)
