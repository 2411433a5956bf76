"""Weights of chains: stacking, and beside it equal weights and the evidence."""

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
import xarray as xr
from conftest import ROOT, weighting_of
from scipy import optimize, stats
from scipy.special import logsumexp, softmax

from bnnflow.density.log_density import LogDensity
from bnnflow.density.pointwise import log_likelihoods
from bnnflow.files import posterior, starts
from bnnflow.files.columns import Column
from bnnflow.files.encodings import Encoding
from bnnflow.judge import ensembles
from bnnflow.methods.running import left_out, stacking
from bnnflow.methods.running.method import METHODS

RANDOM = np.random.default_rng(0)


def score(weights, log_density):
    return logsumexp(log_density + np.log(weights)[:, None], axis=0).mean()


@pytest.mark.parametrize(("share", "first"), [(0.5, 0.5), (0.6, 0.8), (0.9, 1.0), (0.4, 0.2)])
def test_two_chains_have_the_weights_of_the_closed_form(share, first):
    """Of densities 2 and 1 at a share f of the rows and 1 and 2 elsewhere, w is 3 f - 1."""
    one = np.log(np.where(np.arange(1000) < 1000 * share, 2.0, 1.0))
    weights = stacking.simplex_weights(np.stack([one, np.log(2) - one]))
    np.testing.assert_allclose(weights, [first, 1 - first], atol=5e-3)


@pytest.mark.parametrize("chains", [1, 3, 40])
def test_the_score_is_that_of_an_independent_solution(chains):
    """A sequential quadratic program over logits finds none that is better."""
    log_density = RANDOM.normal(size=(chains, 1)) + 2 * RANDOM.normal(size=(chains, 200)) - 3
    found = stacking.simplex_weights(log_density)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    other = optimize.minimize(lambda a: -score(softmax(a), log_density), np.zeros(chains))
    assert score(found.clip(1e-300), log_density) > -other.fun - 2 * stacking.PRECISION


def test_weights_do_not_depend_on_units_nor_on_densities_that_numbers_cannot_hold():
    log_density = RANDOM.normal(size=(4, 50))
    weights = stacking.simplex_weights(log_density)
    np.testing.assert_allclose(stacking.simplex_weights(log_density - 5000), weights, rtol=1e-9)


def test_weights_without_a_chain_are_those_that_the_others_learn():
    log_density = RANDOM.normal(size=(7, 1)) / 3 + RANDOM.normal(size=(7, 90))
    found = stacking.without_each(log_density, stacking.simplex_weights(log_density))
    np.testing.assert_array_equal(found.diagonal(), 0)
    np.testing.assert_allclose(found.sum(1), 1)
    for left, weights in enumerate(found):
        kept = np.arange(7) != left
        alone = stacking.simplex_weights(log_density[kept])
        apart = [score(w.clip(1e-300), log_density[kept]) for w in (weights[kept], alone)]
        assert abs(np.diff(apart)) <= stacking.PRECISION
    assert stacking.without_each(log_density[:1], np.ones(1)).tolist() == [[1.0]]


def test_the_error_knows_that_weights_are_learnt():
    """Chains of any mean, of which learnt weights make nearly the same mixture in every run.

    The jackknife's variance is at least the true one on average (Efron and Stein, 1981), of one
    chain fewer. Weights that only lose a chain know nothing of what the others would make good.
    """
    rows, runs = np.linspace(-2, 2, 40), 60

    def run():
        centres = RANDOM.normal(size=8)
        log_density = stats.norm(centres[:, None], 0.7).logpdf(rows)
        weights = stacking.simplex_weights(log_density)
        kept = weighting_of(weights)["without"].to_numpy()
        again = stacking.without_each(log_density, weights)
        return weights @ centres, *(ensembles.jackknife(sets @ centres) for sets in (again, kept))

    means, again, kept = np.array([run() for _ in range(runs)]).T
    variances = np.square(again)
    short = variances.mean() - means.var(ddof=1)
    # Four errors of a mean, and of a variance of about normal numbers.
    assert short > -4 * np.hypot(variances.std(), means.var() * np.sqrt(2)) / np.sqrt(runs)
    assert np.median(kept) > 3 * np.median(again)


def of_two_chains(loo, gain):
    tree = posterior.merged([posterior.of_chain({"z": RANDOM.normal(size=9)}) for _ in gain])
    data = {"log_density": (("chain", "row"), loo), "gain": ("chain", gain)}
    return tree.assign({"loo": xr.DataTree(xr.Dataset(data))})


