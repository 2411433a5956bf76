"""The workflow as its users run it, on the small config."""

import hashlib
import html
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas
import pytest
import xarray
import yaml
from conftest import OFFLINE, ROOT, SECRET, SMOKE, Project, is_offline
from safetensors.numpy import load_file

from bnnflow.files import posterior

NUTS = ("mcmc_shallow", "mcmc_deep")
SVI = ("svi_deep", "svi_shallow", "svi_updated", "svi_joint", "svi_new")
FITS = NUTS + SVI
# Of the default config alone.
MENDED = ("ensemble_shallow", "ensemble_deep", "ensemble_noise", "svi_mixture")
MENDED += ("ensemble_updated", "ensemble_joint", "ensemble_new")
OLD, NEW = Counter(generate_data_old=1), Counter(generate_data_new=1)
DATA = OLD + NEW
# All figures of a fit are one job.
DRAWN = dict.fromkeys(NUTS, "plot_sampled") | dict.fromkeys(SVI, "plot_variational")
DRAWN["svi_updated"] = "plot_variational_update"
PICTURES = Counter(DRAWN.values()) + Counter(plot_comparisons=1)
PRIORS = Counter(plot_prior=1)
REFERENCES = ("oracle", "constant", "linear")
SCORED = Counter(points=1, evaluate_oracle=1, evaluate_baselines=1, predict=7)
PLOTS = PICTURES + PRIORS + Counter(plot_data=2)
# The fits that are judged beside a fit, and those that the update's figure shows.
BESIDE = {
    "mcmc_shallow": {"svi_shallow"},
    "mcmc_deep": {"svi_deep"},
    **{fit: {"svi_updated"} for fit in ("svi_shallow", "svi_joint", "svi_new")},
}
UPDATE = {"svi_shallow", "svi_updated", "svi_joint", "svi_new"}


# Jobs of a fit besides the one that ends it: chains, or starts.
PARTS = {"mcmc_shallow": 2, "svi_deep": 2}


def posteriors(*fits):
    """The jobs that make the posteriors of these fits."""
    jobs = Counter(fits)
    for fit in fits:
        jobs[f"{fit}_chain" if fit in NUTS else f"{fit}_start"] = PARTS.get(fit, 1)
    return jobs


def judged(*fits):
    """The jobs that look at these fits, from their diagnostics to figures and tables."""
    drawn = {*fits} | ({"svi_updated"} if UPDATE & {*fits} else set())
    own = [*(f"diagnose_{fit}" for fit in fits), *(DRAWN[fit] for fit in drawn)]
    return Counter([*own, "tables", "plot_comparisons"])


def fitted(*fits):
    """The jobs after these fits have new posteriors."""
    beside = {other for fit in fits for other in BESIDE.get(fit, ())}
    return Counter(predict=len(fits)) + judged(*{*fits, *beside})


RESULTS = {
    "manifest.json",
    *(f"data/{name}.csv" for name in ("old", "new", "truth", "held_out")),
    "data/points.nc",
    *(f"tables/{name}.csv" for name in ("metrics", "diagnostics", "verdicts", "differences")),
    *(f"fits/{fit}/{name}.csv" for fit in FITS for name in ("scores", "diagnostics")),
    *(f"evaluations/{fit}.nc" for fit in FITS),
    *(f"evaluations/{name}.{end}" for name in REFERENCES for end in ("csv", "nc")),
    *(f"fits/{fit}/posterior.nc" for fit in FITS),
    *(f"predictions/{fit}.nc" for fit in FITS),
    *(
        f"fits/{fit}/{name}"
        for fit in SVI
        for name in ("guide.safetensors", "loss.csv", "parameters.safetensors", "parameters.csv")
    ),
    *(
        f"fits/{fit}/{'chains' if fit in NUTS else 'starts'}/{part}.nc"
        for fit in FITS
        for part in range(PARTS.get(fit, 1))
    ),
    *(
        f"figures/{name}.{end}"
        for name in (
            *("data", "new_data", "all_fits", "scores", "svi_updated_beside_prior"),
            *FITS,
            *(f"{fit}_calibration" for fit in FITS),
            *(f"{fit}_chains" for fit in NUTS),
            *(f"{fit}_prior" for fit in FITS if fit != "svi_updated"),
            *(f"{fit}_loss" for fit in SVI),
        )
        for end in ("png", "svg")
    ),
}


NOT_RESULTS = ("logs/", "benchmarks/", ".written/")


def files(project, *left_out):
    results = project.path("results")
    found = {str(path.relative_to(results)): path for path in results.rglob("*") if path.is_file()}
    return {name: path for name, path in found.items() if not name.startswith(left_out)}


