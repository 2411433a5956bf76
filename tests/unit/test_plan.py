"""What a config makes the workflow do, without Snakemake."""

import copy
import re
import shutil
from itertools import chain

import pytest
from conftest import ROOT

from bnnflow.config.checks import ConfigError, checked
from bnnflow.config.relations import rule_names
from bnnflow.config.seeds import derived
from bnnflow.judge.fit import NEEDED
from bnnflow.methods.running.method import METHODS
from bnnflow.run import provenance, rounds, updates
from bnnflow.run.fitting import FILES
from bnnflow.run.names import dataset, one_of, shortened, with_sorted_keys
from bnnflow.run.plan import Plan, PlanError
from bnnflow.run.styles import style_file

SCRIPTS = ROOT / "workflow/scripts"


@pytest.fixture
def study(config):
    """The tutorial's config with a group of six fits."""
    config["fits"]["study"] = copy.deepcopy(config["fits"]["svi_shallow"])
    config["fits"]["study"] |= {"grid": {"prior.stddev": [1.0, 2.5, 4.0]}, "replicates": 2}
    return Plan(checked(config))


def test_entries_are_fits_or_groups_of_fits(study):
    assert study.entries["mcmc_deep"] == ["mcmc_deep"]
    assert len(study.entries["study"]) == 6
    assert study.single == [name for name in study.entries if name != "study"]
    assert list(chain(*study.entries.values())) == list(study.fits)


def test_a_fit_that_is_not_there_is_told_with_those_that_are(study):
    with pytest.raises(PlanError, match=r"no fit 'my_fit'; this config has mcmc_shallow, .*study"):
        study.fit("my_fit")
    with pytest.raises(PlanError, match=r"its group has study-stddev_1-0, study-stddev_1-1"):
        study.network("study-stddev_3-0")


def test_every_path_of_a_fit_matches_its_own_entry_and_no_other(study):
    for entry, fits in study.entries.items():
        for fit in fits:
            found = [e for e in study.entries if re.fullmatch(study.fits_of([e]), fit)]
            assert found == [entry]
    assert not re.fullmatch(study.fits_of(study.entries), "study-stddev_1-0_loss")
    assert not re.fullmatch(study.fits_of([]), "")
    assert re.fullmatch(one_of(["a.b", "c"]), "a.b")
    assert not re.fullmatch(one_of(["a.b"]), "axb")


def test_paths_of_a_group_have_its_fit_as_a_wildcard(study):
    assert study.left("study")["guide"] == "results/fits/{fit}/guide.safetensors"
    assert study.left("mcmc_deep") == {"posterior": "results/fits/mcmc_deep/posterior.nc"}
    assert study.record_of("logs", "svi_deep_start", "svi_deep", "{start}") == (
        "results/logs/svi_deep_start/{start}.log"
    )
    assert study.record_of("benchmarks", "study_start", "study", "{start}") == (
        "results/benchmarks/study_start/{fit}/{start}.tsv"
    )
    assert study.posterior_rule("study") == "study_posterior"
    assert study.posterior_rule("svi_deep") == "svi_deep"


def test_jobs_of_parts_have_their_files_and_seeds(config):
    del config["fits"]["svi_deep"]["inference"]["seed"]
    config["fits"]["svi_deep"]["inference"] |= {"starts": 3, "starts_per_job": 2}
    config["fits"]["mcmc_shallow"]["inference"] |= {"chains": 2, "seed": 42}
    plan = Plan(checked(config))
    folder = "results/fits/svi_deep/starts"
    assert plan.parts("svi_deep") == [f"{folder}/0.nc", f"{folder}/2.nc"]
    seeds = [derived(0, "svi_deep"), derived(0, "svi_deep", 1), derived(0, "svi_deep", 2)]
    assert plan.seeds_of("svi_deep", 0) == seeds[:2]
    assert plan.seeds_of("svi_deep", 2) == seeds[2:]
    with pytest.raises(PlanError, match="no job of svi_deep begins with start 1"):
        plan.seeds_of("svi_deep", 1)
    assert plan.seeds_of("mcmc_shallow", 0) == [42]
    assert plan.seeds_of("mcmc_shallow", 1) == [derived(42, "mcmc_shallow", 1)]
    assert plan.seeds_of("mcmc_deep", 0) == [derived(0, "mcmc_deep", 0)]


