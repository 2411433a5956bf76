"""Draw data sets beside the true function."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data import datasets
from bnnflow.figures import pictures

with pictures.styled(snakemake.input.style):
    frame = pictures.Frame(datasets.read(snakemake.input.truth), **snakemake.params.frame)
    shown = zip(snakemake.params.shown, map(datasets.read, snakemake.input.shown), strict=True)
    pictures.save(pictures.data(frame, dict(shown)), *snakemake.output)
