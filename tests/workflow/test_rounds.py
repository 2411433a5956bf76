"""As many chains as are needed: rounds of more and more of them, until they suffice."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from bnnflow.files import posterior

CONFIG = """
engine: pyro
data: {{table: plants.csv, targets: height}}
models:
  line: {{hidden: []}}
fits:
  mine:
    model: line
    inference: {{{}, chains_per_job: 4, optimum_steps: 60, warmup: 60, draws: 40, thinning: 2}}
"""
AUTO = "chains: auto, most_chains: 16"
HARD = "diagnostics: {computation_error: [0.0001, 0.5]}\n"
ASKED = "results/fits/mine/diagnostics.csv"
FILES = "--configfile", "plants.yaml"


@pytest.mark.slow
def test_rounds_end_when_their_chains_suffice(empty):
    random = np.random.default_rng(0)
    light = random.uniform(0, 10, 60)
    table = pd.DataFrame({"light": light, "height": light + random.normal(size=60)})
    table.to_csv(empty.path("plants.csv"), index=False)

    def run(chains, more=""):
        text = CONFIG.format(chains) + more
        empty.path("plants.yaml").write_text(text, encoding="utf-8")
        empty.snakemake("--cores", "2", ASKED, *FILES)
        assert empty.planned(ASKED, *FILES) == Counter()

    run(AUTO)
    answers = empty.path("results/fits/mine/enough")
    told = {path.stem: path.read_text(encoding="utf-8") for path in answers.iterdir()}
    # Eight are the first that are no warning.
    assert told == {"4": "chains,enough\n4,no\n", "8": "chains,enough\n8,yes\n"}
    path = empty.path("results/fits/mine/posterior.nc")
    found, first = path.read_bytes(), path.parent / "chains/0.nc"
    assert posterior.read(path)["posterior"].sizes["chain"] == 8
    begun = first.stat().st_mtime_ns

    run("chains: 8")
    assert path.read_bytes() == found

    # Where they do not suffice, all rounds are made, and the verdict tells.
    run(AUTO, HARD)
    assert posterior.read(path)["posterior"].sizes["chain"] == 16
    told = pd.read_csv(empty.path(ASKED))
    assert "warn" in set(told["verdict"][told["diagnostic"] == "computation_error"])
    assert first.stat().st_mtime_ns == begun
