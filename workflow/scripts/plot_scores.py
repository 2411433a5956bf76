"""Draw the scores of all fits by region."""

from bnnflow import jobs

jobs.start(snakemake)

import pandas as pd

from bnnflow import figures

metrics, verdicts = map(pd.read_csv, (snakemake.input.metrics, snakemake.input.verdicts))
metrics = metrics[metrics["fit"].isin(snakemake.params.fits)]
verdicts = verdicts.dropna(subset="verdict").set_index("fit")["verdict"]
with figures.styled(snakemake.input.style):
    figure = figures.scores(metrics, verdicts.to_dict())
    figures.save(figure, *snakemake.output)
