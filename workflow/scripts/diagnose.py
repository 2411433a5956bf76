"""Score a fit, and say how far it can be trusted."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data import regions, table
from bnnflow.data.references import BASELINES
from bnnflow.files import losses, posterior, predictions, safe
from bnnflow.judge import findings, fit, scores, verdicts
from bnnflow.model.several import chosen, of_settings

given, settings = snakemake.input, snakemake.params.inference
leaves, about = snakemake.params.leaves, table.columns_of(given.get("columns"))
likelihood = of_settings(chosen(snakemake.params.likelihood, about.targets))
sites = [] if "estimator" in leaves else list(likelihood.shapes(about.levels))
loss = given.get("loss")
left = fit.Left(
    predictions.read_evaluation(given.evaluation),
    posterior.read(given.posterior, fit.needed(leaves, sites)),
    leaves,
    sites,
    settings,
    len(table.read(given.data, about)),
    loss and losses.read(loss, settings["steps"]),
)
beside = {
    role: fit.Other(
        name,
        predictions.read_evaluation(given[role]),
        verdicts.read(path) if (path := given.get(f"{role}_diagnostics")) else None,
    )
    for role, name in snakemake.params.beside.items()
}
cheaper = {name: predictions.read_scored(given[name]) for name in BASELINES}
scored = scores.table(left.evaluation)
limits, learning = snakemake.params.limits, snakemake.params.learning
around = regions.around(scores.inside_of(left.evaluation))
found = findings.table(fit.diagnosed(left, scored, limits, beside, learning, cheaper), around)
scores.write(scored, snakemake.output.scores)
safe.write_table(found, snakemake.output.diagnostics, float_format="%.6g")
jobs.log.info("verdict: %s", verdicts.worst(found["verdict"]))
