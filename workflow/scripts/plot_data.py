"""Draw data sets beside the true function, where one is known."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data import table
from bnnflow.figures.canvas import save, styled
from bnnflow.figures.data import draw_data
from bnnflow.figures.frame import frame_of

given, params = snakemake.input, snakemake.params
about, truth = table.columns_of(given.get("columns")), given.get("truth")
shown = {
    name: table.read([path], about).columns
    for name, path in zip(params.shown, given.shown, strict=True)
}
true = table.read([truth], about).columns if truth else None
frame = frame_of(about, params.frame, shown, true)
with styled(given.style):
    save(draw_data(frame, snakemake.wildcards.name, shown), *snakemake.output)
