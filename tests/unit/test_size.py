"""How large models and tables are, by which jobs ask for memory and time."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyro import poutine

from bnnflow.config.checks import checked
from bnnflow.files.columns import Column
from bnnflow.files.encodings import Encoding
from bnnflow.model import build, several, size
from bnnflow.model.likelihoods.normal import Normal
from bnnflow.run.plan import Plan

TARGETS = (
    Column("strength"),
    Column("grade", kind="classes", levels=("a", "b", "c", "d")),
    Column("sold", kind="binary", levels=("no", "yes")),
    Column("flaws", kind="count"),
)


@settings(max_examples=60, deadline=None)
@given(
    hidden=st.lists(st.integers(1, 6), max_size=4),
    inputs=st.integers(1, 5),
    targets=st.lists(st.sampled_from(TARGETS), min_size=1, unique=True),
    skip=st.sampled_from(["none", "linear"]),
    scaling=st.sampled_from(["none", "learnt"]),
    own=st.sampled_from([None, {"strength": {"family": "heteroscedastic_normal"}}]),
)
def test_a_model_is_as_large_as_it_is_built(hidden, inputs, targets, skip, scaling, own):
    model = {"hidden": hidden, "activation": "tanh", "residual": False, "skip": skip}
    targets = tuple(targets)
    found = size.of_model(model | {"likelihood": own}, scaling == "learnt", inputs, targets)
    built = build.network(
        model | {"likelihood": several.chosen(own, targets)},
        {"family": "normal", "scaling": scaling},
        inputs,
        Encoding((Column("x"),), targets).levels,
    )
    with torch.no_grad():
        sites = poutine.trace(built).get_trace(torch.zeros(1, inputs)).nodes.values()
    values = [
        site["value"]
        for site in sites
        if site["type"] == "sample" and not site["name"].endswith("obs") and "fn" in site
        if not type(site["fn"]).__name__.startswith("_Subsample")
    ]
    weights = built.response.network.shapes
    assert size.weight_shapes(model, inputs, found.outputs) == weights
    assert found.numbers == sum(value.numel() for value in values)
    assert found.layers == len(hidden) + 1
    assert found.units == inputs + sum(hidden) + found.outputs


def test_a_learnt_correlation_counts():
    model = {"hidden": [3], "skip": "none"}
    targets = [Column(name) for name in ("a", "b", "c")]
    alone, together = (
        size.of_model(model | {"likelihood": own}, False, 2, targets).numbers
        for own in ({"family": "normal"}, {"family": "normal", "correlated": True})
    )
    (shape,) = Normal(correlated=True).of_correlation((0, 0, 0)).values()
    assert together == alone + np.prod(shape)


def table(count):
    at = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "width": at.normal(size=count).round(5),
            "alloy": at.choice(["p", "q", "r"], count),
            "wet": at.choice(["yes", "no"], count),
            "grade": at.choice(["a", "b", "c", "d"], count),
            "strength": at.normal(size=count).round(5),
        }
    )


def source(**data):
    data = {"table": "own.csv", "targets": ["grade", "strength"]} | data
    return Plan(checked({"data": data, "fits": {"mine": {}}})).source


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["own.csv", "own.parquet"])
def test_a_small_table_is_known_as_it_is(folder, name):
    rows = table(40)
    rows.loc[3, "width"] = None
    (rows.to_csv if name.endswith("csv") else rows.to_parquet)(name, index=False)
    found = source(table=name, missing="indicator")
    assert (found.about.width, found.about.levels) == (1 + 3 + 1 + 1, (4, 0))
    assert found.rows(["train"]) == 40
    plan = Plan(checked({"data": found.settings, "fits": {"mine": {}}}))
    # Two layers of 16, an output of every class and one of strength, which has a sigma.
    assert plan.size("mine").numbers == 7 * 16 + 17 * 16 + 17 * 5 + 1


@pytest.mark.parametrize("name", ["own.csv", "own.parquet"])
def test_of_a_large_table_the_beginning_is_read(folder, name, monkeypatch):
    rows = table(60_000)
    (rows.to_csv if name.endswith("csv") else rows.to_parquet)(name, index=False)
    found = source(table=name)
    # The lines of a text differ by some letters.
    assert found.rows(["train"]) == pytest.approx(60_000, rel=0.01)
    assert (found.about.width, found.about.levels) == (1 + 3 + 1, (4, 0))


def test_of_a_table_that_cannot_be_used_there_is_a_guess(folder):
    guess = source()
    assert (guess.about.width, guess.about.levels) == (20, (0, 0))
    assert guess.rows(["train"]) == 10_000
    (folder / "own.csv").write_text("a,b,grade,strength\n" + "1,2,a,3\n" * 50)
    constant = source()
    assert (constant.about.width, constant.about.levels) == (2, (0, 0))
    assert constant.rows(["train"]) == 50


def test_scales_that_the_first_fit_of_a_lineage_learns_are_those_of_all(config):
    svi = {"method": "svi", "steps": 10}
    first = {"prior": {"scaling": "learnt"}, "inference": svi}
    more = {name: {"prior": {"posterior_of": of}, "inference": svi} for of, name in ("ab", "bc")}
    plain = {"prior": {}, "inference": svi}
    plan = Plan(checked({"fits": {"a": first, "plain": plain, **more}}))
    sizes = {name: plan.size(name).numbers for name in plan.fits}
    assert sizes["a"] == sizes["b"] == sizes["c"] == sizes["plain"] + 3
