"""Draw traces and ranks of the function of a sampled fit, chain by chain."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.figures.canvas import save, styled
from bnnflow.figures.chains import draw_chains, point_name, shown_probes
from bnnflow.files import posterior, predictions
from bnnflow.judge import scores, verdicts

evaluation = predictions.read_evaluation(snakemake.input.evaluation)
inputs, regions = evaluation["probe_inputs"].to_numpy(), evaluation["region"].to_numpy().tolist()
shown = shown_probes(evaluation["probe_inside"].to_numpy())
traces = {
    (point_name(inputs[probe]), " of ".join(filter(None, (target, regions[place])))): (
        own["function"][:, :, probe].to_numpy()
    )
    for target, own in scores.by_target(evaluation).items()
    for place, probe in sorted(shown.items(), key=lambda entry: entry[1])
}
tree = posterior.read(snakemake.input.posterior, ["sample_stats/diverging"])
diverging = tree["sample_stats"]["diverging"].to_numpy().astype(bool)
verdict = verdicts.stamp(verdicts.read(snakemake.input.diagnostics), *snakemake.params.shown)
fit, title = snakemake.wildcards.fit, snakemake.params.title
with styled(snakemake.input.style):
    save(draw_chains(fit, title, traces, diverging, verdict), *snakemake.output)
