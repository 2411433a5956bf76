"""Draw the predictive means of all fits of a group, and the spread of their scores."""

from bnnflow import jobs

jobs.start(snakemake)

import pandas as pd

from bnnflow.data import table
from bnnflow.figures.canvas import save, styled
from bnnflow.figures.dependence import dependences
from bnnflow.figures.frame import only_input
from bnnflow.figures.groups import draw_group, over_inputs, over_one_input
from bnnflow.figures.inputs import axes_of, is_curve
from bnnflow.figures.reading import read_frame, read_tables
from bnnflow.files import predictions
from bnnflow.judge import scores, verdicts

given, params, cells = snakemake.input, snakemake.params, snakemake.params.cells
about = table.columns_of(given.get("columns"))
observed = dict(zip(params.observations, given.observations, strict=True))
names = [fit for fits in cells.values() for fit in fits]
files = dict(zip(names, given.predictions, strict=True))
if is_curve(about):
    means = {}
    for name, path in files.items():
        found = predictions.read(path)
        means[name] = only_input(found), found["mean"].to_numpy()
    above = over_one_input(*read_frame(found, observed, given, params.frame), cells, means)
else:
    training = pd.concat(read_tables(observed, about).values(), ignore_index=True)
    curves = {name: dependences(predictions.read(path), training) for name, path in files.items()}
    above = over_inputs(*axes_of(about, params.frame["units"]), cells, curves, training)
metrics = scores.read(given.metrics, first=["fit"])
summary = verdicts.read_summary(given.verdicts).set_index("fit")["verdict"]
with styled(given.style):
    figure = draw_group(snakemake.wildcards.group, params.title, cells, above, metrics, summary)
    save(figure, *snakemake.output)
