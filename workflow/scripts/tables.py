"""Put the scores, the diagnostics and the verdicts of all fits into tables."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.config import studies
from bnnflow.data import table
from bnnflow.files import predictions, safe
from bnnflow.judge import scores, splits, verdicts

given, params, made = snakemake.input, snakemake.params, snakemake.output
beside = [name for own in params.references.values() for name in own]
paths = [*given.scores, *given.references]
metrics = verdicts.stacked([*params.fits, *beside], map(scores.read, paths))
diagnostics = verdicts.stacked(params.fits, map(verdicts.read, given.diagnostics))
summary = verdicts.of_fits(metrics, diagnostics)

for name, own in (("metrics", metrics), ("diagnostics", diagnostics), ("verdicts", summary)):
    safe.write_table(own, made[name])
if params.splits:
    overlap = splits.overlap(map(table.facts_of, given.columns))
    values = metrics, summary, params.groups, params.references
    spread, differences = studies.over_splits(*values, params.splits, overlap)
else:
    spread = studies.spreads(metrics, summary, params.groups) if params.groups else None
    densities = {}
    for name, path in zip([*params.fits, *beside], given.rows, strict=True):
        rows = predictions.read_scored(path)
        densities[name] = scores.log_densities(rows)
    inside = scores.inside_of(rows)
    differences = studies.by_rows(densities, params.groups, params.references, inside)
safe.write_table(differences, made.differences, float_format="%.6g")
if spread is not None:
    safe.write_table(spread, made.groups, float_format="%.6g")
for row in summary[summary["verdict"] != ""].itertuples():
    jobs.log.info("%s: %s", row.fit, row.verdict)
