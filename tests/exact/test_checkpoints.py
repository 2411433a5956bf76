"""Fits that are stopped anywhere, and go on."""

import errno
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from conftest import SMOKE, Project
from pyro.infer import SVI, Trace_ELBO, autoguide
from safetensors import safe_open
from safetensors.torch import save_file

from bnnflow.density.log_density import LogDensity
from bnnflow.methods import nuts, svi
from bnnflow.methods.running import checkpoints, loop
from bnnflow.methods.running.checkpoints import Checkpoint

Y = torch.tensor([0.3, 1.9, 0.8, 1.2])


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _one_step_a_call(monkeypatch):
    monkeypatch.setattr(loop, "PACE", 0)


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level(logging.INFO, logger="bnnflow")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "0.checkpoint"


class Killed(BaseException):
    pass


@dataclass(frozen=True)
class Nothing:
    nothing: torch.Tensor


def pair_model(x, y=None):
    sigma = pyro.sample("sigma", dist.Gamma(2.0, 1.0))
    pair = pyro.sample("pair", dist.Normal(torch.zeros(2), 2.0).to_event(1))
    with pyro.plate("data", len(x)):
        pyro.sample("obs", dist.Normal(pair.sum(), sigma), obs=y)


def learning_model(x, y=None):
    level = pyro.param("level", torch.tensor(0.0))
    spread = pyro.param("spread", lambda: torch.rand(()), constraint=dist.constraints.positive)
    theta = pyro.sample("theta", dist.Normal(level, spread).expand([2]).to_event(1))
    with pyro.plate("data", len(x)):
        pyro.sample("obs", dist.Normal(theta.sum(), 1.0), obs=y)


SETTINGS = {"guide": "AutoDiagonalNormal", "learning_rate": 0.05, "schedule": "cosine", "steps": 40}
NUTS = {
    "sampler": "pyro",
    "mass_matrix": "diagonal",
    "init": "uniform",
    "warmup": 4,
    "draws": 6,
    "target_accept": 0.8,
    "max_tree_depth": 4,
    "seed": 1,
}


def fitted(checkpoint, *, engine="pyro", seeds=(1,), model=pair_model, data=Y, **settings):
    """All that a variational fit leaves behind, as arrays."""
    streams = [torch.Generator().manual_seed(seed) for seed in seeds]
    density = LogDensity(model, data, data, engine=engine)
    fits = svi.fit(
        density, streams, observations=len(Y), **SETTINGS | settings, checkpoint=checkpoint
    )
    assert density.engine == engine
    parameters = [value for guide, _ in fits for value in svi.stored(guide).values()]
    return [*parameters, *(losses for _, losses in fits), *(s.get_state() for s in streams)]


def sampled(checkpoint, *, engine="pyro", data=Y, **settings):
    """All that a chain leaves behind, as arrays."""
    density = LogDensity(pair_model, data, data, engine=engine)
    draws, stats = nuts.sample_chain(density, **NUTS | settings, checkpoint=checkpoint)
    return [*draws.values(), *stats.values()]


