"""Draw one chain of a sampled fit."""

from bnnflow import jobs

jobs.start(snakemake)

import torch

from bnnflow.density.log_density import LogDensity
from bnnflow.files import parameters, posterior
from bnnflow.methods import checkpoints, nuts
from bnnflow.model import build

torch.set_num_threads(snakemake.params.torch_threads)

source = snakemake.input.get("prior") and parameters.read(snakemake.input.prior)
columns = snakemake.params.columns
encoding, *data = build.observations(snakemake.input.data, **columns, source=source)
network = snakemake.params.network | {key: len(columns[key]) for key in ("inputs", "targets")}
model = build.network(**network, source=source)
density = LogDensity(model, *data, engine=snakemake.params.engine, device=snakemake.params.device)
checkpoint = checkpoints.of_job(snakemake)
(seed,) = snakemake.params.seeds
draws, stats = nuts.sample_chain(
    density, seed=seed, **snakemake.params.settings, checkpoint=checkpoint
)
tree = posterior.of_chain(draws, stats, density.facts, encoding)
posterior.write(tree, snakemake.output[0])
checkpoint.remove()
