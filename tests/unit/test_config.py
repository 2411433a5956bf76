import contextlib
import copy
import datetime
import random
import re

import pytest
import yaml
from conftest import ROOT
from docutils import nodes
from docutils.core import publish_doctree
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnflow.config.checks import ConfigError, checked
from bnnflow.config.relations import figure_names, lineage, observation_names, rule_names

DEFAULT = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))


# And an entry that stands for many fits.
STUDY = copy.deepcopy(DEFAULT)
STUDY["fits"]["study"] = {
    **copy.deepcopy(DEFAULT["fits"]["svi_shallow"]),
    "grid": {"prior.stddev": [1.0, 2.5], "model": ["shallow", "deep"], "data": ["old", ["new"]]},
    "replicates": 2,
}


def changed(path: str, value) -> dict:
    config = copy.deepcopy(DEFAULT)
    *parents, last = path.split(".")
    place = config
    for key in parents:
        place = place[key]
    place[last] = value
    return config


@pytest.mark.parametrize(
    ("text", "opened", "whole"),
    [
        ("{noise: 0.1", "{ is", "{noise: 0.1}"),
        ("{observations: [{name: old}", "{ and [ are", "{observations: [{name: old}]}"),
        ('{title: "a } b"', "{ is", '{title: "a } b"}'),
        ("{title: 'a", "{ and ' are", "{title: 'a'}"),
    ],
)
def test_a_mapping_of_the_command_line_that_is_not_closed_is_told(config, text, opened, whole):
    """Snakemake takes such a value of --config for a text."""
    with pytest.raises(ConfigError) as refused:
        checked(config | {"data": text})
    (told,) = [line for line in str(refused.value).splitlines() if "data: " in line]
    assert f"where {opened} not closed; write {whole!r}" in told
    assert yaml.safe_load(whole)


@pytest.mark.parametrize("null", [None, "null", "~"])
def test_null_leaves_out_as_a_value_and_as_the_text_that_the_command_line_passes(config, null):
    config["fits"]["mcmc_deep"] = null
    config["fits"]["svi_shallow"]["inference"]["seed"] = null
    found = checked(config)
    assert "mcmc_deep" not in found["fits"]
    assert "seed" not in found["fits"]["svi_shallow"]["inference"]


