"""What a run says of itself, and whether it can be made again."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import SMOKE

from bnnflow import manifests
from bnnflow.errors import FileError


def manifest_of(folder, **others):
    names = [path for path in folder.rglob("*") if path.is_file()]
    return manifests.described({"seed": 0}, {"a chain 0": 1}, ["cpu"], names, folder) | others


@pytest.fixture
def tables(tmp_path):
    random = np.random.default_rng(0)
    old = tmp_path / "old"
    for name in ("data", "fits/a", "tables"):
        (old / name).mkdir(parents=True)
    data = pd.DataFrame(random.normal(size=(5, 2)), columns=["x", "y"])
    data.to_csv(old / "data/old.csv", index=False)
    parameters = pd.DataFrame({"site": ["w"] * 3, "index": range(3), "transform": "identity"})
    parameters["mean"], parameters["stddev"] = random.normal(size=3), [0.1, 1.0, 10.0]
    parameters.to_csv(old / "fits/a/parameters.csv", index=False)
    scores = pd.DataFrame({"fit": "a", "region": ["r", "s"], "metric": "lppd"})
    scores = scores.assign(value=[1.0, -2.0], error_draws=[0.1, np.nan], error_points=0.1)
    scores.to_csv(old / "tables/metrics.csv", index=False)
    (old / "picture.png").write_bytes(b"picture")
    return old, shutil.copytree(old, tmp_path / "new")


def changed(path, column, row, value):
    table = pd.read_csv(path)
    table.loc[row, column] = value
    table.to_csv(path, index=False)


def test_the_same_files_are_the_same(tables):
    old, new = tables
    assert manifests.damaged(manifest_of(old), old) == []
    assert manifests.differences(manifest_of(old), old, new) == ([], 4)
    for elsewhere in ({"platform": {"processor": "another"}}, {"devices": ["cpu", "cuda"]}):
        assert manifests.differences(manifest_of(old, **elsewhere), old, new) == ([], 3)


def test_on_the_same_platform_every_byte_counts(tables):
    old, new = tables
    (new / "picture.png").write_bytes(b"Picture")
    (new / "data/old.csv").unlink()
    changed(new / "fits/a/parameters.csv", "mean", 1, 7.0)
    found, compared = manifests.differences(manifest_of(old), old, new)
    assert compared == 4
    by = 7 - pd.read_csv(old / "fits/a/parameters.csv")["mean"][1]
    assert found == [
        "data/old.csv: was not made again",
        f"fits/a/parameters.csv: differs: mean by up to {by:.3g}",
        "picture.png: differs",
    ]


@pytest.mark.parametrize(
    ("name", "column", "row", "within", "beyond", "told"),
    [
        ("data/old.csv", "x", 0, 1 + 5e-10, 1 + 1e-8, "1 values are further apart than 1e-09"),
        ("fits/a/parameters.csv", "stddev", 0, 1.04, 1.06, "a standard deviation has changed by 6"),
        ("tables/metrics.csv", "value", 0, 1.5, 1.7, "lppd of a in r is 1.7 instead of 1"),
        ("tables/metrics.csv", "value", 1, 1.009, 1.02, "lppd of a in s is -2.04 instead of -2"),
    ],
)
def test_on_another_platform_tolerances_hold(tables, name, column, row, within, beyond, told):
    old, new = tables
    elsewhere = manifest_of(old, platform={"processor": "another"})
    value = pd.read_csv(old / name)[column][row]
    changed(new / name, column, row, value * within)
    assert manifests.differences(elsewhere, old, new)[0] == []
    changed(new / name, column, row, value * beyond)
    (found,) = manifests.differences(elsewhere, old, new)[0]
    assert found.startswith(f"{name}: {told}")


def test_on_another_platform_means_move_within_their_stddev(tables):
    old, new = tables
    elsewhere = manifest_of(old, platform={"processor": "another"})
    path = "fits/a/parameters.csv"
    mean = pd.read_csv(old / path)["mean"]
    changed(new / path, "mean", 2, mean[2] + 0.4)
    assert manifests.differences(elsewhere, old, new)[0] == []
    changed(new / path, "mean", 0, mean[0] + 0.006)
    (found,) = manifests.differences(elsewhere, old, new)[0]
    assert "a mean has moved by 0.06 of its standard deviation" in found


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"sha256": {"a": 1}}', "[" * 100_000, '{"sha256": {}, "config": 1}']
)
def test_what_is_no_manifest_is_refused(tmp_path, text):
    path = tmp_path / "manifest.json"
    path.write_text(text)
    with pytest.raises(FileError, match="cannot be read as a manifest"):
        manifests.read(path)


def test_a_run_writes_what_it_is(finished):
    manifest = manifests.read(finished.path("results/manifest.json"))
    assert manifest["config"]["engine"] == "pyro"
    assert manifest["config"]["fits"]["svi_deep"]["inference"]["seed"] is None
    assert (
        manifest["seeds"]["mcmc_shallow chain 0"] == manifest["seeds"]["svi_shallow start 0"] == 42
    )
    assert manifest["seeds"]["svi_deep start 0"] == 0xAA07A728
    assert manifest["platform"] == manifests.platform_facts()
    assert manifests.damaged(manifest, finished.path("results")) == []
    results = finished.path("results")
    made = {path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file()}
    left = {name.split("/")[0] for name in made - set(manifest["sha256"])}
    assert left == {"logs", "benchmarks", "manifest.json"}


@pytest.mark.slow
def test_a_run_is_verified_and_a_change_is_found(project):
    printed = project.snakemake("verify", "--cores", "2", *SMOKE)
    number = len(json.loads(project.path("results/manifest.json").read_text())["sha256"])
    assert f"{number} results are the same, byte for byte" in printed
    assert not project.path("verification").exists()
    with project.path("results/figures/data.svg").open("a") as file:
        file.write("<!-- changed -->")
    printed = project.snakemake("verify", "--cores", "2", *SMOKE, fails=True)
    assert f"1 of {number} results, compared byte for byte, differ:\n  figures/data.svg" in printed
    assert "Traceback" not in printed
    assert project.path("verification/results/figures/data.svg").exists()
