"""Draw how far the predictive distribution of a fit is calibrated, by region."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow import figures, predictions, scores, verdicts

needed = (*scores.VARIABLES, *scores.SIMULATED)
evaluation = predictions.read(snakemake.input.evaluation, "an evaluation", needed)
x, pit = evaluation["x"].to_numpy(), evaluation["pit"][0].to_numpy()
regions = snakemake.params.regions.items()
by_region = {name: pit[scores.within(x, intervals)] for name, intervals in regions}
simulated = {name: evaluation["shares"].sel(region=name).to_numpy() for name, _ in regions}
verdict = verdicts.stamp(verdicts.read(snakemake.input.diagnostics), "calibration_error")
with figures.styled(snakemake.input.style):
    title = snakemake.params.title
    figure = figures.calibration(title, by_region, simulated, verdict)
    figures.save(figure, *snakemake.output)
