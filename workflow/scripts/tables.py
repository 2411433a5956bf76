"""Put the scores, the diagnostics and the verdicts of all fits into tables."""

from bnnflow import jobs

jobs.start(snakemake)

import pandas as pd

from bnnflow import studies, verdicts

fits = snakemake.params.fits
scores = [*snakemake.input.scores, snakemake.input.oracle]
metrics = verdicts.stacked([*fits, "oracle"], map(pd.read_csv, scores))
diagnostics = verdicts.stacked(fits, map(verdicts.read, snakemake.input.diagnostics))
summary = verdicts.summary(metrics, diagnostics)

metrics.to_csv(snakemake.output.metrics, index=False)
diagnostics.to_csv(snakemake.output.diagnostics, index=False)
summary.to_csv(snakemake.output.verdicts, index=False)
if groups := snakemake.params.groups:
    spread = studies.summary(metrics, summary, groups)
    spread.to_csv(snakemake.output.groups, index=False, float_format="%.6g")
for row in summary[summary["verdict"] != ""].itertuples():
    jobs.log.info("%s: %s", row.fit, row.verdict)
