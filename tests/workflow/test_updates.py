"""Updates that carry a function: each set seen once, by one fit after another."""

import html
import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import yaml

from bnnflow.files import memories, posterior
from bnnflow.files.parameters import LIKELIHOOD

SHORT = {"chains": 3, "chains_per_job": 3, "optimum_steps": 60, "warmup": 60, "draws": 40}
MCLMC = {"method": "mclmc", "thinning": 2} | SHORT
SVI = {"method": "svi", "steps": 60, "starts": 1, "draws": 40}
NORMAL, LEARNT = {"stddev": 1.5}, {"stddev": 1.5, "scaling": "learnt"}
FILES = "--configfile", "updates.yaml"
LAST = "results/fits/third/diagnostics.csv"


def chained(sets, methods, prior=NORMAL, inputs=6):
    """Fits of one set each, of which each updates the one before."""
    names = ("first", "second", "third")
    priors = [prior] + [
        {"posterior_of": name, "carry": "function", "inputs": inputs} for name in names[:2]
    ]
    own = zip(names, sets, priors, methods, strict=True)
    return {
        name: {"data": data, "prior": prior, "inference": method}
        for name, data, prior, method in own
    }


def configured(project, data, fits):
    config = {"engine": "pyro", "data": data, "models": {"default": {"hidden": [3]}}}
    whole = config | {"fits": fits}
    if "table" not in data:
        own = yaml.safe_load(project.path("config/config.yaml").read_text(encoding="utf-8"))
        whole |= SIMULATED | {"fits": dict.fromkeys(own["fits"]) | fits}
    project.path("updates.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")


SIMULATED = {
    "predictions": {"grid": [-0.5, 1.5, 20]},
    "evaluation": {"regions": {"all": [[-0.5, 1.5]]}},
    "figures": {"data": {"data": ["a"], "new_data": ["a", "b", "c"]}},
}
DATA = {
    "truth": [-0.5, 1.5, 20],
    "held_out": [-0.5, 1.5, 40],
    "observations": [
        {"name": "a", "intervals": [[-0.2, 0.2, 10]]},
        {"name": "b", "intervals": [[0.2, 0.6, 4]]},
        {"name": "c", "intervals": [[0.6, 1.0, 10]]},
    ],
}


def inputs_of(printed, rule):
    """Files that the jobs of a rule read, by what Snakemake prints."""
    found = re.findall(rf"^(?:local)?rule {rule}:\n +input: (.*)$", printed, re.M)
    assert found
    return {name for line in found for name in line.split(", ")}


@pytest.mark.slow
def test_an_update_of_an_update_reads_its_own_set_and_what_is_remembered(empty):
    fits = chained("abc", (MCLMC, SVI, MCLMC))
    configured(empty, DATA, fits)
    report = "--report", "results/report.html", "--report-after-run"
    printed = empty.snakemake("--cores", "2", *report, *FILES)
    assert not empty.planned(*FILES)

    place = "results/fits/third"
    assert inputs_of(printed, "third_chain") == {
        "results/data/c.csv",
        f"{place}/memory.safetensors",
    }
    assert inputs_of(printed, "third_memory") == {
        "results/data/b.csv",
        "results/fits/second/posterior.nc",
        "results/fits/second/memory.safetensors",
    }
    assert inputs_of(printed, "second_memory") == {
        "results/data/a.csv",
        "results/fits/first/posterior.nc",
    }
    # The inputs of the first set, from which the second memory is not made, are remembered.
    of_a, of_ab = (
        memories.read(empty.path(f"results/fits/{fit}/memory.safetensors"))
        for fit in ("second", "third")
    )
    assert of_a.encoding == of_ab.encoding
    assert len(of_a.inputs) == len(of_ab.inputs) == 6
    column = of_ab.encoding.inputs[0]
    rows = pd.read_csv(empty.path("results/data/b.csv"))["x"].to_numpy()
    own = (rows[:, None] - column.centre) / column.scale
    new = np.isclose(of_ab.inputs, own.T, atol=1e-5).any(1)
    old = np.isclose(of_ab.inputs, of_a.inputs.T, atol=0).any(1)
    assert (new | old).all()
    assert (new & ~old).any()
    assert (old & ~new).any()

    for name in ("third", "third_beside_prior"):
        assert empty.path(f"results/figures/{name}.png").stat().st_size > 5000
    story = html.unescape(empty.path("results/report.html").read_text(encoding="utf-8"))
    assert "Beside it stands what" in story
    assert "are not carried over" not in story

    # New data at the end refit nothing before.
    of_c = {"name": "c", "intervals": [[0.6, 1.0, 9]]}
    configured(empty, DATA | {"observations": [*DATA["observations"][:2], of_c]}, fits)
    jobs = empty.planned(LAST, *FILES)
    expected = {"generate_data_c", "third_chain", "third", "predict", "diagnose_third"}
    assert expected <= jobs.keys()
    assert jobs["predict"] == 1
    assert not [name for name in jobs if "first" in name or "second" in name or "memory" in name]


KINDS = {
    # A column of the table, the methods of the fits, the first prior, and outputs of the network.
    "colour": ((SVI, SVI, MCLMC), NORMAL, 3),
    "seeds": ((MCLMC, MCLMC, SVI), LEARNT, 1),
    "height": ((MCLMC, SVI, SVI), LEARNT, 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("target", KINDS)
def test_kinds_of_targets_are_updated(empty, target):
    methods, prior, outputs = KINDS[target]
    random = np.random.default_rng(0)
    light = random.uniform(0, 3, 60)
    columns = {
        "height": light + random.normal(size=60),
        "seeds": random.poisson(np.exp(light / 2)),
        "colour": np.array(["green", "red", "white"])[np.digitize(light, [1, 2])],
    }
    table = pd.DataFrame({"light": light, target: columns[target]})
    table.to_csv(empty.path("plants.csv"), index=False)
    batches = [f"batch{number}" for number in (1, 2, 3)]
    data = {"table": "plants.csv", "targets": target, "sets": 3}
    configured(empty, data, chained(batches, methods, prior))
    empty.snakemake("--cores", "2", LAST, *FILES)
    assert empty.planned(LAST, *FILES) == Counter()
    for fit in ("second", "third"):
        memory = memories.read(empty.path(f"results/fits/{fit}/memory.safetensors"))
        own = sum(site.size for site in memory.sites if site.role == LIKELIHOOD)
        rank, numbers = memory.loading.shape
        assert numbers == 6 * outputs + own
        assert 0 < rank <= numbers
        assert any(site.name == "layer1.scale" for site in memory.sites) == (prior is LEARNT)
    tree = posterior.read(empty.path("results/fits/third/posterior.nc"))
    assert {site.name for site in memory.sites} == {*tree["posterior"].data_vars}
