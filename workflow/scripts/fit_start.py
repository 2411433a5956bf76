"""Fit a guide to the posterior, from one start or from several together, and draw from the best."""

from bnnflow import jobs

jobs.start(snakemake)

import math

import numpy as np
import pyro
import torch

from bnnflow.density.log_density import LogDensity
from bnnflow.files import parameters, posterior, starts
from bnnflow.methods import checkpoints, svi
from bnnflow.model import build

torch.set_num_threads(snakemake.params.torch_threads)

source = snakemake.input.get("prior") and parameters.read(snakemake.input.prior)
columns = snakemake.params.columns
encoding, *data = build.observations(snakemake.input.data, **columns, source=source)
network = snakemake.params.network | {key: len(columns[key]) for key in ("inputs", "targets")}
settings = dict(snakemake.params.settings)
count = settings.pop("draws")
streams = []
for seed in snakemake.params.seeds:
    pyro.set_rng_seed(seed)
    # Its layers use the stream too.
    model = build.network(**network, source=source)
    streams.append(torch.Generator().set_state(torch.get_rng_state()))
observations = len(data[0])
density = LogDensity(model, *data, engine=snakemake.params.engine, device=snakemake.params.device)
checkpoint = checkpoints.of_job(snakemake)
try:
    fitted = svi.fit(density, streams, observations=observations, **settings, checkpoint=checkpoint)
except FloatingPointError as error:
    # Other starts may do better.
    jobs.log.error("%s", error)
    packed = starts.packed([math.nan] * len(streams))
else:
    elbos = [svi.final_elbo(*each) for each in fitted]
    best = int(np.nanargmax(elbos))
    guide, losses = fitted[best]
    draws, stats = svi.draws(guide, density, count, streams[best], observations=observations)
    tree = posterior.of_chain(draws, stats, density.facts, encoding)
    packed = starts.packed(elbos, tree, svi.stored(guide), density.sites, losses)
posterior.write(packed, snakemake.output[0])
checkpoint.remove()