def test_the_default_is_valid_and_loses_only_its_nulls():
    expected = copy.deepcopy(DEFAULT) | {"groups": {}, "splits": {}}
    for fit in {*expected["fits"]} - {"mcmc_shallow", "svi_shallow"}:
        assert expected["fits"][fit]["inference"].pop("seed", "absent") is None
    for fit in expected["fits"].values():
        fit["data"] = [fit["data"]] if isinstance(fit["data"], str) else fit["data"]
    assert checked(DEFAULT) == expected


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "sead",
            1,
            "config: has the unknown key sead (did you mean seed?); allowed are data, diagnostics,",
        ),
        ("fits", None, "config: lacks the key fits"),
        ("seed", -1, "seed: is -1; allowed is 0 or more"),
        ("seed", 2**32, "seed: is 4294967296; allowed is 4294967295 or less"),
        ("seed", 1.0, "seed: is 1.0; allowed is an integer"),
        ("seed", True, "seed: is True; allowed is an integer"),
        ("data.noise", 0, "data.noise: is 0; allowed is more than 0"),
        ("data.noise", float("nan"), "data.noise: is nan; allowed is a finite number"),
        ("data.noise", float("inf"), "data.noise: is inf; allowed is a finite number"),
        ("data.truth", [0, 1], "data.truth: is [0, 1]; allowed are exactly 3 entries"),
        ("data.truth", [1, 0, 9], "data.truth: runs from 1 to 0"),
        ("data.observations", [], "data.observations: is []; allowed are at least 1 entries"),
        (
            "data.observations",
            [{"name": "truth", "intervals": [[0, 1, 2]]}],
            "data.observations[0].name: is 'truth'",
        ),
        ("models.deep.hidden", [3, 0], "models.deep.hidden[1]: is 0; allowed is 1 or more"),
        ("models.deep.activation", "cos", "is 'cos'; allowed are tanh, relu"),
        ("models.shallow.residual", True, "residual: true with hidden: [5], where no layer is as"),
        (
            "models.shallow",
            {"hidden": [], "skip": "linear"},
            "has skip: linear with hidden: [], which is a linear model without it",
        ),
        (
            "models.deep.likelihood.rate",
            [],
            "deep.likelihood.rate: is []; allowed is a number",
        ),
        (
            "models.deep.likelihood.rate",
            "1e-3",
            "is the text '1e-3'; allowed is a number, as YAML writes it: 0.001",
        ),
        (
            "fits.svi_deep.inference.steps",
            "1e4",
            "is the text '1e4'; allowed is an integer, as YAML writes it: 10000",
        ),
        (
            "data.noise",
            "1e-5",
            "is the text '1e-5'; allowed is a number, as YAML writes it: 1.0e-05",
        ),
        ("seed", "1.5", "seed: is 1.5; allowed is an integer"),
        ("seed", "nan", "seed: is 'nan'; allowed is an integer"),
        ("fits.svi_deep.title", "abc\n", "allowed is one line of text"),
        ("fits.svi_deep.title", " ", "fits.svi_deep.title: is ' '; allowed is one line of text"),
        ("fits.svi_deep.title", "a\nb", "allowed is one line of text"),
        (
            "fits.svi_deep.data",
            3,
            "is 3; allowed is the name of observations, or a list of such names",
        ),
        ("fits", {}, "fits: is empty"),
        ("fits.Deep", {}, "fits: has the name 'Deep'; allowed is a name of lower-case letters"),
        ("data.observations", [{"name": "a"}], "data.observations[0]: lacks the key intervals"),
        ("fits.svi_deep.data", "gap", "is 'gap', which is not among the observations"),
        ("fits.svi_deep.data", "truth", "is 'truth', which is not among the observations"),
        (
            "fits.svi_deep.model",
            "dep",
            "is 'dep', which is not among the models (did you mean d",
        ),
        ("fits.svi_deep.prior.stddev", -5, "prior.stddev: is -5; allowed is more than 0"),
        ("fits.svi_deep.prior.posterior_of", "svi_shallow", "either a family with its keys, or"),
        ("fits.svi_updated.prior.posterior_of", "nobody", "allowed are svi_shallow"),
        ("fits.svi_shallow", None, "not among the fits; allowed are svi_joint, svi_new"),
        ("fits.svi_updated.prior.posterior_of", "svi_updated", "circle: svi_updated <- svi_upda"),
        ("fits.svi_updated.prior.posterior_of", "mcmc_shallow", "is nuts; allowed is carry: f"),
        ("fits.svi_updated.model", "deep", "whose network does not fit: its hidden is [5]"),
        ("fits.svi_shallow.prior", {"posterior_of": "svi_updated"}, "priors go in a circle"),
        (
            "fits.svi_shallow.inference.combine",
            "mixture",
            "fits.svi_updated.prior.posterior_of: is 'svi_shallow', a mixture of many normal"
            " distributions, which has no mean and standard deviation to extract; allowed is carry:"
            " function, or a fit with combine: best",
        ),
        (
            "fits.svi_deep.inference.method",
            "vi",
            "method: is 'vi' (did you mean svi?); allowed are mclmc, baseline, ensemble,",
        ),
        ("fits.svi_deep.inference.warmup", 5, "inference: has the unknown key warmup; allowed"),
        ("fits.mcmc_deep.inference.chains", 0, "chains: is 0; allowed is 1 or more"),
        ("fits.mcmc_deep.inference.target_accept", 1, "is 1; allowed is less than 1"),
        (
            "fits.mcmc_deep.inference.mass_matrix",
            "low_rank",
            "the sampler pyro are diagonal, dense",
        ),
        (
            "fits.mcmc_deep.inference",
            {
                **{"method": "nuts", "sampler": "nutpie", "device": "cpu", "warmup": 0, "draws": 1},
                "chains": 1,
                **{"target_accept": 0.8, "max_tree_depth": 5, "mass_matrix": "diagonal"},
                "init": "uniform",
            },
            "warmup: is 0; allowed with the sampler nutpie is 1 or more",
        ),
        ("fits.mcmc_deep.inference.init", "zero", "allowed are uniform, median, prior"),
        ("fits.svi_deep.inference.schedule", "linear", "allowed are constant, cosine"),
        ("fits.svi_deep.inference.device", "gpu", "is 'gpu'; allowed are cpu, cuda"),
        ("engine", "fast", "engine: is 'fast'; allowed are auto, compiled, pyro"),
        ("predictions.quantiles", [1e-5], "is 1e-05; allowed is 0.0001 or more"),
        ("predictions.quantiles", [0.5, 0.5], "no entry may stand twice"),
        ("fits.svi_joint.data", ["old", "old"], "allowed is the name of observations, or a list"),
        (
            "fits.svi_joint.data",
            [],
            "fits.svi_joint.data: is []; allowed is the name of observations",
        ),
        ("fits.svi_joint.data", ["old", "gap"], "is 'gap', which is not among the observations"),
        ("fits.svi_joint.inference.starts", 0, "starts: is 0; allowed is 1 or more"),
        ("fits.oracle", DEFAULT["fits"]["svi_joint"], "is the name of the generating process"),
        ("strict", "often", "strict: is 'often'; allowed is true or false"),
        ("diagnostics.rhat", [1.1], "diagnostics.rhat: is [1.1]; allowed are exactly 2 entries"),
        (
            "diagnostics.ess",
            [100, 400],
            "diagnostics.ess: is [100, 400]; low values are bad there, so the first limit must be",
        ),
        (
            "diagnostics.rhat",
            [1.1, 1.01],
            "diagnostics.rhat: is [1.1, 1.01]; high values are bad there, so the second limit",
        ),
        (
            "diagnostics.rhatt",
            [1, 2],
            "has the unknown key rhatt (did you mean rhat?); allowed are",
        ),
        ("data.held_out", [0, -1, 9], "data.held_out: runs from 0 to -1"),
        ("evaluation.regions", {}, "evaluation.regions: is empty"),
        ("evaluation.regions.gap", [[0.6, 0.2]], "regions.gap[0]: runs from 0.6 to 0.2"),
        ("evaluation.regions.far", [[5, 6]], "there is none of the 1000 held-out points from -0.5"),
        ("predictions.grid", [0, 0.1, 3], "there is none of the 3 points of predictions.grid from"),
        ("figures.xlim", [1, 1], "figures.xlim: is [1, 1]; the first must be less"),
        ("figures.data", {"data": ["future"]}, "figures.data.data[0]: is 'future', which is not"),
        ("figures.data", {"svi_deep": ["old"]}, "two figures would be called 'svi_deep'"),
        ("figures.style", "", "figures.style: is empty"),
        ("figures.style", "a\0b", r"is 'a\x00b', which has a character that cannot be written"),
        ("fits.svi_deep.title", "\x1b[31m", "which has a character that cannot be written"),
        ("fits.svi_deep.title", "\ud800", "which has a character that cannot be written"),
        ("fits.svi_deep.title", "x" * 201, "allowed is one line of text, of at most 200 letters"),
        ("fits.svi_deep.note", "x" * 10_001, "which has 10001 letters; allowed are 10000"),
        ("fits.svi_deep\n", {}, r"fits: has the key 'svi_deep\n'; a key is a short line"),
        ("fits.svi\ndeep", {}, r"fits: has the key 'svi\ndeep'; a key is a short line"),
        ("data.observations", [{"name": "old\n", "intervals": [[0, 1, 2]]}], "allowed is a name"),
        ("fits", {1: {}}, "fits: has the key 1; a key is a short line of text"),
        ("fits", {None: {}}, "fits: has the key None; a key is a short line of text"),
        ("fits", {"k" * 101: {}}, "fits: has the key 'kkk"),
        ("seed", datetime.date(2020, 1, 1), "neither a text nor a number, list or mapping"),
        ("seed", b"1", "seed: is b'1', neither a text nor a number, list or mapping"),
        ("seed", print, "seed: is <built-in function print>, neither a text"),
        ("predictions.grid", (0, 1, 5), "predictions.grid: is (0, 1, 5), neither a text nor"),
        ("seed", 2**64, "seed: is a number of 65 bits; allowed are 63"),
        ("data.truth", [0, 1, 10**18], "data.truth[2]: is 1000000000000000000; allowed is 1000000"),
        ("data.held_out", [0, 1, 10**7], "data.held_out[2]: is 10000000; allowed is 1000000 or"),
        ("predictions.grid", [0, 1, 10**7], "predictions.grid[2]: is 10000000; allowed is"),
        ("predictions.grid", [-1e300, 1e300, 9], "grid[0]: is -1e+300; allowed is -1000000000 or"),
        ("predictions.function_draws", 10**6, "keeps 3000030000 numbers; allowed are"),
        ("data.noise", 1e300, "data.noise: is 1e+300; allowed is 1000000000 or less"),
        ("models.deep.hidden", [10**12], "hidden[0]: is 1000000000000; allowed is 100000 or less"),
        ("models.deep.hidden", [2] * 101, "allowed are at most 100 entries"),
        (
            "models.deep.hidden",
            [10**5, 10**5],
            "fits.mcmc_deep: has 50 draws and 10000400002 par",
        ),
        ("fits.svi_deep.inference.draws", 10**6 * 3, "draws and 1000 held-out points; allowed are"),
        ("fits.svi_deep.inference.steps", 10**9, "steps: is 1000000000; allowed is 10000000 or"),
        ("predictions.quantiles", [0.5] * 1001, "has 1001 entries; allowed are 1000 or fewer"),
        ("predictions.quantiles", [[[0] * 100] * 100] * 100, "has more than 50000 entries"),
    ],
)
def test_a_fault_is_named_with_its_key_value_and_what_is_allowed(path, value, message):
    with pytest.raises(ConfigError) as error:
        checked(changed(path, value))
    assert message in str(error.value)
    assert "config/README.md" in str(error.value)


