"""Draw all figures of one fit."""

from bnnflow import jobs

jobs.start(snakemake)

from dataclasses import replace

import numpy as np
import pandas as pd

from bnnflow.data import table
from bnnflow.figures.calibration import by_region, draw_calibration, reliability_by_region
from bnnflow.figures.canvas import Figure, save, styled
from bnnflow.figures.chains import draw_chains, traces_of
from bnnflow.figures.dependence import dependences, draw_dependences, most_moving
from bnnflow.figures.fit import draw_fit, draw_sheet, update_role
from bnnflow.figures.frame import held_out_of
from bnnflow.figures.inputs import axes_of, is_curve
from bnnflow.figures.loss import draw_loss
from bnnflow.figures.observed import draw_observed, draw_outcomes
from bnnflow.figures.reading import read_judged, read_panels, read_tables
from bnnflow.files import losses, posterior, predictions
from bnnflow.judge import plateau, verdicts

given, params, fit = snakemake.input, snakemake.params, snakemake.wildcards.fit
told, place = params.told, [about["fit"] for about in params.panels].index(fit)
title, about = told["title"], table.columns_of(given.get("columns"))
inputs, targets = axes_of(about, params.frame["units"])
evaluation = predictions.read_evaluation(given.evaluation)
judged = verdicts.read(given.diagnostics[place])


def _curves():
    return read_panels(params.panels, given, told["observations"], params.frame)


def _training() -> pd.DataFrame:
    files = dict(zip(told["observations"], given.observations, strict=True))
    learnt = {name: files[name] for name in params.panels[place]["observations"]}
    return pd.concat(read_tables(learnt, about).values(), ignore_index=True)


def _own() -> Figure:
    if is_curve(about):
        frame, panels = _curves()
        return draw_fit(frame, replace(panels[place], held_out=held_out_of(evaluation)))
    found, verdict = predictions.read(given.predictions[place]), verdicts.stamp(judged)
    return draw_dependences(fit, title, verdict, inputs, targets, found, _training())


def _observed() -> Figure:
    order = most_moving(dependences(predictions.read(given.predictions[place]), _training()))
    verdict = verdicts.stamp(judged)
    return draw_observed(fit, title, verdict, inputs, targets, evaluation, order)


def _calibration() -> Figure:
    verdict = verdicts.stamp(judged, "calibration_error")
    reliable = reliability_by_region(evaluation)
    return draw_calibration(fit, title, *by_region(evaluation), verdict, reliable)


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
    before, heading = params.panels[0]["observations"], f"{fit} beside its prior"
    roles = [update_role(role, before, told["new"]) for role in told["roles"]]
    if not is_curve(about):
        return draw_outcomes(read_judged(params.panels, given, roles), targets, heading)
    frame, panels = _curves()
    named = [replace(own, role=role) for own, role in zip(panels, roles, strict=True)]
    return draw_sheet(frame, named, heading)


figures = {
    "own": _own,
    "observed": _observed,
    "calibration": _calibration,
    "chains": _chains,
    "loss": _loss,
    "beside_prior": _beside_prior,
}
with styled(given.style):
    for name, draw in figures.items():
        if f"{name}_png" in snakemake.output.keys():  # noqa: SIM118 (its entries are the paths)
            save(draw(), snakemake.output[f"{name}_png"], snakemake.output[f"{name}_svg"])