def test_as_many_chains_as_are_needed_are_those_of_their_number(config):
    inference = {"method": "mclmc", "chains_per_job": 4}
    auto = inference | {"chains": "auto", "most_chains": 14}
    config["fits"] = {
        "some": {"data": "old", "model": "shallow", "inference": auto},
        "all": {"data": "old", "model": "shallow", "inference": inference | {"chains": 14}},
    }
    plan = Plan(checked(config))
    folder = "results/fits/some"
    assert plan.rounds("some") == [[range(4)], [range(4, 8)], [range(8, 12), range(12, 14)]]
    assert plan.parts("some") == [f"{folder}/chains/{first}.nc" for first in (0, 4, 8, 12)]
    assert len(plan.seeds_of("some", 12)) == 2
    # What a chain is made of knows nothing of how many there are.
    assert plan.settings("some") == plan.settings("all")
    asked = [rounds.before("some", plan.rounds("some"), first) for first in (0, 4, 8, 12)]
    answers = [f"{folder}/enough/{count}.csv" for count in (4, 8)]
    assert asked == [{}, *({"enough": answers[n]} for n in (0, 1, 1))]
    assert {*answers} <= {*plan.results()}
    assert [rounds.jobs_before(plan.rounds("some"), count) for count in (4, 8)] == [1, 2]
    assert not any("enough" in path for path in plan.results() if "/all/" in path)
    assert "some_enough" in rule_names(plan.config)
    assert "all_enough" not in rule_names(plan.config)
    needs, most = (METHODS.made(plan.fits[name]["inference"]) for name in ("some", "all"))
    assert (needs.kept, needs.effort) == (most.kept, f"up to {most.effort}")
    assert "as many chains as suffice, up to 14, each from" in needs.account()


def test_the_seeds_of_a_run_are_those_of_its_jobs(study):
    seeds = study.seeds()
    assert seeds["data old"] == seeds["data new"] == 42
    assert seeds["data held_out"] == derived(42, "held_out")
    for fit in study.fits:
        part = METHODS[study.fits[fit]["inference"]["method"]].part
        assert seeds[f"{fit} {part} 0"] == study.seeds_of(fit, 0)[0]


def test_a_posterior_is_known_by_data_model_and_prior(study):
    found = study.fitted("svi_updated")
    assert found == {"data": ["new"]} | study.network("svi_updated")
    assert found["prior"] == {"posterior_of": "svi_shallow", "carry": "diagonal"}
    assert study.fitted("study-stddev_1-0") != study.fitted("study-stddev_4-0")


def test_a_prior_that_is_a_posterior_is_a_file(study):
    assert updates.prior(study, "svi_updated") == {
        "prior": "results/fits/svi_shallow/parameters.safetensors"
    }
    assert updates.prior(study, "svi_shallow") == {}
    assert study.data_of(["svi_updated"]) == ["old", "new"]
    assert study.observed("svi_updated") == [dataset("new")]
    assert updates.roles(study, "svi_updated") == {
        "source": "svi_shallow", "updated": "svi_updated", "joint": "svi_joint", "alone": "svi_new",
    }  # fmt: skip


def test_an_update_is_judged_by_old_and_new_data_and_another_fit_is_not(study):
    assert updates.learning(study, "svi_shallow") is None
    assert updates.learning(study, "svi_updated") == {"old": ["old"], "new": ["new"]}
    assert study.source.intervals() == {"old": [[-0.2, 0.2], [0.6, 1.0]], "new": [[0.2, 0.6]]}
    beside = study.beside("svi_updated")
    assert beside["loss"] == "results/fits/svi_updated/loss.csv"
    assert beside["joint_diagnostics"] == "results/fits/svi_joint/diagnostics.csv"
    assert "source_diagnostics" not in beside
    assert study.beside("mcmc_deep") == {}


def test_later_data_change_no_earlier_ones(study):
    source = study.source
    assert source.stream_until("new")[:1] == source.stream_until("old")


def test_settings_of_a_part_are_those_that_decide_what_it_computes(study):
    settings = study.settings("svi_deep")
    assert not {"seed", "device", "starts", "starts_per_job"} & set(settings)
    assert {"steps", "draws", "guide"} <= set(settings)
    assert list(settings) == sorted(settings)
    assert "chains" not in study.settings("mcmc_deep")
    assert study.judged_by("mcmc_deep") == {
        "max_tree_depth": 10, "target_accept": 0.8,
    }  # fmt: skip
    assert study.judged_by("ensemble_shallow") == {"energy_variance": 0.1}


def test_the_order_of_settings_is_not_told():
    assert with_sorted_keys({"b": {"d": 1, "c": 2}, "a": [3]}) == {"a": [3], "b": {"c": 2, "d": 1}}
    assert list(with_sorted_keys({"b": {"d": 1, "c": 2}, "a": 0})["b"]) == ["c", "d"]


def test_results_are_all_files_once(study):
    results = study.results()
    assert len(results) == len(set(results))
    everything = (study.datasets(), study.parameters(), study.figures(), study.tables())
    assert set(chain(*everything)) <= set(results)
    assert "results/tables/groups.csv" in results
    for fit in study.fits:
        assert f"results/predictions/{fit}.nc" in results


def test_only_methods_that_extract_leave_parameters(study):
    folders = {path.split("/")[2] for path in study.parameters()}
    assert folders == {
        name for name, fit in study.fits.items() if fit["inference"].get("combine") == "best"
    }


def test_every_method_that_is_registered_can_be_planned():
    for inference in ({"method": "svi", "combine": "mixture"}, *METHODS.named()):
        assert METHODS.made(inference).leaves <= {*FILES, *NEEDED}


def test_a_fit_is_judged_by_its_method_and_by_its_likelihood(study):
    assert study.likelihood("mcmc_deep")["family"] == "normal"
    assert study.leaves("mcmc_deep") == ["sampled", "trajectories"]


