"""Draw the loss of a variational fit."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow import datasets, figures

loss = datasets.read(snakemake.input.loss, columns=["step", "loss"])
observations = len(datasets.read(snakemake.input.data))
with figures.styled(snakemake.input.style):
    steps, losses = (loss[name].to_numpy() for name in ("step", "loss"))
    figure = figures.loss(snakemake.params.title, steps, losses, observations)
    figures.save(figure, *snakemake.output)