def test_names_that_would_collide_are_refused():
    fit = DEFAULT["fits"]["mcmc_shallow"]
    with pytest.raises(ConfigError, match="two rules would be called 'mcmc_shallow_chain'"):
        checked(changed("fits.mcmc_shallow_chain", fit))
    with pytest.raises(ConfigError, match="two rules would be called 'predict'"):
        checked(changed("fits.predict", fit), reserved=frozenset({"predict"}))


def test_every_fault_is_told_at_once():
    config = changed("seed", -1)
    config["data"]["noise"] = -1
    with pytest.raises(ConfigError, match=r"(?s)data\.noise.*seed"):
        checked(config)


def test_a_gpu_is_refused_where_pyro_evaluates():
    on_gpu = changed("fits.svi_deep.inference.device", "cuda")
    checked(on_gpu)
    on_gpu["engine"] = "pyro"
    with pytest.raises(ConfigError, match=r"svi_deep\.inference\.device: .* engine pyro cannot"):
        checked(on_gpu)


@pytest.mark.parametrize(("part", "other"), [("residual", True), ("skip", "linear")])
def test_the_source_of_an_update_has_the_same_connections(part, other):
    config = changed("models.plain", {"hidden": [5, 5]})
    config["models"]["other"] = {"hidden": [5, 5], part: other}
    config["fits"]["svi_shallow"]["model"] = "plain"
    config["fits"]["svi_updated"]["model"] = "other"
    with pytest.raises(ConfigError, match=f"does not fit: its {part} is .*, this fit's is {other}"):
        checked(config)


