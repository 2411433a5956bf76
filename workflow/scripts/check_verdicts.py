"""Fail if a fit does."""

from bnnflow import jobs

jobs.start(snakemake)

import pandas as pd

table = pd.read_csv(snakemake.input.verdicts).dropna(subset="verdict")
failed = table[table["verdict"] == "fail"]
for row in failed.itertuples():
    jobs.log.error("%s fails: %s", row.fit, row.reasons)
if len(failed):
    raise SystemExit(
        f"strict: true, and {len(failed)} of {len(table)} fits fail; results/tables/diagnostics.csv"
        " says why. Everything has been written but the report, which"
        " `snakemake --report results/report.html` still makes"
    )
