"""What a run says of itself, and whether it can be made again."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bnnflow.density import compilers
from bnnflow.files.errors import FileError
from bnnflow.run import manifests, verification
from bnnflow.run.verification import VerificationError, verify, where_jobs_run

CONFIG = {"seed": 0, "data": {"noise": 0.1}, "figures": {"style": "theirs.mplstyle"}}
ELSEWHERE = {"platform": {"processor": "another"}}


def manifest_of(folder, **others):
    names = [path for path in folder.rglob("*") if path.is_file()]
    return manifests.described(CONFIG, {"a chain 0": 1}, ["cpu"], names, folder) | others


def differences(manifest, old, new):
    return manifests.differences(manifest, old, new, made=manifest_of(new)["sha256"])


@pytest.fixture
def tables(tmp_path):
    random = np.random.default_rng(0)
    old = tmp_path / "old"
    for name in ("data", "fits/a", "tables"):
        (old / name).mkdir(parents=True)
    data = pd.DataFrame(random.normal(size=(5, 2)), columns=["x", "y"])
    data.to_csv(old / "data/old.csv", index=False)
    parameters = pd.DataFrame({"site": ["w"] * 3, "index": range(3), "transform": "identity"})
    parameters["mean"], parameters["stddev"] = random.normal(size=3), [0.1, 1.0, 10.0]
    parameters.to_csv(old / "fits/a/parameters.csv", index=False)
    scores = pd.DataFrame({"fit": "a", "region": ["r", "s"], "metric": "lppd"})
    scores = scores.assign(value=[1.0, -2.0], error_draws=[0.1, np.nan], error_points=0.1)
    scores.to_csv(old / "tables/metrics.csv", index=False)
    (old / "picture.png").write_bytes(b"picture")
    return old, shutil.copytree(old, tmp_path / "new")


def changed(path, column, row, value):
    table = pd.read_csv(path)
    table.loc[row, column] = value
    table.to_csv(path, index=False)


def test_the_same_files_are_the_same(tables):
    old, new = tables
    assert manifests.damaged(manifest_of(old), old) == []
    assert differences(manifest_of(old), old, new) == ([], 4)
    for elsewhere in (ELSEWHERE, {"devices": ["cpu", "cuda"]}):
        assert differences(manifest_of(old, **elsewhere), old, new) == ([], 3)


def test_on_the_same_platform_every_byte_counts(tables):
    old, new = tables
    (new / "picture.png").write_bytes(b"Picture")
    (new / "data/old.csv").unlink()
    changed(new / "fits/a/parameters.csv", "mean", 1, 7.0)
    found, compared = differences(manifest_of(old), old, new)
    assert compared == 4
    by = 7 - pd.read_csv(old / "fits/a/parameters.csv")["mean"][1]
    assert found == [
        "data/old.csv: was not made again",
        f"fits/a/parameters.csv: differs: mean by up to {by:.3g}",
        "picture.png: differs",
    ]


@pytest.mark.parametrize(
    ("name", "column", "row", "within", "beyond", "told"),
    [
        ("data/old.csv", "x", 0, 1 + 5e-10, 1 + 1e-8, "1 values are further apart than 1e-09"),
        ("fits/a/parameters.csv", "stddev", 0, 1.04, 1.06, "a standard deviation has changed by 6"),
        ("tables/metrics.csv", "value", 0, 1.5, 1.7, "lppd of a in r is 1.7 instead of 1"),
        ("tables/metrics.csv", "value", 1, 1.009, 1.02, "lppd of a in s is -2.04 instead of -2"),
    ],
)
def test_on_another_platform_tolerances_hold(tables, name, column, row, within, beyond, told):
    old, new = tables
    elsewhere = manifest_of(old, **ELSEWHERE)
    value = pd.read_csv(old / name)[column][row]
    changed(new / name, column, row, value * within)
    assert differences(elsewhere, old, new)[0] == []
    changed(new / name, column, row, value * beyond)
    (found,) = differences(elsewhere, old, new)[0]
    assert found.startswith(f"{name}: {told}")


def test_on_another_platform_means_move_within_their_stddev(tables):
    old, new = tables
    elsewhere = manifest_of(old, **ELSEWHERE)
    path = "fits/a/parameters.csv"
    mean = pd.read_csv(old / path)["mean"]
    changed(new / path, "mean", 2, mean[2] + 0.4)
    assert differences(elsewhere, old, new)[0] == []
    changed(new / path, "mean", 0, mean[0] + 0.006)
    (found,) = differences(elsewhere, old, new)[0]
    assert "a mean has moved by 0.06 of its standard deviation" in found


@pytest.mark.parametrize(
    ("name", "column", "value", "told"),
    [
        ("fits/a/parameters.csv", "mean", np.nan, "a mean has moved by inf of its standard dev"),
        ("fits/a/parameters.csv", "mean", np.inf, "a mean has moved by inf of its standard dev"),
        ("fits/a/parameters.csv", "stddev", np.inf, "a standard deviation has changed by inf %"),
        ("tables/metrics.csv", "value", np.nan, "lppd of a in r is nan instead of 1"),
        ("tables/metrics.csv", "value", -np.inf, "lppd of a in r is -inf instead of 1"),
    ],
)
def test_on_another_platform_what_is_no_number_is_not_within_bounds(
    tables, name, column, value, told
):
    old, new = tables
    changed(new / name, column, 0, value)
    found, _ = differences(manifest_of(old, **ELSEWHERE), old, new)
    assert any(line.startswith(f"{name}: {told}") for line in found)
    # Nor the other way round.
    assert differences(manifest_of(new, **ELSEWHERE), new, old)[0]
    changed(old / name, column, 0, value)
    if column != "stddev":
        assert differences(manifest_of(old, **ELSEWHERE), old, new)[0] == []


@pytest.mark.parametrize("error", [1e300, np.inf])
def test_no_error_in_the_old_table_widens_its_bounds(tables, error):
    old, new = tables
    changed(old / "tables/metrics.csv", "error_draws", 0, error)
    changed(new / "tables/metrics.csv", "value", 0, 3.0)
    (found,) = differences(manifest_of(old, **ELSEWHERE), old, new)[0]
    assert "lppd of a in r is 3 instead of 1" in found


@pytest.mark.parametrize("text", ["", "\0\n", "x,y\n", "x,y\n1,2,3\n", "a,b\nc,d\n", "x,y\n1,z\n"])
@pytest.mark.parametrize("name", ["data/old.csv", "fits/a/parameters.csv", "tables/metrics.csv"])
def test_a_damaged_table_is_a_difference(tables, name, text):
    old, new = tables
    (old / name).write_text(text)
    (found,) = differences(manifest_of(old), old, new)[0]
    assert found.startswith(f"{name}: differs")
    (found,) = differences(manifest_of(old, **ELSEWHERE), old, new)[0]
    assert found.startswith(f"{name}: {old / name} cannot be read as a table of")


def test_what_the_manifest_does_not_have_is_a_difference(tables):
    old, new = tables
    (new / "more.csv").write_text("x\n1\n")
    for others in ({}, ELSEWHERE):
        found, _ = differences(manifest_of(old, **others), old, new)
        assert found == ["more.csv: was made, and is not in the manifest"]


def test_the_compiler_counts_where_fits_are_compiled(monkeypatch, tmp_path):
    manifest = manifest_of(tmp_path)
    assert manifests.is_exact(manifest)
    monkeypatch.setattr(compilers, "version", lambda: "another")
    assert not manifests.is_exact(manifest)
    assert manifests.is_exact(manifest | {"config": {"engine": "pyro"}})


def test_the_compiler_says_what_it_is(monkeypatch, tmp_path):
    program = tmp_path / "compiler"
    program.write_text("#!/bin/sh\necho ours 1.2\necho 'more of it'\n")
    program.chmod(0o755)
    monkeypatch.setenv("CXX", f"{program} -O1")
    assert compilers.version() == "ours 1.2"
    program.write_text("#!/nowhere/sh\n")
    assert compilers.version() == "none"
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert compilers.version() == "none"


def manifest_text(*names):
    facts = {"config": {}, "platform": {}, "devices": []}
    return json.dumps(facts | {"sha256": dict.fromkeys(names, "0")})


def test_a_manifest_of_plain_paths_is_read(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(manifest_text("a", "fits/b..c/d.nc", "fits/é.csv"))
    assert len(manifests.read(path)["sha256"]) == 3


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"sha256": {"a": 1}}', "[" * 100_000),
        '{"sha256": {}, "config": 1}',
        manifest_text(),
        *map(manifest_text, ["", "/a", "a/../b", "./a", "a//b", "\x1b[2J", "\ud800"]),
        *map(manifest_text, ["a" * 5000, "a" * 256, "a/" * 1000 + "a"]),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path, text):
    path = tmp_path / "manifest.json"
    path.write_text(text)
    with pytest.raises(FileError, match="cannot be read as a manifest"):
        manifests.read(path)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("verify", ""),
        ("verify --cores 2 --configfile a.yaml b.yaml", "--cores 2"),
        ("--workflow-profile profiles/slurm verify -n", "--workflow-profile profiles/slurm"),
        ("-j4 -F --workflow-prof=a verify", "-j4 --workflow-prof=a"),
        ("--config seed=1 --executor slurm -- verify", "--executor slurm"),
        (
            "-d x --default-resources a=1 b=2 verify --forceall --slurm-status-command squeue",
            "--default-resources a=1 b=2 --slurm-status-command squeue",
        ),
        ("-c 2 verify --set-resources a:mem_mb=8000*attempt --sdm conda", None),
    ],
)
def test_jobs_run_again_where_the_command_line_says(words, options):
    if options is None:
        options = words.replace(" verify", "")
    assert where_jobs_run(words.split(), ["verify"]) == options.split()


@pytest.fixture
def again(tables, monkeypatch):
    """Verifies results that a fake Snakemake makes again, and keeps its config."""
    old, new = tables
    folder = old.parent / "verification"

    def made(command, cwd, stdin):
        place = Path(command[command.index("--directory") + 1])
        assert place.samefile(folder)
        again.config = json.loads((place / "config/config.yaml").read_text())
        again.command, again.cwd = command, cwd
        shutil.copytree(new, place / "results")
        text = json.dumps(manifest_of(new))
        (place / "results/manifest.json").write_text(text)
        return subprocess.CompletedProcess(command, 0)

    def again():
        manifest = manifest_of(old)
        paths = Path("/looks.mplstyle"), folder, Path("Snakefile")
        return verify(old / "manifest.json", manifest, *paths, ["-c", "2"], old.parent)

    monkeypatch.setattr(verification.subprocess, "run", made)
    monkeypatch.setattr(manifests, "platform_facts", dict)
    again.folder = folder
    return again


def test_results_are_made_again_even_if_a_strict_workflow_would_fail(again):
    assert again() == "4 results are the same, byte for byte"
    # Not all of it, which is strict; and the target is no value of an option.
    words = again.command[again.command.index("results/manifest.json") :]
    assert words == ["results/manifest.json", "--quiet", "host", "reason", "rules", "-c", "2"]
    assert again.cwd == again.folder.parent
    assert again.config == CONFIG | {"figures": {"style": "/looks.mplstyle"}}
    assert not again.folder.exists()


def test_what_differs_is_told_and_kept_until_the_next_time(again, tables):
    (tables[1] / "picture.png").write_bytes(b"Picture")
    for _ in range(2):
        with pytest.raises(VerificationError, match=r"byte for byte; these differ:\n  picture"):
            again()
        assert (again.folder / "results/picture.png").exists()
        again.folder.joinpath("left").touch()
    (tables[1] / "picture.png").write_bytes(b"picture")
    assert again().startswith("4 results are the same")
    assert not again.folder.exists()


@pytest.mark.parametrize("kind", ["folder", "link", "broken link", "link to one of ours", "file"])
def test_a_folder_of_somebody_else_is_left_alone(again, kind, tmp_path):
    theirs = tmp_path / "theirs"
    (again.folder if kind == "folder" else theirs).mkdir()
    if kind == "file":
        again.folder.touch()
    elif kind == "broken link":
        again.folder.symlink_to("nowhere")
    elif "link" in kind:
        again.folder.symlink_to(theirs)
    if kind == "link to one of ours":
        (theirs / verification.MARKER).touch()
    with pytest.raises(VerificationError, match="was not made by `snakemake verify`"):
        again()
    assert os.path.lexists(again.folder)
    assert theirs.exists() == (kind != "folder")
