"""Draw the loss of a variational fit."""

from bnnflow import jobs

jobs.start(snakemake)

import numpy as np

from bnnflow.data import datasets
from bnnflow.figures.canvas import save, styled
from bnnflow.figures.loss import draw_loss
from bnnflow.judge import plateau, verdicts

losses = datasets.losses(snakemake.input.loss, snakemake.params.steps)
losses = losses / sum(len(datasets.read(path)) for path in snakemake.input.data)
steps = np.arange(1, len(losses) + 1)
drift = plateau.drift(losses, snakemake.params.limits)
compared = drift.steps if drift else 0
verdict = verdicts.stamp(verdicts.read(snakemake.input.diagnostics), "elbo_drift")
fit, title = snakemake.wildcards.fit, snakemake.params.title
with styled(snakemake.input.style):
    save(draw_loss(fit, title, steps, losses, compared, verdict), *snakemake.output)
