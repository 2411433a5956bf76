"""What goes wrong in practice: kills, full disks, limits, clocks, two runs at once.

`faults.py`, beside this file, kills runs at random moments for as long as one likes.
"""

import errno
import fcntl
import json
import os
import platform
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager

import faults
import numpy as np
import pytest
import torch
from conftest import ROOT, SMOKE, Project
from filelock import FileLock

from bnnflow import jobs
from bnnflow.density import native
from bnnflow.run import runs

BRIEF = ("--cores", "2", "--configfile", *faults.CONFIG)
LONG_CHAIN = "fits: {{mcmc_shallow: {{inference: {{sampler: {}, warmup: 1000000, chains: 1}}}}}}"
LONG = "fits: {svi_shallow: {inference: {steps: 10000000}}}"

as_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount a file system"
)


def until(condition, seconds=60):
    """Wait for what is certain to come, so that the limit says nothing about speed."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


@contextmanager
def running(project, *args):
    run = faults.Run(project, *args)
    try:
        yield run
    finally:
        run.close()


@contextmanager
def mounted(place, *arguments):
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", *arguments, place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def in_every_job(project, monkeypatch, commands):
    """Let the shell of every job, which is bash, do something first."""
    project.path("first.sh").write_text(commands)
    monkeypatch.setenv("BASH_ENV", str(project.path("first.sh")))


@pytest.fixture(scope="session")
def undisturbed(session_folder):
    """A finished run, what it printed, and its seconds."""
    project, told = Project(session_folder / "undisturbed"), session_folder / "undisturbed.json"
    with FileLock(session_folder / "undisturbed.lock"):
        if not told.exists():
            Project.copied(project.folder)
            begin = time.monotonic()
            printed = project.snakemake(*BRIEF)
            told.write_text(json.dumps([printed, time.monotonic() - begin]))
    project.printed, project.seconds = json.loads(told.read_text())
    return project


@pytest.mark.slow
@pytest.mark.parametrize(
    ("victim", "seed"), [("snakemake", 0), ("all", 1), ("job", 2), ("snakemake", 3)]
)
def test_one_command_ends_a_run_that_was_killed(undisturbed, empty, victim, seed):
    stream = random.Random(seed)
    # A run may be faster than its kill, where the machine has become so.
    for attempt in range(20):
        kill = faults.killed_once(
            Project.copied(empty.path(f"{attempt}")),
            BRIEF,
            faults.results(undisturbed),
            faults.finished(undisturbed.printed),
            victim,
            stream.uniform(0, 0.9 * undisturbed.seconds),
            stream,
        )
        if kill:
            break
    assert kill.survived
    if victim == "job":
        assert kill.twice == 0


def test_a_finished_chain_is_not_run_again(empty):
    with running(empty, "mcmc_shallow", *BRIEF) as run:
        chains = until(lambda: [p for p, job in run.jobs().items() if job == "infer"][:2][1:])
        os.kill(chains[0], signal.SIGKILL)
        printed = run.wait()
    assert run.process.returncode
    assert "died with <Signals.SIGKILL: 9>" in printed
    (whole,) = empty.path("results/fits/mcmc_shallow/chains").glob("*.nc")
    date = whole.stat().st_mtime_ns
    planned = empty.planned("mcmc_shallow", *BRIEF)
    assert planned == Counter(mcmc_shallow_chain=1, mcmc_shallow=1)
    empty.snakemake("mcmc_shallow", *BRIEF)
    assert whole.stat().st_mtime_ns == date


def test_jobs_end_with_their_snakemake(empty):
    empty.append("config/long.yaml", LONG)
    log = empty.path("results/logs/svi_shallow_start/0.log")
    with running(empty, "svi_shallow", *BRIEF, "config/long.yaml") as run:
        until(lambda: log.exists() and "svi: 10000000 steps" in log.read_text())
        run.process.kill()
        run.process.wait()
        until(lambda: not run.jobs())
    assert "ended, because Snakemake has been killed" in log.read_text()
    printed = empty.snakemake("svi_shallow", *BRIEF)
    assert "The last run in this folder was killed; its lock has been removed" in printed
    assert not list(empty.path(".snakemake/bnnflow").glob("alive-*"))


def test_of_two_runs_the_second_stops_and_the_first_goes_on(empty, monkeypatch):
    gate = empty.path("gate")
    in_every_job(empty, monkeypatch, f"until [ -e {gate} ]; do sleep 0.1; done")
    with running(empty, "generate_data_old", *BRIEF) as first:
        until(lambda: list(empty.path(".snakemake/locks").glob("*.lock")))
        printed = empty.snakemake("generate_data_old", *BRIEF, fails=True)
        assert f"running in this folder, as process {first.process.pid}" in printed
        assert "wait until the other has ended, or end it" in printed
        assert "LockException" in printed
        assert "was killed" not in empty.snakemake("-n", *BRIEF)
        gate.touch()
        words = first.wait()
    assert first.process.returncode == 0, words
    assert empty.path("results/data/old.csv").exists()
    assert not list(empty.path(".snakemake/locks").glob("*.lock"))


class Held:
    """Another process's hold on a folder."""

    def __init__(self, folder):
        code = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(ROOT / "workflow/scripts")!r})
