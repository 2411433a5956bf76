"""Draw the scores of all fits by region."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.figures import pictures
from bnnflow.judge import scores, verdicts

metrics = scores.read(snakemake.input.metrics, first=["fit"])
metrics = metrics[metrics["fit"].isin(snakemake.params.fits)]
summary = verdicts.read_summary(snakemake.input.verdicts).set_index("fit")["verdict"]
with pictures.styled(snakemake.input.style):
    figure = pictures.scores(metrics, summary.to_dict())
    pictures.save(figure, *snakemake.output)
