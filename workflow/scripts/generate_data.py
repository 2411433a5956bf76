"""Simulate a data set, whose noise follows that of the earlier ones in the stream."""

from bnnflow import jobs

jobs.start(snakemake)

import numpy as np

from bnnflow.data import tutorial
from bnnflow.files import safe

random = np.random.RandomState(snakemake.params.stream)
for intervals in snakemake.params.sets:
    table = tutorial.simulated(intervals, snakemake.params.noise, random)
safe.write_table(table, snakemake.output[0])
jobs.log.info("%d observations", len(table))