def test_updates_chain():
    config = copy.deepcopy(DEFAULT)
    again = copy.deepcopy(config["fits"]["svi_updated"])
    config["fits"]["again"] = again | {"prior": {"posterior_of": "svi_updated"}}
    fits = checked(config)["fits"]
    assert lineage(fits, "again") == ["svi_shallow", "svi_updated", "again"]
    assert {"again", "again_start"} <= set(rule_names(checked(config)))
    assert "again_beside_prior" in figure_names(checked(config))


CARRIED = {"posterior_of": "svi_shallow", "carry": "function"}


def carrying(**changed) -> dict:
    """A config whose update carries a function."""
    config = copy.deepcopy(DEFAULT)
    config["fits"]["svi_updated"]["prior"] = CARRIED | changed
    return config


@pytest.mark.parametrize("source", ["svi_shallow", "mcmc_shallow", "ensemble_shallow"])
def test_a_function_is_carried_from_fits_of_any_method(source):
    whole = checked(carrying(posterior_of=source))
    assert whole["fits"]["svi_updated"]["prior"]["inputs"] == 100
    assert "svi_updated_memory" in rule_names(whole)
    assert "svi_updated_memory" not in rule_names(checked(DEFAULT))
    mixture = carrying(posterior_of=source, inputs=20)
    mixture["fits"]["svi_shallow"]["inference"]["combine"] = "mixture"
    assert checked(mixture)["fits"]["svi_updated"]["prior"]["inputs"] == 20


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (CARRIED | {"inputs": 0}, "svi_updated.prior.inputs: is 0; allowed is 1 or more"),
        (CARRIED | {"inputs": 1001}, "prior.inputs: is 1001; allowed is 1000 or less"),
        (
            CARRIED | {"inputs": 20, "carry": "diagonal"},
            "prior.inputs: is 20; allowed with carry: diagonal is none",
        ),
        ({"posterior_of": "svi_shallow", "inputs": 20}, "allowed with carry: diagonal is none"),
        (CARRIED | {"carry": "all"}, "carry: is 'all'; allowed are diagonal, function"),
        (CARRIED | {"stddev": 1.0}, "a family with its keys, or posterior_of with carry and inpu"),
        ({"carry": "function"}, "prior: has carry or inputs, which are of another fit's posterior"),
        ({"inputs": 20, "stddev": 1.0}, "has carry or inputs, which are of another fit's post"),
        (CARRIED | {"posterior_of": "svi_deep"}, "whose network does not fit: its hidden is [10,"),
        (CARRIED | {"posterior_of": "svi_updated"}, "go in a circle: svi_updated <- svi_updated"),
        (CARRIED | {"posterior_of": "nobody"}, "allowed are mcmc_shallow, svi_shallow,"),
        (CARRIED | {"posterior_of": "svi_mixture", "carry": "diagonal"}, "allowed is carry: func"),
        (
            CARRIED | {"posterior_of": "cheap"},
            "is 'cheap', a baseline, which has no posterior; allowed is a fit of a network",
        ),
        (
            CARRIED | {"posterior_of": "optima"},
            "is 'optima', of which each member is one draw (inference.method: ensemble, draws: 1),"
            " which does not say how sure the fit is of the function; allowed is a fit with more",
        ),
        (CARRIED | {"posterior_of": "short"}, "each chain is one draw (inference.method: mclmc,"),
    ],
)
def test_a_source_that_cannot_be_carried_is_told(prior, message):
    config = copy.deepcopy(DEFAULT)
    config["fits"]["svi_updated"]["prior"] = prior
    own = {"data": "old", "model": "shallow", "prior": {"stddev": 10.0}}
    config["fits"] |= {
        "cheap": {"data": "old", "inference": {"method": "baseline"}},
        "optima": own | {"inference": {"method": "ensemble"}},
        "short": own | {"inference": {"method": "mclmc", "draws": 1}},
    }
    with pytest.raises(ConfigError) as error:
        checked(config)
    assert message in str(error.value)


