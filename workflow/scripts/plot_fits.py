"""Draw the predictive distribution of one fit, or of several on one sheet."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow import datasets, figures, predictions

shown = zip(snakemake.params.observations, snakemake.input.observations, strict=True)
tables = {name: datasets.read(path) for name, path in shown}
panels = [
    figures.Panel(
        panel["title"],
        {name: tables[name] for name in panel["observations"]},
        predictions.read(path),
    )
    for panel, path in zip(snakemake.params.panels, snakemake.input.predictions, strict=True)
]
with figures.styled(snakemake.input.style):
    frame = figures.Frame(datasets.read(snakemake.input.truth), **snakemake.params.frame)
    if len(panels) == 1:
        figure = figures.predictive(frame, panels[0])
    else:
        figure = figures.sheet(frame, panels, columns=2)
    figures.save(figure, *snakemake.output)
