"""The whole default run beside the tutorial's script, where its time goes, studies, a cluster."""

import ast
import base64
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from measure import Row, row
from problems import ROOT, SCRIPTS
from report import CAUSES

TUTORIAL = Path(__file__).with_name("tutorial.py")
REPEATS = 2

SLURM = ROOT / "tests" / "slurm.sh"
RECORDS = Path("/run/bnnflow-slurm/jobs.txt")
# The profile with what is of that cluster, as it is and with questions in quick succession.
PROFILE = ("--workflow-profile", "profiles/slurm", "--default-resources", "slurm_partition=bnnflow")
PROFILE += ("--slurm-status-command", "squeue")
WAYS = {
    "local": ("--cores", "2"),
    "Slurm": PROFILE,
    "Slurm, asked every 2 s": (
        *PROFILE,
        *("--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2"),
    ),
}

# Many fits from one entry, beside the tutorial's.
STUDY = """\
fits:
  study:
    title: Many fits
    data: old
    model: shallow
    prior: {{stddev: 10.0, scaling: none}}
    inference:
      {{method: svi, guide: AutoDiagonalNormal, device: cpu, learning_rate: 0.03, schedule: cosine,
       steps: 1000, starts: 1, starts_per_job: 1, draws: 100}}
    replicates: {fits}
"""

IMPORT = (ast.Import, ast.ImportFrom)
PACKAGES = ("numpy", "pandas", "matplotlib.pyplot", "xarray", "torch", "pyro", "nutpie")


@dataclass(frozen=True)
class Job:
    """A job of a finished run; times in seconds of the clock.

    Attributes:
        name: of its log.
        script: that it ran.
        inputs, outputs: its files.
        start, end: as Snakemake saw them.
        loop: start and end of its loops, from its log; None if it has none.
    """

    name: str
    script: str
    inputs: frozenset[str]
    outputs: frozenset[str]
    start: float
    end: float
    loop: tuple[float, float] | None


def run(quick: bool) -> list[Row]:
    """The default run on two cores, the compiler's cache empty and warm, and the tutorial's code.

    Every run of the workflow is in a fresh copy without results, so Snakemake's own start counts.
    """
    ours: dict[str, list[float]] = {"empty cache": [], "warm cache": []}
    repeats = 1 if quick else REPEATS
    for turn in range(repeats):
        with tempfile.TemporaryDirectory() as compiled:
            for seconds in ours.values():
                with _copied() as folder:
                    seconds.append(_run(folder, Path(compiled), quick))
        if turn == 0:  # once, because it takes so long, and between the others
            whole, parts = _tutorial(quick)
    rows = [
        row("run", "", "whole run", who, s, "s") for who, s in (ours | {"tutorial": whole}).items()
    ]
    rows += [row("run", "", name, "tutorial", s, "s") for name, s in parts.items()]
    return rows + [
        row("run", "", "whole run", f"tutorial / {who}", whole / np.array(seconds), "x")
        for who, seconds in ours.items()
    ]


def profile(quick: bool) -> list[Row]:
    """Where the seconds of one default run with a warm cache go, by job and by cause."""
    with tempfile.TemporaryDirectory() as compiled:
        with _copied() as folder:
            _run(folder, Path(compiled), quick)
        with _copied() as folder:
            start = time.time()
            whole = _run(folder, Path(compiled), quick)
            jobs = _jobs(folder)
            dry = _run(folder, Path(compiled), quick, "--dry-run", "--forceall")
    imports = {script: _seconds_of(_imports_of(script)) for script in {j.script for j in jobs}}
    rows = [
        row("profile", "", "seconds", who, found, "s")
        for who, found in (
            ("whole run", whole),
            ("Snakemake, a dry run", dry),
            ("Snakemake, until the first job", jobs[0].start - start),
            ("jobs, sum", sum(job.end - job.start for job in jobs)),
            ("critical path, jobs", _length(_critical(jobs))),
        )
    ]
    rows.append(row("profile", "", "jobs", "all", len(jobs), ""))
    rows.append(row("profile", "", "jobs", "critical path", len(_critical(jobs)), ""))
    for job in jobs:
        rows.append(row("profile", "", "start", job.name, job.start - start, "s"))
        causes = _by_cause(job, float(np.median(imports[job.script])))
        rows += [row("profile", "", c, job.name, s, "s") for c, s in causes.items() if s]
    rows += [row("profile", "", "imports of", s, t, "s") for s, t in sorted(imports.items())]
    bare = _seconds_of("pass")
    rows.append(row("profile", "", "import", "interpreter alone", bare, "s"))
    for package in PACKAGES:
        spent = _seconds_of(f"import {package}") - np.median(bare)
        rows.append(row("profile", "", "import", package, spent, "s"))
    return rows


