"""Draw the predictive means of all fits of a group, and the spread of their scores."""

from bnnflow import jobs

jobs.start(snakemake)

import pandas as pd

from bnnflow import datasets, figures, predictions

cells = snakemake.params.cells
names = [fit for fits in cells.values() for fit in fits]
means = {
    name: predictions.read(path, variables=["mean"])[["x", "mean"]]
    for name, path in zip(names, snakemake.input.predictions, strict=True)
}
shown = zip(
    snakemake.params.observations, map(datasets.read, snakemake.input.observations), strict=True
)
metrics, verdicts = map(pd.read_csv, (snakemake.input.metrics, snakemake.input.verdicts))
verdicts = verdicts.set_index("fit")["verdict"]
with figures.styled(snakemake.input.style):
    frame = figures.Frame(datasets.read(snakemake.input.truth), **snakemake.params.frame)
    figure = figures.group(
        frame, snakemake.params.title, dict(shown), cells, means, metrics, verdicts
    )
    figures.save(figure, *snakemake.output)