def test_a_function_is_carried_with_its_likelihood():
    """What is said of the noise is of the source's noise."""
    config = carrying()
    heavy = config["models"]["shallow"] | {"likelihood": {"family": "student_t"}}
    config["models"]["heavy"] = heavy
    config["fits"]["svi_updated"]["model"] = "heavy"
    told = "is 'svi_shallow', whose likelihood is another: models.shallow.likelihood is {'family'"
    with pytest.raises(ConfigError, match=told):
        checked(config)
    config["fits"]["svi_updated"]["prior"] = {"posterior_of": "svi_shallow"}
    checked(config)


def test_fits_with_and_without_a_memory_are_entries_of_their_own():
    config = carrying(carry="diagonal")
    update = config["fits"]["svi_updated"]
    update["grid"] = {"prior.carry": ["diagonal", "function"]}
    with pytest.raises(ConfigError, match=r"svi_updated\.grid: has fits with carry: function besi"):
        checked(config)
    update["prior"]["carry"], update["grid"] = "function", {"prior.inputs": [10, 20]}
    names = rule_names(checked(config))
    assert names.count("svi_updated_memory") == 1


def test_what_no_memory_holds_is_refused():
    large = changed("models.shallow.hidden", [100, 300])
    del large["fits"]["svi_mixture"]
    checked(large)
    large["fits"]["svi_shallow"]["inference"]["guide"] = "AutoMultivariateNormal"
    with pytest.raises(
        ConfigError, match="of 30802 parameters; allowed are 22360 or fewer, or the"
    ):
        checked(large)
    large = changed("fits.svi_shallow.inference.steps", 1_000_000)
    large["fits"]["svi_shallow"]["inference"] |= {"starts": 900, "starts_per_job": 1000}
    with pytest.raises(ConfigError, match="has 900000000 steps in all starts of a job; allowed"):
        checked(large)
    large = changed("fits.mcmc_shallow.inference.mass_matrix", "dense")
    large["models"]["shallow"]["hidden"] = [100, 300]
    del large["fits"]["svi_mixture"]
    with pytest.raises(ConfigError, match="22360 or fewer, or another mass_matrix"):
        checked(large)


