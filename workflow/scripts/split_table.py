"""Split a table: rows of training and held-out ones, what its columns are, where fits predict."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data import observed, reading, table
from bnnflow.files import arrays
from bnnflow.files.errors import FileError

given, made, params = snakemake.input, snakemake.output, snakemake.params
try:
    unseen = reading.read(given.unseen) if "unseen" in given.keys() else None  # noqa: SIM118
    found = observed.divided(reading.read(given.table), params.settings, params.regions, unseen)
except (reading.TableError, FileError) as error:
    jobs.log.error("%s", error)
    raise SystemExit(1) from None
for own, path in zip(found.sets.values(), made.sets, strict=True):
    table.write(own, path)
table.write(found.held_out, made.held_out)
table.describe(found.held_out.about, found.facts, made.columns)
arrays.write(found.grid, made.grid)
arrays.write(found.points, made.points)
for column in (*found.held_out.about.inputs, *found.held_out.about.targets):
    levels = f": {', '.join(column.levels[:10])}" if column.levels else ""
    jobs.log.info("%s is %s%s", column.name, column.kind, levels)
jobs.log.info("%s", found.facts)
