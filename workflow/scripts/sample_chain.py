"""Draw one chain of a sampled fit."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow import fits, nuts, posterior

jobs.use_threads(snakemake.params.torch_threads)

model = fits.network(**snakemake.params.network, source=snakemake.input.get("prior"))
x, y = fits.observations(snakemake.input.data)
draws, stats = nuts.sample_chain(
    model, x, y, seed=snakemake.params.seed, **snakemake.params.sampler
)
posterior.write(posterior.of_chain(draws, stats), snakemake.output[0])
