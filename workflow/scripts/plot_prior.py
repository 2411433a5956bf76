"""Draw what the priors of fits mean, before anything is learnt."""

from bnnflow import jobs

jobs.start(snakemake)

import numpy as np
import torch

from bnnflow.data import points, slices, table
from bnnflow.figures.canvas import save, styled
from bnnflow.figures.prior import View, draw_prior
from bnnflow.model import build
from bnnflow.predict import predictive, prior

params, given = snakemake.params, snakemake.input
torch.set_num_threads(params.torch_threads)
about = table.columns_of(given.get("columns"))
paths = dict(zip(params.observations, given.observations, strict=True))
with styled(given.style):
    for fit, told in params.fits.items():
        observed = {name: paths[name] for name in told["observations"]}
        given_by = observed.values(), about, params.scaling, told["network"]
        encoding, x, y, network = build.known(*given_by)
        training = table.read(observed.values(), about)
        if params.ends:
            x_grid = np.linspace(*params.ends, params.sizes["points"])
            grid = points.grid({about.inputs[0].name: x_grid}).assign(along=("point", 0 * x_grid))
        else:
            grid = slices.along(training, slices.typical(training))
        stream = torch.Generator().manual_seed(told["seed"])
        tree = prior.drawn(build.network(**network), x, y, encoding, params.sizes["draws"], stream)
        inputs, along = grid["inputs"].to_numpy(), grid["along"].to_numpy()
        mixtures = predictive.mixtures(told["network"]["model"], tree, inputs)
        found = prior.summarised(mixtures, encoding.targets, params.sizes["functions"])
        views = [
            View.of(column, inputs[along == place, place], found.isel(point=along == place))
            for place, column in enumerate(about.inputs)
        ]
        tables = {name: table.read([path], about).columns for name, path in observed.items()}
        figure = draw_prior(fit, about.targets, views, tables, params.sets, params.units)
        save(figure, snakemake.output[f"{fit}_png"], snakemake.output[f"{fit}_svg"])
