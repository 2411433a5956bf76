"""Draw traces and ranks of the function of a sampled fit, chain by chain."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.figures import pictures
from bnnflow.files import predictions
from bnnflow.judge import scores, verdicts

evaluation = predictions.read(snakemake.input.evaluation, "an evaluation", scores.PROBES)
function, x = (evaluation[name].to_numpy() for name in ("function", "probe_x"))
verdict = verdicts.stamp(verdicts.read(snakemake.input.diagnostics), *snakemake.params.shown)
with pictures.styled(snakemake.input.style):
    points = snakemake.params.points
    figure = pictures.chains(snakemake.params.title, function, x, points, verdict)
    pictures.save(figure, *snakemake.output)
