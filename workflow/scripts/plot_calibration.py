"""Draw how far the predictive distribution of a fit is calibrated, by region."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.figures.calibration import draw_calibration
from bnnflow.figures.canvas import save, styled
from bnnflow.files import predictions
from bnnflow.judge import scores, verdicts

evaluation = predictions.read_evaluation(snakemake.input.evaluation)
by_region, simulated = {}, {}
for target, own in scores.by_target(evaluation).items():
    for number, (region, mask) in enumerate(scores.masks(own).items()):
        by_region[target, region] = own["pit"][0].to_numpy()[mask]
        simulated[target, region] = own["shares"][number].to_numpy()
verdict = verdicts.stamp(verdicts.read(snakemake.input.diagnostics), "calibration_error")
fit, title = snakemake.wildcards.fit, snakemake.params.title
with styled(snakemake.input.style):
    save(draw_calibration(fit, title, by_region, simulated, verdict), *snakemake.output)
