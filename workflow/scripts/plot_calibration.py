"""Draw how far the predictive distribution of a fit is calibrated, by region."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow import figures, predictions, scores, verdicts

evaluation = predictions.read(snakemake.input.evaluation, "an evaluation", scores.VARIABLES)
x, pit = evaluation["x"].to_numpy(), evaluation["pit"][0].to_numpy()
regions = snakemake.params.regions.items()
by_region = {name: pit[scores.within(x, intervals)] for name, intervals in regions}
verdict = verdicts.stamp(verdicts.read(snakemake.input.diagnostics), "calibration_error")
with figures.styled(snakemake.input.style):
    figure = figures.calibration(snakemake.params.title, by_region, verdict)
    figures.save(figure, *snakemake.output)
