"""Simulate every data set of the config from one stream, and the true function."""

from bnnflow import jobs

jobs.start(snakemake)

import numpy as np

from bnnflow import datasets

settings = snakemake.params.data

random = np.random.RandomState(settings["seed"])
for observations, path in zip(settings["observations"], snakemake.output.observations, strict=True):
    table = datasets.simulated(observations["intervals"], settings["noise"], random)
    datasets.write(table, path)
    jobs.log.info("%s: %d observations", observations["name"], len(table))
datasets.write(datasets.truth(settings["truth"]), snakemake.output.truth)
