"""Draw data sets: beside the true function, where one is known, or over every input of a table."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data import table
from bnnflow.figures.canvas import save, styled
from bnnflow.figures.data import draw_data
from bnnflow.figures.frame import frame_of
from bnnflow.figures.inputs import axes_of, is_curve
from bnnflow.figures.reading import read_tables
from bnnflow.figures.scatter import draw_scatter

given, params, name = snakemake.input, snakemake.params, snakemake.wildcards.name
about = table.columns_of(given.get("columns"))
shown = read_tables(dict(zip(params.shown, given.shown, strict=True)), about)
others = {role: given.get(role) for role in ("truth", "held_out") if given.get(role)}
found = read_tables(others, about)
with styled(given.style):
    if is_curve(about):
        frame = frame_of(about, params.frame, shown, found.get("truth"))
        figure = draw_data(frame, name, shown, found.get("held_out"))
    else:
        axes = axes_of(about, params.frame["units"])
        figure = draw_scatter(name, *axes, shown, found["held_out"], params.frame["sets"])
    save(figure, *snakemake.output)
