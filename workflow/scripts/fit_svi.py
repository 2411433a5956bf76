"""Fit a guide to the posterior and draw from it."""

from bnnflow import jobs

jobs.start(snakemake)

import pandas as pd
import pyro

from bnnflow import fits, parameters, posterior, svi
from bnnflow.latent import Latent

jobs.use_threads(snakemake.params.torch_threads)

# Before the network is built, because its layers use the stream too.
pyro.set_rng_seed(snakemake.params.seed)
model = fits.network(**snakemake.params.network, source=snakemake.input.get("prior"))
x, y = fits.observations(snakemake.input.data)
guide, losses = svi.fit(model, x, y, **snakemake.params.optimization)
latent = Latent(model, x, y)
draws = svi.draws(guide, latent, snakemake.params.draws)

posterior.write(posterior.of_chain(draws), snakemake.output.posterior)
parameters.write_guide(svi.stored(), latent.sites, snakemake.output.guide)
loss = pd.DataFrame({"step": range(1, len(losses) + 1), "loss": losses})
loss.to_csv(snakemake.output.loss, index=False, float_format="%.8g")
