"""Write the true function."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data import datasets

datasets.write(datasets.truth(snakemake.params.interval), snakemake.output[0])
