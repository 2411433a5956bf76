"""Draw one chain of a sampled fit."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow import checkpoints, fits, nuts, posterior
from bnnflow.density import LogDensity

jobs.use_threads(snakemake.params.torch_threads)

model = fits.network(**snakemake.params.network, source=snakemake.input.get("prior"))
data = fits.observations(snakemake.input.data)
density = LogDensity(model, *data, engine=snakemake.params.engine, device=snakemake.params.device)
checkpoint = checkpoints.of_job(snakemake)
draws, stats = nuts.sample_chain(
    density, seed=snakemake.params.seed, **snakemake.params.sampler, checkpoint=checkpoint
)
posterior.write(posterior.of_chain(draws, stats, density.facts), snakemake.output[0])
checkpoint.remove()
