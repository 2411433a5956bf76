"""Score the generating process itself: the best that a fit could do."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data import oracle, points
from bnnflow.judge import scores
from bnnflow.predict import levels

held_out = points.read(snakemake.input.points)
x, y = held_out["inputs"].to_numpy()[:, 0], held_out["targets"].to_numpy()
if "noise" in held_out:
    process = held_out["truth"].to_numpy(), held_out["noise"].to_numpy()
    found = oracle.normal(*process, y, levels.LEVELS)
else:
    found = oracle.foretold(x, y[0], snakemake.params.noise, levels.LEVELS)
scores.write(scores.table(held_out.merge(found)), snakemake.output[0])
