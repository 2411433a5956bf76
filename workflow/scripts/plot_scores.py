"""Draw the scores of all fits by region."""

from bnnflow import jobs

jobs.start(snakemake)

import pandas as pd

from bnnflow import figures

verdicts = (
    pd.read_csv(snakemake.input.verdicts).dropna(subset="verdict").set_index("fit")["verdict"]
)
with figures.styled(snakemake.input.style):
    figure = figures.scores(pd.read_csv(snakemake.input.metrics), verdicts.to_dict())
    figures.save(figure, *snakemake.output)
