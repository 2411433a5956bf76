"""Many fits from one entry, from the plan to the report."""

import html
from collections import Counter

import pytest
from conftest import SMOKE

STUDY = """
fits:
  study:
    title: A study
    note: Of two priors.
    data: old
    model: shallow
    prior: {stddev: 3.0, scaling: none}
    grid: {prior.stddev: [1.0, 3.0]}
    replicates: 2
    inference:
      {method: svi, guide: AutoDiagonalNormal, device: cpu, learning_rate: 0.03,
       schedule: cosine, steps: 20, starts: 1, starts_per_job: 1, draws: 10}
"""


@pytest.mark.slow
def test_a_study_runs_grows_and_is_reported(project):
    project.append("config/study.yaml", STUDY)
    study = (*SMOKE, "config/study.yaml")
    shared = Counter(tables=1, plot_comparisons=1, plot_group=1)
    each = ("study_start", "study_posterior", "predict", "diagnose_study")
    assert project.planned(*study) == Counter(dict.fromkeys(each, 4)) + shared
    project.snakemake("--cores", "2", *study)
    assert project.planned(*study) == Counter()
    posteriors = {path.read_bytes() for path in project.folder.glob("results/fits/study-*/*.nc")}
    assert len(posteriors) == 4

    # Another replicate refits none of those that are there; a fit's own figure can be had.
    project.path("config/study.yaml").write_text(STUDY.replace("replicates: 2", "replicates: 3"))
    assert project.planned(*study) == Counter(dict.fromkeys(each, 2)) + shared
    picture = "results/figures/study-stddev_1-0.png"
    assert project.planned(picture, *study) == Counter(plot_variational=1)
    printed = project.snakemake("-n", "results/predictions/study-nope.nc", *study, fails=True)
    assert "there is no fit 'study-nope'" in printed
    assert "its group has study-stddev_1-0, study-stddev_1-1" in printed
    printed = project.snakemake("-n", picture.replace(".png", "_chains.png"), *study, fails=True)
    assert "No rule to produce results/figures/study-stddev_1-0_chains.png" in printed
    assert "Traceback" not in printed
    collected = Counter(study_start=2, study_posterior=2)
    assert project.planned("study", *study) == collected + Counter(study=1)

    project.snakemake("--cores", "2", *study)
    project.snakemake("--report", "results/report.html", *study)
    story = html.unescape(project.story())
    assert "The 6 fits of the group" in story
    assert "<b>stddev=1</b></td><td>3</td>" in story
    assert "<b>all</b></td><td>6</td>" in story
    assert "study-stddev" not in story.split("<pre>")[0]
    for fault in ("system-message", "problematic", "{{", "{%"):
        assert fault not in story
