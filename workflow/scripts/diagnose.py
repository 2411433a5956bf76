"""Score a fit, and say how far it can be trusted."""

from bnnflow import jobs

jobs.start(snakemake)

import pandas as pd
import xarray as xr

from bnnflow.data import datasets
from bnnflow.data.regions import around, within
from bnnflow.files import posterior, predictions, safe
from bnnflow.judge import diagnostics, scores, verdicts

regions, limits = snakemake.params.regions, snakemake.params.limits
inference, update = snakemake.params.inference, snakemake.params.learning
# Names of other fits by their role.
beside = snakemake.params.beside


def _evaluation(path: str) -> xr.Dataset:
    needed = scores.VARIABLES | scores.PROBES | scores.SIMULATED
    return predictions.read(path, "an evaluation", needed)


def _judged(role: str) -> pd.DataFrame:
    return verdicts.read(snakemake.input[f"{role}_diagnostics"])


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
    loss = datasets.losses(snakemake.input.loss, inference["steps"])
    observations = sum(len(datasets.read(path)) for path in snakemake.input.data)
    findings += [
        diagnostics.of_loss(loss, observations, limits),
        diagnostics.of_starts(tree["starts"]["elbo"].to_numpy(), observations, limits),
        diagnostics.of_weights(stats["lp"][0] - stats["log_q"][0], limits),
    ]
    if reference := beside.get("reference"):
        theirs = _evaluation(snakemake.input.reference)["probe_quantiles"].to_numpy()
        ours, judged = own["probe_quantiles"].to_numpy(), _judged("reference")
        unsound = {region: verdicts.unsound(judged, region) for region in regions}
        findings += diagnostics.of_agreement(ours, theirs, x, reference, regions, limits, unsound)
    else:
        reason = "no sampled fit of the same model, prior and data; add one"
        findings += [diagnostics.unmeasured("disagreement", reason, region) for region in regions]
if update:
    others = {role: _evaluation(snakemake.input[role]) for role in beside if role != "reference"}
    densities = {
        role: at["log_density"][0].to_numpy() for role, at in {"updated": own, **others}.items()
    }
    known = {
        role: f"{beside[role]}, verdict {verdicts.worst(_judged(role)['verdict'])}"
        for role in ("joint", "alone")
        if role in beside
    }
    findings += diagnostics.of_update(
        densities, points, update["old"], update["new"], known, regions, limits
    )
findings += diagnostics.of_calibration(scores.errors(table), scores.by_chance(own, regions), limits)

scores.write(table, snakemake.output.scores)
inside = {name: within(points, intervals) for name, intervals in regions.items()}
found = diagnostics.table(findings, around(inside))
safe.write_table(found, snakemake.output.diagnostics, float_format="%.6g")
jobs.log.info("verdict: %s", verdicts.worst(finding.verdict for finding in findings))
