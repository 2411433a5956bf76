"""Many fits from one entry: names, seeds, faults, and the spread of scores."""

import copy

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT

from bnnflow.config import sizes, studies
from bnnflow.config.checks import ConfigError, checked
from bnnflow.config.relations import entries, figure_names, relatives, rule_names
from bnnflow.config.seeds import derived
from bnnflow.run import updates
from bnnflow.run.plan import Plan

DEFAULT = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
GRID = {"prior.stddev": [1.0, 2.5], "model": ["shallow", "deep"]}


def with_entry(**changes):
    config = copy.deepcopy(DEFAULT)
    config["fits"]["study"] = {**copy.deepcopy(config["fits"]["svi_shallow"]), **changes}
    return config


def test_an_entry_without_grid_and_replicates_is_a_fit_of_its_own():
    config = checked(DEFAULT)
    assert config["groups"] == {}
    assert list(config["fits"]) == list(DEFAULT["fits"])
    assert entries(config) == {name: [name] for name in DEFAULT["fits"]}


def test_a_grid_and_replicates_make_every_combination_under_readable_names():
    config = checked(with_entry(grid=GRID, replicates=2))
    cells = config["groups"]["study"]["cells"]
    assert cells == {
        f"stddev={stddev} model={model}": [
            f"study-stddev_{stddev}-model_{model}-{replicate}" for replicate in (0, 1)
        ]
        for stddev in ("1", "2.5")
        for model in ("shallow", "deep")
    }
    fit = config["fits"]["study-stddev_2.5-model_deep-1"]
    expected = copy.deepcopy(DEFAULT["fits"]["svi_shallow"])
    expected |= {"data": ["old"], "model": "deep", "title": fit["title"]}
    expected["prior"]["stddev"] = 2.5
    # The seed given is that of the first replicate.
    expected["inference"]["seed"] = derived(42, "replicate", 1)
    assert fit == expected
    assert fit["title"].endswith("(stddev=2.5 model=deep, replicate 1)")
    first = config["fits"]["study-stddev_2.5-model_deep-0"]
    assert first["inference"]["seed"] == 42
    assert entries(config)["study"] == studies.fits_of(cells)


def test_replicates_without_a_seed_differ_by_their_names():
    inference = {**DEFAULT["fits"]["svi_shallow"]["inference"], "seed": None}
    config = checked(with_entry(replicates=3, inference=inference))
    made = [config["fits"][f"study-{i}"] for i in range(3)]
    assert all("seed" not in fit["inference"] for fit in made)
    assert len({fit["title"] for fit in made}) == 3


def test_keys_that_end_alike_are_told_apart():
    grid = {"prior.scaling": ["none"], "inference.scaling": ["none"]}
    assert studies._labels(grid) == {key: key.replace(".", "_") for key in grid}


def test_rules_and_figures_of_a_group_are_the_entrys():
    config = checked(with_entry(grid=GRID, replicates=2))
    names = {"study", "study_start", "study_posterior"}
    assert {name for name in rule_names(config) if "study" in name} == {*names, "diagnose_study"}
    assert [name for name in figure_names(config) if "study" in name] == ["study"]