def test_a_chain_that_is_worse_than_a_line_has_no_weight(caplog):
    loo = np.log([[1.0, 3.0], [3.0, 1.0], [9.0, 0.1]])
    tree = stacking.with_weights(of_two_chains(loo, [0.5, -1.9, -2.1]))
    np.testing.assert_allclose(posterior.weights(tree), [0.5, 0.5, 0.0])
    assert "worse than a linear model at training rows, and without weight: 2" in caplog.text
    all_stuck = stacking.with_weights(of_two_chains(loo[:2], [-3.0, -4.0]))
    np.testing.assert_allclose(posterior.weights(all_stuck), [0.5, 0.5])
    assert "all chains predict training rows worse than a linear model" in caplog.text


# A parameter near -1 or near 1, and data of which most are near 1: each mode is normal, and what
# is known of each by itself is exact.
PLACES, WIDTH, NOISE, SHARE = np.array([-1.0, 1.0]), 0.1, 0.7, 0.55
DRAWS = 4000


class Modes(dist.MixtureSameFamily):
    """Of numbers, which torch does not know of a mixture of normal distributions."""

    support = dist.constraints.real


def model(x, y=None):
    mixture = Modes(
        dist.Categorical(torch.ones(2)), dist.Normal(torch.tensor(PLACES).float(), WIDTH)
    )
    z = pyro.sample("z", mixture)
    with pyro.plate("data", len(x)):
        pyro.sample("obs", dist.Normal(z, NOISE), obs=y)


def rows_of(count=20):
    centres = np.where(np.arange(count) < SHARE * count, 1.0, -1.0)
    return centres + 0.3 * np.random.default_rng(1).normal(size=count)


def conjugate(y, place):
    """Mean and standard deviation of one mode after rows, and their log density together."""
    precision = 1 / WIDTH**2 + len(y) / NOISE**2
    mean = (place / WIDTH**2 + y.sum() / NOISE**2) / precision
    covariance = NOISE**2 * np.eye(len(y)) + WIDTH**2
    evidence = stats.multivariate_normal(np.full(len(y), place), covariance).logpdf(y)
    return mean, precision**-0.5, evidence


def exact_loo(y, place):
    def of_row(row):
        mean, stddev, _ = conjugate(np.delete(y, row), place)
        return stats.norm(mean, np.hypot(stddev, NOISE)).logpdf(y[row])

    return np.array([of_row(row) for row in range(len(y))])


def test_two_modes_of_known_weight_by_equal_weights_stacking_and_evidence(monkeypatch):
    # Neither mode by itself is as good as a line.
    monkeypatch.setattr(stacking, "STUCK", -np.inf)
    y = rows_of()
    modes = [conjugate(y, place) for place in PLACES]
    chains = [
        posterior.of_chain({"z": (mean + stddev * RANDOM.normal(size=DRAWS)).astype(np.float32)})
        for mean, stddev, _ in modes
    ]
    tree = posterior.merged(chains)
    data = torch.zeros(len(y)), torch.tensor(y).float()
    density = LogDensity(model, *data, engine="pyro", by_rows=True)
    tree = left_out.with_scores(tree, density, (Column("y"),))
    exact = np.stack([exact_loo(y, place) for place in PLACES])
    # Of the smoothed weights of as many draws.
    np.testing.assert_allclose(tree["loo"]["log_density"], exact, atol=8 / np.sqrt(DRAWS))
    equal, learnt = posterior.weights(tree), posterior.weights(stacking.with_weights(tree))
    evidence = softmax([own[2] for own in modes])
    best = optimize.minimize_scalar(
        lambda w: -score(np.array([w, 1 - w]), exact), bounds=(0, 1), method="bounded"
    )
    assert equal.tolist() == [0.5, 0.5]
    np.testing.assert_allclose(learnt, [best.x, 1 - best.x], atol=0.03)
    # The posterior's is what the density integrates to about each mode.
    grid = torch.linspace(-4, 4, 4001)
    with pyro.validation_enabled(False):
        mass = density.log_probs(grid[:, None], 500).double().exp().numpy()
    inside = grid.numpy() < np.mean([own[0] for own in modes])
    odds = mass[~inside].sum() / mass[inside].sum()
    np.testing.assert_allclose(np.log(odds), modes[1][2] - modes[0][2], atol=0.01)
    # Evidence is sure of a mode, where stacking predicts with both, and better.
    assert evidence.max() > 0.95
    assert learnt.max() < 0.9
    assert score(learnt, exact) > max(score(equal, exact), score(evidence.clip(1e-300), exact))


def test_the_documentation_says_which_weights_are_the_posterior():
    told = " ".join((ROOT / "config/README.md").read_text(encoding="utf-8").split())
    assert "Neither equal weights nor stacking are the posterior's: the evidence is" in told


