import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml
from filelock import FileLock

from bnnflow.files import posterior

ROOT = Path(__file__).parents[1]
SMOKE = ("--configfile", "config/smoke.yaml")
# What runs a command where there is no network, not even with the machine itself.
OFFLINE = ("unshare", "--map-root-user", "--net")
# The same in all processes that run tests.
SECRET = os.environ.get("PYTEST_XDIST_TESTRUNUID") or secrets.token_hex(16)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests that share a cluster run in one process, all others wherever there is one.

    The mark xdist_group would say so too, but with pytest 9.2 it is lost (pytest-xdist's issue
    1386).
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            return file if file.endswith("test_slurm.py") else nodeid

    return Scheduling(config, log)


def weighting_of(weight: Sequence[float]) -> xr.Dataset:
    """Of chains of a fit whose weights are these."""
    weights = xr.Dataset({"weight": ("chain", np.asarray(weight))})
    return posterior.weighting(xr.DataTree.from_dict({"weights": weights}))


def is_offline(under: Sequence[str]) -> bool:
    """Whether a command that runs others does so without a network."""
    interfaces = ["cat", "/proc/net/route"]
    try:
        done = subprocess.run([*under, *interfaces], capture_output=True, text=True)
    except FileNotFoundError:
        return False
    return done.returncode == 0 and len(done.stdout.splitlines()) < 2


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory) -> Path:
    """A folder of the whole session, in which several processes may run tests."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session", autouse=True)
def _cache_of_compiled_code(session_folder):
    """The tests' own, so that they compile what they test; BNNFLOW_CACHE keeps one for the next."""
    with pytest.MonkeyPatch.context() as patch:
        if "BNNFLOW_CACHE" not in os.environ:
            patch.setenv("BNNFLOW_CACHE", str(session_folder / "cache"))
        yield


def kit(place: Path) -> set[Path]:
    """What all programs share, in a cache of compiled code."""
    kinds = "header", "classes", "probe"
    return {path for kind in kinds for path in place.glob(f"{kind}-*") if path.suffix != ".lock"}


@pytest.fixture(scope="session")
def filled(session_folder) -> Path:
    """A cache with what all programs share, which takes a compiler longer than most programs."""
    import torch

    from bnnflow.density import native

    place = session_folder / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BNNFLOW_CACHE", str(place))
        native.compiled(lambda x: (x * 2,), torch.ones(4))
    return place


@pytest.fixture
def cache(filled, tmp_path, monkeypatch) -> Path:
    """A cache of the test's own with what all programs share, as links, and no program."""
    place = tmp_path / "cache"
    place.mkdir()
    for path in kit(filled):
        os.link(path, place / path.name)
    monkeypatch.setenv("BNNFLOW_CACHE", str(place))
    return place


@pytest.fixture
def interruptible():
    """What runs in the background, as tests may, ignores SIGINT, and so do all its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def config():
    return yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))


class Project:
    """A copy of the project, in which Snakemake runs as a user would run it."""

    def __init__(self, folder: Path):
        self.folder = folder

    @classmethod
    def copied(cls, folder: Path) -> "Project":
        """The project as it stands, without what git ignores."""
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True)
        for name in names.stdout.splitlines():
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        return cls(folder)

    def path(self, name: str) -> Path:
        return self.folder / name

    def story(self, report: str | Path = "results/report.html") -> str:
        """The front page of a report."""
        text = self.path(report).read_text(encoding="utf-8")
        return json.loads(re.search(r"^ *var workflow_desc = (.*);$", text, re.M)[1])

    def append(self, name: str, text: str) -> None:
        with self.path(name).open("a", encoding="utf-8") as file:
            file.write(text)

    def snakemake(
        self, *args: str, fails: bool = False, under: Sequence[str] = (), **variables: str
    ) -> str:
        """What a call prints; asserts that it ends as it should.

        Args:
            args: of the call.
            fails: whether it should.
            under: a command that runs it.
            variables: of its environment, besides those there are.
        """
        done = subprocess.run(
            [*under, sys.executable, "-m", "snakemake", *args],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env=os.environ | variables,
        )
        printed = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, printed
        return printed

    def planned(self, *args: str) -> Counter:
        """How many jobs of each rule a run would do; the manifest follows every change."""
        printed = self.snakemake("-n", *(args or SMOKE))
        if "Nothing to be done" in printed:
            return Counter()
        stats = printed.split("Job stats:")[1].split("\n\n")[0]
        jobs = Counter({rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", stats, re.M)})
        return Counter(
            {rule: n for rule, n in jobs.items() if rule not in ("total", "all", "manifest")}
        )


@pytest.fixture(scope="session")
def finished(session_folder) -> Project:
    """A finished smoke run; tests must leave it as it is.

    It has had no network, where the machine can take it away, and a secret in its environment.
    """
    project, printed = Project(session_folder / "finished"), session_folder / "finished.txt"
    with FileLock(session_folder / "finished.lock"):
        if not printed.exists():
            Project.copied(project.folder)
            under = OFFLINE if is_offline(OFFLINE) else ()
            run = project.snakemake("--cores", "2", *SMOKE, under=under, SECRET_TOKEN=SECRET)
            printed.write_text(run, encoding="utf-8")
    project.printed = printed.read_text(encoding="utf-8")
    return project


@pytest.fixture
def project(finished, tmp_path) -> Project:
    """A finished smoke run of the test's own."""
    return Project(shutil.copytree(finished.folder, tmp_path / "project"))


@pytest.fixture
def empty(tmp_path) -> Project:
    """A copy without results."""
    return Project.copied(tmp_path)
