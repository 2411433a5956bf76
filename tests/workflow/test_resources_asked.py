"""What jobs ask of a cluster, as Snakemake is told."""

import re

from conftest import SMOKE


def asked(project, *args):
    """By rule the resources that its jobs ask for, in a dry run."""
    printed = project.snakemake("-n", *(args if "--configfile" in args else (*SMOKE, *args)))
    found = re.findall(r"^(?:local)?rule (\w+):$.*?^ +resources: ([^\n]*)$", printed, re.M | re.S)
    return {rule: dict(re.findall(r"(\w+)=([^,]+)", text)) for rule, text in found}


def test_jobs_ask_for_what_their_fits_need(empty):
    rules = asked(empty)
    for chain in ("mcmc_shallow_chain", "mcmc_deep_chain", "svi_deep_start", "predict"):
        assert {"mem_mb", "runtime"} <= set(rules[chain])
    empty.append("config/more.yaml", "fits: {mcmc_deep: {inference: {draws: 1000000}}}\n")
    more = asked(empty, "config/more.yaml")
    assert int(more["mcmc_deep_chain"]["runtime"]) > 50 * int(rules["mcmc_deep_chain"]["runtime"])
    assert more["mcmc_shallow_chain"] == rules["mcmc_shallow_chain"]


def test_a_fit_on_a_gpu_asks_for_one(empty):
    empty.append(
        "config/gpu.yaml",
        "engine: auto\nfits:\n  svi_deep: {inference: {device: cuda}}\n"
        "  svi_new: {grid: {inference.device: [cpu, cuda]}}\n",
    )
    printed = empty.snakemake("-n", *SMOKE, "config/gpu.yaml")
    gpus = re.findall(r"^rule (\w+):.*?^ +resources: ([^\n]*)$", printed, re.M | re.S)
    given = sorted((rule, *re.findall(r"gpu=(\d)", text)) for rule, text in gpus if "gpu" in text)
    assert given == [("svi_deep_start", "1")] * 2 + [("svi_new_start", "0"), ("svi_new_start", "1")]


def test_what_a_fit_is_given_reaches_its_chains(empty):
    given = asked(
        empty,
        *("--set-resources", "mcmc_deep:mem=7GB", "mcmc_deep:runtime=90*attempt"),
        *("mcmc_deep:slurm_partition=long", "mcmc_shallow:mem_mb=5000"),
        *("mcmc_shallow_chain:mem_mb=6000", "svi_deep:mem_mb=8000"),
    )
    chain = given["mcmc_deep_chain"]
    assert (chain["mem_mb"], chain["runtime"], chain["slurm_partition"]) == ("7000", "90", "long")
    assert given["mcmc_shallow_chain"]["mem_mb"] == "6000"
    assert given["svi_deep_start"]["mem_mb"] == "8000"
    assert "slurm_partition" not in given["svi_deep_start"]


def test_a_fit_of_a_module_is_given_by_its_name_there(empty):
    empty.append(
        "theirs.smk",
        """
module bnnflow:
    snakefile: "Snakefile"
    config: config

use rule * from bnnflow as bnn_*
""",
    )
    given = ("--set-resources", "bnn_svi_new:mem_mb=5000", "svi_joint:mem_mb=5000")
    their = ("--snakefile", "theirs.smk", "--configfile", "config/config.yaml")
    rules = asked(empty, *given, *their, "--", "bnn_svi_new", "bnn_svi_joint")
    assert rules["bnn_svi_new_start"]["mem_mb"] == "5000"
    assert rules["bnn_svi_joint_start"]["mem_mb"] != "5000"
