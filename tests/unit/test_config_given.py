import pytest

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
