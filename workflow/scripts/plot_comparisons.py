"""Draw all fits beside each other: what they predict, and their scores."""

from bnnflow import jobs

jobs.start(snakemake)

from bnnflow.config import studies
from bnnflow.data import table
from bnnflow.data.references import REFERENCES
from bnnflow.figures.canvas import save, styled
from bnnflow.figures.fit import draw_sheet
from bnnflow.figures.inputs import axes_of, is_curve
from bnnflow.figures.observed import draw_outcomes
from bnnflow.figures.reading import read_judged, read_panels
from bnnflow.figures.scores import draw_scores
from bnnflow.judge import scores, verdicts

given, params, made = snakemake.input, snakemake.params, snakemake.output
metrics = scores.read(given.metrics, first=["fit"])
metrics = metrics[metrics["fit"].isin([*params.fits, *REFERENCES])]
if "groups" in given.keys():  # noqa: SIM118
    metrics = studies.as_scores(studies.read(given.groups))
summary = verdicts.read_summary(given.verdicts).set_index("fit")["verdict"]
with styled(given.style):
    save(draw_scores(metrics, summary.to_dict()), made.scores_png, made.scores_svg)
    if params.fits:
        about = table.columns_of(given.get("columns"))
        if is_curve(about):
            panels = read_panels(params.panels, given, params.observations, params.frame)
            figure = draw_sheet(*panels)
        else:
            _, targets = axes_of(about, params.frame["units"])
            figure = draw_outcomes(read_judged(params.panels, given), targets)
        save(figure, made.all_fits_png, made.all_fits_svg)
