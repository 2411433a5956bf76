"""Write the true function."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data import datasets, tutorial
from bnnflow.run.written import remembered

with remembered(*snakemake.output):
    datasets.write(tutorial.truth(snakemake.params.interval), snakemake.output[0])
