"""Predictive distribution of a fit on the grid, and at the held-out observations."""

from bnnflow import jobs

jobs.start(snakemake)

import numpy as np
import torch
import xarray as xr

from bnnflow.data import datasets
from bnnflow.files import posterior, predictions
from bnnflow.judge import scores
from bnnflow.model import build
from bnnflow.predict import evaluation, levels, predictive

torch.set_num_threads(snakemake.params.torch_threads)

# At given draws the prior has no part in the response.
prior = {"stddev": 1.0, "scaling": "none"}
model = build.network(snakemake.params.model, prior, inputs=1, targets=1)
tree = posterior.read(snakemake.input.posterior)
draws = posterior.pooled(tree)
x = np.linspace(*snakemake.params.grid, dtype=np.float32)
mean, stddev = predictive.response(model, draws, torch.from_numpy(x)[:, None])
kept = predictive.summarised(x, mean, stddev, **snakemake.params.kept)
predictions.write(kept, snakemake.output.predictions)
chains = tree["posterior"].sizes["chain"]
probes = evaluation.probed(mean, stddev, x, snakemake.params.regions, chains)
jobs.log.info("%d draws at %d points", *mean.shape)

held_out = datasets.read(snakemake.input.held_out, columns=["x", "y", "f"])
x, y = (torch.tensor(held_out[name].to_numpy(), dtype=torch.float32) for name in ("x", "y"))
mean, stddev = predictive.response(model, draws, x[:, None])
points = scores.of_points(evaluation.evaluated(mean, stddev, y, levels.LEVELS), held_out)
stream = torch.Generator().manual_seed(snakemake.params.seed)
regions = snakemake.params.regions
simulated = evaluation.simulated(mean, stddev, held_out["x"].to_numpy(), regions, stream)
predictions.write(xr.merge([points, probes, simulated]), snakemake.output.evaluation)
