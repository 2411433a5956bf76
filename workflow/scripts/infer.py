"""Make parts of a fit: a chain, or starts that are fitted together."""

from bnnflow import jobs

jobs.start(snakemake)

import sys

from bnnflow.files import enough, posterior

answer = snakemake.input.get("enough")
if answer and enough.read(answer):
    jobs.log.info("the chains before these suffice")
    posterior.write(posterior.spare(), snakemake.output[0])
    sys.exit()

import pyro
import torch

from bnnflow.data import table
from bnnflow.density.log_density import LogDensity
from bnnflow.methods.running import checkpoints, left_out
from bnnflow.methods.running.method import METHODS
from bnnflow.model import build, several

torch.set_num_threads(snakemake.params.torch_threads)

source = build.source_of(snakemake.input)
about, seeds = table.columns_of(snakemake.input.get("columns")), snakemake.params.seeds
given = snakemake.input.data, about, snakemake.params.scaling, snakemake.params.network
encoding, *data, network = build.known(*given, source=source)
streams = []
for seed in seeds:
    pyro.set_rng_seed(seed)
    # Its layers use the stream too.
    model = build.network(**network, source=source)
    streams.append(torch.Generator().set_state(torch.get_rng_state()))
evaluated = {"engine": snakemake.params.engine, "device": snakemake.params.device}
density = LogDensity(model, *data, **evaluated, by_rows=True)
checkpoint = checkpoints.of_job(snakemake)
known = {"observations": len(data[0]), "encoding": encoding, "checkpoint": checkpoint}
method = METHODS.made(snakemake.params.settings)
if "estimator" not in method.leaves:
    likelihood = several.in_words(network["model"]["likelihood"], encoding.targets)
    jobs.log.info("likelihood: %s", ", ".join(likelihood))
tree = method.infer(density, seeds, streams, **known)
if method.weights == "stacking" and "posterior" in tree.children:
    tree = left_out.with_scores(tree, density, encoding.targets)
posterior.write(tree, snakemake.output[0])
checkpoint.remove()
