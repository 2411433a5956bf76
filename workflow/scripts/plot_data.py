"""Draw data sets beside the true function."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data import tutorial
from bnnflow.figures.canvas import save, styled
from bnnflow.figures.data import draw_data
from bnnflow.figures.frame import Frame
from bnnflow.files import safe

tables = {
    path: safe.numbers(path, tutorial.COLUMNS)
    for path in (snakemake.input.truth, *snakemake.input.shown)
}
frame = Frame(**snakemake.params.frame, truth=tables[snakemake.input.truth])
paths = zip(snakemake.params.shown, snakemake.input.shown, strict=True)
shown = {name: tables[path] for name, path in paths}
with styled(snakemake.input.style):
    save(draw_data(frame, snakemake.wildcards.name, dict(shown)), *snakemake.output)
