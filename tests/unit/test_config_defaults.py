"""Configs that leave out what is no decision."""

import math

import pytest
import yaml
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnflow.config import relations
from bnnflow.config.checks import ConfigError, checked, spelled_out
from bnnflow.config.settings import DEFAULT_MODEL, Config, Fit
from bnnflow.methods.running.method import METHODS
from bnnflow.model.likelihood import LIKELIHOODS
from bnnflow.model.settings import Model


def told(config: dict) -> str:
    with pytest.raises(ConfigError) as error:
        checked(config)
    return str(error.value)


def test_a_fit_without_settings_is_a_whole_config():
    config = checked({"fits": {"my_first_fit": {}}})
    fit = config["fits"]["my_first_fit"]
    assert fit["title"] == "My first fit"
    assert fit["data"] == relations.observation_names(config) == ["old", "new"]
    assert fit["inference"]["method"] == "mclmc"
    assert fit["inference"]["chains"] > 1
    likelihood = {"likelihood": LIKELIHOODS.made({}).model_dump(exclude_none=True)}
    assert config["models"] == {fit["model"]: Model().model_dump() | likelihood}
    assert config["figures"]["data"] == {"data": ["old", "new"]}
    assert relations.figure_names(config)


def test_a_completed_config_is_its_own_completion():
    config = checked({"fits": {"mine": {}, "again": {"inference": {"method": "svi"}}}})
    given = {key: value for key, value in config.items() if key not in ("groups", "splits")}
    again = checked(given)
    assert again == config


def test_a_config_that_is_spelled_out_means_the_same():
    study = {"replicates": 2, "grid": {"prior.stddev": [1, 2]}}
    given_config = {"fits": {"study": study, "mine": {}, "x": None}}
    valid = checked(given_config)
    again = spelled_out(given_config, valid)
    assert list(again["fits"]) == ["mine", "study"]
    assert again["fits"]["mine"]["inference"]["chains"] == 16
    assert checked(again) == valid


def test_given_settings_stay_and_the_others_get_their_defaults():
    inference = {"method": "nuts", "sampler": "pyro", "warmup": 7}
    config = checked({"fits": {"mine": {"inference": inference, "data": "new"}}})
    made = config["fits"]["mine"]["inference"]
    assert made == METHODS.made({"method": "nuts"}).model_dump(exclude_none=True) | inference | {
        "mass_matrix": "diagonal"
    }
    assert config["fits"]["mine"]["data"] == ["new"]


def test_a_model_called_as_the_default_takes_its_place():
    config = checked({"fits": {"mine": {}}, "models": {DEFAULT_MODEL: {"hidden": [3]}}})
    assert config["models"][DEFAULT_MODEL]["hidden"] == [3]
    others = checked({"fits": {"mine": {"model": "own"}}, "models": {"own": {}}})
    assert list(others["models"]) == ["own"]


def test_a_grid_may_vary_what_the_entry_leaves_out():
    grid = {"prior.stddev": [1, 2.5], "inference.method": ["svi"]}
    config = checked({"fits": {"study": {"grid": grid, "replicates": 2}}})
    assert len(config["fits"]) == 4
    fit = config["fits"]["study-stddev_2.5-method_svi-1"]
    assert fit["prior"] == {"family": "normal", "stddev": 2.5, "scaling": "none"}
    assert fit["inference"]["guide"]
    assert fit["title"] == "Study (stddev=2.5 method=svi, replicate 1)"
    with pytest.raises(ConfigError, match=r"varies inference.method \(baseline and svi\)"):
        checked({"fits": {"study": {"grid": {"inference.method": ["svi", "baseline"]}}}})


places = st.lists(
    st.tuples(st.integers(-50, 50), st.integers(1, 20), st.integers(2, 50)), min_size=1, max_size=4
)


@settings(max_examples=100, deadline=None)
@given(places, st.sampled_from([1.0, 1e-3, 1e6]))
def test_regions_and_axes_follow_data_anywhere(given_places, unit):
    intervals = [[low * unit, (low + width) * unit, n] for low, width, n in given_places]
    data = {"observations": [{"name": "here", "intervals": intervals}]}
    config = checked({"fits": {"mine": {}}, "data": data})
    low, high = min(i[0] for i in intervals), max(i[1] for i in intervals)
    first, last, _ = config["data"]["held_out"]
    assert math.isclose(low - first, (high - low) / 4)
    assert math.isclose(last - high, (high - low) / 4)
    regions = config["evaluation"]["regions"]
    assert {"data", "extrapolation", "all"} <= regions.keys() <= {*regions, "gap"}
    lengths = {name: sum(b - a for a, b in parts) for name, parts in regions.items()}
    assert math.isclose(lengths.pop("all"), sum(lengths.values()), rel_tol=1e-9)


def test_a_gap_without_points_is_no_region():
    close = [[0.0, 1.0, 5], [1.0 + 1e-6, 2.0, 5]]
    data = {"observations": [{"name": "here", "intervals": close}]}
    assert "gap" not in checked({"fits": {"mine": {}}, "data": data})["evaluation"]["regions"]