def test_what_contains_itself_is_refused():
    itself = []
    itself.append(itself)
    with pytest.raises(ConfigError, match=r"predictions\.quantiles.*or contains itself"):
        checked(changed("predictions.quantiles", itself))
    mapping = {}
    mapping["fits"] = mapping
    with pytest.raises(ConfigError, match="or contains itself"):
        checked(mapping)
    many = [1]
    for _ in range(30):
        many = [many] * 9
    with pytest.raises(ConfigError, match=r"config: has more than 50000 entries|levels"):
        checked(changed("predictions.quantiles", many))


def test_only_so_many_faults_are_shown():
    config = copy.deepcopy(DEFAULT)
    config["fits"] |= {f"f{i}": {"title": 1} for i in range(100)}
    with pytest.raises(ConfigError, match="and 80 more") as error:
        checked(config)
    assert str(error.value).count("\n") == 22


def test_a_key_that_stands_twice_is_a_fault(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text("seed: 1\nfits: {a: {note: x}, a: null}\nengine: pyro\nseed: 2\n")
    with pytest.raises(ConfigError) as error:
        checked(DEFAULT, paths=[path])
    assert f"{path}, line 1: the key 'seed' stands twice" in str(error.value)
    assert f"{path}, line 2: the key 'a' stands twice" in str(error.value)
    # An anchor goes in a circle; tags are for others to refuse.
    path.write_text("a: &a {b: *a, c: !x 1, <<: {d: 1}}\n[1, 2]: {[1, 2]: 3}\n")
    checked(DEFAULT, paths=[path, tmp_path / "missing", ROOT / "config/config.yaml"])


def refused_note(note: str) -> str | None:
    """What is said of a note, where it is refused."""
    try:
        checked(changed("fits.svi_deep.note", note))
    except ConfigError as error:
        return str(error)
    return None


SCRIPT = "<script>alert(1)</script>"
CELL = f"""
+---+------------------------------+
| a |.. raw:: html                 |
+---+                              |
| b |                              |
| b |   {SCRIPT}  |
+---+------------------------------+
"""
DIRECTIVES = [
    f".. raw:: html\n\n   {SCRIPT}",
    f"..  RAW  :: html\n\n   {SCRIPT}",
    f"Text.\n\n   .. raw:: html\n\n      {SCRIPT}",
    f"- .. raw:: html\n\n     {SCRIPT}",
    f"1. .. raw:: html\n\n      {SCRIPT}",
    f":field: .. raw:: html\n\n   {SCRIPT}",
    CELL,
    CELL.replace("| a |.. raw:: html", "| a |             ").replace(
        "+             ", "+.. raw:: html", 1
    ),
    f"Text.\u2028\u2028.. raw:: html\u2028\u2028   {SCRIPT}",
    f"..\traw:: html\n\n   {SCRIPT}",
    f"A |x|.\n\n.. |x| raw:: html\n\n   {SCRIPT}",
    f".. role:: x(raw)\n   :format: html\n\n:x:`{SCRIPT}`",
    f"..\n\n.. raw:: html\n\n   {SCRIPT}",
    ".. include:: /etc/passwd",
    ".. csv-table:: x\n   :file: /etc/passwd",
    ".. image:: https://example.org/x.png",
    ".. _x: javascript:alert(1)\n\nx_",
]
ADDRESSES = [
    "`x <javascript:alert(1)>`_",
    "`x <JaVa\\Script:alert(1)>`__",
    "`x <java\nscript\t:alert(1)>`_",
    "javascript:alert(1)",
    "x__\n\n__ java script:alert(1)",
    "`x <vbscript:x>`_",
    "`x <data:text/html,<script>alert(1)</script\\>>`_",
    "data:image/svg+xml;base64,PHN2Zz4=",
]
HARMLESS = [
    "Text, *text*, **text**, ``a..b``, and so on... and :math:`x^2`. On the new data: see below.",
    "`A page <https://example.org/a>`__, (see ../x), and 1..2;\nwait.... A `.` and a..",
    f"It says {SCRIPT} & {{{{ x }}}}:\n\n- a list\n- of two::\n\n    literally",
]


@pytest.mark.parametrize("note", DIRECTIVES)
def test_notes_with_directives_are_refused(note):
    assert "fits.svi_deep.note: has '..' by itself, with which" in refused_note(note)


@pytest.mark.parametrize("note", ADDRESSES)
def test_notes_with_addresses_that_run_code_are_refused(note):
    assert "fits.svi_deep.note: has an address that begins with" in refused_note(note)


@pytest.mark.parametrize("formula", ["a & b", r"\\", r"\foo{x}"])
def test_notes_with_formulas_that_no_report_can_show_are_refused(formula):
    refused = refused_note(f"Text, :math:`{formula}` and more.")
    assert "svi_deep.note: has a formula that cannot be put into the report (docutils: " in refused


@pytest.mark.parametrize("note", HARMLESS)
def test_notes_with_text_formulas_and_links_are_allowed(note):
    assert refused_note(note) is None
    assert live(note) == []


def live(note: str) -> list[str]:
    """What docutils makes of a note beyond text, formulas and links to pages."""
    quiet = {"report_level": 5, "halt_level": 5, "file_insertion_enabled": False}
    document = publish_doctree(f"**name.** {note}\n\nMore.\n\n{note}\n", settings_overrides=quiet)
    found = [type(node).__name__ for node in document.findall(nodes.raw)]
    found += [type(node).__name__ for node in document.findall(nodes.image)]
    addresses = [node.get("refuri", "") for node in document.findall(nodes.Element)]
    active = re.compile(r"(java|vb)script:|data:(text|image)")
    return found + [address for address in addresses if active.match(address.strip().lower())]


PIECES = [
    "..",
    ".",
    " ",
    "\n",
    "\n\n",
    "\t",
    "   ",
    "- ",
    "1. ",
    "|",
    "x",
    "`",
    "`_",
    "<",
    ">",
    "\\",
]
PIECES += ["raw:: html", "|x| raw:: html", "image:: x", "role:: y(raw)\n :format: html\n\n", ":y:"]
PIECES += [
    "java",
    "script:",
    "data:",
    "text/html",
    "`x <",
    ">`__",
    "_",
    "__ ",
    "::",
    "_x: ",
    "\u2028",
]
PIECES += [*DIRECTIVES, *ADDRESSES]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=8))
def test_a_note_is_refused_or_nothing_but_text_formulas_and_links(pieces):
    note = "".join(pieces)
    assert refused_note(note) or live(note) == []


