"""Find in which regions the held-out points lie, and where which data set is."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data import points, tutorial
from bnnflow.files import arrays, safe

table = safe.numbers(snakemake.input.held_out, tutorial.HELD_OUT)
held_out = points.along(table, snakemake.params.regions, snakemake.params.sets)
arrays.write(held_out, snakemake.output[0])
jobs.log.info("%d points", held_out.sizes["point"])
