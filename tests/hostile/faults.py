"""Kill runs of the workflow at random moments, and see whether one plain command ends them well.

`tests/hostile/faults.py --times 30` makes an undisturbed run on a small config, and then as many
that are killed with SIGKILL: Snakemake alone, Snakemake with all its jobs, or one job. After each
the same command is given again, once, and every result compared with the undisturbed run's, byte
for byte. With `--succession` a single run is killed again and again instead.
"""

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import Project

CONFIG = ["config/smoke.yaml", "tests/hostile/faults.yaml"]
# How far a run may come that is killed again and again, in parts of an undisturbed one.
SHARE = 1 / 8
# Seconds that a job has to find that its Snakemake is dead, and to end.
PATIENCE = 30
VICTIMS = ("snakemake", "all", "job")


@dataclass(frozen=True)
class Kill:
    """What was killed, and what came of it.

    Attributes:
        victim: one of VICTIMS.
        second: since the start of the run.
        running: the jobs that ran then.
        orphans: jobs that were still alive half a minute after Snakemake had been killed.
        ended: whether the next plain command, if there was one, ended well.
        twice: jobs that had finished and ran again.
        different: results that the undisturbed run does not have like this.
    """

    victim: str
    second: float
    running: str
    orphans: int
    ended: bool | None
    twice: int | None
    different: int | None

    @property
    def survived(self) -> bool:
        """Whether one plain command mended everything."""
        return self.orphans == 0 and self.ended is not False and not self.different


