"""Take the best of all starts of a variational fit, by its evidence lower bound."""

from bnnflow import jobs

jobs.start(snakemake)

import pandas as pd

from bnnflow.files import parameters, posterior, safe, starts

try:
    tree, guide, sites, losses = starts.best(list(map(starts.read, snakemake.input)))
except FloatingPointError as error:
    rate = snakemake.params.settings["learning_rate"]
    raise FloatingPointError(f"{error}; try a learning_rate below {rate:g}") from None
posterior.write(tree, snakemake.output.posterior)
parameters.write_guide(guide, sites, snakemake.output.guide, posterior.encoding(tree))
loss = pd.DataFrame({"step": range(1, len(losses) + 1), "loss": losses})
safe.write_table(loss, snakemake.output.loss, float_format="%.8g")
extracted = parameters.extracted(snakemake.output.guide)
parameters.write(extracted, snakemake.output.tensors)
safe.write_table(extracted.table(), snakemake.output.table)
jobs.log.info("%d parameters of %d sites", len(extracted.mean), len(extracted.sites))
