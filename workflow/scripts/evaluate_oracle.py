"""Score the generating process itself: the best that a fit could do."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data import oracle, points
from bnnflow.files import arrays
from bnnflow.judge import scores
from bnnflow.predict import levels

held_out = points.read(snakemake.input.points)
x, y = held_out["inputs"].to_numpy()[:, 0], held_out["targets"].to_numpy()
if "noise" in held_out:
    process = held_out["truth"].to_numpy(), held_out["noise"].to_numpy()
    own = oracle.normal(*process, y, levels.LEVELS)
else:
    own = oracle.foretold(x, y[0], snakemake.params.noise, levels.LEVELS)
found = held_out.merge(own)
arrays.write(found, snakemake.output.rows)
scores.write(scores.table(found), snakemake.output.scores)
