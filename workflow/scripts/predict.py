"""Predictive distribution of a fit on the grid."""

from bnnflow import jobs

jobs.start(snakemake)

import numpy as np
import torch

from bnnflow.data import points
from bnnflow.files import arrays, posterior
from bnnflow.predict import predictive

torch.set_num_threads(snakemake.params.torch_threads)

path = snakemake.input.get("grid")
grid = points.at(path) if path else points.grid({"x": np.linspace(*snakemake.params.grid)})
fitted = snakemake.params.fitted
tree = predictive.read(snakemake.input.posterior, fitted)
mixtures = predictive.mixtures(fitted["model"], tree, grid["inputs"].to_numpy())
targets = posterior.encoding(tree).targets
kept = predictive.summarised(mixtures, targets, grid, **snakemake.params.kept)
arrays.write(kept, snakemake.output[0])
jobs.log.info("%d draws at %d points", mixtures[0].draws, grid.sizes["point"])
