"""Draw traces and ranks of the function of a sampled fit, chain by chain."""

from bnnflow import jobs

jobs.start(snakemake)

import numpy as np

from bnnflow.data.regions import within
from bnnflow.figures.canvas import save, styled
from bnnflow.figures.chains import draw_chains, point_name, shown_probes
from bnnflow.files import posterior, predictions
from bnnflow.judge import scores, verdicts

evaluation = predictions.read(snakemake.input.evaluation, "an evaluation", scores.PROBES)
function, x = (evaluation[name].to_numpy() for name in ("function", "probe_x"))
regions = snakemake.params.regions
inside = np.array([within(x, intervals) for intervals in regions.values()])
probes = {list(regions)[place]: probe for place, probe in shown_probes(inside).items()}
traces = {
    (point_name(x[[probe]]), region): function[:, :, probe]
    for region, probe in sorted(probes.items(), key=lambda entry: entry[1])
}
tree = posterior.read(snakemake.input.posterior, ["sample_stats/diverging"])
diverging = tree["sample_stats"]["diverging"].to_numpy().astype(bool)
verdict = verdicts.stamp(verdicts.read(snakemake.input.diagnostics), *snakemake.params.shown)
fit, title = snakemake.wildcards.fit, snakemake.params.title
with styled(snakemake.input.style):
    save(draw_chains(fit, title, traces, diverging, verdict), *snakemake.output)
