"""Draw how far the predictive distribution of a fit is calibrated, by region."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data.regions import within
from bnnflow.figures.calibration import draw_calibration
from bnnflow.figures.canvas import save, styled
from bnnflow.files import predictions
from bnnflow.judge import scores, verdicts

needed = scores.VARIABLES | scores.SIMULATED
evaluation = predictions.read(snakemake.input.evaluation, "an evaluation", needed)
x, pit = evaluation["x"].to_numpy(), evaluation["pit"][0].to_numpy()
regions = snakemake.params.regions
by_region = {("", name): pit[within(x, intervals)] for name, intervals in regions.items()}
simulated = dict(zip(by_region, evaluation["shares"].to_numpy(), strict=True))
verdict = verdicts.stamp(verdicts.read(snakemake.input.diagnostics), "calibration_error")
fit, title = snakemake.wildcards.fit, snakemake.params.title
with styled(snakemake.input.style):
    save(draw_calibration(fit, title, by_region, simulated, verdict), *snakemake.output)
