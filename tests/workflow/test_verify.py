"""What a run says of itself, and whether it can be made again, through Snakemake."""

import json
import os
import shutil

import pandas as pd
import pytest

from bnnflow.run import manifests


def test_a_run_writes_what_it_is(finished):
    manifest = manifests.read(finished.path("results/manifest.json"))
    assert manifest["config"]["engine"] == "pyro"
    assert "seed" not in manifest["config"]["fits"]["svi_deep"]["inference"]
    assert (
        manifest["seeds"]["mcmc_shallow chain 0"] == manifest["seeds"]["svi_shallow start 0"] == 42
    )
    assert manifest["seeds"]["svi_deep start 0"] == 0xAA07A728
    assert manifest["platform"] == manifests.platform_facts()
    assert manifests.damaged(manifest, finished.path("results")) == []
    results = finished.path("results")
    made = {path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file()}
    left = {name.split("/")[0] for name in made - set(manifest["sha256"])}
    assert left == {"logs", "benchmarks", "manifest.json", ".written"}


def state(project):
    """Times and bytes of all files of the results but the log of what looks at them."""
    files = [path for path in project.path("results").rglob("*") if path.is_file()]
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes())
        for path in files
        if path.name != "verify.log"
    }


def test_results_are_verified_as_they_are(project):
    """Whatever the config is now, and although nothing tells Snakemake how they were made."""
    shutil.rmtree(project.path(".snakemake"))
    table = project.path("results/tables/metrics.csv")
    changed = pd.read_csv(table)
    changed.loc[0, "value"] = 7.0
    changed.to_csv(table, index=False)
    later = table.stat().st_mtime + 1e6  # which a run would change
    os.utime(table, (later, later))
    before = state(project)
    assert project.planned("verify") == {"verify": 1}
    assert project.planned("verify", "--workflow-profile", "profiles/slurm") == {"verify": 1}
    printed = project.snakemake("verify", fails=True)
    told = (
        "results are not those of results/manifest.json:\n"
        "  tables/metrics.csv: is not what its checksum says; it has been changed since\n"
    )
    assert told in printed
    assert "Traceback" not in printed
    assert project.path("results/logs/verify.log").read_text() == told
    assert state(project) == before
    assert not project.path("verification").exists()


def test_what_cannot_be_verified_is_told(project):
    path = project.path("results/manifest.json")
    manifest = json.loads(path.read_text())
    fits = {"fits": {"bad": {"steps": 5}}}
    style = {"figures": manifest["config"]["figures"] | {"style": "nowhere.mplstyle"}}
    for config, told in (
        (fits, "of results/manifest.json, the config cannot be run:"),
        (style, "of results/manifest.json, figures.style: is 'nowhere.mplstyle'; there is no such"),
    ):
        path.write_text(json.dumps(manifest | {"config": manifest["config"] | config}))
        assert told in project.snakemake("verify", fails=True)
    path.unlink()
    printed = project.snakemake("verify", fails=True)
    assert "there is no results/manifest.json; `snakemake` makes the results and it" in printed
    assert "Traceback" not in printed


def test_results_of_a_module_are_verified_where_they_are(empty):
    empty.path("theirs.smk").write_text(
        """
module bnnflow:
    snakefile: "Snakefile"
    config: config
    prefix: "networks"

use rule * from bnnflow as bnn_*
"""
    )
    theirs = ("--snakefile", "theirs.smk", "--configfile", "config/config.yaml")
    printed = empty.snakemake("bnn_verify", *theirs, fails=True)
    assert "there is no networks/results/manifest.json; `snakemake` makes" in printed
    assert "Traceback" not in printed
    assert empty.path("networks/results/logs/verify.log").exists()


@pytest.mark.slow
def test_a_run_on_one_core_gives_the_bytes_of_one_on_two(project):
    """And is verified where fits fail and the workflow is strict."""
    path = project.path("results/manifest.json")
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"config": manifest["config"] | {"strict": True}}))
    before = state(project)
    profile = project.path("profiles/mine/config.yaml")
    profile.parent.mkdir()
    profile.write_text("cores: 1\n")
    printed = project.snakemake("verify", "--workflow-profile", "profiles/mine")
    # By both calls.
    assert printed.count("Using workflow specific profile profiles/mine ") == 2
    found = f"{len(manifest['sha256'])} results are the same, byte for byte"
    assert found in printed
    told = project.path("results/logs/verify.log").read_text(encoding="utf-8").splitlines()
    assert told == [f"{found}:", *(f"  {name}" for name in manifest["sha256"])]
    assert state(project) == before
    assert not project.path("verification").exists()
