"""Score the generating process itself: the best that a fit could do."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data import oracle, points
from bnnflow.judge import scores
from bnnflow.predict import levels

held_out = points.read(snakemake.input.points)
x, y = held_out["inputs"].to_numpy()[:, 0], held_out["targets"].to_numpy()[0]
found = oracle.foretold(x, y, snakemake.params.noise, levels.LEVELS)
scores.write(scores.table(held_out.merge(found)), snakemake.output[0])
