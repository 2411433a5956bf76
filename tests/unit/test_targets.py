"""What is told before a run: targets of other configs, files of other hands, forgotten fits."""

import copy

import pytest

from bnnflow.config.checks import checked
from bnnflow.config.relations import rule_names
from bnnflow.run import forgotten
from bnnflow.run.plan import Plan
from bnnflow.run.targets import unknown_target


@pytest.fixture
def plan(config):
    config["fits"]["study"] = copy.deepcopy(config["fits"]["svi_shallow"]) | {"replicates": 2}
    return Plan(checked(config))


def told(plan, *targets):
    return unknown_target(targets, plan, {"all", *rule_names(plan.config)})


@pytest.mark.parametrize(
    "target",
    [
        *("results/figures/my_fit.png", "results/figures/my_fit_loss.svg", "./results/fits/my_fit"),
        *("results/fits/my_fit/posterior.nc", "results/predictions/my_fit.nc", "my_fit"),
        "results/evaluations/my_fit.nc",
    ],
)
def test_a_target_of_another_config_is_told_with_the_fits_of_this_one(plan, target):
    fault = told(plan, "all", target)
    assert fault.startswith(f"{target} cannot be made: there is no ")
    assert "fit 'my_fit'; this config has mcmc_shallow, mcmc_deep, " in fault
    assert fault.endswith("name the config file that has it after --configfile")


@pytest.mark.parametrize(
    "target",
    [
        *(
            "all",
            "svi_deep",
            "study",
            "svi_deep_start",
            "results/report.html",
            "-n",
            "2",
            "a/b.txt",
        ),
        *("results/figures/svi_deep.png", "results/figures/svi_deep_loss.svg"),
        *("results/figures/study-0_chains.png", "results/figures/scores.png", "results/fits"),
        *("results/predictions/study-1.nc", "results/evaluations/oracle.csv"),
        *("results/fits/study-0/posterior.nc", "results/data/old.csv", "results/logs/x.log"),
    ],
)
def test_targets_of_this_config_and_of_no_kind_that_is_known_are_left_to_snakemake(plan, target):
    assert told(plan, target) is None


def test_a_data_set_and_a_fit_of_a_group_are_told(plan):
    assert "no data set 'mine', but old, new" in told(plan, "results/data/mine.csv")
    assert "its group has study-0, study-1" in told(plan, "results/predictions/study-2.nc")
    assert "is a fit of a group; ask for results/fits/study-0/posterior.nc" in told(plan, "study-0")


def test_fits_that_a_table_will_lose_are_named(tmp_path):
    table = tmp_path / "verdicts.csv"
    assert forgotten.warning(table, {"a"}) is None
    table.write_text('fit,verdict\na,pass\nmine,"fail, twice"\noracle,\n', encoding="utf-8")
    assert forgotten.warning(table, {"a", "mine", "oracle"}) is None
    said = forgotten.warning(table, {"a", "oracle"})
    assert "fits that this config does not have: mine." in said
    table.write_bytes(b"\xff\xfe\n\xff")
    assert forgotten.warning(table, {"a"}) is None


def test_a_table_that_there_is_not_is_told_with_those_there_are(plan):
    fault = told(plan, "results/tables/foo.csv")
    assert fault.endswith(
        "there is no table 'foo', but metrics, diagnostics, verdicts, groups, differences"
    )
    assert told(plan, "results/tables/metrics.csv", "results/tables/verdicts.checked") is None
