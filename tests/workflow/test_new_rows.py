"""A table's held-out targets leave no trace in a posterior, and new rows are predicted from it."""

import numpy as np
import pandas as pd
import pytest

CONFIG = """
engine: pyro
data:
  table: plants.csv
  targets: height
  missing: indicator
  transform: {height: log}
  held_out: {where: {year: [2020, null]}}
models:
  default: {hidden: [3]}
fits:
  mine: {inference: {method: svi, steps: 20, starts: 1, draws: 10}}
"""
POSTERIOR, NEW = "results/fits/mine/posterior.nc", "results/predictions/mine/new.csv"


@pytest.mark.slow
def test_a_posterior_is_the_same_whatever_the_held_out_targets(empty):
    at = np.random.default_rng(0)
    table = pd.DataFrame({"light": at.uniform(0, 10, 40), "soil": at.choice(["clay", "loam"], 40)})
    table["year"] = at.integers(2000, 2030, 40)
    table["height"] = np.exp(at.normal(size=40))
    table.loc[::7, "light"] = None
    table.to_csv(empty.path("plants.csv"), index=False)
    empty.path("plants.yaml").write_text(CONFIG, encoding="utf-8")
    empty.snakemake("--cores", "2", POSTERIOR, "--configfile", "plants.yaml")
    files = [POSTERIOR, "results/data/train.csv", "results/data/held_out.csv"]
    posterior, train, held_out = (empty.path(name).read_bytes() for name in files)

    table.loc[table["year"] >= 2020, "height"] *= 1000
    table.to_csv(empty.path("plants.csv"), index=False)
    empty.snakemake("--cores", "2", POSTERIOR, "--forceall", "--configfile", "plants.yaml")
    again = [empty.path(name).read_bytes() for name in files]
    assert again[:2] == [posterior, train]
    assert again[2] != held_out

    # New rows are predicted from what there is.
    table.drop(columns="height").to_csv(empty.path("new.csv"), sep="\t", index=False)
    predict = CONFIG.replace("  missing", "  predict: {new: new.csv}\n  missing")
    empty.path("plants.yaml").write_text(predict, encoding="utf-8")
    assert empty.planned(NEW, "--configfile", "plants.yaml") == {"predict_new": 1}
    empty.snakemake("--cores", "2", NEW, "--configfile", "plants.yaml")
    found = pd.read_csv(empty.path(NEW))
    assert found["soil"].tolist() == table["soil"].tolist()
    assert (found["height_quantile_0.025"] < found["height_quantile_0.975"]).all()
    assert (found["distance"] < 1e-3)[table["year"] < 2020].all()

    # By that rule alone a fit predicts without its table, whatever else has changed.
    made = [empty.path(name).read_bytes() for name in (NEW, POSTERIOR)]
    alone = NEW, "--allowed-rules", "predict_new", "--configfile", "plants.yaml"
    empty.path("plants.yaml").write_text(
        predict.replace("steps: 20", "steps: 30"), encoding="utf-8"
    )
    assert set(empty.planned(NEW, "--configfile", "plants.yaml")) > {"mine_start", "predict_new"}
    empty.path(NEW).unlink()
    empty.path("plants.csv").rename(empty.path("gone.csv"))
    told = empty.snakemake("-n", NEW, "--configfile", "plants.yaml", fails=True)
    assert "data.table: is 'plants.csv'; there is no such file in" in told
    empty.snakemake("--cores", "2", *alone)
    assert [empty.path(name).read_bytes() for name in (NEW, POSTERIOR)] == made

    # What the posterior was fitted with is not guessed from another config.
    empty.path("plants.yaml").write_text(
        predict.replace("hidden: [3]", "hidden: [3], activation: relu"), encoding="utf-8"
    )
    empty.path(NEW).unlink()
    told = empty.snakemake("--cores", "2", *alone, fails=True)
    assert f'{POSTERIOR}: was fitted with model.activation: "tanh", but the config now' in told
    assert "Traceback" not in told
    empty.path("plants.yaml").write_text(predict, encoding="utf-8")
    empty.path("gone.csv").rename(empty.path("plants.csv"))

    table.assign(soil="peat").to_csv(empty.path("new.csv"), index=False)
    told = empty.snakemake("--cores", "2", NEW, "--configfile", "plants.yaml", fails=True)
    assert (
        "new.csv: the column soil has the levels peat, which no fit knows, first in row 1;" in told
    )
    assert "Traceback" not in told
