"""Score the generating process itself: the best that a fit could do."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data import datasets, oracle
from bnnflow.judge import scores
from bnnflow.predict import levels

held_out = datasets.read(snakemake.input.held_out, columns=["x", "y", "f"])
x, y = held_out["x"].to_numpy(), held_out["y"].to_numpy()
found = oracle.evaluated(x, y, snakemake.params.noise, levels.LEVELS)
table = scores.table(scores.of_points(found, held_out), snakemake.params.regions)
scores.write(table, snakemake.output[0])