def assert_same(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


def lived(monkeypatch, fit, checkpoint, steps, every=3):
    """Steps of a fit that is killed after some, and keeps its state every few; None if it ends."""
    taken = count(1)

    def due(progress):
        number = next(taken)
        if number == steps:
            raise Killed
        return progress._kept is not None and number % every == 0

    with monkeypatch.context() as patch:
        patch.setattr(loop._Keeper, "due", due)
        try:
            return fit(checkpoint), next(taken) - 1
        except Killed:
            return None, steps


def assert_resumes(monkeypatch, path, fit, lives):
    """A fit that is killed after so many steps, again and again, leaves what one life leaves.

    And takes no step again but those since its state was kept.
    """
    expected, in_one = lived(monkeypatch, fit, None, 0)
    # With a checkpoint, but never stopped: writing changes nothing.
    assert_same(lived(monkeypatch, fit, Checkpoint(path), 0)[0], expected)
    path.unlink()
    kept = 0
    for steps in lives:
        assert lived(monkeypatch, fit, Checkpoint(path), steps)[0] is None
        kept += (steps - 1) // 3 * 3
    found, taken = lived(monkeypatch, fit, Checkpoint(path), 0)
    assert_same(found, expected)
    assert taken == in_one - kept


@pytest.mark.parametrize(
    ("engine", "settings"),
    [
        ("compiled", {}),
        ("compiled", {"guide": "AutoMultivariateNormal", "seeds": (1, 2, 3)}),
        ("pyro", {"schedule": "constant", "seeds": (1, 2, 3)}),
        ("pyro", {"guide": "AutoLowRankMultivariateNormal"}),
        ("pyro", {"guide": "AutoIAFNormal"}),
        ("pyro", {"model": learning_model}),
    ],
)
def test_a_variational_fit_goes_on(monkeypatch, path, engine, settings):
    def fit(checkpoint):
        torch.manual_seed(1)  # some guides begin with the global stream
        return fitted(checkpoint, engine=engine, **settings)

    assert_resumes(monkeypatch, path, fit, (2, 4, 5, 13))  # which keep 0, 3, 3 and 12 steps


@pytest.mark.parametrize("guide", ["AutoDiagonalNormal", "AutoIAFNormal"])
@pytest.mark.parametrize("model", [pair_model, learning_model])
def test_the_loop_is_that_of_pyros_svi(guide, model):
    """Bit for bit."""
    pyro.set_rng_seed(1)
    density = LogDensity(model, Y, Y, engine="pyro")
    settings = SETTINGS | {"guide": guide, "schedule": "constant"}
    ((found, losses),) = svi.fit(
        density, [torch.default_generator], observations=len(Y), **settings
    )
    after = torch.get_rng_state()

    pyro.set_rng_seed(1)
    expected = getattr(autoguide, guide)(model)
    adam = pyro.optim.Adam({"lr": SETTINGS["learning_rate"]})
    expected._setup_prototype(Y, Y)
    with pyro.get_param_store().scope():
        theirs = SVI(model, expected, adam, loss=Trace_ELBO())
        assert_same([losses], [np.array([theirs.step(Y, Y) for _ in range(SETTINGS["steps"])])])
    assert_same(svi.stored(found).values(), svi.stored(expected).values())
    assert torch.equal(torch.get_rng_state(), after)


@pytest.mark.parametrize(
    ("mass_matrix", "warmup", "lives"),
    [
        # Windows of the warm-up end at 75, 100 and 130; in the first the mass matrix is fixed.
        ("diagonal", 180, (2, 40, 31, 16, 5, 35, 28, 25, 7)),
        ("dense", 180, (74, 30, 25, 30, 30)),
        ("diagonal", 12, (5, 5, 4, 4)),
        ("dense", 0, (8, 4)),
    ],
)
def test_a_chain_of_pyros_sampler_goes_on(monkeypatch, path, mass_matrix, warmup, lives):
    def fit(checkpoint):
        return sampled(checkpoint, mass_matrix=mass_matrix, warmup=warmup, draws=20)

    assert_resumes(monkeypatch, path, fit, lives)


@pytest.fixture
def left_over(monkeypatch, path):
    """The checkpoint of a fit that was stopped."""
    assert lived(monkeypatch, fitted, Checkpoint(path, {"prior": 1}), 25)[0] is None
    return path


def test_the_left_over_is_taken_up(left_over, caplog):
    assert_same(fitted(Checkpoint(left_over, {"prior": 1})), fitted(None))
    assert "svi: 40 steps, 24 done before" in caplog.text
    assert "processor" not in caplog.text


@pytest.mark.parametrize(
    "other",
    [
        {"learning_rate": 0.06},
        {"schedule": "constant"},
        {"steps": 41},
        {"guide": "AutoMultivariateNormal"},
        {"seeds": (2,)},
        {"data": Y + 0.1},
        {"data": Y.double()},
        {"engine": "compiled"},
        {"facts": {"prior": 2}},
        {"versions": "2.0"},
        {"threads": 2},
    ],
    ids=str,
)
def test_a_fit_of_something_else_does_not_go_on(left_over, caplog, monkeypatch, other):
    other = dict(other)
    facts = other.pop("facts", {"prior": 1})
    if version := other.pop("versions", None):
        monkeypatch.setattr(pyro, "__version__", version)
    torch.set_num_threads(other.pop("threads", 1))
    expected = fitted(None, **other)
    assert_same(fitted(Checkpoint(left_over, facts), **other), expected)
    assert f"{left_over} is of other settings, data or code; the fit begins anew" in caplog.text
    assert "done before" not in caplog.text


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 2},
        {"draws": 7},
        {"warmup": 5},
        {"target_accept": 0.81},
        {"max_tree_depth": 5},
        {"mass_matrix": "dense"},
        {"init": "median"},
        {"data": Y + 0.1},
    ],
    ids=str,
)
def test_a_chain_of_something_else_does_not_go_on(monkeypatch, path, caplog, other):
    assert lived(monkeypatch, sampled, Checkpoint(path), 8)[0] is None
    assert_same(sampled(Checkpoint(path), **other), sampled(None, **other))
    assert f"{path} is of other settings" in caplog.text


