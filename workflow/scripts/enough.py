"""Say whether the chains of a fit that there are suffice."""

from bnnflow import jobs

jobs.start(snakemake)

import torch

from bnnflow.data import points
from bnnflow.files import enough, posterior
from bnnflow.judge import ensembles, fit
from bnnflow.methods.running import stacking
from bnnflow.predict import evaluation, predictive

torch.set_num_threads(snakemake.params.torch_threads)

params, held_out = snakemake.params, points.read(snakemake.input.points)
tree = posterior.merged(posterior.read_parts(snakemake.input.parts))
tree = stacking.with_weights(tree) if params.settings["weights"] == "stacking" else tree
mixtures = predictive.mixtures(params.model, tree, held_out["inputs"].to_numpy())
targets, weighting = posterior.encoding(tree).targets, posterior.weighting(tree)
own = evaluation.unscored(mixtures, targets, held_out, weighting)
# A drift has other remedies than more chains.
suffice = ensembles.suffice(list(fit.of_pooled(own, series=False, limits=params.limits)))
chains = weighting.sizes["chain"]
enough.write(chains, suffice, snakemake.output[0])
jobs.log.info("%d chains %s", chains, "suffice" if suffice else "do not suffice")
