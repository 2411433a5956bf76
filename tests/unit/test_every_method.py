"""What every method must do, evaluated by Pyro; exact answers are in tests/exact."""

import os
import signal
from dataclasses import replace
from itertools import chain, count

import numpy as np
import pytest
import torch
from method_cases import CASES, SMALL, X, Y, assert_same, regression

from bnnflow.density.log_density import LogDensity
from bnnflow.files import posterior
from bnnflow.files.columns import Column
from bnnflow.files.encodings import Encoding
from bnnflow.judge import fit
from bnnflow.methods.running import loop
from bnnflow.methods.running.checkpoints import Checkpoint
from bnnflow.methods.running.method import METHODS

RESUMING = [name for name, case in CASES.items() if case.resumes]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "0.checkpoint"


class Killed(BaseException):
    pass


@pytest.fixture
def killed(monkeypatch):
    """A function that runs a fit step by step, keeps it now and then, and kills it."""

    def run(fit, checkpoint, after):
        steps = count(1)

        def due(_):
            number = next(steps)
            if number == after:
                raise Killed
            return number % 2 == 0

        with monkeypatch.context() as patch:
            patch.setattr(loop._Keeper, "due", due)
            patch.setattr(loop, "PACE", 0)
            with pytest.raises(Killed):
                fit(checkpoint)

    return run


def test_every_registered_method_is_in_the_suite():
    made = {name: METHODS.made({"method": name}) for name in METHODS}
    of_networks = {name for name, method in made.items() if "estimator" not in method.leaves}
    assert {case.method for case in CASES.values()} == of_networks


@pytest.mark.parametrize("name", CASES)
def test_draws_have_the_sites_shapes_with_three_inputs_and_two_targets(name):
    found = CASES[name].fitted(engine="pyro")
    assert found["draws of slopes"].shape == (CASES[name].draws, 2, 3)
    assert np.isfinite(found["draws of slopes"]).all()
    assert found["lp"].shape == (CASES[name].draws,)


@pytest.mark.parametrize("name", CASES)
def test_a_seed_gives_the_same_bytes_and_another_one_others(name):
    case = CASES[name]
    first = case.fitted(engine="pyro", seed=5)
    torch.manual_seed(99)  # torch's own stream has no say
    assert_same(case.fitted(engine="pyro", seed=5), first)
    other = case.fitted(engine="pyro", seed=6)
    assert (other["draws of slopes"] != first["draws of slopes"]).any()


@pytest.mark.parametrize("name", CASES)
def test_torchs_own_stream_stays_where_it_is(name):
    before = torch.get_rng_state()
    CASES[name].fitted(engine="pyro")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", RESUMING)
def test_a_fit_that_is_killed_again_and_again_ends_with_the_same_bytes(name, path, killed):
    case = CASES[name]
    expected = case.fitted(engine="pyro")
    for after in (3, 4, 2, 5):
        killed(lambda kept: case.fitted(engine="pyro", checkpoint=kept), Checkpoint(path), after)
    assert_same(case.fitted(engine="pyro", checkpoint=Checkpoint(path)), expected)


@pytest.mark.parametrize("name", RESUMING)
def test_how_many_steps_a_call_takes_changes_no_byte(name, monkeypatch):
    monkeypatch.setattr(loop, "PACE", 0)
    one = CASES[name].fitted(engine="pyro")
    monkeypatch.setattr(loop, "PACE", 1e9)
    assert_same(CASES[name].fitted(engine="pyro"), one)


@pytest.mark.parametrize("name", RESUMING)
def test_sigterm_keeps_the_state_and_ends_the_fit(name, path, monkeypatch, caplog):
    case = CASES[name]
    expected = case.fitted(engine="pyro")
    monkeypatch.setattr(loop, "PACE", 0)
    calls, due = count(1), loop._Keeper.due

    def signalled(keeper):
        if next(calls) == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return due(keeper)

    with monkeypatch.context() as patch:
        patch.setattr(loop._Keeper, "due", signalled)
        with pytest.raises(SystemExit) as stopped:
            case.fitted(engine="pyro", checkpoint=Checkpoint(path))
    assert stopped.value.code == 128 + signal.SIGTERM
    assert "stopped by SIGTERM after step 5" in caplog.text
    caplog.set_level("INFO", logger="bnnflow")
    assert_same(case.fitted(engine="pyro", checkpoint=Checkpoint(path)), expected)
    assert "done before" in caplog.text


