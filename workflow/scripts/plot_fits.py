"""Draw the predictive distribution of one fit, or of several on one sheet."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.data import datasets
from bnnflow.figures import pictures
from bnnflow.files import predictions
from bnnflow.judge import verdicts

shown = zip(snakemake.params.observations, snakemake.input.observations, strict=True)
tables = {name: datasets.read(path) for name, path in shown}
held_out = snakemake.input.get("held_out")
held_out = held_out and datasets.read(held_out, columns=["x", "y", "f"])
panels = [
    pictures.Panel(
        panel["fit"],
        panel["title"],
        {name: tables[name] for name in panel["observations"]},
        predictions.read(path),
        verdicts.stamp(verdicts.read(diagnostics)),
        held_out,
    )
    for panel, path, diagnostics in zip(
        snakemake.params.panels,
        snakemake.input.predictions,
        snakemake.input.diagnostics,
        strict=True,
    )
]
with pictures.styled(snakemake.input.style):
    frame = pictures.Frame(datasets.read(snakemake.input.truth), **snakemake.params.frame)
    if len(panels) == 1:
        figure = pictures.predictive(frame, panels[0])
    else:
        figure = pictures.sheet(frame, panels, columns=2)
    pictures.save(figure, *snakemake.output)
