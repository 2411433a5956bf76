"""Draw the predictive means of all fits of a group, and the spread of their scores."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data import datasets
from bnnflow.figures import pictures
from bnnflow.files import predictions
from bnnflow.judge import scores, verdicts

cells = snakemake.params.cells
names = [fit for fits in cells.values() for fit in fits]
means = {
    name: predictions.read(path, variables={"mean": ("point",)})[["x", "mean"]]
    for name, path in zip(names, snakemake.input.predictions, strict=True)
}
shown = zip(
    snakemake.params.observations, map(datasets.read, snakemake.input.observations), strict=True
)
metrics = scores.read(snakemake.input.metrics, first=["fit"])
summary = verdicts.read_summary(snakemake.input.verdicts).set_index("fit")["verdict"]
with pictures.styled(snakemake.input.style):
    frame = pictures.Frame(datasets.read(snakemake.input.truth), **snakemake.params.frame)
    figure = pictures.group(
        frame, snakemake.params.title, dict(shown), cells, means, metrics, summary
    )
    pictures.save(figure, *snakemake.output)
