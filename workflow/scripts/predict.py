"""What a fit says on the grid, and of the held-out observations."""

from bnnflow import jobs

jobs.start(snakemake)

import numpy as np
import torch

from bnnflow.data import points
from bnnflow.files import arrays, posterior
from bnnflow.predict import evaluation, levels, predictive

given, params = snakemake.input, snakemake.params
torch.set_num_threads(params.torch_threads)

tree = predictive.read(given.posterior, params.fitted)
model = params.fitted["model"]
targets, weighting = posterior.encoding(tree).targets, posterior.weighting(tree)

path = given.get("grid")
grid = points.at(path) if path else points.grid({"x": np.linspace(*params.grid)})
mixtures = predictive.mixtures(model, tree, grid["inputs"].to_numpy())
arrays.write(predictive.summarised(mixtures, targets, grid, **params.kept), snakemake.output.grid)

held_out = points.read(given.held_out)
mixtures = predictive.mixtures(model, tree, held_out["inputs"].to_numpy())
stream = torch.Generator().manual_seed(params.seed)
correlation = predictive.correlation(model, tree)
found = evaluation.evaluated(
    mixtures, targets, held_out, levels.LEVELS, weighting, stream, correlation
)
arrays.write(found, snakemake.output.held_out)
jobs.log.info("%d draws at %d points", mixtures[0].draws, grid.sizes["point"])
jobs.log.info("%d draws at %d held-out points", mixtures[0].draws, held_out.sizes["point"])
