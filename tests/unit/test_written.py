"""What jobs have written is known, and what somebody has put in its place is not."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from bnnflow import written
from bnnflow.files import safe

NAMES = [f"results/fits/{name}.csv" for name in "abcd"]


@pytest.fixture(autouse=True)
def job(tmp_path, monkeypatch):
    """The job of this process, which makes all of NAMES, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(written, "OUTPUTS", {*map(Path, NAMES)})
    Path(NAMES[0]).parent.mkdir(parents=True)
    return tmp_path


def wrote(name, text="x,y\n1,2\n"):
    with safe.whole(name) as part:
        part.write_text(text)


def strangers(job):
    return written.strangers(NAMES, job / "seen.json")


def test_only_what_a_job_has_written_is_known(job):
    ours, theirs, by_hand, _ = NAMES
    wrote(ours)
    wrote(theirs)
    for _ in range(2):
        assert strangers(job) == []
    (job / theirs).write_text("x,y\n1,3\n")
    (job / by_hand).write_text("x,y\n")
    for _ in range(2):
        assert strangers(job) == [theirs, by_hand]
    wrote(theirs)
    (job / by_hand).unlink()
    assert strangers(job) == []


def test_a_file_as_it_was_seen_is_not_read_again(job):
    for name in NAMES:
        wrote(name)
    assert strangers(job) == []
    shutil.rmtree(job / "results" / written.RECORDS)
    assert strangers(job) == []
    # Snakemake touches what a job has made; others may touch anything.
    os.utime(NAMES[0], (1, 1))
    assert strangers(job) == NAMES[:1]


@pytest.mark.parametrize("seen", ["", "[]", "{", '{"results/fits/a.csv": null}'])
def test_without_what_was_seen_all_files_are_read(job, seen):
    wrote(NAMES[0])
    (job / NAMES[1]).write_text("x,y\n")
    (job / "seen.json").write_text(seen)
    assert strangers(job) == NAMES[1:2]


def test_a_folder_is_copied_with_what_is_known_of_it(job, monkeypatch):
    wrote(NAMES[0])
    assert strangers(job) == []
    shutil.copytree(job / "results", job / "copy/results", copy_function=shutil.copyfile)
    monkeypatch.chdir(job / "copy")
    assert strangers(job / "copy") == []


def test_of_a_folder_that_can_only_be_read_files_are_read_again(job):
    wrote(NAMES[0])
    assert written.strangers(NAMES, job / "nowhere" / "seen.json") == []


def test_what_a_killed_job_has_left_is_snakemakes_to_make_again(job, monkeypatch):
    """Killed before or after the file is under its name: never is the file there as a stranger."""
    path, other, *_ = NAMES
    wrote(path)
    assert strangers(job) == []
    (job / path).unlink()  # as Snakemake does before a job
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(Path, "replace", _killed)
        wrote(path, "x,y\n7,7\n")
    assert not (job / path).exists()
    with suppress(KeyboardInterrupt):
        wrote(other)
        _killed()
    assert strangers(job) == []


def test_of_what_is_no_output_nothing_is_remembered(job):
    wrote("results/fits/e.csv")
    assert not (job / "results" / written.RECORDS).exists()


def test_records_lie_in_the_results_of_a_module():
    record = written.record_of("theirs/results/data/a.csv")
    assert str(record) == "theirs/results/.written/data/a.csv"


def test_who_makes_and_shows_no_results_is_not_stopped():
    assert written.uses_results(["-n", "results/figures/mine.png"])
    assert written.uses_results(["--report", "results/report.html"])
    for option in ("--lint", "--unlock", "--cleanup-metadata"):
        assert not written.uses_results([option, "results/data/old.csv"])


def test_the_refusal_names_the_files():
    assert written.refusal("a.csv, b.csv").startswith("a.csv, b.csv: not what the workflow has")


def _killed(*_):
    raise KeyboardInterrupt
