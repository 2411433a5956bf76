"""Put the chains of a sampled fit into one posterior."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.files import posterior

merged = posterior.merged([posterior.read(path) for path in snakemake.input])
posterior.write(merged, snakemake.output[0])
jobs.log.info("chains and draws: %s", dict(merged["posterior"].sizes))
