"""The workflow on a cluster with Slurm, which this machine is made into."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from conftest import ROOT, SMOKE, Project

SCRIPT = ROOT / "tests/slurm.sh"
PLACE = Path("/run/bnnflow-slurm")
CONFIG = Path("/etc/slurm/slurm.conf")

# The profile as it is, but for what its comments say is the site's, and the wait between questions.
SITE = (
    *("--workflow-profile", "profiles/slurm"),
    *("--default-resources", "slurm_partition=bnnflow"),
    *("--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2"),
)

# A chain that waits for its compiler for longer than any limit.
COMPILED = "{engine: compiled, fits: {mcmc_shallow: {inference: {chains: 1}}}}\n"
COMPILER = "#!/bin/sh\nexec sleep 1000\n"


def script(command):
    return subprocess.run([SCRIPT, command], capture_output=True, text=True)


@pytest.fixture(scope="module")
def able():
    """Where a cluster can be brought up; elsewhere the script says why not."""
    checked = script("check")
    if checked.returncode:
        pytest.skip(checked.stderr.strip())


@pytest.fixture(scope="module")
def cluster(able):
    started = script("start")
    assert started.returncode == 0, started.stderr
    yield
    stopped = script("stop")
    assert stopped.returncode == 0, stopped.stderr
    assert not CONFIG.exists()
    assert not PLACE.exists()
    assert not daemons()


def daemons():
    """Command lines of the daemons of clusters like ours."""
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return [line for line in lines if re.match(rb"(slurmctld|slurmd|munged.*bnnflow)\b", line)]


def submitted(printed):
    """Slurm's number, rule and log of every job that Snakemake has given to it, in order."""
    line = r"submitted with SLURM jobid (\d+) \(log: (\S+/rule_(\w+)/\S+\.log)\)"
    return [(number, rule, Path(log)) for number, log, rule in re.findall(line, printed)]


def recorded(number):
    """What Slurm has written down of a job that has ended."""
    (line,) = re.findall(rf"^JobId={number} .*$", (PLACE / "jobs.txt").read_text(), re.M)
    return dict(re.findall(r"(\w+)=(\S*)", line)) | dict(re.findall(r"\b(mem)=(\w+)", line))


@pytest.fixture(scope="module")
def overdue(cluster, tmp_path_factory):
    """A run whose one chain has a minute, then eight, and never ends: process and folder."""
    project = Project.copied(tmp_path_factory.mktemp("overdue"))
    project.append("config/compiled.yaml", COMPILED)
    project.append("compiler", COMPILER)
    project.path("compiler").chmod(0o755)
    variables = {"CXX": str(project.path("compiler")), "BNNFLOW_CACHE": str(project.path("cache"))}
    limit = ("--set-resources", "mcmc_shallow:runtime=attempt**3")
    command = [sys.executable, "-m", "snakemake", "mcmc_shallow", *SITE, *limit, *SMOKE]
    with project.path("printed").open("w") as printed:
        process = subprocess.Popen(
            [*command, "config/compiled.yaml"],
            cwd=project.folder,
            env=os.environ | variables,
            stdout=printed,
            stderr=printed,
            # Which a shell has its background jobs ignore.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
    yield process, project
    process.kill()
    process.wait()


def test_a_cluster_that_exists_is_left_alone(able):
    if CONFIG.exists():
        pytest.skip("a test cluster is running")
    CONFIG.write_text("ClusterName=theirs\n")
    try:
        for command, says in (("start", "which is left alone"), ("stop", "")):
            assert says in script(command).stderr
            assert CONFIG.read_text() == "ClusterName=theirs\n"
            assert not daemons()
    finally:
        CONFIG.unlink()


@pytest.mark.slow
def test_a_run_on_the_cluster_gives_the_bytes_of_a_local_one(finished, overdue, empty):
    # The first attempt at the deep chain has too little memory; `overdue` waits beside this.
    little = ("--set-resources", "mcmc_deep:mem_mb=250*attempt**3")
    printed = empty.snakemake(*SITE, *little, *SMOKE)

    results = {
        str(path.relative_to(finished.folder)): path.read_bytes()
        for path in finished.path("results").rglob("*")
        if path.is_file() and not {"logs", "benchmarks"} & set(path.parts)
    }
    assert len(results) > 100
    different = [name for name, held in results.items() if empty.path(name).read_bytes() != held]
    assert not different

    jobs = submitted(printed)
    others = Counter(predict=7, plot_prior=1)
    fits = [rule for rule in re.findall(r"^rule (\w+):$", printed, re.M) if rule not in others]
    assert Counter(rule for _, rule, _ in jobs) == Counter(fits) + others
    assert Counter(fits) == Counter(
        ["mcmc_shallow_chain"] * 2 + ["mcmc_deep_chain"] * 2  # the one of them twice
        + ["svi_deep_start"] * 2
        + [f"svi_{name}_start" for name in ("shallow", "updated", "joint", "new")]
    )  # fmt: skip
    (first, _, log), (second, _, _) = [job for job in jobs if job[1] == "mcmc_deep_chain"]
    records = {number: recorded(number) for number, _, _ in jobs}
    assert records[first]["JobState"] in ("FAILED", "OUT_OF_MEMORY")
    assert {r["JobState"] for n, r in records.items() if n != first} == {"COMPLETED"}
    assert "exceeded memory limit" in log.read_text()
    assert (records[first]["mem"], records[second]["mem"]) == ("250M", "2000M")
    limits = [int(records[number]["TimeLimit"]) for number in (first, second)]
    assert limits[1] == 2 * limits[0]
    # Logs of what went well are not kept.
    assert list(empty.path("results/logs/slurm").rglob("*.log")) == [log]


@pytest.mark.slow
def test_a_job_over_its_time_limit_is_tried_again_with_more_and_ends_with_snakemake(overdue):
    process, project = overdue
    end = time.monotonic() + 300
    while len(jobs := submitted(project.path("printed").read_text())) < 2:
        assert process.poll() is None
        assert time.monotonic() < end, project.path("printed").read_text()
        time.sleep(0.5)
    (first, _, log), (second, _, _) = jobs[:2]
    assert recorded(first)["JobState"] == "TIMEOUT"
    assert recorded(first)["TimeLimit"] == "1"
    assert "DUE TO TIME LIMIT" in log.read_text()
    assert "SLURM status is: 'TIMEOUT'" in project.path("printed").read_text()

    # It cancels its jobs at once; to end, it waits until it would have asked for them.
    process.send_signal(signal.SIGINT)
    queued = ["squeue", "--noheader", "--format", "%i"]
    while second in subprocess.run(queued, capture_output=True, text=True).stdout.split():
        assert time.monotonic() < end
        time.sleep(0.5)
    assert recorded(second)["JobState"] == "CANCELLED"
    assert recorded(second)["TimeLimit"] == "8"