# Keys of grids.
DOTTED = ["grid.model", "replicates.x", "prior", "prior.stddev", "prior.stddev.x", "inference.seed"]
DOTTED += ["title", "note", "model", ".", "prior.", ".model", "fits.study.model", "inference.grid"]

WORDS = st.text(max_size=8) | st.sampled_from(DOTTED)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)


def places(value, path=()):
    if path:
        yield path
    if isinstance(value, dict | list) and len(path) < 9:
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_broken_config_never_ends_in_anything_but_a_config_error(data):
    base = data.draw(st.sampled_from([DEFAULT, STUDY]))
    config = copy.deepcopy(base)
    for path in data.draw(st.lists(st.sampled_from(list(places(base))), min_size=1, max_size=3)):
        place = config
        try:
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = data.draw(JUNK)
        except (TypeError, KeyError, IndexError):
            continue  # an earlier change has removed this place
    try:
        valid = checked(config)
    except ConfigError:
        return
    if not valid["groups"]:
        assert checked({**valid, "groups": None, "splits": None}) == valid


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(DOTTED),
        st.lists(st.sampled_from(["shallow", "old", 1, 2.5]) | JUNK, min_size=1, max_size=2),
        min_size=1,
        max_size=2,
    )
)
def test_a_broken_grid_never_ends_in_anything_but_a_config_error(grid):
    config = copy.deepcopy(STUDY)
    config["fits"]["study"]["grid"] = grid
    with contextlib.suppress(ConfigError):
        checked(config)


