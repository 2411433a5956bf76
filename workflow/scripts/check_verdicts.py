"""Fail if a fit does."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.judge import verdicts

table = verdicts.read_summary(snakemake.input.verdicts)
failed = table[table["verdict"] == "fail"]
for row in failed.itertuples():
    jobs.log.error("%s fails: %s", row.fit, row.reasons)
if len(failed):
    raise SystemExit(
        f"strict: true, and {len(failed)} of {len(table)} fits fail; results/tables/diagnostics.csv"
        " says why. Everything has been written but the report, which"
        " the same command with `--report results/report.html` makes"
    )