def test_a_run_makes_every_result_and_nothing_else(finished):
    assert set(files(finished, *NOT_RESULTS)) == RESULTS


def test_every_job_has_a_log_and_a_benchmark(finished):
    made = files(finished)
    jobs = re.findall(r"^ +(?:jobid|log|benchmark): (\S+)", finished.printed, re.M)
    logs = {name for name in jobs if name.endswith(".log")}
    benchmarks = {name for name in jobs if name.endswith(".tsv")}
    # Data, points, predictions, diagnoses, oracle, baselines, tables, manifest.
    others = 4 + 1 + 7 + 7 + 1 + 1 + 1 + 1
    expected = sum(posteriors(*FITS).values()) + others + sum(PLOTS.values())
    assert len(logs) == len(benchmarks) == expected
    assert {name.removeprefix("results/") for name in logs | benchmarks} <= set(made)


def test_a_run_needs_no_network():
    if not is_offline(OFFLINE):
        pytest.skip("the machine does not let its users take the network away (unshare)")
    reach = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
    alone = subprocess.run([*OFFLINE, sys.executable, "-c", reach], capture_output=True, text=True)
    # That of `finished`, which has run so.
    assert "Network is unreachable" in alone.stderr


def test_secrets_of_the_environment_are_nowhere(finished):
    left = [path for path in finished.folder.rglob("*") if path.is_file()]
    assert any(".snakemake" in path.parts for path in left)
    assert not [path for path in left if SECRET.encode() in path.read_bytes()]
    assert SECRET not in finished.printed


def test_a_fit_tells_in_its_log_how_far_it_is_and_what_it_did(finished):
    chain = finished.path("results/logs/mcmc_shallow_chain/1.log").read_text()
    assert "mcmc_shallow_chain chain=1: warm-up 5/5, step size" in chain
    assert re.search(r"draws 5/5, step size \S+, acceptance \S+", chain)
    assert re.search(r"draws: done in \S+ s, \S+ steps per second", chain)
    svi = finished.path("results/logs/svi_shallow_start/0.log").read_text()
    assert "svi_shallow_start start=0: svi 50/100, ELBO per point" in svi
    assert re.search(r"final ELBO -?\d+\.\d+ nats per point", svi)
    assert "svi 50/100" in finished.printed


def test_a_finished_run_has_nothing_to_do(finished):
    assert finished.planned() == Counter()


@pytest.mark.parametrize(
    ("target", "jobs"),
    [
        (
            "generate_data",
            DATA + Counter(generate_data_truth=1, generate_data_held_out=1, points=1),
        ),
        ("mcmc_shallow", OLD + posteriors("mcmc_shallow")),
        ("svi_deep", OLD + posteriors("svi_deep")),
        ("svi_updated", DATA + posteriors("svi_shallow") + posteriors("svi_updated")),
        ("extract_parameters", DATA + posteriors(*SVI)),
    ],
)
def test_rules_are_targets_under_the_names_of_the_fits(empty, target, jobs):
    collected = Counter({target: 1} if target not in FITS else {})
    assert empty.planned(target, *SMOKE) == jobs + collected


def test_any_number_of_chains_is_a_job_each(project):
    project.append("config/more.yaml", "fits: {mcmc_deep: {inference: {chains: 3}}}\n")
    more = (*SMOKE, "config/more.yaml")
    expected = Counter(mcmc_deep_chain=2, mcmc_deep=1) + fitted("mcmc_deep")
    assert project.planned(*more) == expected
    before = project.path("results/fits/mcmc_deep/chains/0.nc").read_bytes()
    project.snakemake("results/predictions/mcmc_deep.nc", "--cores", "2", *more)
    assert project.path("results/fits/mcmc_deep/chains/0.nc").read_bytes() == before
    chains = [project.path(f"results/fits/mcmc_deep/chains/{i}.nc").read_bytes() for i in range(3)]
    assert len(set(chains)) == 3


def test_touching_reruns_nothing(project):
    for path in project.folder.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts:
            path.touch()
    assert project.planned() == Counter()


def test_a_change_of_style_redraws_and_refits_nothing(project):
    style = project.path("config/bnnflow.mplstyle")
    style.write_text(style.read_text().replace("lines.linewidth: 2", "lines.linewidth: 3"))
    assert project.planned() == PLOTS
    before = files(project)
    fits = {name: path.stat().st_mtime_ns for name, path in before.items() if "fits/" in name}
    picture = before["figures/all_fits.png"].read_bytes()
    project.snakemake("--cores", "2", *SMOKE)
    after = files(project)
    assert {name: after[name].stat().st_mtime_ns for name in fits} == fits
    assert after["figures/all_fits.png"].read_bytes() != picture