from bnnflow.run import runs
runs.enter(Path({str(folder)!r}), Path({str(folder / "none")!r}), stay=True)
runs.live(Path({str(folder)!r}))
print(flush=True)
sys.stdin.read()
"""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([sys.executable, "-c", code], **pipes)
        self.process.stdout.readline()

    def kill(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def state(tmp_path):
    """Where a run was killed, and its locks."""
    folder = tmp_path / ".snakemake"
    held = Held(folder)
    (folder / "locks").mkdir()
    locks = [folder / "locks" / f"0.{kind}.lock" for kind in ("input", "output")]
    for lock in locks:
        lock.touch()
    yield folder, locks, held
    held.kill()


def enter(folder, stay=True):
    """As a process of its own would."""
    runs.enter.cache_clear()
    return runs.enter(folder, folder / "none", stay)


def test_locks_of_the_living_stay_and_of_the_dead_go(state):
    folder, locks, held = state
    (told,) = enter(folder, stay=False)
    assert f"as process {held.process.pid} of {platform.node()}" in told
    assert all(lock.exists() for lock in locks)
    held.kill()
    (told,) = enter(folder)
    assert "was killed" in told
    assert not any(lock.exists() for lock in locks)
    assert not list(folder.glob("bnnflow/alive-*"))
    assert (folder / "bnnflow/runs").read_text().startswith(f"{os.getpid()} ")


def test_locks_of_another_machine_stay(state):
    folder, locks, held = state
    held.kill()
    runs_file = folder / "bnnflow/runs"
    runs_file.write_text("12 elsewhere 0-1")
    assert enter(folder) == []
    assert all(lock.exists() for lock in locks)
    assert runs_file.read_text() == "12 elsewhere 0-1"


def test_locks_stay_where_nothing_can_be_known(state, monkeypatch):
    folder, locks, held = state
    held.kill()

    def refused(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    assert enter(folder) == []
    monkeypatch.delenv(jobs.ALIVE, raising=False)
    runs.live.cache_clear()
    runs.live(folder)
    assert jobs.ALIVE not in os.environ
    assert all(lock.exists() for lock in locks)


@as_root
def test_a_full_disk(empty, finished):
    with mounted(empty.path("results"), "-t", "tmpfs", "-o", "size=1m", "none") as place:
        empty.snakemake("generate_data_old", *BRIEF)
        before = faults.results(empty)
        filler = place / "filler"
        with pytest.raises(OSError, match="No space left"), filler.open("wb") as file:
            file.write(bytes(2 << 20))
        printed = empty.snakemake("generate_data_held_out", *BRIEF, fails=True)
        assert "The disk is full: make room, and run the same command again" in printed
        assert "Not made: results/data/held_out.csv" in printed
        assert "Logging error" not in printed
        filler.unlink()
        assert faults.results(empty) == before
        empty.snakemake("generate_data", *BRIEF)
        whole = faults.results(finished)
        assert all(whole[name] == content for name, content in faults.results(empty).items())


@as_root
def test_a_folder_that_can_only_be_read(project):
    results = project.path("results")
    before = faults.results(project)
    shutil.rmtree(results / "figures")
    target = ("results/figures/data.png", "--cores", "2", *SMOKE)
    with mounted(results, "--bind", results):
        subprocess.run(["mount", "-o", "remount,bind,ro", results], check=True)
        printed = project.snakemake(*target, fails=True)
        assert "Read-only file system" in printed
        assert "results/figures" in printed
        printed = project.snakemake(*target, "--forcerun", "svi_deep", "plot_data", fails=True)
    after = faults.results(project)
    assert not any(name.startswith("figures") for name in after)
    of_others = [{k: v for k, v in own.items() if "figures" not in k} for own in (before, after)]
    assert of_others[0] == of_others[1]
    project.snakemake(*target)
    assert faults.results(project)["figures/data.png"] == before["figures/data.png"]


@as_root
def test_a_project_that_can_only_be_read(empty):
    with mounted(empty.folder, "--bind", empty.folder):
        subprocess.run(["mount", "-o", "remount,bind,ro", empty.folder], check=True)
        printed = empty.snakemake("generate_data_old", *BRIEF, fails=True)
    assert f"Snakemake cannot work in {empty.folder}: the folder is read-only" in printed
    empty.snakemake("generate_data_old", *BRIEF)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere memory has no such limit")
def test_too_little_memory(empty, monkeypatch):
    much = "fits: {svi_shallow: {inference: {draws: 20000}}}\n"
    much += "predictions: {grid: [-0.5, 1.5, 50000]}\n"  # four GB of means, and of deviations
    empty.append("config/much.yaml", much)
    in_every_job(empty, monkeypatch, "ulimit -v 4000000")
    prediction = "results/predictions/svi_shallow.nc"
    printed = empty.snakemake(prediction, *BRIEF, "config/much.yaml", fails=True)
    assert "Memory is used up: let fewer jobs run at a time" in printed
    assert "Memory is used up" in empty.path("results/logs/predict/svi_shallow.log").read_text()
    empty.snakemake(prediction, *BRIEF)


@pytest.mark.parametrize("limit", ["SIGXCPU", "SIGTERM"])
def test_a_job_over_its_time(empty, monkeypatch, limit):
    """SIGTERM is what batch systems and timeout send."""
    empty.append("config/long.yaml", LONG)
    log = empty.path("results/logs/svi_shallow_start/0.log")
    if limit == "SIGXCPU":
        in_every_job(empty, monkeypatch, "ulimit -S -t 6")
    with running(empty, "svi_shallow", *BRIEF, "config/long.yaml") as run:
        if limit == "SIGTERM":
            until(lambda: log.exists() and "svi: 10000000 steps" in log.read_text())
            os.kill(*run.jobs(), signal.SIGTERM)
        printed = run.wait()
    assert run.process.returncode
    message = {
        "SIGTERM": r"stopped by SIGTERM after step \d+; .* the same command goes on from it",
        "SIGXCPU": "stopped by SIGXCPU; if that was a limit on its time, allow the job more",
    }[limit]
    assert re.search(message, printed)
    assert re.search(message, log.read_text())
    monkeypatch.delenv("BASH_ENV", raising=False)
    empty.snakemake("svi_shallow", *BRIEF)


@pytest.mark.parametrize("sampler", ["pyro", "nutpie"])
def test_ctrl_c_ends_a_run_and_the_next_goes_on(empty, sampler, interruptible):
    """A terminal sends SIGINT to Snakemake and all its jobs."""
    empty.append("config/long.yaml", LONG_CHAIN.format(sampler))
    log = empty.path("results/logs/mcmc_shallow_chain/0.log")
    with running(empty, "mcmc_shallow", *BRIEF, "config/long.yaml") as run:
        until(lambda: log.exists() and re.search(r"warm-up.*: \d+ steps", log.read_text()))
        os.killpg(run.process.pid, signal.SIGINT)
        printed = run.wait()
    assert run.process.returncode
    assert "Traceback" not in printed
    if sampler == "pyro":
        assert re.search(
            r"stopped by SIGINT after step \d+; .*0.checkpoint keeps its", log.read_text()
        )
        assert empty.path("results/fits/mcmc_shallow/chains/0.checkpoint").exists()
    else:
        assert "stopped by SIGINT; run the same command again" in log.read_text()
    empty.snakemake("mcmc_shallow", *BRIEF)


def test_a_clock_that_jumps(project):
    results = project.path("results")
    date = project.path("Snakefile").stat().st_mtime
    future, past = date + 1e6, date - 1e8
    for path in results.rglob("*"):
        os.utime(path, (past, past))
    assert project.planned() == Counter()
    for path in results.glob("data/*"):
        os.utime(path, (future, future))
    assert project.planned() == Counter()
    picture = results / "figures/data.png"
    before = picture.read_bytes()
    picture.unlink()
    assert project.planned() == Counter(plot_data=1)
    printed = project.snakemake("--cores", "2", *SMOKE)
    assert "results were dated in the future" in printed
    assert picture.read_bytes() == before
    assert project.planned() == Counter()


def test_a_lost_temporary_folder(project, monkeypatch, tmp_path):
    """Snakemake makes it again for every job."""
    lost = tmp_path / "lost"
    lost.mkdir()
    monkeypatch.setenv("TMPDIR", str(lost))
    in_every_job(project, monkeypatch, f"rm -rf {lost}")
    picture = project.path("results/figures/data.png")
    before = picture.read_bytes()
    picture.unlink()
    project.snakemake("--cores", "2", *SMOKE)
    assert picture.read_bytes() == before


def test_compiled_code_without_room(cache, tmp_path, monkeypatch):
    def values():
        return native.compiled(lambda x: (x * 7,), torch.ones(4))(torch.ones(4))[0].tolist()

    assert values() == [7.0] * 4
    (made,) = cache.glob("*.pt2")
    # A whole package is not blamed for a folder that is gone.
    with monkeypatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path / "gone"))
        with pytest.raises(RuntimeError) as caught:
            values()
    assert "folder for temporary files is full or gone" in jobs.remedy(caught.value)
    assert made.exists()
    assert values() == [7.0] * 4
    # What a killed job was making goes; a full disk is no reason to compute otherwise.
    made.unlink()
    left = cache / f"making-{made.name.partition('-')[0]}-killed"
    left.mkdir()
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fails(*_, **__):
        raise full

    monkeypatch.setattr("torch._inductor.aot_compile", fails)
    with pytest.raises(OSError, match="No space left"):
        values()
    assert not left.exists()


# Of a normal density; afterwards the user's cache is as before.
NUTPIE = """
import os
from types import SimpleNamespace
import torch
from bnnflow.methods.running import by_nutpie
before = os.environ.get("XDG_CACHE_HOME")
density = SimpleNamespace(
    size=2, dtype=torch.double, value_and_grad=lambda z: (-(z**2).sum() / 2, -z)
)
draws, _ = by_nutpie.chain(
    density, torch.ones(2), warmup=50, draws=5, target_accept=0.8, max_tree_depth=5,
    mass_matrix="diagonal", seed=1,
)
assert draws.shape == (5, 2) and draws.isfinite().all()
assert os.environ.get("XDG_CACHE_HOME") == before
"""


@pytest.mark.parametrize("named", [True, False])
def test_a_user_whose_cache_cannot_be_written_samples_by_nutpie(named):
    none = {"HOME": "/dev/null/home"} | ({"XDG_CACHE_HOME": "/dev/null/cache"} if named else {})
    own = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}
    path = {"PYTHONPATH": str(ROOT / "workflow/scripts")}
    done = subprocess.run(
        [sys.executable, "-c", NUTPIE], env=own | none | path, capture_output=True, text=True
    )
    assert not done.returncode, done.stderr
    assert "FutureWarning" not in done.stderr


def test_remedies_are_for_the_machines_errors_only():
    assert jobs.remedy(ValueError("x")) is None
    for error, part in (
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "disk is full"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "share of the disk"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), "read-only"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES)), "not yours to write"),
        (MemoryError(), "memory is used up"),
    ):
        assert part in jobs.remedy(error)
        wrapped = RuntimeError("cannot write")
        wrapped.__cause__ = error
        assert part in jobs.remedy(wrapped)
    with pytest.raises(MemoryError) as caught:
        np.empty(1 << 60, dtype=np.int8)
    assert "memory is used up" in jobs.remedy(caught.value)
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.int8)
    assert "memory is used up" in jobs.remedy(caught.value)
