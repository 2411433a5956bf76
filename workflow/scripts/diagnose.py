"""Score a fit, and say how far it can be trusted."""

from bnnflow import jobs

jobs.start(snakemake)

import xarray as xr

from bnnflow import datasets, diagnostics, files, posterior, predictions, scores, verdicts

regions, limits = snakemake.params.regions, snakemake.params.limits
inference, update = snakemake.params.inference, snakemake.params.learning


def _evaluation(path: str) -> xr.Dataset:
    return predictions.read(path, "an evaluation", scores.VARIABLES | scores.PROBES)


own = _evaluation(snakemake.input.evaluation)
table = scores.table(own, regions)
needed = {
    "nuts": ["posterior/sigma", *(f"sample_stats/{name}" for name in diagnostics.TRAJECTORY)],
    "svi": ["sample_stats/lp", "sample_stats/log_q", "starts/elbo"],
}[inference["method"]]
tree = posterior.read(snakemake.input.posterior, needed)
stats = {name: array.to_numpy() for name, array in tree["sample_stats"].data_vars.items()}
x, points = own["probe_x"].to_numpy(), own["x"].to_numpy()

findings = [*diagnostics.of_engine(tree["posterior"].attrs)]
if inference["method"] == "nuts":
    function, sigma = own["function"].to_numpy(), tree["posterior"]["sigma"].to_numpy()
    findings += diagnostics.of_chains(function, x, sigma, regions, limits)
    trajectories = {key: inference[key] for key in ("target_accept", "max_tree_depth")}
    findings += diagnostics.of_trajectories(stats, **trajectories, limits=limits)
else:
    loss = datasets.read(snakemake.input.loss, columns=["step", "loss"])["loss"].to_numpy()
    observations = sum(len(datasets.read(path)) for path in snakemake.input.data)
    findings += [
        diagnostics.of_loss(loss, observations, limits),
        diagnostics.of_starts(tree["starts"]["elbo"].to_numpy(), observations, limits),
        diagnostics.of_weights(stats["lp"][0] - stats["log_q"][0], limits),
    ]
    if reference := snakemake.params.reference:
        theirs = _evaluation(snakemake.input.reference)["probe_quantiles"].to_numpy()
        ours = own["probe_quantiles"].to_numpy()
        findings += diagnostics.of_agreement(ours, theirs, x, reference, regions, limits)
    else:
        reason = "no sampled fit of the same model, prior and data"
        findings.append(diagnostics.unmeasured("disagreement", reason))
if update:
    others = {name: _evaluation(snakemake.input[name]) for name in update["beside"]}
    densities = {
        name: at["log_density"][0].to_numpy() for name, at in {"updated": own, **others}.items()
    }
    old, new = (scores.within(points, update[place]) for place in ("old", "new"))
    findings += diagnostics.of_update(densities, old, new, limits)
findings += diagnostics.of_scores(table, limits)

scores.write(table, snakemake.output.scores)
found = diagnostics.table(findings)
files.write_table(found, snakemake.output.diagnostics, float_format="%.6g")
jobs.log.info("verdict: %s", verdicts.worst(finding.verdict for finding in findings))
