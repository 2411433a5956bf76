"""Split a table: rows of training and held-out ones, what its columns are, where fits predict."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data import kinds, observed, reading, table
from bnnflow.files import arrays

given, made, params = snakemake.input, snakemake.output, snakemake.params
unseen = reading.read(given.unseen) if "unseen" in given.keys() else None  # noqa: SIM118
rows = reading.read(given.table)
found = observed.divided(rows, params.settings, params.regions, unseen, params.several)
for name in params.regions:
    if name not in found.facts["regions"]:
        jobs.log.warning("the region %s has no held-out row in this split", name)
for own, path in zip(found.sets.values(), made.sets, strict=True):
    table.write(own, path)
table.write(found.held_out, made.held_out)
table.describe(found.held_out.about, found.facts, made.columns)
arrays.write(found.grid, made.grid)
arrays.write(found.points, made.points)
for column in (*found.held_out.about.inputs, *found.held_out.about.targets):
    levels = f": {', '.join(column.levels[:10])}" if column.levels else ""
    jobs.log.info("the column %s: %s%s", column.name, kinds.WORDS[column.kind], levels)
    if column.name in rows and kinds.counts_rows(rows[column.name]):
        told = (
            "the column %s counts the rows; if it tells nothing else, leave it out of data.inputs"
        )
        jobs.log.warning(told, column.name)
if copies := observed.copies(found):
    told = "held-out rows that are training rows too, in every column: %d; scores may be too good"
    jobs.log.warning(told, copies)
counts = {
    part: ", ".join(f"{name} {count}" for name, count in found.facts[part].items())
    for part in ("training", "regions")
}
jobs.log.info(
    "%d rows: %d left out for blanks; training: %s; held out: %d, of which %s",
    *(found.facts["rows"], found.facts["left out"], counts["training"]),
    *(found.facts["held out"], counts["regions"]),
)
