"""A table in two folds, from the file to the report; another fit runs its own jobs alone."""

import html
from collections import Counter

import numpy as np
import pandas as pd
import pytest

CONFIG = """
engine: pyro
data:
  table: plants.csv
  targets: height
  folds: 2
  predict: {new: new.csv}
models:
  default: {hidden: [3]}
fits:
  mine: {inference: {method: svi, steps: 20, starts: 1, draws: 10}}
  up: {prior: {posterior_of: mine}, inference: {method: svi, steps: 20, starts: 1, draws: 10}}
"""
ANOTHER = "  other: {inference: {method: svi, steps: 10, starts: 1, draws: 10}}\n"
FILES = "--configfile", "plants.yaml"


@pytest.mark.slow
def test_a_table_in_folds_is_fitted_compared_and_reported(empty):
    random = np.random.default_rng(0)
    light, water = random.uniform(0, 10, (2, 60))
    height = light + np.sin(water) + random.normal(size=60)
    table = pd.DataFrame({"light": light, "water": water, "height": height})
    table.to_csv(empty.path("plants.csv"), index=False)
    table.head(3).to_csv(empty.path("new.csv"), index=False)
    empty.path("plants.yaml").write_text(CONFIG, encoding="utf-8")
    report = "--report", "results/report.html", "--report-after-run"
    empty.snakemake("--cores", "2", *report, *FILES)
    assert not empty.planned(*FILES)

    rows = [pd.read_csv(empty.path(f"results/data/fold_{k}/held_out.csv")) for k in (1, 2)]
    assert sorted(pd.concat(rows)["light"]) == sorted(light)
    for name in ("data", "mine", "up", "scores"):
        assert empty.path(f"results/figures/{name}.png").stat().st_size > 5000
    for fit in ("mine-fold_1", "up-fold_2"):
        assert len(pd.read_csv(empty.path(f"results/predictions/{fit}/new.csv"))) == 3

    metrics = pd.read_csv(empty.path("results/tables/metrics.csv"))
    lppd = metrics[(metrics["metric"] == "lppd") & (metrics["region"] == "all")]
    value = lppd.set_index("fit")["value"]
    apart = [value[f"mine-fold_{k}"] - value[f"linear-fold_{k}"] for k in (1, 2)]
    told = pd.read_csv(empty.path("results/tables/differences.csv"), keep_default_na=False)
    told = told[(told["metric"] == "lppd") & (told["region"] == "all")]
    told = told.set_index(["group", "other"]).loc[("mine", "linear")]
    np.testing.assert_allclose(float(told["difference"]), np.mean(apart), rtol=1e-5)
    # Of two folds there are as many held-out rows as training rows.
    error = np.std(apart, ddof=1) * np.sqrt(1 / 2 + 1)
    np.testing.assert_allclose(float(told["error"]), error, rtol=1e-5)

    story = html.unescape(empty.story())
    for said in (
        "by what its own of 2 splits holds out, which the fit has not seen.",
        "Each of 2 folds of the rows is held out once, drawn with seed 42. In fold_1 30 rows are",
        "The 2 fits of the group <code>mine</code>",
        "Differences over splits",
        "<b>mine</b> less <b>linear</b>",
        "<b>up</b> less <b>mine</b>",
        "What fails, with the share of the fits: ",
        "Predictions of new rows: <code>results/predictions/mine-fold_1/new.csv</code>, <code>",
    ):
        assert said in story
    for fault in ("system-message", "problematic", "{{", "{%", "fit-mine-fold_1"):
        assert fault not in story.split("<pre>")[0]

    with empty.path("plants.yaml").open("a", encoding="utf-8") as file:
        file.write(ANOTHER)
    each = ("start", "posterior")
    jobs = Counter({f"other_{part}": 2 for part in each}) + Counter(diagnose_other=2)
    jobs += Counter(predict=2, predict_new=2, plot_group=3)
    assert empty.planned(*FILES) == jobs + Counter(tables=1, plot_comparisons=1)
    one = "results/figures/mine-fold_2_observed.png"
    assert empty.planned(one, *FILES) == Counter(plot_variational=1)
