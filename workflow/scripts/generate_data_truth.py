"""Write the true function."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data import tutorial
from bnnflow.files import safe

safe.write_table(tutorial.truth(snakemake.params.interval), snakemake.output[0])
