"""Draw all figures of one fit."""

from bnnflow import jobs

jobs.start(snakemake)

from dataclasses import replace

import numpy as np

from bnnflow.data import table
from bnnflow.figures.calibration import by_region, draw_calibration
from bnnflow.figures.canvas import Figure, save, styled
from bnnflow.figures.chains import draw_chains, traces_of
from bnnflow.figures.fit import draw_fit, draw_sheet, update_role
from bnnflow.figures.frame import held_out_of
from bnnflow.figures.loss import draw_loss
from bnnflow.figures.reading import read_panels
from bnnflow.files import losses, posterior, predictions
from bnnflow.judge import plateau, verdicts

given, params, fit = snakemake.input, snakemake.params, snakemake.wildcards.fit
told, place = params.told, [about["fit"] for about in params.panels].index(fit)
title = told["title"]
frame, panels = read_panels(params.panels, given, told["observations"], params.frame)
evaluation = predictions.read_evaluation(given.evaluation)
judged = verdicts.read(given.diagnostics[place])


def _own() -> Figure:
    return draw_fit(frame, replace(panels[place], held_out=held_out_of(evaluation)))


def _calibration() -> Figure:
    verdict = verdicts.stamp(judged, "calibration_error")
    return draw_calibration(fit, title, *by_region(evaluation), verdict)


def _chains() -> Figure:
    tree = posterior.read(given.posterior, ["sample_stats/diverging"])
    diverging = tree["sample_stats"]["diverging"].to_numpy().astype(bool)
    verdict = verdicts.stamp(judged, *told["shown"])
    weights = evaluation["weight"].to_numpy()
    return draw_chains(fit, title, traces_of(evaluation), diverging, weights, verdict)


def _loss() -> Figure:
    points = len(table.read(given.data, table.columns_of(given.get("columns"))))
    by_point = losses.read(given.loss, told["steps"]) / points
    drift = plateau.drift(by_point, params.limits)
    steps, compared = np.arange(1, len(by_point) + 1), drift.steps if drift else 0
    return draw_loss(fit, title, steps, by_point, compared, verdicts.stamp(judged, "elbo_drift"))


def _beside_prior() -> Figure:
    before = list(panels[0].observations)
    named = [
        replace(panel, role=update_role(role, before, told["new"]))
        for panel, role in zip(panels, told["roles"], strict=True)
    ]
    return draw_sheet(frame, named, f"{fit} beside its prior")


figures = {
    "own": _own,
    "calibration": _calibration,
    "chains": _chains,
    "loss": _loss,
    "beside_prior": _beside_prior,
}
with styled(given.style):
    for name, draw in figures.items():
        if f"{name}_png" in snakemake.output.keys():  # noqa: SIM118 (its entries are the paths)
            save(draw(), snakemake.output[f"{name}_png"], snakemake.output[f"{name}_svg"])
