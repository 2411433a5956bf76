"""The schema by which editors check config files: it refuses nothing that a run takes."""

import re

import jsonschema
import pytest
import yaml
from conftest import ROOT

from bnnflow.config.checks import ConfigError, checked

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
FILES = [*ROOT.glob("config/*.yaml"), *ROOT.glob("examples/*/config/*.yaml")]
PAGES = [ROOT / "README.md", *ROOT.glob("*/README.md"), *ROOT.glob("examples/*/README.md")]


def faults(config):
    return [*jsonschema.Draft202012Validator(SCHEMA).iter_errors(config)]


def blocks(page):
    return re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.S)


def table(**data):
    return {"data": {"table": "a.csv", "targets": ["y"]} | data, "fits": {"mine": {}}}


def fit(**settings):
    return {"fits": {"mine": settings}}


def likelihood(given):
    return {"models": {"own": {"likelihood": given}}} | fit(model="own")


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_config_of_the_project_is_valid(path):
    assert not faults(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_every_config_of_the_pages_is_valid():
    found = [block for page in PAGES for block in blocks(page)]
    assert len(found) > 5
    assert not [block for block in found if faults(yaml.safe_load(block))]


@pytest.mark.parametrize(
    "config",
    [
        {"seed": None, **fit()},
        {"fits": {"mine": {}, "svi_deep": None}},
        fit(inference={"steps": 20}),
        fit(inference={"method": "nuts", "steps": None, "starts": None}),
        fit(inference={"method": None, "draws": 20}),
        fit(prior={"posterior_of": "other", "family": None, "stddev": None}),
        fit(prior={"scaling": "fan_in"}),
        fit(data=None, grid={"prior.stddev": [1, 2]}, replicates=3),
        likelihood({}),
        likelihood({"rate": 2}),
        likelihood("student_t"),
        likelihood({"strength": "student_t", "grade": {}, "number": {"family": "poisson"}}),
        table(targets="y"),
        table(held_out=0.3),
        table(held_out={"where": {"year": [2020, None]}}),
        table(held_out={"where": {"year": [[None, 2000], [2020, None]], "plant": ["A", "B"]}}),
        table(sets={"first": {"year": [None, 2010]}, "second": {"year": [2011, None]}}),
        table(sets=10),
        {"data": {"missing": "drop"}},
    ],
)
def test_what_a_run_takes_is_valid(config):
    assert not faults(config)


@pytest.mark.parametrize(
    "config",
    [
        {"seed": -1},
        {"seed": "many"},
        {"fit": {"mine": {}}},
        {"fits": {"Mine": {}}},
        fit(inferenz={}),
        fit(inference={"method": "nut"}),
        fit(inference={"method": "nuts", "steps": 10}),
        fit(inference={"drawz": 10}),
        fit(prior={"posterior_of": "other", "stddev": 1}),
        likelihood("student"),
        likelihood({"family": "normal", "df": 3}),
        likelihood({"strength": "student"}),
        table(held_out=1.5),
        table(held_out={"share": 0.3, "rows": 5}),
        table(held_out={"where": {"year": [2020, None, None]}}),
        table(sets=1),
        table(targets=[]),
        table(noise=0.1),
        {"predictions": {"quantiles": [None]}},
    ],
)
def test_what_no_run_takes_is_told(config):
    assert faults(config)
    with pytest.raises(ConfigError):
        checked({"fits": {"mine": {}}} | config)


def test_every_key_may_be_null():
    """As a file does that leaves out what the file beneath it says."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    pending = [config]
    while pending:
        mapping = pending.pop()
        for key, value in list(mapping.items()):
            mapping[key] = None
            assert not faults(config), key
            mapping[key] = value
            pending += [value] if isinstance(value, dict) else []
