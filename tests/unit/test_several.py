"""Targets with likelihoods of their own: which they have, and what the model of all is."""

import numpy as np
import pandas as pd
import pytest
import torch
from docutils.core import publish_doctree
from pyro import poutine
from scipy import stats

from bnnflow.config.checks import ConfigError, checked
from bnnflow.files.columns import Column
from bnnflow.files.encodings import Encoding
from bnnflow.model import build
from bnnflow.model.likelihood import LIKELIHOODS
from bnnflow.model.several import chosen, given_of, of_settings, possible, site_of
from bnnflow.run import captions
from bnnflow.run.plan import Plan

STRENGTH = Column("tensile strength")
GRADE = Column("grade", kind="classes", levels=("a", "b", "c"))
SOLD = Column("sold", kind="binary", levels=("no", "yes"))
FLAWS = Column("flaws", kind="count")
MIXED = STRENGTH, GRADE, FLAWS
LEVELS = 0, 3, 0

PRIOR = {"stddev": 1.5, "scaling": "none"}
NETWORK = {"hidden": [4], "activation": "tanh", "residual": False, "skip": "none"}


def families(given, targets):
    found = chosen(given, targets)
    return found["family"] if isinstance(found, dict) else [own["family"] for own in found]


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ((STRENGTH,), "normal"),
        ((STRENGTH, Column("width"), Column("age", kind="whole")), "normal"),
        ((GRADE, Column("colour", kind="classes", levels=("red", "blue", "grey"))), "categorical"),
        (MIXED, ["normal", "categorical", "negative_binomial"]),
        ((SOLD, GRADE), ["bernoulli", "categorical"]),
    ],
)
def test_targets_of_one_kind_share_a_likelihood_and_others_have_their_own(targets, expected):
    assert families(None, targets) == families({}, targets) == expected


def test_settings_are_of_all_targets_or_by_target():
    width = Column("width")
    whole = {"family": "student_t", "rate": 2.0}
    assert chosen(whole, (STRENGTH, width))["rate"] == 2.0
    own = {"tensile strength": whole, "grade": {}}
    assert families(own, (STRENGTH, width, GRADE)) == ["student_t", "normal", "categorical"]
    # What is the same for all is one likelihood, however it was said.
    each = {"tensile strength": whole, "width": whole}
    assert chosen(each, (STRENGTH, width)) == chosen(whole, (STRENGTH, width))
    assert families({"flaws": {"family": "poisson"}}, (FLAWS,)) == "poisson"
    assert given_of(own, "grade") is None
    # A target may have the name of a key.
    assert families({"rate": {"family": "student_t"}}, (Column("rate"),)) == "student_t"
    assert families({"family": {"family": "student_t"}}, (Column("family"),)) == "student_t"


def test_a_likelihood_that_does_not_suit_is_told_with_those_that_do():
    for given in ({"family": "poisson"}, {"grade": {"family": "poisson"}}):
        with pytest.raises(ValueError, match=r"poisson is of count targets, but grade is classes"):
            chosen(given, (GRADE, FLAWS))
    with pytest.raises(ValueError, match=r"for which there are bernoulli, categorical$"):
        chosen({"family": "normal"}, (SOLD,))


def test_only_measurements_are_scaled(tmp_path):
    random = np.random.default_rng(0)
    rows = {"x": 5 + random.normal(size=30), "tensile strength": 400 + random.normal(size=30)}
    rows |= {"grade": random.choice(list("abc"), 30), "flaws": random.poisson(2.0, 30)}
    pd.DataFrame(rows).to_csv(tmp_path / "rows.csv", index=False)
    about = Encoding((Column("x"),), MIXED)
    settings = {"model": NETWORK, "prior": PRIOR}
    encoding, _, y, told = build.known([tmp_path / "rows.csv"], about, "standard", settings)
    scaled, *others = encoding.targets
    assert scaled.centre == pytest.approx(400, abs=1)
    assert others == [GRADE, FLAWS]
    np.testing.assert_array_equal(y[:, 2], rows["flaws"])
    np.testing.assert_array_equal(y[:, 1], [list("abc").index(grade) for grade in rows["grade"]])
    own = build.network(**told).response.own
    assert own == {"target1.sigma": (), "target3.level": (1,), "target3.dispersion": (1,)}


