"""Draw the loss of a variational fit."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow import datasets, figures, plateau, verdicts

loss = datasets.read(snakemake.input.loss, columns=["step", "loss"])
observations = sum(len(datasets.read(path)) for path in snakemake.input.data)
with figures.styled(snakemake.input.style):
    steps, losses = (loss[name].to_numpy() for name in ("step", "loss"))
    losses = losses / observations
    compared = plateau.drift(losses, snakemake.params.limits).steps
    diagnostics = verdicts.read(snakemake.input.diagnostics)
    verdict = verdicts.stamp(diagnostics, "elbo_drift")
    figure = figures.loss(snakemake.params.title, steps, losses, compared, verdict)
    figures.save(figure, *snakemake.output)
