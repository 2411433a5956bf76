"""Draw traces and ranks of the function of a sampled fit, chain by chain."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow import figures, predictions, scores, verdicts

evaluation = predictions.read(snakemake.input.evaluation, "an evaluation", scores.PROBES)
function, x = (evaluation[name].to_numpy() for name in ("function", "probe_x"))
verdict = verdicts.stamp(verdicts.read(snakemake.input.diagnostics), *snakemake.params.shown)
with figures.styled(snakemake.input.style):
    points = snakemake.params.points
    figure = figures.chains(snakemake.params.title, function, x, points, verdict)
    figures.save(figure, *snakemake.output)
