"""Put the scores, the diagnostics and the verdicts of all fits into tables."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.config import studies
from bnnflow.files import safe
from bnnflow.judge import scores, verdicts

fits, beside = snakemake.params.fits, snakemake.params.references
paths = [*snakemake.input.scores, *snakemake.input.references]
metrics = verdicts.stacked([*fits, *beside], map(scores.read, paths))
diagnostics = verdicts.stacked(fits, map(verdicts.read, snakemake.input.diagnostics))
summary = verdicts.of_fits(metrics, diagnostics)

for name, table in (("metrics", metrics), ("diagnostics", diagnostics), ("verdicts", summary)):
    safe.write_table(table, snakemake.output[name])
if groups := snakemake.params.groups:
    spread = studies.spreads(metrics, summary, groups)
    safe.write_table(spread, snakemake.output.groups, float_format="%.6g")
for row in summary[summary["verdict"] != ""].itertuples():
    jobs.log.info("%s: %s", row.fit, row.verdict)
