"""Score a constant and a linear model: the least that a fit should do."""

from bnnflow import jobs

jobs.start(snakemake)

import numpy as np

from bnnflow.data import baselines, distributions, points, table
from bnnflow.files import arrays
from bnnflow.judge import scores
from bnnflow.predict import levels

given, made = snakemake.input, snakemake.output
training = table.read(given.training, table.columns_of(given.get("columns")))
held_out = points.read(given.points)
y, random = held_out["targets"].to_numpy(), np.random.default_rng(snakemake.params.seed)
for name, own in baselines.foretold(training, held_out["inputs"].to_numpy()).items():
    found = held_out.merge(distributions.scores_at(own, y, levels.LEVELS, random))
    if len(y) > 1:
        # The two know no correlation.
        found["joint_log_density"] = found["log_density"].sum("target")
    arrays.write(found, made[f"{name}_rows"])
    scores.write(scores.table(found), made[name])
jobs.log.info("%d training rows, %d held-out rows", len(training), held_out.sizes["point"])