def test_a_change_of_plotting_code_redraws_and_refits_nothing(project):
    project.append("workflow/scripts/bnnflow/figures/canvas.py", "\nchanged = True\n")
    assert project.planned() == PLOTS
    project.append("workflow/scripts/plot_fit.py", "\nchanged = True\n")
    picture = "results/figures/svi_deep_loss.png"
    assert project.planned(picture, *SMOKE) == Counter(plot_variational=1)


SMOKE_OLD = "{name: old, intervals: [[-0.2, 0.2, 50], [0.6, 1.0, 50]]}"
SMOKE_NEW = "{name: new, intervals: [[0.2, 0.6, 20]]}"
SMOKE_MORE = "{name: more, intervals: [[0, 1, 9]]}"


@pytest.mark.parametrize(
    ("module", "jobs"),
    [
        ("methods/svi", posteriors(*SVI) + fitted(*SVI)),
        ("methods/nuts", posteriors(*NUTS) + fitted(*NUTS)),
        ("model/network", posteriors(*NUTS) + posteriors(*SVI) + fitted(*FITS) + PRIORS),
        ("predict/predictive", fitted(*FITS) + PRIORS),
        ("judge/findings", judged(*FITS)),
        ("data/oracle", Counter(evaluate_oracle=1, tables=1, plot_comparisons=1)),
    ],
)
def test_a_change_of_inference_code_refits_what_runs_it(project, module, jobs):
    project.append(f"workflow/scripts/bnnflow/{module}.py", "\nchanged = True\n")
    assert project.planned() == jobs


@pytest.mark.parametrize(
    ("change", "jobs"),
    [
        (
            "fits: {svi_updated: {inference: {learning_rate: 0.02}}}",
            posteriors("svi_updated") + fitted("svi_updated"),
        ),
        (
            "fits: {mcmc_shallow: {inference: {draws: 6}}}",
            posteriors("mcmc_shallow") + fitted("mcmc_shallow"),
        ),
        (
            "fits: {svi_deep: {inference: {starts: 3}}}",
            posteriors("svi_deep") - Counter(svi_deep_start=1) + fitted("svi_deep"),
        ),
        (
            "fits: {svi_shallow: {prior: {stddev: 9}}}",
            posteriors("svi_shallow", "svi_updated")
            + fitted("svi_shallow", "svi_updated")
            + PRIORS,
        ),
        ("fits: {svi_deep: {note: Look twice.}}", Counter()),
        (
            "fits: {svi_deep: {title: Another title}}",
            Counter(plot_variational=1, plot_comparisons=1),
        ),
        ("fits: {mcmc_deep: null}", judged("svi_deep") + PRIORS),
        (
            "data: {truth: [-0.5, 1.5, 500]}",
            Counter(generate_data_truth=1, plot_data=2) + PICTURES,
        ),
        (
            "data: {held_out: [-0.5, 1.5, 500]}",
            Counter(generate_data_held_out=1) + SCORED + judged(*FITS),
        ),
        ("diagnostics: {rhat: [1.02, 1.2]}", judged(*FITS)),
        ("strict: true", Counter(check_verdicts=1)),
        (
            f"data: {{observations: [{SMOKE_OLD}, {SMOKE_NEW}, {SMOKE_MORE}]}}",
            Counter(generate_data_more=1, plot_data=2) + SCORED + judged(*FITS) + PRIORS,
        ),
        (
            f"data: {{observations: [{SMOKE_OLD}, {{name: new, intervals: [[0.2, 0.6, 30]]}}]}}",
            # The line learns from all data, and every fit is judged beside it.
            NEW
            + posteriors(*SVI[2:])
            + Counter(plot_data=1, evaluate_baselines=1, predict=3)
            + judged(*FITS)
            + PRIORS,
        ),
        ("figures: {ylim: [-2, 3]}", Counter(plot_data=2) + PICTURES),
        ("predictions: {function_draws: 3}", fitted(*FITS)),
        ("predictions: {grid: [-0.5, 1.5, 300]}", fitted(*FITS)),
        (
            "evaluation: {regions: {left: [[-0.5, 0.5]]}}",
            SCORED + judged(*FITS),
        ),
    ],
)
def test_a_change_of_settings_redoes_that_fit_and_what_depends_on_it(
    finished, tmp_path, change, jobs
):
    path = tmp_path / "change.yaml"
    path.write_text(change)
    assert finished.planned(*SMOKE, str(path)) == jobs


