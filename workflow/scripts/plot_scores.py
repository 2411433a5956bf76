"""Draw the scores of all fits by region."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.figures.canvas import save, styled
from bnnflow.figures.scores import draw_scores
from bnnflow.judge import scores, verdicts

metrics = scores.read(snakemake.input.metrics, first=["fit"])
metrics = metrics[metrics["fit"].isin(snakemake.params.fits)]
summary = verdicts.read_summary(snakemake.input.verdicts).set_index("fit")["verdict"]
with styled(snakemake.input.style):
    save(draw_scores(metrics, summary.to_dict()), *snakemake.output)
