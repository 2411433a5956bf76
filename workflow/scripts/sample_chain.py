"""Draw one chain of a sampled fit."""

from bnnflow import jobs

jobs.start(snakemake)

import torch

from bnnflow.density.log_density import LogDensity
from bnnflow.files import posterior
from bnnflow.methods import checkpoints, nuts
from bnnflow.model import build

torch.set_num_threads(snakemake.params.torch_threads)

model = build.network(**snakemake.params.network, source=snakemake.input.get("prior"))
data = build.observations(snakemake.input.data)
density = LogDensity(model, *data, engine=snakemake.params.engine, device=snakemake.params.device)
checkpoint = checkpoints.of_job(snakemake)
draws, stats = nuts.sample_chain(
    density, seed=snakemake.params.seed, **snakemake.params.sampler, checkpoint=checkpoint
)
posterior.write(posterior.of_chain(draws, stats, density.facts), snakemake.output[0])
checkpoint.remove()