def test_log_likelihoods_are_those_of_rows(monkeypatch):
    y = rows_of(7)
    z = torch.tensor([-1.0, 0.5, 2.0])
    data = torch.zeros(7), torch.tensor(y).float()
    density = LogDensity(model, *data, engine="pyro", by_rows=True)
    rows = torch.tensor([6, 0, 3])
    expected = stats.norm(z[:, None], NOISE).logpdf(y[rows])
    for chunk in (2**24, 1):
        monkeypatch.setattr("bnnflow.density.pointwise.CHUNK", chunk)
        found = log_likelihoods(density, {"z": z}, rows)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_chains_that_do_not_move_or_go_anywhere_have_scores():
    """One that stays where it is leaves a row out by nothing; one that is lost has a score too."""
    still = np.full((30, 3), -2.0)
    np.testing.assert_allclose(left_out.leave_one_out(still), -2.0)
    lost = -np.exp(np.linspace(0, 30, 30))[:, None] * np.ones(3)
    # The worst draw has all the weight.
    np.testing.assert_allclose(left_out.leave_one_out(lost), lost.min(), rtol=0.5)


def test_a_line_is_the_regression_of_the_rows():
    """Student t about the line of least squares; frequencies where an input says nothing."""
    x, y = RANDOM.normal(size=(2, 30))
    design = np.stack([np.ones(30), x], axis=1)
    hat = design @ np.linalg.pinv(design)
    scale = np.sqrt(((y - hat @ y) ** 2).sum() / 28 * (1 + hat.diagonal()))
    expected = stats.t(28, hat @ y, scale).logpdf(y)
    data, number = (torch.tensor(x), torch.tensor(y)), Column("y", 3.0, 2.0, transform="log")
    np.testing.assert_allclose(left_out.linear(*data, [number]), expected, rtol=1e-6)
    kinds = torch.tensor(np.arange(30) % 3 == 0).double()
    two = Column("kind", kind="binary", levels=("a", "b"))
    found = left_out.linear(torch.zeros(30), torch.stack([data[1], kinds], 1), [number, two])
    alone = left_out.linear(torch.zeros(30), data[1], [number])
    frequencies = np.where(kinds == 1, 1 / 3, 2 / 3)
    np.testing.assert_allclose(found, alone + np.log(frequencies), rtol=1e-3)


def test_many_rows_are_a_choice_that_is_the_same_for_all_chains(monkeypatch):
    monkeypatch.setattr(left_out, "MOST", 5)
    y = rows_of(12)
    data = torch.zeros(12), torch.tensor(y).float()
    density = LogDensity(model, *data, engine="pyro", by_rows=True)
    chains = [posterior.of_chain({"z": np.full(25, z, np.float32)}) for z in (-1.0, 1.0)]
    together = left_out.with_scores(posterior.merged(chains), density, (Column("y"),))
    assert together["loo"]["log_density"].shape == (2, 5)
    alone = left_out.with_scores(chains[1], density, (Column("y"),))
    np.testing.assert_array_equal(alone["loo"]["log_density"], together["loo"]["log_density"][1:])


@pytest.mark.parametrize(
    ("inference", "message"),
    [
        ({"method": "mclmc", "draws": 24}, "allowed with fewer than 25 draws is equal"),
        ({"method": "ensemble"}, "allowed with fewer than 25 draws is equal"),
        ({"method": "svi"}, "allowed with weights: stacking is mixture"),
    ],
)
def test_weights_that_cannot_be_learnt_are_refused(inference, message):
    with pytest.raises(ValueError, match=message):
        METHODS.made(inference | {"weights": "stacking"})
    assert METHODS.made({"method": "svi", "combine": "mixture", "weights": "stacking"})


@pytest.mark.parametrize("method", ["mclmc", "svi"])
def test_scores_of_parts_are_put_together(method, tmp_path):
    y = rows_of(12)
    data = torch.zeros(12), torch.tensor(y).float()
    density = LogDensity(model, *data, engine="pyro", by_rows=True)
    paths, scores = [], []
    for number in (0, 1):
        draws = RANDOM.normal(PLACES, WIDTH, size=(30, 2)).astype(np.float32).T
        encoding = Encoding((Column("x"),), (Column("y"),))
        chains = [posterior.of_chain({"z": z}, {"lp": z}, encoding=encoding) for z in draws]
        two = posterior.merged(chains)
        part = left_out.with_scores(two, density, (Column("y"),))
        scores.append(part["loo"]["log_density"])
        if method == "svi":
            part = starts.packed([1.0, 2.0], part, np.zeros(3))
        paths.append(tmp_path / f"{number}.nc")
        posterior.write(part, paths[-1])
    settings = {"method": method, "weights": "stacking"}
    settings |= {"combine": "mixture"} if method == "svi" else {}
    tree = METHODS.made(settings).combined(paths).posterior
    np.testing.assert_array_equal(tree["loo"]["log_density"], np.concatenate(scores))
    posterior.write(stacking.with_weights(tree), tmp_path / "posterior.nc")
    weights = posterior.weights(posterior.read(tmp_path / "posterior.nc", [posterior.WEIGHT]))
    assert weights.shape == (4,)
    assert weights.max() > weights.min()
