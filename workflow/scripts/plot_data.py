"""Draw data sets beside the true function."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow import datasets, figures

with figures.styled(snakemake.input.style):
    frame = figures.Frame(datasets.read(snakemake.input.truth), **snakemake.params.frame)
    shown = zip(snakemake.params.shown, map(datasets.read, snakemake.input.shown), strict=True)
    figures.save(figures.data(frame, dict(shown)), *snakemake.output)