def test_a_new_fit_is_an_entry_of_the_config(project):
    config = yaml.safe_load(project.path("config/config.yaml").read_text())
    again = config["fits"]["svi_updated"] | {"prior": {"posterior_of": "svi_updated"}}
    again["inference"] = again["inference"] | {"steps": 5, "draws": 5}
    sampled = config["fits"]["mcmc_shallow"] | {"prior": {"posterior_of": "svi_updated"}}
    sampled["inference"] = sampled["inference"] | {"warmup": 2, "draws": 2, "max_tree_depth": 2}
    fits = {"again": again, "sampled": sampled}
    project.path("config/more.yaml").write_text(yaml.safe_dump({"fits": fits}))
    project.snakemake("--cores", "2", *SMOKE, "config/more.yaml")
    made = set(files(project))
    assert {"figures/again_beside_prior.png", "figures/sampled_beside_prior.svg"} <= made
    assert {"fits/again/parameters.csv", "predictions/sampled.nc"} <= made


COMPILED = """\
engine: compiled
fits:
  mcmc_shallow:
    inference: {sampler: nutpie, mass_matrix: low_rank, warmup: 20, draws: 5, chains: 1}
  mcmc_deep: null
  svi_deep: null
  svi_shallow: {inference: {guide: AutoMultivariateNormal, schedule: cosine}}
"""


def test_fits_run_compiled(empty):
    """A sampler and an optimizer in real jobs; a second run takes their code from the cache."""
    empty.append("config/compiled.yaml", COMPILED)
    fits = ("mcmc_shallow", "svi_shallow", "svi_updated")
    run = ("--cores", "2", *SMOKE, "config/compiled.yaml")
    empty.snakemake(*fits, *run)
    for fit in ("mcmc_shallow", "svi_shallow", "svi_updated"):
        stored = xarray.open_datatree(empty.path(f"results/fits/{fit}/posterior.nc"))
        assert stored["posterior"].attrs["engine"] == "compiled"
        assert "engine_reason" not in stored["posterior"].attrs
    covariance = load_file(empty.path("results/fits/svi_shallow/parameters.safetensors"))
    assert covariance["covariance"].shape == (17, 17)
    first = {path: path.read_bytes() for path in empty.folder.glob("results/fits/**/posterior.nc")}
    printed = empty.snakemake("--forceall", *fits, *run)
    assert "compiling" not in printed
    assert {path: path.read_bytes() for path in first} == first


def test_the_order_of_settings_reruns_nothing(project):
    path = project.path("config/config.yaml")
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    for entry in [*config["models"].values(), *config["fits"].values()]:
        for key in ("likelihood", "prior", "inference"):
            if key in entry:
                entry[key] = dict(reversed(entry[key].items()))
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    assert not project.planned()


def test_how_starts_share_jobs_changes_nothing(empty):
    """With Pyro's engine, by which starts that are fitted together do so one after another."""
    starts = "fits: {{svi_shallow: {{inference: {{starts: 3, starts_per_job: {}, steps: 50}}}}}}"
    found = []
    for together in (1, 2):
        empty.path("config/starts.yaml").write_text(starts.format(together))
        empty.snakemake("svi_shallow", "--cores", "2", *SMOKE, "config/starts.yaml")
        found.append(empty.path("results/fits/svi_shallow/posterior.nc").read_bytes())
    assert found[0] == found[1]
    stored = xarray.open_datatree(empty.path("results/fits/svi_shallow/posterior.nc"))
    assert len(set(stored["starts/elbo"].values)) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("fits: {svi_deep: {steps: 5}}", "unknown key steps (did you mean inference.steps?)"),
        ("fits: {predict: {title: x, data: old, model: deep, prior: {stddev: 1, scaling: none},"
         " inference: {method: svi, guide: AutoDiagonalNormal, device: cpu, learning_rate: 1,"
         " schedule: constant, steps: 1, starts: 1, starts_per_job: 1, draws: 1}}}",
         "two rules would be called 'predict'"),
    ],
)  # fmt: skip
def test_bad_input_stops_before_any_job(empty, change, message):
    empty.append("config/bad.yaml", change)
    printed = empty.snakemake("--cores", "1", *SMOKE, "config/bad.yaml", fails=True)
    assert message in printed
    assert "Traceback" not in printed
    assert not empty.path("results").exists()


