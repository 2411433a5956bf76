import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from snakemake.profiles import ProfileConfigFileParser

from bnnflow.config import given

GOOD = "fits:\n  mine: {}\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "colon.yaml").write_text("fits:\n  mine:\n    title: My fit: the best\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n")
    (tmp_path / "table.csv").write_text("x,y\n1,2\n")


@pytest.mark.parametrize(
    "words",
    [
        "-n",
        "mine --configfile good.yaml",
        "--configfile good.yaml good.yaml -n picture.png",
        "--configfiles good.yaml --cores 2",
        "--config colon.yaml=1 picture.png",
        "picture.png --cores 2",
    ],
)
def test_a_command_line_that_snakemake_can_read_has_no_fault(words):
    assert given.faults(words.split()) == []


@pytest.mark.parametrize(
    "option", ["--configfile ", "--configfiles ", "--configf ", "--configfile="]
)
def test_a_file_that_is_no_yaml_is_told_with_its_line_and_the_remedy(option):
    (found,) = given.faults(f"-n {option}colon.yaml".split())
    assert found.startswith("colon.yaml, line 3: ")
    assert 'a text with a colon needs quotes: title: "My fit: the best"' in found


@pytest.mark.parametrize("target", ["picture.png", "table.csv", "mine", "results/figures/mine.png"])
def test_a_target_behind_the_option_is_told_where_to_stand(target):
    (found,) = given.faults(["--configfile", "good.yaml", target, "-n"])
    assert found.startswith(f"{target}: is no config file")
    assert f"snakemake {target} --configfile" in found


def test_every_fault_is_told():
    words = ["--configfile", "colon.yaml", "none.yaml", "--cores", "2"]
    assert len(given.faults(words)) == 2


def test_only_snakemake_is_checked(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/pytest", "--configfile", "colon.yaml"])
    given.check()
    monkeypatch.setattr("sys.argv", ["/usr/bin/snakemake", "--configfile", "colon.yaml"])
    with pytest.raises(SystemExit, match="line 3"):
        given.check()


@pytest.mark.parametrize("profile", ["profiles/default", "profiles/slurm"])
@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_profiles_look_at_config_files_wherever_the_run_is(monkeypatch, snakefile, profile):
    words = ["/usr/bin/snakemake", "-s", str(ROOT / snakefile), "--configfile", "colon.yaml"]
    before = [*sys.path]
    monkeypatch.setattr("sys.argv", words)
    monkeypatch.setattr("sys.path", [*before])
    # Beside either Snakefile, as Snakemake looks for profiles/default.
    path = (ROOT / snakefile).parent / profile / "config.yaml"
    with path.open() as file, pytest.raises(SystemExit, match="line 3"):
        ProfileConfigFileParser().parse(file)
    found = {Path(folder).resolve() for folder in sys.path[len(before) :]}
    assert (ROOT / "workflow/scripts").resolve() in found


def test_what_both_profiles_say_is_the_same():
    """No profile can include another."""
    default, slurm = (
        yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())
        for name in ("default", "slurm")
    )
    assert {key: slurm.get(key) for key in default} == default | {"cores": None}
