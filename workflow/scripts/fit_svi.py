"""Fit a guide to the posterior and draw from it."""

from bnnflow import jobs

jobs.start(snakemake)

import numpy as np
import pandas as pd
import pyro
import torch
import xarray as xr

from bnnflow import fits, parameters, posterior, svi
from bnnflow.density import LogDensity

jobs.use_threads(snakemake.params.torch_threads)

# Before the network is built, because its layers use the stream too.
first, *others = snakemake.params.seeds
pyro.set_rng_seed(first)
streams = [torch.default_generator, *(torch.Generator().manual_seed(seed) for seed in others)]
model = fits.network(**snakemake.params.network, source=snakemake.input.get("prior"))
data = fits.observations(snakemake.input.data)
density = LogDensity(model, *data, engine=snakemake.params.engine)
fitted = svi.fit(density, streams, **snakemake.params.optimization)
elbos = [svi.final_elbo(*each) for each in fitted]
best = int(np.nanargmax(elbos))
guide, losses = fitted[best]
draws, stats = svi.draws(guide, density, snakemake.params.draws, streams[best])

tree = posterior.of_chain(draws, stats, density.facts)
tree["starts"] = xr.DataTree(xr.Dataset({"elbo": ("start", elbos)}))
posterior.write(tree, snakemake.output.posterior)
parameters.write_guide(svi.stored(guide), density.sites, snakemake.output.guide)
loss = pd.DataFrame({"step": range(1, len(losses) + 1), "loss": losses})
loss.to_csv(snakemake.output.loss, index=False, float_format="%.8g")