# All kinds are in tests/unit/test_config_files.py.
BROKEN = {
    "a tab": b"fits:\n\tsvi_deep: 1\n",
    "a tag that runs": b"seed: !!python/object/apply:os.system ['touch results']\n",
    "a path with no end": b"figures: {style: /dev/zero}\n",
    "shell": b"figures: {data: {$(touch results): [old]}}\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_config_shows_no_traceback_and_starts_no_job(empty, name):
    empty.path("config/broken.yaml").write_bytes(BROKEN[name])
    printed = empty.snakemake("--cores", "1", "--configfile", "config/broken.yaml", fails=True)
    assert "Traceback" not in printed
    assert len(printed) < 10_000
    assert "config/broken.yaml, line" in printed or "WorkflowError" in printed
    assert not empty.path("results").exists()


def test_a_missing_style_file_stops_before_any_job(project):
    project.append("config/bad.yaml", "figures: {style: nope.mplstyle}")
    before = {name: path.stat().st_mtime_ns for name, path in files(project).items()}
    printed = project.snakemake("--cores", "1", *SMOKE, "config/bad.yaml", fails=True)
    assert "figures.style: is 'nope.mplstyle'; there is no such file" in printed
    assert {name: path.stat().st_mtime_ns for name, path in files(project).items()} == before


def test_the_workflow_of_the_catalog_is_the_same(finished):
    assert finished.planned("--snakefile", "workflow/Snakefile", *SMOKE) == Counter()


def test_a_target_of_another_config_is_told(empty):
    printed = empty.snakemake("-n", "results/figures/my_fit.png", *SMOKE, fails=True)
    assert "there is no fit 'my_fit'; this config has mcmc_shallow, mcmc_deep, svi_deep" in printed
    assert "No rule to produce" not in printed
    assert "Traceback" not in printed


def test_own_numbers_are_not_taken_for_a_result(project):
    path = project.path("results/data/old.csv")
    ours = path.read_bytes()
    project.append("results/data/old.csv", "0.5,0.5\n")
    printed = project.snakemake("--cores", "1", *SMOKE, fails=True)
    assert "results/data/old.csv: not what the workflow has written there" in printed
    assert "Traceback" not in printed
    path.unlink()
    project.snakemake("results/data/old.csv", "--cores", "1", *SMOKE)
    assert path.read_bytes() == ours


def test_nothing_is_judged_that_no_rule_has_made(project):
    kinds = ("data/points.nc", "evaluations/svi_deep.nc", "predictions/svi_deep.nc")
    names = ("starts/0.nc", "posterior.nc", "loss.csv", "parameters.csv", "scores.csv")
    kinds += tuple(f"fits/svi_deep/{name}" for name in (*names, "diagnostics.csv"))
    kinds += ("evaluations/oracle.csv", "tables/metrics.csv", "figures/scores.png")
    changed = [f"results/{kind}" for kind in kinds]
    before = {name: project.path(name).read_bytes() for name in changed}
    for name in changed:
        project.append(name, "0.5,0.5\n")
    for arguments in (("-n",), ("--cores", "1"), ("--report", "one.html")):
        printed = project.snakemake(*arguments, *SMOKE, fails=True)
        (told,) = re.findall("^(results/.*): not what the workflow has written", printed, re.M)
        assert set(told.split(", ")) == {*changed}
        assert "Traceback" not in printed
    project.snakemake("--unlock", *SMOKE)
    for name, content in before.items():
        project.path(name).write_bytes(content)
    assert project.planned() == Counter()


def test_fits_that_the_tables_will_lose_are_named(finished, tmp_path):
    (tmp_path / "fewer.yaml").write_text("fits: {svi_new: null}")
    arguments = ("-n", "results/data/old.csv", *SMOKE, str(tmp_path / "fewer.yaml"))
    assert "fits that this config does not have: svi_new." in finished.snakemake(*arguments)
    assert "does not have" not in finished.snakemake("-n", *SMOKE)


def test_a_report_is_whole_where_the_locale_is_not_utf8(project, tmp_path):
    name, places = "zh_CN.gb18030", tmp_path / "locales"
    places.mkdir()
    command = ["localedef", "-i", "zh_CN", "-f", "GB18030", str(places / name)]
    if shutil.which("localedef") is None or subprocess.run(command).returncode:
        pytest.skip("this machine makes no locales")
    there = {"LOCPATH": str(places), "LC_ALL": name, "PYTHONUTF8": "0"}
    note = "太短 – ½ σ"
    project.path("note.yaml").write_text(f"fits: {{svi_new: {{note: {note}}}}}", encoding="utf-8")
    project.snakemake("--report", "one.html", *SMOKE, "note.yaml", **there)
    report = project.path("one.html").read_text(encoding="utf-8")
    assert note in html.unescape(report) or json.dumps(note)[1:-1] in report


def test_another_directory_takes_the_tutorials_config(finished, tmp_path):
    smoke = str(finished.path("config/smoke.yaml"))
    arguments = ("--directory", str(tmp_path), "--cores", "1", "--configfile", smoke)
    finished.snakemake("results/data/old.csv", "results/figures/data.png", *arguments)
    made = (tmp_path / "results/data/old.csv").read_bytes()
    assert made == finished.path("results/data/old.csv").read_bytes()


def test_a_crash_leaves_its_traceback_in_the_log_and_on_screen(project):
    name = "fits/svi_shallow/parameters.safetensors"
    project.path(f"results/{name}").write_bytes(b"damaged")
    project.path(f"results/.written/{name}").write_text(hashlib.sha256(b"damaged").hexdigest())
    arguments = ("svi_updated", "--forcerun", "svi_updated_start", "--cores", "1", *SMOKE)
    printed = project.snakemake(*arguments, fails=True)
    log = project.path("results/logs/svi_updated_start/0.log").read_text()
    for text in (printed, log):
        assert "parameters.safetensors cannot be read as parameters of a fit" in text
        assert "If the workflow made it, delete it and run again." in text
        assert "Traceback (most recent call last)" in text
    assert not project.path("results/fits/svi_updated/starts/0.nc").exists()


def test_starts_that_all_diverge_name_the_remedy(project):
    project.append("config/wild.yaml", "fits: {svi_deep: {inference: {learning_rate: 1.0e+9}}}")
    arguments = ("svi_deep", "--cores", "2", *SMOKE, "config/wild.yaml")
    printed = project.snakemake(*arguments, fails=True)
    told = "svi_deep: FloatingPointError: all 2 starts have diverged; try a learning_rate below"
    assert told in printed
    assert told in project.path("results/logs/svi_deep.log").read_text()
    assert "the loss is not finite any more" in printed
    assert not project.path("results/fits/svi_deep/posterior.nc").exists()


def test_the_report_stands_alone(finished):
    finished.snakemake("--report", "results/report.html", *SMOKE)
    path = finished.path("results/report.html")
    story, report = finished.story(), path.read_text(encoding="utf-8")
    path.unlink()
    titles = "The fits", "All diagnostics", "What a Bayesian neural network is", "The data"
    for title in (*titles, "Each fit", "All fits compared", "The run"):
        assert re.search(f"<h1 [^>]*>{title}</h1>", story), title
    assert story.count("<figure>") == story.count("<figcaption>") == 32
    assert story.count('src="data:image/png;base64,') == 32 + 7
    assert "<math" in story
    assert "100 steps of Adam with learning rate 0.03" in story
    assert "<td>log sigma</td>" in story or "<td>sigma</td>" in story
    # Of five fits, once each.
    page, config = story.split("<pre>")
    assert page.count("Too short a run to mean anything.") == 5
    assert "&quot;max_tree_depth&quot;: 3" in config
    for fault in ("system-message", "problematic", "{{", "{%"):
        assert fault not in story
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"https?:", report)
    captions = json.loads(re.search(r"<script id=\"results\">\s*var results = (.*);\n", report)[1])
    assert len(captions) == 32 + 5 + 3
    assert all(entry["caption"] for entry in captions.values())
    assert "problematic" not in story