def test_resources_are_a_fits_own(config):
    config["engine"] = "auto"
    config["fits"]["svi_new"]["inference"]["device"] = "cuda"
    plan = Plan(checked(config))
    assert plan.fits_on_gpu("svi_new")
    assert not plan.fits_on_gpu("svi_deep")
    assert plan.fit_needs("svi_new")["gpu"] == 1
    assert plan.fit_needs("svi_deep")["gpu"] == 0
    assert plan.devices() == ["cpu", "cuda"]
    assert set(plan.prediction_needs("svi_deep")) == {"mem_mb", "runtime"}


def test_panels_show_what_each_fit_has_learnt(study):
    first, second = study.panels(["svi_shallow", "svi_updated"])
    assert (first["observations"], second["observations"]) == (["old"], ["old", "new"])
    assert first["title"] == study.fits["svi_shallow"]["title"]


def test_many_names_are_told_in_part():
    assert shortened(["a", "b"]) == "a, b"
    told = shortened([f"fit_{i}" for i in range(1000)])
    assert len(told) <= 503
    assert re.fullmatch(r"fit_0, .*fit_\d+, …", told)


def test_a_style_is_the_first_that_there_is(tmp_path):
    with pytest.raises(PlanError, match=r"figures\.style: is 'a.mplstyle'; there is no such file"):
        style_file("a.mplstyle", tmp_path)
    (tmp_path / "a.mplstyle").write_text("lines.linewidth: 2\n")
    assert style_file("a.mplstyle", tmp_path / "not", tmp_path) == tmp_path / "a.mplstyle"
    (tmp_path / "a.mplstyle").write_text("text.usetex: True\n")
    with pytest.raises(PlanError, match=r"text\.usetex is not a setting of how figures look"):
        style_file("a.mplstyle", tmp_path)


@pytest.fixture
def rewritten(study, monkeypatch, tmp_path):
    """By fit the digests of its parts and of its predictions, with a file of the code changed."""
    package = tmp_path / "scripts" / "bnnflow"
    shutil.copytree(SCRIPTS, package.parent, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "PACKAGE", package)

    def digests(changed=None):
        provenance._imported.cache_clear()
        provenance._essence.cache_clear()
        if changed:
            with (package / changed).open("a", encoding="utf-8") as file:
                file.write("\nCHANGED = True\n")
        scripts = package.parent
        return {
            fit: (
                provenance.digest(scripts / "infer.py", *study.fit_modules(fit)),
                provenance.digest(scripts / "predict.py", *study.response_modules(fit)),
            )
            for fit in study.fits
        }

    return digests


def test_a_new_likelihood_and_a_new_prior_refit_nothing(rewritten):
    before = rewritten()
    assert rewritten("model/likelihoods/another.py") == before
    assert rewritten("model/priors/another.py") == before


def test_a_new_method_refits_nothing_and_a_change_of_one_refits_its_own_fits(rewritten):
    before = rewritten()
    assert rewritten("methods/another.py") == before
    after = rewritten("methods/nuts.py")
    for fit, (part, predictions) in after.items():
        assert (part != before[fit][0]) == fit.startswith("mcmc")
        assert predictions == before[fit][1]


def test_a_change_of_a_likelihood_or_a_prior_refits_what_uses_it(rewritten, study):
    rewritten("model/likelihoods/another.py")
    study.config["models"]["deep"]["likelihood"] = {"family": "another"}
    others = {fit for fit in study.fits if study.fits[fit]["model"] != "deep"}
    assert others
    before = rewritten()
    after = rewritten("model/likelihoods/normal.py")
    for fit, (part, predictions) in after.items():
        assert (part != before[fit][0]) == (predictions != before[fit][1]) == (fit in others)
    again = rewritten("model/priors/normal.py")
    for fit in after:
        assert (again[fit][0] != after[fit][0]) == (fit != "svi_updated")
        assert again[fit][1] == after[fit][1]


TABLE = {"data": {"table": "a.csv", "targets": ["y"]}, "fits": {"mine": {}}}


def test_baselines_stand_beside_fits_of_any_data(study):
    plan = Plan(checked(copy.deepcopy(TABLE)))
    assert list(plan.source.references) == ["constant", "linear"]
    files = {
        f"results/evaluations/{name}.{end}"
        for name in ("constant", "linear")
        for end in ("csv", "nc")
    }
    assert files <= set(plan.results())
    assert plan.source.baselines("")["linear"] == "results/evaluations/linear.nc"
    assert plan.rows() == {
        "rows": [f"results/evaluations/{name}.nc" for name in ("mine", "constant", "linear")]
    }
    assert list(study.source.references) == ["oracle", "constant", "linear"]
    assert {*files, "results/evaluations/oracle.nc"} <= set(study.results())
    assert "results/tables/differences.csv" in study.tables()


@pytest.mark.parametrize("name", ["oracle", "constant", "linear"])
def test_no_fit_has_the_name_of_a_reference(name, config):
    for own in (copy.deepcopy(TABLE), config):
        own["fits"][name] = {}
        with pytest.raises(ConfigError, match=rf"fits.{name}: is the name of .*; rename the fit"):
            checked(own)