def planning(quick: bool) -> list[Row]:
    """What `snakemake -n` takes for studies of many fits, before they are run and afterwards.

    Finished is a study whose files are all there, empty, and on Snakemake's record.
    """
    rows = []
    for fits in (2, 10) if quick else (10, 100, 1000):
        with _copied() as folder:
            (folder / "config/study.yaml").write_text(STUDY.format(fits=fits), encoding="utf-8")
            command = [sys.executable, "-m", "snakemake", "--configfile", "config/study.yaml"]
            plan = [*command, "--dry-run"]
            before = [_timed(plan, folder, _environment()) for _ in range(REPEATS)]
            outputs = re.findall(r"^ +output: (.*)$", before[0][1], re.M)
            files = {name for line in outputs for name in line.split(", ")}
            for file in files:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).touch()
            recorded, _ = _timed([*command, "--touch", "--forceall"], folder, _environment())
            after = [_timed(plan, folder, _environment()) for _ in range(REPEATS)]
        if not all("Nothing to be done" in printed for _, printed in after):
            raise RuntimeError(f"a finished study of {fits} fits is not seen as finished")
        case = f"{fits} fits"
        rows += [
            row("planning", case, "plan", "all to do", [seconds for seconds, _ in before], "s"),
            row("planning", case, "plan", "nothing to do", [seconds for seconds, _ in after], "s"),
            row("planning", case, "record", "all", recorded, "s"),
            row("planning", case, "files", "all", len(files), ""),
        ]
    return rows


def cluster(quick: bool) -> list[Row]:
    """The small study on two cores, and on a cluster of one node that this machine is made into.

    A job's overhead is what Slurm saw of it beyond its script: two starts of Snakemake, mostly.
    Slurm's times are whole seconds.
    """
    measured: dict[tuple[str, str, str], list[float]] = {}
    with _slurm():
        for _ in range(1 if quick else REPEATS):
            for who, options in WAYS.items():
                before = _records()
                with _copied() as folder:
                    command = [sys.executable, "-m", "snakemake", *options]
                    command += ["--configfile", "config/smoke.yaml"]
                    found = {("whole run", "s"): _timed(command, folder, _environment())[0]}
                    work = _work(folder)
                submitted = _records()[len(before) :]
                found["jobs", ""] = len(work)
                found["jobs, sum of their scripts", "s"] = sum(work.values())
                if submitted:
                    light = sum(s for job, s in work.items() if not _is_submitted(job))
                    scripts = sum(work.values()) - light
                    held = sum(job["End"] - job["Start"] for job in submitted)
                    waited = sum(job["Start"] - job["Submit"] for job in submitted)
                    found["jobs of the cluster", ""] = len(submitted)
                    found["jobs of the cluster, sum of their scripts", "s"] = scripts
                    found["jobs of the cluster, sum as Slurm saw them", "s"] = held
                    found["overhead of a job of the cluster", "s"] = (held - scripts) / len(
                        submitted
                    )
                    found["wait of a job until it starts", "s"] = waited / len(submitted)
                for (measure, unit), value in found.items():
                    measured.setdefault((measure, who, unit), []).append(value)
    return [row("cluster", "", m, who, v, unit) for (m, who, unit), v in measured.items()]


@contextmanager
def _slurm() -> Iterator[None]:
    """A cluster while it lasts."""
    started = subprocess.run([SLURM, "start"], capture_output=True, text=True)
    if started.returncode:
        raise RuntimeError(started.stderr.strip())
    try:
        yield
    finally:
        subprocess.run([SLURM, "stop"], check=True)


def _records() -> list[dict[str, float]]:
    """When Slurm's jobs that have ended were submitted, and when they started and ended."""
    lines = RECORDS.read_text(encoding="utf-8").splitlines() if RECORDS.exists() else []
    times = [re.findall(r"\b(Submit|Start|End)Time=(\S+)", line) for line in lines]
    return [{name: datetime.fromisoformat(at).timestamp() for name, at in t} for t in times]


def _work(folder: Path) -> dict[str, float]:
    """Seconds of every job's script, by the name of its benchmark."""
    seconds = {}
    place = folder / "results" / "benchmarks"
    for path in place.rglob("*.tsv"):
        with path.open(encoding="utf-8", newline="") as file:
            (record,) = csv.DictReader(file, delimiter="\t")
        seconds[str(path.relative_to(place))] = float(record["s"])
    return seconds


def _is_submitted(job: str) -> bool:
    return re.match(r"predict/|\w+_(chain|start)/", job) is not None


