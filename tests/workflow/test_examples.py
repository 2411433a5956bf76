"""The examples: each from its table to its figures, small, as the folder stands."""

import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT, Project

from bnnflow.files import safe

# Draws that mean nothing, by the engine that compiles nothing.
SMALL = {"engine": "pyro", "models": {"default": {"hidden": [3]}}}
SHORT = {"chains": 2, "warmup": 10, "draws": 10, "optimum_steps": 10, "thinning": 1}
EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/config"))


@pytest.fixture(params=EXAMPLES)
def example(request, tmp_path):
    """A copy of an example's folder, which lies somewhere else than the workflow."""
    folder = shutil.copytree(ROOT / "examples" / request.param, tmp_path / request.param)
    shutil.rmtree(folder / "results", ignore_errors=True)
    small = SMALL | {"fits": {"mine": {"inference": SHORT}}}
    (folder / "small.yaml").write_text(yaml.safe_dump(small), encoding="utf-8")
    return Project(folder)


@pytest.mark.slow
def test_an_example_goes_from_its_table_to_its_report(example):
    files = "--configfile", "config/config.yaml", "small.yaml"
    call = "-s", str(ROOT / "Snakefile"), "--cores", "2", *files
    example.snakemake(*call, "--report", "results/report.html", "--report-after-run")
    assert example.path("results/report.html").stat().st_size > 100_000
    verdicts = safe.read_table(example.path("results/tables/verdicts.csv"), "", ["fit", "verdict"])
    assert "mine" in set(verdicts["fit"])
    assert "Nothing to be done" in example.snakemake("-n", *call)


def test_an_example_is_the_table_that_its_program_makes(example):
    (table,) = example.folder.glob("*.csv")
    before = table.read_bytes()
    table.unlink()
    subprocess.run([sys.executable, example.path("make_table.py")], check=True)
    assert table.read_bytes() == before
