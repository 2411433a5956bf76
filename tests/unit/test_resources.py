"""What jobs ask of a cluster."""

import re

import pytest
from conftest import SMOKE

from bnnflow.run import resources

SHALLOW, DEEP = [5], [10] * 5
NUTS = {
    "method": "nuts", "sampler": "pyro", "device": "cpu", "warmup": 50, "draws": 50, "chains": 1,
    "max_tree_depth": 10, "mass_matrix": "diagonal",
}  # fmt: skip
SVI = {
    "method": "svi", "guide": "AutoDiagonalNormal", "device": "cpu", "steps": 10_000, "starts": 1,
    "starts_per_job": 1, "draws": 1000,
}  # fmt: skip


@pytest.mark.parametrize(("hidden", "count"), [([], 3), (SHALLOW, 17), (DEEP, 472)])
def test_parameters_are_counted(hidden, count):
    assert resources.count_parameters(hidden) == count


@pytest.mark.parametrize(
    ("hidden", "inference", "engine", "seconds"),
    [
        # Measured: whole chains and steps of both engines (benchmarks/README.md).
        (SHALLOW, NUTS, "compiled", 14.1),
        (SHALLOW, NUTS, "pyro", 170),
        (DEEP, NUTS, "compiled", 47),
        (DEEP, NUTS, "pyro", 325),
        (SHALLOW, SVI | {"steps": 1_000_000}, "compiled", 64),
        (SHALLOW, SVI | {"steps": 100_000}, "pyro", 516),
        (DEEP, SVI | {"steps": 1_000_000}, "compiled", 215),
        (DEEP, SVI | {"steps": 100_000}, "pyro", 706),
        (DEEP, SVI | {"steps": 100_000, "guide": "AutoMultivariateNormal"}, "compiled", 420),
        (DEEP, SVI | {"steps": 100_000, "guide": "AutoLowRankMultivariateNormal"}, "compiled", 400),
    ],
)
def test_a_fit_is_given_time_enough_and_not_absurdly_more(hidden, inference, engine, seconds):
    minutes = resources.fit_needs(hidden, 1000, inference, engine)["runtime"] - resources.START
    assert 1.5 * seconds < 60 * minutes < 20 * seconds


def test_the_default_fits_and_predictions_have_the_memory_that_they_had_at_most():
    """As the benchmarks of a run recorded it, and two processes of Snakemake, 340 MB."""
    assert resources.fit_needs(DEEP, 1000, SVI, "auto")["mem_mb"] > 983 + 340
    assert resources.prediction_needs(SHALLOW, 50, 4000)["mem_mb"] > 350 + 340
    assert resources.prediction_needs(SHALLOW, 5000, 4000)["mem_mb"] > 753 + 340


@pytest.mark.parametrize(
    ("base", "more", "grows"),
    [
        (NUTS, {"draws": 5000}, "runtime"),
        (NUTS, {"warmup": 5000}, "runtime"),
        (NUTS, {"max_tree_depth": 12}, "runtime"),
        (SVI, {"steps": 1_000_000}, "runtime"),
        (SVI, {"draws": 1_000_000}, "mem_mb"),
        (NUTS | {"sampler": "nutpie"}, {"sampler": "pyro"}, "runtime"),
        (NUTS, {"mass_matrix": "dense"}, "mem_mb"),
        (SVI, {"guide": "AutoMultivariateNormal"}, "mem_mb"),
        (SVI, {"device": "cuda"}, "mem_mb"),
        (SVI | {"steps": 1_000_000}, {"device": "cuda"}, "runtime"),
        (SVI, {"starts": 20, "starts_per_job": 20}, "runtime"),
    ],
)
def test_needs_follow_from_the_fit(base, more, grows):
    wide = [100, 100]
    before, after = (resources.fit_needs(wide, 10_000, s, "auto") for s in (base, base | more))
    assert after[grows] > before[grows]


def test_starts_count_as_often_as_they_are_in_a_job():
    alone, many, both, all_of_two = (
        resources.fit_needs(
            DEEP, 1000, SVI | {"starts": starts, "starts_per_job": together}, "pyro"
        )
        for starts, together in ((1, 1), (2, 1), (2, 2), (2, 9))
    )
    assert many == alone
    assert both["runtime"] > alone["runtime"]
    assert all_of_two == both


def test_starts_on_a_gpu_share_its_launches():
    alone, many = (
        resources.fit_needs(DEEP, 1000, SVI | starts | {"device": "cuda"}, "auto")["runtime"]
        for starts in ({"starts": 1}, {"starts": 100, "starts_per_job": 100})
    )
    assert alone < many < resources.START + 50 * (alone - resources.START)


def test_needs_follow_from_network_points_and_engine():
    base = resources.fit_needs(DEEP, 1000, NUTS, "compiled")
    assert resources.fit_needs(DEEP, 1000, NUTS, "auto") == base
    assert resources.fit_needs(DEEP, 1000, NUTS, "pyro")["runtime"] > base["runtime"]
    for larger in (([1000] * 5, 1000), (DEEP, 100_000)):
        needs = resources.fit_needs(*larger, NUTS, "compiled")
        assert needs["runtime"] > base["runtime"]
        assert needs["mem_mb"] > base["mem_mb"]


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