class Run:
    """A `snakemake` in the project's folder, in a process group of its own."""

    def __init__(self, project: Project, *args: str):
        """Start it."""
        self._printed = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        self.begin = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "snakemake", *args],
            cwd=project.folder,
            stdout=self._printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def jobs(self) -> dict[int, str]:
        """Scripts that run now, by the process."""
        found = {}
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                command = path.read_bytes().split(b"\0")
                if os.getsid(int(path.parent.name)) != self.process.pid:
                    continue
            except OSError:  # gone
                continue
            script = re.search(rb"\.snakemake/scripts/\w+\.(\w+)\.py$", command[-2:][0])
            if script and b"python" in command[0]:
                found[int(path.parent.name)] = script[1].decode()
        return found

    def kill(self, victim: str, random: random.Random) -> str | None:
        """Kill at once, a job as soon as there is one; returns which ran, None if all had ended."""
        jobs = self.jobs()
        while victim == "job" and not jobs and self.process.poll() is None:
            time.sleep(0.01)
            jobs = self.jobs()
        if self.process.poll() is not None:
            return None
        if victim == "job":
            os.kill(random.choice(sorted(jobs)), signal.SIGKILL)
        elif victim == "all":
            os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()
        return ", ".join(sorted(jobs.values()))

    def orphans(self) -> int:
        """How many jobs do not end by themselves, on a machine that may be busy."""
        latest = time.monotonic() + PATIENCE
        while (left := len(self.jobs())) and time.monotonic() < latest:
            time.sleep(0.1)
        return left

    def last(self, seconds: float) -> None:
        """Wait so long, or until the run has ended."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)

    def wait(self) -> str:
        """Wait for Snakemake's end, not for that of jobs it may have left; returns its words."""
        self.process.wait()
        self._printed.seek(0)
        return self._printed.read()

    def close(self) -> None:
        """Leave nothing running."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def results(project: Project) -> dict[str, bytes]:
    """Every result by its name, without what tells of the run itself."""
    place = project.path("results")
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file() and path.relative_to(place).parts[0] not in ("logs", "benchmarks")
    }


def finished(printed: str) -> Counter:
    """How many jobs of each rule have finished."""
    return Counter(re.findall(r"^Finished jobid: \d+ \(Rule: (\w+)\)", printed, re.M))


def differences(ours: dict[str, bytes], theirs: dict[str, bytes]) -> int:
    """How many files only one has, or both with another content."""
    return sum(ours.get(name) != theirs.get(name) for name in ours.keys() | theirs.keys())


def killed_once(
    project: Project, args: tuple[str, ...], whole: dict[str, bytes], jobs: Counter,
    victim: str, after: float, random: random.Random,
) -> Kill | None:  # fmt: skip
    """Kill one run and give its command once more; None if it had ended before."""
    run = Run(project, *args)
    try:
        run.last(after)
        running, second = run.kill(victim, random), time.monotonic() - run.begin
        if running is None:
            return None
        again = Run(project, *args) if victim != "job" else None  # a failing run ends by itself
        before = run.wait()
        if again is None:
            again = Run(project, *args)
        try:
            orphans = 0 if victim == "job" else run.orphans()
            printed = again.wait()
        finally:
            again.close()
    finally:
        run.close()
    ended = again.process.returncode == 0
    if not ended:
        print(printed[-3000:])
    twice = (finished(before) + finished(printed) - jobs).total() if ended else None
    different = differences(results(project), whole) if ended else None
    return Kill(victim, second, running, orphans, ended, twice, different)


def killed_again_and_again(
    project: Project, args: tuple[str, ...], whole: dict[str, bytes], times: int, seconds: float,
    random: random.Random,
) -> Iterator[Kill]:  # fmt: skip
    """Kill a run, and what continues it, until it has ended or been killed so many times."""
    for _ in range(times):
        victim, run = random.choice(VICTIMS), Run(project, *args)
        run.last(random.uniform(0, SHARE * seconds))
        running, second = run.kill(victim, random), time.monotonic() - run.begin
        run.wait()
        if running is None:
            break
        orphans = 0 if victim == "job" else run.orphans()
        run.close()
        yield Kill(victim, second, running, orphans, None, None, None)
    run = Run(project, *args)
    printed, second = run.wait(), time.monotonic() - run.begin
    ended = run.process.returncode == 0
    if not ended:
        print(printed[-3000:])
    yield Kill("nothing", second, "", 0, ended, None, differences(results(project), whole))


def table(kills: list[Kill]) -> str:
    """As Markdown."""
    names = [field.name for field in fields(Kill)]
    rows = [names, ["---"] * len(names)]
    for kill in kills:
        values = (getattr(kill, name) for name in names)
        rows.append(
            ["" if v is None else f"{v:.1f}" if isinstance(v, float) else f"{v}" for v in values]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """Print the table; fail if a run was not mended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--succession", action="store_true", help="kill one run so many times")
    parser.add_argument("--configfile", nargs="+", default=CONFIG)
    given = parser.parse_args()
    args = ("--cores", "2", "--configfile", *given.configfile)
    stream = random.Random(given.seed)
    kills: list[Kill] = []
    with tempfile.TemporaryDirectory() as name:
        first = Project.copied(Path(name, "undisturbed"))
        run = Run(first, *args)
        printed = run.wait()
        assert run.process.returncode == 0, printed
        seconds, jobs, whole = time.monotonic() - run.begin, finished(printed), results(first)
        print(f"undisturbed: {seconds:.0f} s, {jobs.total()} jobs, {len(whole)} files", flush=True)
        if given.succession:
            project = Project.copied(Path(name, "killed"))
            for kill in killed_again_and_again(project, args, whole, given.times, seconds, stream):
                kills.append(kill)
                print(kill, flush=True)
        else:
            while len(kills) < given.times:
                victim, after = VICTIMS[len(kills) % 3], stream.uniform(0, seconds)
                with tempfile.TemporaryDirectory(dir=name) as folder:
                    project = Project.copied(Path(folder))
                    kill = killed_once(project, args, whole, jobs, victim, after, stream)
                if kill:
                    kills.append(kill)
                    print(kill, flush=True)
    print(table(kills))
    survived = sum(kill.survived for kill in kills)
    print(f"{survived} of {len(kills)} survived")
    sys.exit(survived < len(kills))


if __name__ == "__main__":
    main()