@pytest.mark.parametrize("name", RESUMING)
@pytest.mark.parametrize("other", [{"seed": 2}, {"data": (X, Y + 0.1)}], ids=["seed", "data"])
def test_a_fit_of_something_else_begins_anew(name, path, killed, caplog, other):
    case = CASES[name]
    killed(lambda kept: case.fitted(engine="pyro", checkpoint=kept), Checkpoint(path), 5)
    caplog.set_level("INFO", logger="bnnflow")
    found = case.fitted(engine="pyro", checkpoint=Checkpoint(path), **other)
    assert "is of other settings, data or code" in caplog.text
    assert_same(found, case.fitted(engine="pyro", **other))


@pytest.mark.parametrize("name", sorted(set(CASES) - set(RESUMING)))
def test_a_method_that_keeps_no_state_says_so(name, path, caplog):
    caplog.set_level("INFO", logger="bnnflow")
    CASES[name].fitted(engine="pyro", checkpoint=Checkpoint(path))
    assert "a chain that is stopped begins anew, because nutpie keeps no state" in caplog.text
    assert not path.exists()


@pytest.mark.parametrize("name", CASES)
def test_settings_of_a_method_have_defaults_and_no_other_key_is_one(name):
    settings = METHODS[CASES[name].method]
    own = CASES[name].settings
    made = settings(method=CASES[name].method, **own)
    assert {key: getattr(made, key) for key in own} == own
    with pytest.raises(ValueError, match="nonsense"):
        settings(method=CASES[name].method, nonsense=1)


@pytest.mark.parametrize(
    ("case", "wrong"),
    [
        ("nuts by pyro", {"sampler": "hmc"}),
        ("nuts by pyro", {"mass_matrix": "low_rank"}),
        ("nuts by nutpie", {"mass_matrix": "dense"}),
        ("svi, mean-field", {"schedule": "linear"}),
        ("svi, mean-field", {"guide": "AutoNothing"}),
    ],
)
def test_what_a_method_does_not_know_is_refused(case, wrong):
    (name, value) = next(iter(wrong.items()))
    own = CASES[case]
    with pytest.raises(ValueError, match=f"is '{value}', not one of"):
        replace(own, settings=own.settings | wrong).fitted(engine="pyro")
    with pytest.raises(ValueError, match=name):
        METHODS.made({"method": own.method} | own.settings | wrong)


@pytest.mark.parametrize(
    ("name", "besides"),
    [*((name, {}) for name in CASES), ("svi, full covariance", {"combine": "mixture"})],
)
def test_the_one_call_of_scripts_gives_files_that_can_be_combined(name, besides, tmp_path):
    """With weights that are equal, and what the method says that it leaves."""
    own = CASES[name]
    small = {"method": own.method, "draws": own.draws} | own.settings | besides
    sizes = {"optimum_steps": 4, "thinning": 2, "warmup": SMALL["warmup"], "steps": own.steps}
    default = METHODS.made({"method": own.method})
    small |= {key: n for key, n in sizes.items() if getattr(default, key, None)} | own.settings
    method = METHODS.made(small)
    columns = (tuple(Column(name, 0.0, 1.0) for name in names) for names in ("abc", "yz"))
    encoding = Encoding(*columns)
    paths = []
    for numbers in chain(*method.rounds({f"{method.part}s": 2})):
        seeds = list(numbers)
        streams = [torch.Generator().manual_seed(seed) for seed in seeds]
        density = LogDensity(regression, X, Y, engine="pyro", by_rows=True)
        tree = method.infer(density, seeds, streams, observations=len(X), encoding=encoding)
        paths.append(tmp_path / f"{seeds[0]}.nc")
        posterior.write(tree, paths[-1])
    left = method.combined(paths)
    kept = left.posterior["posterior"].sizes
    assert kept["draw"] == own.draws
    assert posterior.weights(left.posterior).tolist() == [1 / kept["chain"]] * kept["chain"]
    for name in fit.needed(method.leaves, ["slopes"]):
        group, variable = name.split("/")
        assert variable in left.posterior[group]
    assert (left.guide is not None) == ("guide" in method.leaves)
    assert (left.losses is not None) == ("loss" in method.leaves)
    assert bool({"trajectories", "ensemble"} & method.leaves) == (kept["chain"] > 1)
