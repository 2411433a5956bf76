"""Draw the predictive means of all fits of a group, and the spread of their scores."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.figures.canvas import save, styled
from bnnflow.figures.frame import only_input
from bnnflow.figures.groups import draw_group
from bnnflow.figures.reading import read_frame
from bnnflow.files import predictions
from bnnflow.judge import scores, verdicts

given, params = snakemake.input, snakemake.params
cells = params.cells
names = [fit for fits in cells.values() for fit in fits]
means = {}
for name, path in zip(names, given.predictions, strict=True):
    found = predictions.read(path)
    means[name] = only_input(found), found["mean"].to_numpy()
observed = dict(zip(params.observations, given.observations, strict=True))
frame, tables = read_frame(found, observed, given.get("truth"), given.get("columns"), params.frame)
metrics = scores.read(given.metrics, first=["fit"])
summary = verdicts.read_summary(given.verdicts).set_index("fit")["verdict"]
group, title = snakemake.wildcards.group, params.title
with styled(given.style):
    figure = draw_group(frame, group, title, tables, cells, means, metrics, summary)
    save(figure, *snakemake.output)