@contextmanager
def _copied() -> Iterator[Path]:
    """A copy of the project as it stands, without what git ignores."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in filter(None, listed.split("\0")):
            if (ROOT / file).is_file() and not file.startswith("benchmarks/"):
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / file, folder / file)
        yield folder


def _environment(**variables: str) -> dict[str, str]:
    """What a user's shell would have, without what the other sections have set."""
    ours = ("OMP_NUM_THREADS", "XLA_FLAGS", "TORCHINDUCTOR_CACHE_DIR")
    return {k: v for k, v in os.environ.items() if k not in ours} | variables


def _run(folder: Path, compiled: Path, quick: bool, *more: str) -> float:
    """Seconds of a run of the workflow; of the smoke config if it is to be quick."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *more]
    command += ["--configfile", "config/smoke.yaml", "--config", "engine=auto"] if quick else []
    return _timed(command, folder, _environment(BNNFLOW_CACHE=str(compiled)))[0]


def _tutorial(quick: bool) -> tuple[float, dict[str, float]]:
    """Seconds of the tutorial's script with torch's own choice of threads, and of its parts."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(TUTORIAL), folder, *(["--quick"] if quick else [])]
        seconds, printed = _timed(command, Path(folder), _environment())
    return seconds, {
        name: float(spent) for name, spent in re.findall(r"^(\w+) (\d+\.\d+)$", printed, re.M)
    }


def _timed(command: list[str], folder: Path, environment: dict) -> tuple[float, str]:
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return seconds, done.stdout


def _jobs(folder: Path) -> list[Job]:
    """The jobs of a finished run by start, from Snakemake's records of its outputs."""
    records: dict[str, dict] = {}
    outputs: dict[str, set[str]] = {}
    place = folder / ".snakemake" / "metadata"
    for path in filter(Path.is_file, place.rglob("*")):
        record = json.loads(path.read_text(encoding="utf-8"))
        log = record["log"][0]
        records[log] = record
        # A record's name is that of the output, or parts of it where it is long.
        name = "".join(part.removeprefix("@") for part in path.relative_to(place).parts)
        outputs.setdefault(log, set()).add(base64.urlsafe_b64decode(name).decode())
    jobs = [
        Job(
            log.removeprefix("results/logs/").removesuffix(".log"),
            Path(ast.literal_eval(record["code"].strip())).stem,
            frozenset(record["input"]),
            frozenset(outputs[log]),
            record["starttime"],
            record["endtime"],
            _loop((folder / log).read_text(encoding="utf-8")),
        )
        for log, record in records.items()
    ]
    return sorted(jobs, key=lambda job: job.start)


def _loop(log: str) -> tuple[float, float] | None:
    lines = re.findall(r"^(\S+ \S+),(\d+) .*?: (?:\d+ steps$|done in )", log, re.M)
    times = [
        datetime.strptime(at, "%Y-%m-%d %H:%M:%S").timestamp() + int(ms) / 1000 for at, ms in lines
    ]
    return (times[0], times[-1]) if times else None


def _by_cause(job: Job, imports: float) -> dict[str, float]:
    """Seconds of a job by cause, given those of its script's imports by themselves."""
    if job.loop is None:
        imports = min(imports, job.end - job.start)
        return dict(zip(CAUSES, (imports, 0, 0, job.end - job.start - imports), strict=True))
    begin, end = job.loop
    imports = min(imports, begin - job.start)
    times = (imports, begin - job.start - imports, end - begin, job.end - end)
    return dict(zip(CAUSES, times, strict=True))


def _critical(jobs: list[Job]) -> list[Job]:
    """Of all chains of jobs that wait for one another, the one that takes longest."""
    paths: dict[Job, list[Job]] = {}
    for job in sorted(jobs, key=lambda job: job.end):
        before = [paths[other] for other in paths if other.outputs & job.inputs]
        paths[job] = [*max(before, key=_length, default=[]), job]
    return max(paths.values(), key=_length)


def _length(path: list[Job]) -> float:
    return sum(job.end - job.start for job in path)


def _imports_of(script: str) -> str:
    """A program that imports what a job of a script imports at once, Snakemake's part included."""
    tree = ast.parse((SCRIPTS / f"{script}.py").read_text(encoding="utf-8"))
    lines = ["import pickle", "from snakemake.logging import logger"]
    lines += ["from bnnflow import jobs", "jobs.collect_seldom()"]
    lines += [ast.unparse(node) for node in tree.body if isinstance(node, IMPORT)]
    return "\n".join(lines)


def _seconds_of(program: str) -> np.ndarray:
    """Seconds of a Python process that runs a program, three times after a first."""
    environment = _environment(PYTHONPATH=str(SCRIPTS))
    command = [sys.executable, "-c", program]
    return np.array([_timed(command, ROOT, environment)[0] for _ in range(4)][1:])