def test_a_fit_of_a_group_is_judged_beside_the_fits_of_its_kind():
    config = checked(with_entry(grid={"prior.stddev": [10.0, 3.0]}))
    beside = relatives(config)
    assert beside["study-stddev_10"] == {"reference": "mcmc_shallow"}
    assert beside["study-stddev_3"] == {}
    assert beside["svi_updated"] == {
        "source": "svi_shallow",
        "joint": "svi_joint",
        "alone": "svi_new",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replicates": 0}, "fits.study.replicates: is 0; allowed is 1 or more"),
        ({"grid": []}, "fits.study.grid: is []; allowed is a mapping"),
        ({"grid": {}}, "fits.study.grid: is empty; at least 1 entry is needed"),
        ({"grid": {"model": []}}, "fits.study.grid.model: is []; allowed are at least 1 entries"),
        ({"grid": {"model": "deep"}}, "fits.study.grid.model: is 'deep'; allowed is a list"),
        (
            {"grid": {"model": ["shallow", "wide"]}},
            "fits.study-model_wide.model: is 'wide', which is not among the models",
        ),
        (
            {"grid": {"inference.steps": [10, 0]}},
            "fits.study.inference.steps: is 0; allowed is 1 or more (grid: inference.steps=0)",
        ),
        (
            {"grid": {"inference.combine": ["best", "mixture"]}},
            "fits.study.grid: varies inference.combine (best and mixture), by which fits leave"
            " different files; write an entry for each",
        ),
        (
            {"grid": {"inference.step": [10, 20]}},
            "fits.study.grid: has the key inference.step (did you mean inference.steps?); allowed",
        ),
        (
            {"grid": {"steps": [10, 20]}},
            "fits.study.grid: has the key steps (did you mean inference.steps?); allowed are",
        ),
        (
            {"grid": {"priors.stddev": [1]}},
            "has the key priors.stddev (did you mean prior.stddev?)",
        ),
        ({"grid": {"replicates": [1, 2]}}, "has the key replicates; allowed are settings"),
        ({"grid": {"prior.stddev": [1, 1.0]}}, "has two values 1, whose fits would have the same"),
        ({"grid": {"model": ["a/../b"]}}, "of which no name can be made"),
        ({"grid": {"grid.model": ["shallow"]}}, "has the key grid.model (did you mean model?)"),
        ({"grid": {"replicates.x": [1]}}, "has the key replicates.x; allowed are settings"),
        ({"grid": {"title": ["a"]}}, "has the key title, which is of the entry as a whole;"),
        ({"grid": {"note": ["a", "b"]}}, "has the key note, which is of the entry as a whole;"),
        (
            {"grid": {"prior": ["x"], "prior.stddev": [1]}},
            "fits.study.grid: has the keys prior and prior.stddev, of which one is a part of the",
        ),
        (
            {"grid": {"data": ["a", "a-model_b"], "model": ["c", "b-model_c"]}},
            "makes several fits whose names would end in -data_a-model_b-model_c; change a value",
        ),
        (
            {"grid": {"inference.steps": list(range(1, 1001))}, "replicates": 11},
            "fits: are 11014 with their grids, replicates and updates; at most 10000",
        ),
    ],
)
def test_faults_of_studies_are_told_before_any_fit_is_made(changes, message):
    with pytest.raises(ConfigError) as caught:
        checked(with_entry(**changes))
    assert message in str(caught.value)


@pytest.mark.parametrize("figure", ["loss", "chains", "calibration", "beside_prior", "prior"])
def test_a_fit_of_a_group_is_not_called_as_a_figure(figure):
    name = f"shallow_{figure}"
    config = with_entry(grid={"model": ["shallow", name], "prior.stddev": [1, 2]})
    config["models"][name] = config["models"]["shallow"]
    assert f"study-model_{name}-stddev_2" in checked(config)["fits"]
    config["fits"]["study"]["grid"] = {"prior.stddev": [1], "model": ["shallow", name]}
    with pytest.raises(
        ConfigError, match=rf"study-stddev_1-model_{name}: ends in _{figure}, as figures of fits do"
    ):
        checked(config)
    config["fits"]["study"]["replicates"] = 1
    checked(config)


@pytest.mark.parametrize("name", ["a" * 20, "b" + "a" * 60, "ab" * 20, "x" + "abc" * 20])
def test_a_name_that_snakemake_takes_for_endless_is_refused(name):
    config = with_entry()
    config["fits"][name] = config["fits"].pop("study")
    with pytest.raises(ConfigError, match="the last of which do not repeat themselves 20 times"):
        checked(config)
    config["fits"][f"{name[:-1]}z"] = config["fits"].pop(name)
    checked(config)


def test_a_group_is_nobodys_prior_but_one_of_its_fits_can_be():
    config = with_entry(replicates=12)
    config["fits"]["svi_updated"]["prior"]["posterior_of"] = "study"
    with pytest.raises(
        ConfigError, match=r"is 'study', which is many fits; .* study-0, .* and 2 more"
    ):
        checked(config)
    config["fits"]["svi_updated"]["prior"]["posterior_of"] = "study-3"
    assert relatives(checked(config))["svi_updated"]["source"] == "study-3"


def test_many_faults_are_told_in_part():
    config = with_entry(model="nope", replicates=1000)
    with pytest.raises(ConfigError) as caught:
        checked(config)
    lines = str(caught.value).splitlines()
    assert lines[-2].strip() == "and 980 more"
    assert len(lines) == 1 + 20 + 1 + 1


