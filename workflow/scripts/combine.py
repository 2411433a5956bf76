"""Put the parts of a fit together: its posterior, and what its method leaves besides."""

from bnnflow import jobs

jobs.start(snakemake)

import pandas as pd

from bnnflow.files import parameters, posterior, safe
from bnnflow.methods.running import stacking
from bnnflow.methods.running.method import METHODS

method, to = METHODS.made(snakemake.params.settings), snakemake.output
left = method.combined(snakemake.input)
tree = stacking.with_weights(left.posterior) if method.weights == "stacking" else left.posterior
posterior.write(posterior.fitted_by(tree, snakemake.params.fitted), to.posterior)
sizes = tree["posterior"].sizes
jobs.log.info("chains: %d; draws of each: %d", sizes["chain"], sizes["draw"])
if left.guide is not None:
    parameters.write_tensors(left.guide, left.sites, to.guide, posterior.encoding(tree))
    extracted = parameters.extracted(to.guide)
    parameters.write(extracted, to.tensors)
    safe.write_table(extracted.table(), to.table)
    jobs.log.info("%d parameters of %d sites", len(extracted.mean), len(extracted.sites))
if left.losses is not None:
    loss = pd.DataFrame({"step": range(1, len(left.losses) + 1), "loss": left.losses})
    safe.write_table(loss, to.loss, float_format="%.8g")