def test_a_report_of_a_run_that_failed_has_the_others_and_names_the_failure(empty):
    fits = dict.fromkeys(FITS) | {"svi_deep": {"inference": {"learning_rate": 1.0e9}}}
    del fits["svi_new"]
    empty.append("config/wild.yaml", yaml.safe_dump({"fits": fits}))
    arguments = (*SMOKE, "config/wild.yaml")
    printed = empty.snakemake("--keep-going", "--cores", "2", *arguments, fails=True)
    assert "The same command with `--report results/report.html`" in printed
    partial = pandas.read_csv(empty.path("results/partial/verdicts.csv"))
    assert partial["fit"].tolist() == ["svi_new"]
    empty.snakemake("--report", "results/report.html", *arguments)
    story = empty.story()
    assert "The fit svi_new" in story
    assert "1 fit of the config has no results here" in story
    assert re.search("<code>svi_deep</code> failed: .*all 2 starts have diverged", story)
    # Of one figure too, by a report that follows its run.
    target = ("results/figures/svi_new.png", "--report", "one.html", "--report-after-run")
    empty.snakemake(*target, "--cores", "2", *arguments)
    story = empty.story("one.html")
    assert story.count("<figure>") == 3  # all of the fit, which one job draws
    assert 'id="fit-svi_new"' in story
    # What is left of the failed run goes where one succeeds.
    empty.path("results/figures/svi_new.png").unlink()
    empty.snakemake("results/figures/svi_new.png", "--cores", "2", *arguments)
    assert not empty.path("results/partial").exists()