def test_the_spread_is_that_of_a_groups_own_fits():
    random = np.random.default_rng(0)
    names = [f"a-{cell}-{i}" for cell in "xy" for i in range(4)] + ["other"]
    keys = pd.MultiIndex.from_product([names, ["data", "gap"], ["lppd", "points"]])
    metrics = keys.to_frame(index=False, name=["fit", "region", "metric"])
    metrics["value"] = random.normal(size=len(metrics))
    verdicts = pd.DataFrame({"fit": names, "verdict": ["pass"] * 3 + ["fail"] * 6})
    verdicts["verdict_gap"] = "pass"
    cells = {"k=x": names[:4], "k=y": names[4:8]}
    table = studies.spreads(metrics, verdicts, {"a": cells}).set_index(
        ["group", "settings", "region", "metric"]
    )
    assert (table["fits"] == [4, 8][0]).sum() == 2 * (2 + 4)
    for settings, fits in {**cells, "all": names[:8]}.items():
        rows = metrics[metrics["fit"].isin(fits) & (metrics["metric"] == "lppd")]
        own = rows[rows["region"] == "gap"]["value"].to_numpy()
        row = table.loc[("a", settings, "gap", "lppd")]
        values = [len(own), own.mean(), own.std(ddof=1), own.min(), np.median(own), own.max()]
        np.testing.assert_allclose(row.to_numpy(dtype=float), values, rtol=1e-12)
    assert table.loc[("a", "k=x", "", "pass"), "mean"] == 0.75
    assert table.loc[("a", "all", "", "fail"), "mean"] == 5 / 8
    assert table.loc[("a", "all", "gap", "pass"), "mean"] == 1
    assert "points" not in table.index.get_level_values("metric")


UPDATES = {
    "first": {"data": "old", "model": "shallow", "inference": {"method": "mclmc"}},
    "stream": {
        "model": "shallow",
        "prior": {"posterior_of": "first", "carry": "function"},
        "inference": {"method": "mclmc"},
        "updates": ["new", "later"],
    },
}
THREE = [
    {"name": name, "intervals": [[place, place + 0.1, 5]]}
    for place, name in enumerate(("old", "new", "later"))
]


def test_updates_are_a_chain_of_fits_each_with_the_posterior_of_the_one_before(config):
    config |= {"fits": UPDATES, "figures": {}}
    config["data"]["observations"] = THREE
    made = checked(config)
    assert {*made["fits"]} == {"first", "stream-new", "stream-later"}
    assert made["groups"]["stream"]["cells"] == {"new": ["stream-new"], "later": ["stream-later"]}
    second = made["fits"]["stream-later"]
    assert (second["data"], second["title"]) == (["later"], "Stream: later")
    assert second["prior"] == {"posterior_of": "stream-new", "carry": "function", "inputs": 100}
    plan = Plan(made)
    assert updates.learning(plan, "stream-later") == {"old": ["old", "new"], "new": ["later"]}
    assert updates.remembered(plan, "stream-later") == {
        "posterior": "results/fits/stream-new/posterior.nc",
        "data": ["results/data/new.csv"],
        "memory": "results/fits/stream-new/memory.safetensors",
    }


def test_every_replicate_of_updates_is_a_chain_of_its_own(config):
    config |= {"fits": UPDATES | {"stream": UPDATES["stream"] | {"replicates": 2}}, "figures": {}}
    config["data"]["observations"] = THREE
    made = checked(config)
    assert made["groups"]["stream"]["cells"]["later"] == ["stream-0-later", "stream-1-later"]
    assert made["fits"]["stream-1-later"]["prior"]["posterior_of"] == "stream-1-new"
    assert made["fits"]["stream-1-new"]["prior"]["posterior_of"] == "first"
    assert made["fits"]["stream-1-new"]["title"] == "Stream (replicate 1): new"


def test_a_memory_that_no_matrix_holds_is_refused(config, monkeypatch):
    config |= {"fits": copy.deepcopy(UPDATES), "figures": {}}
    config["data"]["observations"] = THREE
    config["models"]["shallow"] |= {"likelihood": {"family": "heteroscedastic_normal"}}
    config["fits"]["stream"]["prior"]["inputs"] = 1000
    checked(config)
    monkeypatch.setattr(sizes, "REMEMBERED", 1999)
    message = "fits.stream-new.prior.inputs: asks to remember 2000 outputs; allowed are 1999"
    with pytest.raises(ConfigError, match=message):
        checked(config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prior": {}}, "fits.stream: has updates without prior.posterior_of, the fit with which"),
        ({"data": "new"}, "fits.stream: has data beside updates, which say what each learns from"),
        ({"updates": ["new", "new"]}, "fits.stream.updates"),
        ({"updates": ["newer"]}, "is 'newer', which is not among the observations"),
    ],
)
def test_faults_of_updates_are_told(config, changes, message):
    config |= {"fits": UPDATES | {"stream": UPDATES["stream"] | changes}, "figures": {}}
    config["data"]["observations"] = THREE
    with pytest.raises(ConfigError) as told:
        checked(config)
    assert message in str(told.value)