def test_texts_are_numbers_where_yaml_reads_them_so():
    config = {
        "fits": {"mine": {"inference": {"draws": "20"}, "prior": {"stddev": "0.5"}, "title": "3"}},
        "data": {"noise": "0.1", "held_out": ["-1", "2.5", "100"]},
        "strict": "true",
    }
    made = checked(config)
    assert made["data"]["noise"] == 0.1
    assert made["data"]["held_out"] == [-1, 2.5, 100]
    assert made["strict"] is True
    assert made["fits"]["mine"]["inference"]["draws"] == 20
    assert made["fits"]["mine"]["title"] == "3"
    assert "data.noise: is '[[[['; allowed is a number" in told(
        config | {"data": {"noise": "[[[["}}
    )


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (
            {"inference": {"guide": "AutoDiagonalNormal", "steps": 5}},
            "fits.mine.inference: lacks the key method (guide, steps are keys of the method svi)",
        ),
        ({"inference": {"steps": 5}}, "lacks the key method (steps is a key of the method svi)"),
        ({"draws": 5}, "has the unknown key draws (did you mean inference.draws?)"),
        ({"inference": {"chain": 5}}, "has the unknown key chain (did you mean chains?)"),
        ({"prior": {"sttdev": 5}}, "has the unknown key sttdev (did you mean stddev?)"),
        ({"data": "olt"}, "is 'olt', which is not among the observations (did you mean old?)"),
        ({"model": "fancy"}, "fits.mine.model: is 'fancy', which is not among the models"),
        ({"inference": 3}, "fits.mine.inference: is 3; allowed is a mapping"),
        (
            {"inference": {"method": []}},
            "fits.mine.inference.method: is []; allowed are mclmc, baseline, ensemble,",
        ),
        (
            {"inference": {"method": "mclmc", "adjusted": True, "energy_variance": 0.1}},
            "inference.energy_variance: is 0.1; allowed with adjusted: true is none",
        ),
        (
            {"inference": {"adjusted": True, "warmup_energy_variance": 1.0}},
            "inference.warmup_energy_variance: is 1.0; allowed with adjusted: true is none",
        ),
        (
            {"inference": {"method": "mclmc", "target_accept": 0.8}},
            "inference.target_accept: is 0.8; allowed with adjusted: false is none",
        ),
        (
            {"inference": {"method": "mclmc", "chains": "some"}},
            "inference.chains: is 'some'; allowed is an integer from 1 to 1000, or auto",
        ),
        (
            {"inference": {"method": "mclmc", "chains": 0}},
            "inference.chains: is 0; allowed is an integer from 1 to 1000, or auto",
        ),
        (
            {"inference": {"method": "mclmc", "chains": 8, "most_chains": 16}},
            "inference.most_chains: is 16; allowed with chains: 8 is none",
        ),
        *(
            (
                {"inference": {"method": method, parts: "auto"}},
                f"inference.{parts}: is 'auto'; allowed is an integer from 1 to 1000; auto is for"
                " chains of method: mclmc",
            )
            for method, parts in (("nuts", "chains"), ("svi", "starts"), ("laplace", "members"))
        ),
        ({"prior": "old"}, "fits.mine.prior: is 'old'; allowed is a mapping"),
    ],
)
def test_a_fault_of_a_short_fit_says_what_was_meant(fit, message):
    assert message in told({"fits": {"mine": fit}})


def test_a_fault_brings_no_other_with_it():
    lines = told({"fits": {"mine": {"inference": {"draws": "many"}}}}).splitlines()
    assert lines[1:-1] == [
        "  fits.mine.inference.draws: is 'many'; allowed is an integer",
    ]


def test_fits_without_a_value_are_told_how_to_be_written():
    message = "fits.mine: is null, which leaves no fit; for a fit by defaults write mine: {}"
    assert message in told({"fits": {"mine": None}})


def test_the_noise_of_a_model_is_called_likelihood_now():
    models = {"mine": {"noise": {"concentration": 0.5, "rate": 1.0, "power": 2}}}
    assert "models.mine: has the unknown key noise (write likelihood: {family: normal," in told(
        {"fits": {"mine": {"model": "mine"}}, "models": models}
    )


def test_a_region_that_no_point_reaches_is_told_with_the_ways_out():
    regions = {"far": [[1.2, 1.3]], "all": [[-0.5, 1.3]]}
    grid = {"predictions": {"grid": [0, 0.1, 3]}, "evaluation": {"regions": regions}}
    message = told({"fits": {"mine": {}}, **grid})
    assert "evaluation.regions.far: is [[1.2, 1.3]], where there is none of the 3 points" in message
    assert "change predictions.grid, or leave the region out" in message
    assert "far: null" in message
    assert "regions.all" not in message


def test_every_key_is_described_in_a_sentence():
    def described(schema):
        for entry in schema.get("$defs", {}).values():
            yield from entry.get("properties", {}).items()
        yield from schema["properties"].items()

    for key, entry in described(Config.model_json_schema()):
        assert "$ref" in entry or entry["description"].endswith("."), key


def test_the_tutorial_says_every_number_that_its_posteriors_depend_on():
    """So that another default changes no result of the tutorial."""
    given_config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    made = checked(given_config)
    same = {"device", "seed", "starts_per_job"}
    assert made["models"] == given_config["models"]
    for name, fit in given_config["fits"].items():
        assert fit.keys() >= Fit.model_fields.keys() - {"note"}
        assert made["fits"][name]["prior"] == fit["prior"]
        assert made["fits"][name]["inference"].keys() - fit["inference"].keys() <= same