def test_a_site_is_known_by_its_target():
    assert site_of("target3.level") == (2, "level")
    assert site_of("sigma") == (None, "sigma")
    assert site_of("layer1.weight") == (None, "layer1.weight")


def model():
    torch.manual_seed(0)
    told = NETWORK | {"likelihood": chosen(None, MIXED)}
    return build.network(told, PRIOR, inputs=2, targets=LEVELS)


def test_the_log_density_is_the_sum_of_those_of_the_parts():
    """By SciPy: of weights, of the likelihoods' own sites, and of every target's response."""
    own = model()
    x = torch.randn(25, 2)
    trace = poutine.trace(own).get_trace(x)
    value = {
        name: node["value"].double().numpy()
        for name, node in trace.nodes.items()
        if node["type"] == "sample" and isinstance(node["value"], torch.Tensor)
    }
    outputs = trace.nodes["_RETURN"]["value"].double().numpy()
    assert outputs.shape == (5, 25)
    mean, logits, log_mean = outputs[0], outputs[1:4], value["target3.level"] + outputs[4]
    size = 1 / value["target3.dispersion"]
    shares = np.exp(logits) / np.exp(logits).sum(0)
    seen = value["target2.obs"].ravel().astype(int)
    parts = {
        "weights": sum(
            stats.norm(0, 1.5).logpdf(value[name]).sum() for name in own.response.network.shapes
        ),
        "sigma": stats.gamma(1.0).logpdf(value["target1.sigma"]),
        "level": stats.norm(0, 5.0).logpdf(value["target3.level"]).sum(),
        "dispersion": stats.gamma(1.0).logpdf(value["target3.dispersion"]).sum(),
        "strength": stats.norm(mean, value["target1.sigma"]).logpdf(value["target1.obs"]).sum(),
        "grade": np.log(shares[seen, np.arange(25)]).sum(),
        "flaws": stats.nbinom(size, size / (size + np.exp(log_mean)))
        .logpmf(value["target3.obs"].ravel())
        .sum(),
    }
    # Some hundred terms in single precision.
    assert trace.log_prob_sum().item() == pytest.approx(sum(parts.values()), rel=1e-5)


def config(**likelihood):
    data = {"table": "t.csv", "targets": ["strength", "grade"]}
    models = {"own": {"likelihood": likelihood}}
    return {"data": data, "models": models, "fits": {"mine": {"model": "own"}}}


def told(**likelihood):
    with pytest.raises(ConfigError) as error:
        checked(config(**likelihood))
    return str(error.value)


def test_the_config_takes_likelihoods_by_target():
    given = checked(config(strength={"family": "student_t"}, grade={}))["models"]["own"]
    assert given["likelihood"]["strength"]["family"] == "student_t"
    assert given["likelihood"]["strength"]["rate"] == 1.0
    assert given["likelihood"]["grade"] == {}


@pytest.mark.filterwarnings("error")
def test_whole_degrees_of_freedom_are_taken_without_a_word():
    given = checked(config(strength={"family": "student_t", "df": 4}))
    assert given["models"]["own"]["likelihood"]["strength"]["df"] == 4
    assert chosen({"family": "student_t", "df": 4}, (STRENGTH,))["df"] == 4


def test_the_name_of_a_family_stands_for_its_defaults():
    for given in ({"strength": "student_t"}, {"strength": "student_t", "grade": "bernoulli"}):
        spelled_out = {name: {"family": family} for name, family in given.items()}
        assert checked(config(**given)) == checked(config(**spelled_out))
    shared, spelled_out = config(), config(family="poisson")
    shared["models"]["own"]["likelihood"] = "poisson"
    assert checked(shared) == checked(spelled_out)