def emptied(path):
    path.write_bytes(b"")


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def cut_in_the_header(path):
    path.write_bytes(path.read_bytes()[:100])


def flipped(path):
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)


def garbage(path):
    path.write_bytes(random.Random(0).randbytes(5000))


def foreign(path):
    save_file({"mean": torch.zeros(3)}, path)


def folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "damage", [emptied, cut, cut_in_the_header, flipped, garbage, foreign, folder]
)
def test_a_damaged_checkpoint_is_not_read(left_over, caplog, damage):
    damage(left_over)
    assert_same(fitted(Checkpoint(left_over, {"prior": 1})), fitted(None))
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert str(left_over) in warnings[0]
    assert "the fit begins anew" in warnings[0]


def test_another_processor_is_named(left_over, caplog, monkeypatch):
    monkeypatch.setattr(checkpoints.native, "processor", lambda: "another")
    fitted(Checkpoint(left_over, {"prior": 1}))
    assert "24 done before" in caplog.text
    assert "another processor has written" in caplog.text


def test_where_nothing_can_be_written_a_fit_ends_all_the_same(path, monkeypatch, caplog):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert_same(fitted(Checkpoint(path, seconds=0)), fitted(None))
    assert "no checkpoint could be written: [Errno 28] No space left on device" in caplog.text
    assert not list(path.parent.iterdir())


def test_a_checkpoint_is_removed(left_over):
    checkpoint = Checkpoint(left_over)
    checkpoint.unfinished.write_bytes(b"part")
    checkpoint.remove()
    assert not list(left_over.parent.iterdir())
    checkpoint.remove()


@pytest.mark.parametrize(
    ("seconds", "cost", "times"), [(60, 0, [60, 120, 180]), (10, 0.8, [10, 91, 172])]
)
def test_how_often_it_is_written(path, monkeypatch, seconds, cost, times):
    """Every so many seconds, or less often where writing would take more than a hundredth."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(loop.time, "monotonic", lambda: clock.now)
    written = []

    def write(*_):
        written.append(clock.now)
        clock.now += cost

    monkeypatch.setattr(checkpoints, "_replace", write)
    density = LogDensity(pair_model, Y, Y, engine="pyro")
    keeper = loop._Keeper(checkpoints.Kept(Checkpoint(path, seconds=seconds), density, ()))
    for second in range(180 + 1):
        clock.now = max(clock.now, float(second))
        if keeper.due():
            keeper.save(second, Nothing(torch.zeros(1)), {})
    assert [int(moment) for moment in written] == times


def terminated(monkeypatch, fit, after, number=signal.SIGTERM):
    """What a fit does that gets a signal after some steps."""
    taken = count(1)
    due = loop._Keeper.due

    def signalled(progress):
        if next(taken) == after:
            os.kill(os.getpid(), number)
        return due(progress)

    with monkeypatch.context() as patch:
        patch.setattr(loop._Keeper, "due", signalled)
        return fit()


def test_sigterm_where_nothing_can_be_written(path, monkeypatch, caplog):
    with pytest.raises(SystemExit):
        terminated(monkeypatch, lambda: fitted(Checkpoint(path.parent / "no" / "folder")), 7)
    assert "its state could not be written, and the same command begins anew" in caplog.text


def test_without_a_checkpoint_sigterm_is_left_alone(monkeypatch):
    got = []
    before = signal.signal(signal.SIGTERM, lambda *_: got.append(1))
    try:
        terminated(monkeypatch, lambda: fitted(None), 7)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert got


def test_in_another_thread_a_fit_keeps_its_state_too(path):
    results = []
    fit = threading.Thread(target=lambda: results.append(fitted(Checkpoint(path, seconds=0))))
    fit.start()
    fit.join()
    assert_same(results[0], fitted(None))
    assert path.exists()


def in_a_child(action):
    """A process of its own that does something and leaves without cleaning up."""
    child = os.fork()
    if child == 0:
        try:
            action()
        finally:
            os._exit(0)
    return child


@pytest.mark.parametrize("moment", ["while writing", "before renaming"])
def test_a_write_that_is_killed_leaves_the_one_before(path, caplog, moment):
    def dying():
        sync, rename, times = os.fsync, Path.replace, count(1)

        def synced(file):
            if moment == "while writing" and next(times) == 5:
                os.ftruncate(file, os.fstat(file).st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
            sync(file)

        def renamed(file, target):
            if moment == "before renaming" and next(times) == 5:
                os.kill(os.getpid(), signal.SIGKILL)
            return rename(file, target)

        os.fsync, Path.replace, loop.SHARE = synced, renamed, np.inf
        fitted(Checkpoint(path, seconds=0))

    _, status = os.waitpid(in_a_child(dying), 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert Checkpoint(path).unfinished.exists()
    assert_same(fitted(Checkpoint(path)), fitted(None))
    assert "4 done before" in caplog.text
    Checkpoint(path).remove()
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize(
    ("fit", "settings"),
    [(fitted, {"engine": "compiled", "steps": 3000}), (sampled, {"warmup": 30, "draws": 60})],
)
def test_kill_9_at_any_moment(path, monkeypatch, fit, settings):
    monkeypatch.setattr(loop, "SHARE", np.inf)
    begin = time.monotonic()
    expected = fit(None, **settings)
    length = time.monotonic() - begin
    chance = random.Random(0)
    for _ in range(6):
        child = in_a_child(lambda: fit(Checkpoint(path, seconds=length / 50), **settings))
        time.sleep(chance.uniform(0, length))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if path.exists():
            with safe_open(path, "pt") as file:
                assert "step" in file.keys()  # noqa: SIM118
    assert_same(fit(Checkpoint(path), **settings), expected)


def test_a_jobs_checkpoint_is_of_its_params_and_inputs(tmp_path):
    class Named(SimpleNamespace):
        def items(self):
            return vars(self).items()

    data = tmp_path / "data.csv"
    data.write_text("x,y\n1,2\n")
    output = tmp_path / "chains" / "3.nc"
    params = Named(seed=1, code="c", sampler={"draws": 2})
    job = SimpleNamespace(input=[str(data)], output=[str(output)], params=params)
    first = checkpoints.of_job(job)
    assert first.path == tmp_path / "chains" / "3.checkpoint"
    assert checkpoints.of_job(job) == first
    data.write_text("x,y\n1,3\n")
    assert checkpoints.of_job(job).facts != first.facts
    data.write_text("x,y\n1,2\n")
    job.params.sampler = {"draws": 3}
    assert checkpoints.of_job(job).facts != first.facts


def running(project):
    """The processes of the scripts that Snakemake runs in this project."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile
            words = (process / "cmdline").read_text().split("\0")
            script = any(".snakemake/scripts/" in word for word in words[:3])
            if script and (process / "cwd").resolve() == project.folder.resolve():
                yield int(process.name)