VALUES = [None, True, False, 0, -1, 1, 2**31, 10**18, 10**400, 0.5, 1e308, -1e-320, float("nan")]
VALUES += [
    float("inf"),
    "",
    " ",
    "old",
    "1e4",
    "../../x",
    "/etc/passwd",
    "a\nb",
    "\0",
    "\ud800",
    "é",
]
VALUES += ["{{x}}", "$(id)", "`id`", "'; id #", "x" * 20_000, [], {}, [[]], [None], {"": 1}, {1: 2}]
VALUES += [{None: {}}, {(1, 2): 3}, b"x", {1.5}, (0, 1, 2), datetime.date(2020, 1, 1), print, 1j]
VALUES += [*DOTTED, *({key: ["shallow"]} for key in DOTTED), {"prior": ["x"], "prior.stddev": [1]}]
VALUES += [[0, 1, 10**18], [0.0] * 2000, {f"k{i}": i for i in range(2000)}]


def broken(at: random.Random) -> dict:
    """A config with parts taken out, replaced, renamed, doubled, wrapped or swapped."""
    config = copy.deepcopy(at.choice((DEFAULT, STUDY)))
    for _ in range(at.choice((1, 1, 2, 5))):
        everywhere = list(places(config))
        in_grids = [path for path in everywhere if "grid" in path]
        *parents, last = at.choice(in_grids if in_grids and at.random() < 0.2 else everywhere)
        place = config
        for key in parents:
            place = place[key]
        other = at.choice(list(places(config)))
        elsewhere = config
        for key in other:
            elsewhere = elsewhere[key]
        match at.randrange(7):
            case 0:
                del place[last]
            case 1 | 2:
                place[last] = copy.deepcopy(at.choice(VALUES))
            case 3:
                place[last] = copy.deepcopy(elsewhere)
            case 4 if isinstance(place, dict):
                place[at.choice(["x", "", 1, None, "a/../b", "b\n", last, *DOTTED])] = place.pop(
                    last
                )
            case 5:
                place[last] = at.choice(([place[last]], {"a": place[last]}))
            case 6:
                place[last] = elsewhere  # the same object twice, or one that contains itself
    return config


def test_thousands_of_broken_configs_are_refused_or_name_nothing_outside_the_results():
    messages = []
    for number in range(3000):
        config = broken(random.Random(number))
        try:
            valid = checked(config)
        except ConfigError as error:
            messages.append(str(error))
            continue
        names = [*rule_names(valid), *figure_names(valid), *observation_names(valid)]
        names += [*valid["models"], *valid["evaluation"]["regions"]]
        assert all(re.fullmatch("[a-z][a-z0-9_]*", name) for name in names)
        assert all(re.fullmatch(r"[a-z][\w.-]*", name, re.ASCII) for name in valid["fits"])
    assert 1500 < len(messages) < 3000
    assert all("Traceback" not in text and len(text) < 100_000 for text in messages)