@pytest.mark.parametrize(
    ("likelihood", "expected"),
    [
        (
            {"strenght": {"family": "normal"}},
            "models.own.likelihood: is 'strenght', which is not among the targets"
            " (did you mean strength?); allowed are strength, grade",
        ),
        (
            {"grad": {}},
            "models.own.likelihood: is 'grad', which is not among the targets",
        ),
        (
            {"strength": {"family": "norma"}},
            "models.own.likelihood.strength.family: is 'norma' (did you mean normal?); allowed are"
            " normal, bernoulli",
        ),
        (
            {"strength": "student", "grade": {}},
            "models.own.likelihood.strength.family: is 'student' (did you mean student_t?)",
        ),
        (
            {"strength": {"family": "student_t", "power": 2}},
            "models.own.likelihood.strength: has the unknown key power",
        ),
        (
            {"strength": {"df": 5}},
            "models.own.likelihood.strength: lacks the key family (df is a key of the family"
            " student_t)",
        ),
        (
            {"strength": {"family": "normal", "rate": -1}},
            "models.own.likelihood.strength.rate: is -1; allowed is more than 0",
        ),
        (
            {"family": "normal", "strength": {}},
            "models.own.likelihood: has settings of the target strength beside family; allowed is"
            " one likelihood of all targets, or a mapping of target names to likelihoods",
        ),
    ],
)
def test_faults_of_likelihoods_by_target_are_told_with_the_target(likelihood, expected):
    assert expected in told(**likelihood)


@pytest.mark.parametrize("family", ["normal", "student_t", "heteroscedastic_normal"])
def test_correlation_is_of_several_targets_with_the_same_settings(family):
    own = {"family": family, "correlated": True, "correlation_concentration": 2.0}
    assert checked(config(**own))["models"]["own"]["likelihood"]["correlated"]
    checked(config(strength=own, grade=own))
    for given in ({"strength": own}, {"strength": own, "grade": own | {"rate": 2.0}}):
        assert (
            "models.own.likelihood.strength.correlated: is true, but grade has other settings;"
            " residuals are correlated between all targets or none: give every target (strength,"
            " grade) the same settings, or leave correlated out"
        ) in told(**given)
    alone = config(**own)
    alone["data"]["targets"] = "strength"
    with pytest.raises(ConfigError, match=r"correlated: is true, but strength is the only target"):
        checked(alone)
    assert "has correlation_concentration without correlated: true" in told(
        family=family, correlation_concentration=2.0
    )


def test_a_transform_has_a_mean_by_the_likelihood_of_its_own_target():
    given = config(strength={"family": "normal"}, grade={"family": "student_t"})
    given["data"]["transform"] = {"strength": "log"}
    checked(given)
    given["data"]["transform"] = {"grade": "log"}
    with pytest.raises(ConfigError, match=r"data\.transform\.grade: is log, after which .*own"):
        checked(given)


def test_a_fit_counts_the_modules_of_all_families_that_its_targets_may_have():
    def of(**likelihood):
        plan = Plan(checked(config(**likelihood)))
        return {path.stem for path in plan.response_modules("mine")}

    both = {"strength": {"family": "student_t"}, "grade": {"family": "categorical"}}
    assert of(**both) == {"student_t", "categorical"}
    assert of(family="poisson") == {"poisson"}
    assert of(**(both | {"grade": {}})) == {*LIKELIHOODS}
    assert possible(None, ["strength"]) == LIKELIHOODS.named()


def test_captions_have_the_formula_of_every_target_whatever_its_name():
    given = config(**{"a_*b*_": {"family": "student_t"}, "grade": {}})
    given["data"]["targets"] = ["a_*b*_", "grade"]
    formulas = captions.of_fit(Plan(checked(given)), "mine")["formulas"]
    (name, formula), (other, empty) = formulas.items()
    assert formula == LIKELIHOODS.made({"family": "student_t"}).formula()
    assert (other, empty) == ("grade", "")
    tree = publish_doctree(f"The likelihood of {name}:", settings_overrides={"halt_level": 2})
    assert tree.astext() == "The likelihood of a_*b*_:"
    alone = captions.of_fit(Plan(checked(config(family="poisson"))), "mine")["formulas"]
    assert alone == {"": LIKELIHOODS.made({"family": "poisson"}).formula()}


def test_captions_know_whether_residuals_are_correlated():
    own = {"family": "normal", "correlated": True}
    for given, expected in ((own, True), ({"strength": own, "grade": own}, True), ({}, False)):
        told = captions.of_fit(Plan(checked(config(**given))), "mine")
        assert told["correlated"] == expected


def test_all_outputs_are_those_of_the_parts():
    own = of_settings(chosen({"tensile strength": {"family": "heteroscedastic_normal"}}, MIXED))
    assert own.outputs(LEVELS) == 2 + 3 + 1
    assert own.scalable(LEVELS) == (True, False, False)
