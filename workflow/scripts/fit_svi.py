"""Fit a guide to the posterior and draw from it."""

from bnnflow import jobs

jobs.start(snakemake)

import pandas as pd
import pyro
import torch

from bnnflow import fits, parameters, posterior, svi
from bnnflow.density import LogDensity

jobs.use_threads(snakemake.params.torch_threads)

# Before the network is built, because its layers use the stream too.
pyro.set_rng_seed(snakemake.params.seed)
stream = torch.default_generator
model = fits.network(**snakemake.params.network, source=snakemake.input.get("prior"))
data = fits.observations(snakemake.input.data)
density = LogDensity(model, *data, engine=snakemake.params.engine)
((guide, losses),) = svi.fit(density, [stream], **snakemake.params.optimization)
draws = svi.draws(guide, density, snakemake.params.draws, stream)

posterior.write(posterior.of_chain(draws, facts=density.facts), snakemake.output.posterior)
parameters.write_guide(svi.stored(guide), density.sites, snakemake.output.guide)
loss = pd.DataFrame({"step": range(1, len(losses) + 1), "loss": losses})
loss.to_csv(snakemake.output.loss, index=False, float_format="%.8g")
