"""What a fit says of a table of new rows, from its posterior."""

from bnnflow import jobs

jobs.start(snakemake)

import torch

from bnnflow.data import distances, kinds, observed, reading, table
from bnnflow.files import posterior, safe
from bnnflow.predict import predictive, rows

torch.set_num_threads(snakemake.params.torch_threads)

given, params = snakemake.input, snakemake.params
tree = predictive.read(given.posterior, params.fitted)
encoding = posterior.encoding(tree)
rows_given, numbers = observed.read_new(given.new, encoding.inputs)
for name, count in kinds.filled(rows_given, encoding.inputs).items():
    jobs.log.info("%d blanks of the column %s are filled as those of training rows", count, name)
new = table.Table(numbers, encoding)
found = rows.at_rows(params.fitted["model"], tree, new.inputs, params.quantiles)
training = table.read(given.data, table.columns_of(given.columns))
found["distance"] = distances.relative(new, training)
written, decimal = reading.as_written(given.new)
# As spreadsheets have it.
separator = ";" if decimal == "," else ","
safe.write_table(rows.beside(written, found, decimal), snakemake.output[0], separator=separator)
jobs.log.info("%d rows", len(found))
