"""A table of several inputs, from the file to the report."""

import html

import numpy as np
import pandas as pd
import pytest

CONFIG = """
engine: pyro
data:
  table: plants.csv
  targets: height
  units: {height: cm, light: h}
models:
  default: {hidden: [3]}
fits:
  mine: {inference: {method: nuts, chains: 2, warmup: 10, draws: 10, max_tree_depth: 4}}
  study:
    grid: {prior.stddev: [1.0, 3.0]}
    inference: {method: svi, steps: 20, draws: 10}
"""


@pytest.mark.slow
def test_a_table_of_numbers_and_levels_is_drawn_and_told_of(empty):
    random = np.random.default_rng(0)
    light, water = random.uniform(0, 10, (2, 60))
    soil = random.choice(["clay", "loam", "sand"], 60)
    height = light + np.sin(water) + (soil == "loam") + random.normal(size=60)
    table = pd.DataFrame({"light": light, "water": water, "soil": soil, "height": height})
    table.to_csv(empty.path("plants.csv"), index=False)
    empty.path("plants.yaml").write_text(CONFIG, encoding="utf-8")
    files = "--configfile", "plants.yaml"
    report = "--report", "results/report.html", "--report-after-run"
    empty.snakemake("--cores", "2", *report, *files)
    ends = ("", "_observed", "_calibration", "_chains", "_prior")
    names = ["data", *(f"mine{end}" for end in ends), "study", "all_fits", "scores"]
    for name in names:
        for end in ("png", "svg"):
            assert empty.path(f"results/figures/{name}.{end}").stat().st_size > 5000
    story = html.unescape(empty.story())
    for told in (
        "has 60 rows. 12 rows are held out, 20 % drawn with seed 42.",
        "levels: clay, loam, sand",
        "3 inputs, of which one is 1",
        "by 12 held-out observations that no fit has seen",
        "Observed and predicted",
        "partial dependence",
    ):
        assert told in story
    for fault in ("system-message", "problematic", "{{", "{%", "true function"):
        assert fault not in story.split("<pre>")[0]
    assert not empty.planned(*files)
