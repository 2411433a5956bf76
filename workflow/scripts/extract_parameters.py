"""Take mean and standard deviation from a fitted guide, with the sites that they belong to."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.files import parameters, safe

extracted = parameters.extracted(snakemake.input.guide)
parameters.write(extracted, snakemake.output.tensors)
safe.write_table(extracted.table(), snakemake.output.table)
jobs.log.info("%d parameters of %d sites", len(extracted.mean), len(extracted.sites))
