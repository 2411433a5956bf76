"""Make a posterior the prior of an update: what it says of the function, at a few inputs."""

from bnnflow import jobs

jobs.start(snakemake)

import numpy as np
import torch

from bnnflow.data import table
from bnnflow.density.log_density import LogDensity
from bnnflow.files import memories, posterior
from bnnflow.model import build
from bnnflow.predict import prior, remembering

given, params = snakemake.input, snakemake.params
torch.set_num_threads(params.torch_threads)

tree = posterior.read(given.posterior, [posterior.WEIGHT, posterior.ENCODING])
about, encoding = table.columns_of(given.get("columns")), posterior.encoding(tree)
known = given.data, about, params.scaling, params.told["network"]
source = build.source_of(given)
_, x, y, network = build.known(*known, source=source)
# An update of an update remembers what its source does, and its own data.
seen = [x.numpy(), *([source.inputs] if isinstance(source, memories.Memory) else [])]
inputs = remembering.spread_inputs(np.concatenate(seen), params.told["inputs"])
model = build.network(**network)
density = LogDensity(model, x, y, engine="pyro", by_rows=True)
stream = torch.Generator().manual_seed(params.told["seed"])
before = prior.drawn(model, x, y, encoding, remembering.PRIOR_DRAWS, stream)
memory = remembering.memory_of(density, tree, before, inputs)
memories.write(memory, snakemake.output[0])
jobs.log.info("%d numbers at %d inputs", len(memory.target), len(inputs))
