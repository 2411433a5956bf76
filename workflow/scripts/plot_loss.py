"""Draw the loss of a variational fit."""

from bnnflow import jobs

jobs.start(snakemake)

import numpy as np

from bnnflow.data import datasets
from bnnflow.figures import pictures
from bnnflow.judge import plateau, verdicts

losses = datasets.losses(snakemake.input.loss, snakemake.params.steps)
observations = sum(len(datasets.read(path)) for path in snakemake.input.data)
with pictures.styled(snakemake.input.style):
    losses = losses / observations
    steps = np.arange(1, len(losses) + 1)
    compared = plateau.drift(losses, snakemake.params.limits).steps
    diagnostics = verdicts.read(snakemake.input.diagnostics)
    verdict = verdicts.stamp(diagnostics, "elbo_drift")
    figure = pictures.loss(snakemake.params.title, steps, losses, compared, verdict)
    pictures.save(figure, *snakemake.output)
