"""Write the true function."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data import datasets, tutorial

datasets.write(tutorial.truth(snakemake.params.interval), snakemake.output[0])
