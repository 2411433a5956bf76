"""What a fit says of the held-out observations."""

from bnnflow import jobs

jobs.start(snakemake)

import torch

from bnnflow.data import points
from bnnflow.files import arrays, posterior
from bnnflow.predict import evaluation, levels, predictive

torch.set_num_threads(snakemake.params.torch_threads)

held_out, fitted = points.read(snakemake.input.points), snakemake.params.fitted
tree = predictive.read(snakemake.input.posterior, fitted)
mixtures = predictive.mixtures(fitted["model"], tree, held_out["inputs"].to_numpy())
stream = torch.Generator().manual_seed(snakemake.params.seed)
targets, weight = posterior.encoding(tree).targets, posterior.weights(tree)
correlation = predictive.correlation(fitted["model"], tree)
found = evaluation.evaluated(
    mixtures, targets, held_out, levels.LEVELS, weight, stream, correlation
)
arrays.write(found, snakemake.output[0])
jobs.log.info("%d draws at %d points", mixtures[0].draws, held_out.sizes["point"])
