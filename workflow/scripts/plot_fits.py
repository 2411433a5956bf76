"""Draw the predictive distribution of one fit, or of several on one sheet."""

from bnnflow import jobs

jobs.start(snakemake)

from dataclasses import replace

from bnnflow.data import datasets
from bnnflow.figures.canvas import save, styled
from bnnflow.figures.fit import draw_fit, draw_sheet, update_role
from bnnflow.figures.frame import Frame, Panel
from bnnflow.files import predictions
from bnnflow.judge import verdicts

shown = zip(snakemake.params.observations, snakemake.input.observations, strict=True)
tables = {name: datasets.read(path) for name, path in shown}
held_out = snakemake.input.get("held_out")
held_out = held_out and datasets.read(held_out, columns=["x", "y", "f"])
panels = []
for panel, path, diagnostics in zip(
    snakemake.params.panels,
    snakemake.input.predictions,
    snakemake.input.diagnostics,
    strict=True,
):
    found = predictions.read(path)
    bands = [found[name].to_numpy() for name in ("mean", "stddev", "function_stddev")]
    observations = {name: tables[name] for name in panel["observations"]}
    verdict = verdicts.stamp(verdicts.read(diagnostics))
    about = panel["fit"], panel["title"], observations, found["inputs"][:, 0].to_numpy()
    panels.append(Panel(*about, *bands, verdict, held_out))
heading = ""
if roles := snakemake.params.get("roles"):
    heading = f"{snakemake.wildcards.fit} beside its prior"
    before, new = list(panels[0].observations), snakemake.params.new
    panels = [
        replace(panel, role=update_role(role, before, new))
        for panel, role in zip(panels, roles, strict=True)
    ]
frame = Frame(**snakemake.params.frame, truth=datasets.read(snakemake.input.truth))
with styled(snakemake.input.style):
    figure = draw_fit(frame, panels[0]) if len(panels) == 1 else draw_sheet(frame, panels, heading)
    save(figure, *snakemake.output)
