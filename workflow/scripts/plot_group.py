"""Draw the predictive means of all fits of a group, and the spread of their scores."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data import datasets
from bnnflow.figures.canvas import save, styled
from bnnflow.figures.frame import Frame
from bnnflow.figures.groups import draw_group
from bnnflow.files import predictions
from bnnflow.judge import scores, verdicts

cells = snakemake.params.cells
names = [fit for fits in cells.values() for fit in fits]
means = {}
for name, path in zip(names, snakemake.input.predictions, strict=True):
    found = predictions.read(path)
    means[name] = found["inputs"][:, 0].to_numpy(), found["mean"].to_numpy()
shown = zip(
    snakemake.params.observations, map(datasets.read, snakemake.input.observations), strict=True
)
metrics = scores.read(snakemake.input.metrics, first=["fit"])
summary = verdicts.read_summary(snakemake.input.verdicts).set_index("fit")["verdict"]
frame = Frame(**snakemake.params.frame, truth=datasets.read(snakemake.input.truth))
group, title = snakemake.wildcards.group, snakemake.params.title
with styled(snakemake.input.style):
    figure = draw_group(frame, group, title, dict(shown), cells, means, metrics, summary)
    save(figure, *snakemake.output)
