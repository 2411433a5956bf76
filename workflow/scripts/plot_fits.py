"""Draw the predictive distribution of one fit, or of several on one sheet."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow import datasets, figures, predictions, verdicts

shown = zip(snakemake.params.observations, snakemake.input.observations, strict=True)
tables = {name: datasets.read(path) for name, path in shown}
held_out = snakemake.input.get("held_out")
held_out = held_out and datasets.read(held_out, columns=["x", "y", "f"])
panels = [
    figures.Panel(
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
with figures.styled(snakemake.input.style):
    frame = figures.Frame(datasets.read(snakemake.input.truth), **snakemake.params.frame)
    if len(panels) == 1:
        figure = figures.predictive(frame, panels[0])
    else:
        figure = figures.sheet(frame, panels, columns=2)
    figures.save(figure, *snakemake.output)
