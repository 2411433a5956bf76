"""Draw data sets beside the true function."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data import datasets
from bnnflow.figures.canvas import save, styled
from bnnflow.figures.data import draw_data
from bnnflow.figures.frame import Frame

frame = Frame(**snakemake.params.frame, truth=datasets.read(snakemake.input.truth))
shown = zip(snakemake.params.shown, map(datasets.read, snakemake.input.shown), strict=True)
with styled(snakemake.input.style):
    save(draw_data(frame, snakemake.wildcards.name, dict(shown)), *snakemake.output)
