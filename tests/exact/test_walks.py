"""Microcanonical dynamics: directions, their noise, and the step size."""

import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from scipy.integrate import solve_ivp

from bnnflow.density.log_density import LogDensity
from bnnflow.methods import mclmc
from bnnflow.methods.running import loop, optimum, walks
from bnnflow.methods.running.adam import factors


def unit(*shape, seed=0):
    vectors = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double()
    return vectors / vectors.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize("size", [2, 5, 40])
@pytest.mark.parametrize("strength", [1e-3, 1.0, 50.0])
def test_a_kick_solves_the_equations_of_motion(size, strength):
    """u' = (1 - u uᵀ) g / (n - 1), and the kinetic energy grows by ∫ u g dt."""
    direction, force = unit(3, size), strength * size * unit(3, size, seed=1)
    time = torch.tensor([0.1, 0.5, 1.0]).double()
    turned, gain = walks.kicked(direction, force, time)
    for u, g, t, new, grown in zip(direction, force, time, turned, gain, strict=True):
        u, g = u.numpy(), g.numpy()

        def motion(_, state, g=g):
            u = state[:-1]
            return np.append((g - u * (u @ g)) / (size - 1), u @ g)

        found = solve_ivp(motion, (0, t.item()), np.append(u, 0.0), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(new, found.y[:-1, -1], atol=1e-7)
        np.testing.assert_allclose(grown, found.y[-1, -1], rtol=1e-7, atol=1e-7)


def test_a_direction_is_forgotten_over_the_decoherence_length():
    """After a step it keeps exp(-step / length) of itself."""
    n, step, length = 100_000, torch.tensor([0.3]), torch.tensor([1.5])
    noise = torch.randn(1, n, generator=torch.Generator().manual_seed(0)).double()
    direction = unit(1, n, seed=1)
    new = walks.blurred(direction, noise, step, length)
    torch.testing.assert_close(new.norm(dim=-1), torch.ones(1).double())
    kept = (new * direction).sum().item()
    # The noise along the direction is one number of standard deviation 1 / √n.
    assert abs(kept - math.exp(-0.3 / 1.5)) < 5 / math.sqrt(n)


def normal(x):
    scale = torch.tensor([1.0, 0.1, 0.1, 3.0, 1.0, 1.0, 1.0, 1.0])
    pyro.sample("z", dist.Normal(torch.zeros(8), scale).to_event(1))
    pyro.sample("obs", dist.Normal(0.0, 1.0), obs=x)


def walk(**settings):
    chosen = {"optimum_steps": 300, "warmup": 1500, "draws": 300, "thinning": 1}
    chosen |= {"energy_variance": 0.01, "decoherence": 1.0, "preconditioning": "none"} | settings
    streams = [torch.Generator().manual_seed(seed) for seed in range(4)]
    density = LogDensity(normal, torch.tensor(0.0), engine="pyro")
    return loop.run(walks.Walks(density, streams, [], **chosen))


@pytest.mark.parametrize("energy_variance", [0.01, 0.0001])
def test_the_step_size_has_the_energys_variance(energy_variance):
    _, rows = walk(energy_variance=energy_variance)
    found = rows["energy_error"].square().mean() / 8
    # The adaptation gives little weight to large errors, which the mean has in full.
    assert energy_variance / 4 < found < 4 * energy_variance


def test_the_draws_have_a_smaller_step_than_the_warmup():
    """By the sixth root of the variances' ratio, from the last tenth of the warm-up on."""
    streams = [torch.Generator().manual_seed(seed) for seed in range(4)]
    density = LogDensity(normal, torch.tensor(0.0), engine="pyro")
    settings = {"optimum_steps": 10, "warmup": 200, "draws": 5, "thinning": 1}
    settings |= {"energy_variance": 0.01, "decoherence": 1.0, "preconditioning": "none"}
    hot = walks.Walks(density, streams, [], **settings | {"energy_variance": 0.64})
    state, _ = hot.step(hot.step(hot.init(), range(10))[0], range(10, 190))
    _, rows = walk(**settings, warmup_energy_variance=0.64)
    # 64 is 2⁶.
    torch.testing.assert_close(rows["step_size"], state.numbers[:, walks.STEP].expand(5, 4) / 2)


@pytest.mark.parametrize("preconditioning", ["none", "diagonal"])
@pytest.mark.parametrize("warmup", [1, 2, 3, 6])
def test_chains_of_hardly_any_warmup_move(warmup, preconditioning):
    """Of one step nothing is known of how far the chain goes."""
    state, rows = walk(warmup=warmup, draws=5, preconditioning=preconditioning)
    assert state.vectors.isfinite().all()
    assert (rows["vector"].diff(dim=0).abs().amax((0, 2)) > 0).all()


def test_preconditioning_finds_the_scales():
    state, _ = walk(preconditioning="diagonal", warmup=6000)
    scale = state.vectors[:, walks.SCALE].log().mean(0).exp()
    exact = torch.tensor([1.0, 0.1, 0.1, 3.0, 1.0, 1.0, 1.0, 1.0])
    assert ((scale / exact).log().abs() < math.log(1.5)).all()


def test_chains_start_at_optima():
    density = LogDensity(normal, torch.tensor(0.0), engine="pyro")
    adam = optimum.begun(density, [torch.Generator().manual_seed(0)])
    adam[:, 0] = 1.0
    step = optimum.step(density, adam)
    for factor in factors(optimum.rates(1500), adam):
        (adam,) = step(adam, factor)
    assert adam[0, 0].abs().max() < 0.01


def test_a_chain_turns_back_where_there_is_no_density():
    def half(x):
        z = pyro.sample("z", dist.Normal(torch.zeros(3), 1.0).to_event(1))
        pyro.sample("obs", dist.Normal(torch.log(z[0] + 0.01), 1.0), obs=x)

    density = LogDensity(half, torch.tensor(0.0), engine="pyro")
    streams = [torch.Generator().manual_seed(seed) for seed in range(2)]
    settings = {
        "optimum_steps": 300,
        "warmup": 500,
        "draws": 200,
        "thinning": 2,
    }
    settings |= {"energy_variance": 0.1, "decoherence": 1.0, "preconditioning": "none"}
    for draws, stats in mclmc.sample(density, streams, **settings):
        assert (draws["z"][:, 0] > -0.01).all()
        assert np.isfinite(stats["lp"]).all()


def test_one_entry_is_refused():
    def one(x):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("obs", dist.Normal(z, 1.0), obs=x)

    density = LogDensity(one, torch.tensor(0.0), engine="pyro")
    with pytest.raises(ValueError, match="two entries"):
        mclmc.sample(density, [torch.Generator()])
