"""What is found by its name, and what methods say of themselves."""

import subprocess
import sys
from itertools import chain

import pytest
from conftest import ROOT

from bnnflow.methods.running.method import METHODS


@pytest.mark.parametrize("module", ["methods.running.method", "config.settings", "run.plan"])
def test_what_every_start_of_snakemake_imports_needs_no_torch(module):
    code = f"import sys; import bnnflow.{module}; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT / "workflow/scripts",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_a_module_of_its_name(name):
    assert METHODS.made({"method": name}).method == name
    assert (ROOT / f"workflow/scripts/bnnflow/methods/{name}.py").is_file()


@pytest.mark.parametrize(
    ("starts", "together", "jobs"),
    [
        (1, 1, [range(0, 1)]),
        (3, 1, [range(0, 1), range(1, 2), range(2, 3)]),
        (5, 2, [range(0, 2), range(2, 4), range(4, 5)]),
        (2, 8, [range(0, 2)]),
    ],
)
def test_starts_are_shared_out_over_jobs(starts, together, jobs):
    assert METHODS["svi"].rounds({"starts": starts, "starts_per_job": together}) == [jobs]


def test_a_chain_is_a_job_of_its_own():
    assert METHODS["nuts"].rounds({"chains": 2}) == [[range(0, 1), range(1, 2)]]


@pytest.mark.parametrize(("most", "sizes"), [(2, [1]), (3, [1, 1]), (12, [1, 1, 2, 2])])
def test_every_round_has_as_many_jobs_as_all_before_it(most, sizes):
    settings = {"chains": "auto", "most_chains": most, "chains_per_job": 2}
    rounds = METHODS["mclmc"].rounds(settings)
    assert [len(jobs) for jobs in rounds] == sizes
    # The jobs are those of the number itself.
    assert [*chain(*rounds)] == METHODS["mclmc"].rounds(settings | {"chains": most})[0]