ODD = """
data: {observations: [{name: index, intervals: [[0, 1, 5]]}]}
figures: {data: {data: [index], new_data: null}}
fits:
  class:
    title: '---a, b: *c `d \\ "q" {{x}} $\\e_f| <漢字>'
    data: index
    model: shallow
    prior: {stddev: 1, scaling: none}
    inference:
      {method: svi, guide: AutoDiagonalNormal, device: cpu, learning_rate: 0.03,
       schedule: constant, steps: 1, starts: 1, starts_per_job: 1, draws: 1}
"""


def test_odd_names_and_titles_are_only_names_and_titles(empty):
    fits = dict.fromkeys(FITS + MENDED)
    empty.append("config/odd.yaml", ODD)
    empty.append("config/none.yaml", yaml.safe_dump({"fits": fits}))
    arguments = ("--configfile", "config/odd.yaml", "config/none.yaml")
    empty.snakemake("--cores", "2", *arguments)
    empty.snakemake("--report", "results/report.html", *arguments)
    story = empty.story()
    title = yaml.safe_load(ODD)["fits"]["class"]["title"]
    assert title in html.unescape(story)
    assert "system-message" not in story
    assert "problematic" not in story


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_the_workflow_can_be_imported_by_another(finished, tmp_path, snakefile):
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config["data"]["observations"][0]["intervals"] = [[0, 1, 20]]
    for name in ("svi_shallow", "svi_updated"):
        config["fits"][name]["inference"].update(steps=5, draws=5)
    (tmp_path / "theirs.yaml").write_text(yaml.safe_dump({"networks": config}))
    (tmp_path / "Snakefile").write_text(
        f"""
configfile: "theirs.yaml"

module bnnflow:
    snakefile: "{finished.path(snakefile)}"
    config: config["networks"]
    prefix: "networks"

use rule * from bnnflow as bnn_*

rule all:
    default_target: True
    input:
        "networks/results/figures/data.png",
        "networks/results/fits/svi_updated/parameters.csv"
"""
    )
    # A style file of the same name in the importing workflow is that workflow's choice.
    (tmp_path / "config").mkdir()
    shutil.copy(ROOT / "config/bnnflow.mplstyle", tmp_path / "config")
    for arguments in (["--cores", "2"], ["--report", "report.html"]):
        command = [sys.executable, "-m", "snakemake", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    report = tmp_path / "report.html"
    assert "parameter of <em>svi_updated</em>" in report.read_text(encoding="utf-8")
    assert "These fits of the config have no results here." in Project(tmp_path).story(report)
    assert (tmp_path / "networks/results/figures/data.png").exists()
    assert (tmp_path / "networks/results/logs/generate_data_old.log").exists()


def test_strict_fails_after_everything_has_been_written(finished, project):
    """By the calls of `make run`, of which the first makes the report and the second fails."""
    makefile = project.path("Makefile").read_text()
    recipe = re.search(r"^run report:.*\n((?:\t.*\n)+)", makefile, re.M)[1]
    first, second = (line.split()[1:] for line in recipe.splitlines() if "snakemake" in line)
    strict = ("--cores", "2", *SMOKE, "--config", "strict=True", "seed=1")
    project.snakemake(*first, *strict)
    project.path("results/report.html").unlink()
    printed = project.snakemake(*second, *strict, fails=True)
    assert re.search(r"\d of 7 fits fail; results/tables/diagnostics\.csv says why", printed)
    assert re.search(r"check_verdicts: mcmc_deep fails: .*\w", printed)
    made = files(project, *NOT_RESULTS)
    assert set(made) == RESULTS
    assert (
        made["tables/metrics.csv"].read_bytes()
        != files(finished)["tables/metrics.csv"].read_bytes()
    )
    # As the message says, for those who have called Snakemake themselves.
    more = re.search(r"the same command with `(--report \S+)`", printed)[1].split()
    project.snakemake(*more, *strict)
    assert project.path("results/report.html").exists()


def test_tables_tell_of_every_fit(finished):
    metrics, diagnostics, verdicts = (
        pandas.read_csv(finished.path(f"results/tables/{name}.csv"))
        for name in ("metrics", "diagnostics", "verdicts")
    )
    assert list(metrics.columns[:4]) == ["fit", "region", "metric", "value"]
    assert set(metrics["fit"]) == {*FITS, *REFERENCES}
    regions = {"data", "gap", "extrapolation", "all"}
    assert set(metrics["region"]) == regions
    assert metrics.groupby(["fit", "region"])["metric"].nunique().nunique() == 1
    assert metrics["value"].notna().all()
    errors = metrics[metrics["fit"].isin(FITS)]["error_draws"]
    assert errors.notna().all()
    assert list(diagnostics.columns[:5]) == ["fit", "diagnostic", "value", "threshold", "verdict"]
    assert set(diagnostics["fit"]) == set(FITS)
    known = {"pass", "not measurable", "warn", "fail"}
    assert set(diagnostics["verdict"]) <= known
    unmeasured = diagnostics[diagnostics["verdict"] == "not measurable"]
    assert unmeasured["reason"].notna().all()
    assert list(verdicts["fit"]) == [*FITS, *REFERENCES]
    updated = diagnostics[diagnostics["fit"] == "svi_updated"].set_index("diagnostic")
    for name in ("forgetting", "transfer", "behind_joint", "behind_alone"):
        assert updated.loc[[name], "value"].notna().all()
    agreed = diagnostics[diagnostics["diagnostic"] == "disagreement"].set_index("fit")
    for fit, reference in (("svi_deep", "mcmc_deep"), ("svi_shallow", "mcmc_shallow")):
        for reason in agreed.loc[fit, "reason"]:
            assert reason.startswith(f"from {reference}, which itself fails: ")
        assert set(agreed.loc[fit, "verdict"]) == {"not measurable"}
        assert agreed.loc[fit, "value"].notna().all()
        assert set(agreed.loc[fit, "region"]) == regions
    starts = diagnostics[diagnostics["diagnostic"] == "restart_spread"].set_index("fit")["reason"]
    assert starts["svi_deep"] == "2 starts"
    assert starts["svi_shallow"] == "one start; set starts: 2 or more"
    # Where the old data are nothing can be said of the gap, and the other way round.
    assert updated.loc["forgetting", "counts_for"] == "data all"
    assert updated.loc["transfer", "counts_for"] == "gap all"
    assert updated.loc["behind_alone", "reason"].startswith("beside svi_new, verdict ")
    # Paired differences are those of the scores.
    lppd = metrics[metrics["metric"] == "lppd"].set_index(["fit", "region"])["value"]
    differences = pandas.read_csv(finished.path("results/tables/differences.csv"))
    best = lppd.xs("all", level="region")[list(FITS)].idxmax()
    pairs = {(fit, other) for fit in FITS for other in (*REFERENCES, best) if fit != other}
    assert set(zip(differences["group"], differences["other"], strict=True)) == pairs
    for row in differences.itertuples():
        apart = lppd[row.group, row.region] - lppd[row.other, row.region]
        assert row.difference == pytest.approx(apart, abs=1e-4 * (1 + abs(lppd).max()))
    assert (differences["error"] > 0).all()
    # None of these is worth its trouble, over all regions.
    assert not (verdicts.set_index("fit").loc[list(SVI), "verdict_all"] == "pass").any()


def test_lint_and_format_are_clean(finished):
    assert "good condition" in finished.snakemake("--lint")
    for command in ("ruff check", "ruff format --check", "snakefmt --check Snakefile workflow"):
        program, *arguments = command.split()
        path = Path(sys.executable).with_name(program)
        done = subprocess.run([path, *arguments], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_without_a_compiler_a_fit_is_pyros_and_says_so(project, monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("BNNFLOW_CACHE", str(tmp_path / "cache"))
    place = "results/fits/mcmc_shallow/posterior.nc"
    project.snakemake(
        "--cores", "2", place, "--forcerun", "mcmc_shallow_chain", *SMOKE, "--config", "engine=auto"
    )
    for chain in range(2):
        log = project.path(f"results/logs/mcmc_shallow_chain/{chain}.log").read_text()
        assert log.count("not compiled, so Pyro evaluates the model, far slower") == 1
        assert "there is no C++ compiler 'no-such-compiler'; install" in log
    facts = posterior.read(project.path(place))["posterior"].attrs
    assert facts["engine"] == "pyro"
    assert "no-such-compiler" in facts["engine_reason"]

    insisting = ("--cores", "2", place, *SMOKE, "--config", "engine=compiled")
    printed = project.snakemake(*insisting, fails=True)
    assert "NotCompiledError: there is no C++ compiler 'no-such-compiler'; install" in printed
