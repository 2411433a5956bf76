"""Predictive distribution of a fit on the grid."""

from bnnflow import jobs

jobs.start(snakemake)

import numpy as np
import torch

from bnnflow import fits, posterior, predictions, predictive

jobs.use_threads(snakemake.params.torch_threads)

# At given draws the prior has no part in the response.
model = fits.network(snakemake.params.model, prior={"stddev": 1.0, "scaling": "none"})
draws = posterior.pooled(posterior.read(snakemake.input.posterior))
x = np.linspace(*snakemake.params.grid, dtype=np.float32)
mean, stddev = predictive.response(model, draws, torch.from_numpy(x)[:, None])
kept = predictive.summarised(x, mean, stddev, **snakemake.params.kept)
predictions.write(kept, snakemake.output[0])
jobs.log.info("%d draws at %d points", *mean.shape)