def logs_with(project, line):
    return [log for log in project.path("results").rglob("*.log") if line in log.read_text()]


def started(project, call, line):
    """Snakemake at work, once the logs of both jobs have a line."""
    command = [sys.executable, "-m", "snakemake", *call]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    work = subprocess.Popen(command, cwd=project.folder, start_new_session=True, **quiet)
    while len(logs_with(project, line)) < 2:
        assert work.poll() is None
        time.sleep(0.05)
    return work


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="looks there for the jobs' processes")
def test_jobs_of_the_workflow_go_on(empty, tmp_path_factory):
    """After SIGTERM, and after kill -9 of Snakemake and its jobs."""
    other = Project.copied(tmp_path_factory.mktemp("undisturbed"))
    for project in (empty, other):
        project.path("my.yaml").write_text(
            "fits: {svi_shallow: {inference: {steps: 4000}},"
            " mcmc_shallow: {inference: {chains: 1, warmup: 10, draws: 1000}}}"
        )
    targets = [f"results/fits/{fit}/posterior.nc" for fit in ("svi_shallow", "mcmc_shallow")]
    call = (*targets, "--cores", "2", *SMOKE, "my.yaml")
    other.snakemake(*call)
    assert not list(other.path("results").rglob("*.checkpoint"))

    work = started(empty, call, "00/")
    for job in running(empty):
        os.kill(job, signal.SIGTERM)
    assert work.wait() != 0
    assert len(logs_with(empty, "stopped by SIGTERM")) == 2
    kept = list(empty.path("results").rglob("*.checkpoint"))
    assert len(kept) == 2

    work = started(empty, call, "done before")
    os.killpg(work.pid, signal.SIGKILL)
    work.wait()
    for job in running(empty):
        os.kill(job, signal.SIGKILL)
    assert all(checkpoint.exists() for checkpoint in kept)
    assert not any(empty.path(target).exists() for target in targets)

    empty.snakemake("--unlock", *SMOKE)
    empty.snakemake(*call)
    assert len(logs_with(empty, "done before")) == 2
    for target in targets:
        assert empty.path(target).read_bytes() == other.path(target).read_bytes()
    assert not list(empty.path("results").rglob("*.checkpoint*"))
