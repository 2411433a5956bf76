"""Simulate observations that no fit sees, with the true function beside them."""

from bnnflow import jobs

jobs.start(snakemake)

import numpy as np

from bnnflow.data import tutorial
from bnnflow.files import safe

random = np.random.RandomState(snakemake.params.seed)
table = tutorial.simulated([snakemake.params.interval], snakemake.params.noise, random)
safe.write_table(table.assign(f=tutorial.sinusoid(table["x"])), snakemake.output[0])
jobs.log.info("%d observations", len(table))
