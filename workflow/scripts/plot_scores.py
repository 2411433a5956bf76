"""Draw the scores of all fits by region."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow import figures, scores, verdicts

metrics = scores.read(snakemake.input.metrics, first=["fit"])
metrics = metrics[metrics["fit"].isin(snakemake.params.fits)]
summary = verdicts.read_summary(snakemake.input.verdicts).set_index("fit")["verdict"]
with figures.styled(snakemake.input.style):
    figure = figures.scores(metrics, summary.to_dict())
    figures.save(figure, *snakemake.output)
