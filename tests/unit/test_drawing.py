"""What figures are drawn from: files and settings by the plan, arrays and tables from files."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import ROOT
from snakemake.iocontainers import Namedlist

from bnnflow.config.checks import checked
from bnnflow.config.relations import figure_names
from bnnflow.data.table import describe
from bnnflow.figures import canvas
from bnnflow.figures.calibration import by_region
from bnnflow.figures.chains import point_name, shown_probes, traces_of
from bnnflow.figures.fit import draw_fit
from bnnflow.figures.frame import held_out_of, names_of, only_input, panel_of
from bnnflow.figures.reading import read_panels
from bnnflow.files import arrays, safe
from bnnflow.files.encodings import of_names
from bnnflow.methods.running.method import METHODS
from bnnflow.run import captions, drawing
from bnnflow.run.plan import Plan

BANDS = ("mean", "stddev", "function_stddev")


@pytest.fixture
def plan(config):
    return Plan(checked(config))


def test_a_fit_is_drawn_from_its_own_files_and_an_update_from_those_beside_it(plan):
    files = drawing.files(plan, "mcmc_deep")
    assert files["posterior"] == "results/fits/mcmc_deep/posterior.nc"
    assert files["predictions"] == ["results/predictions/mcmc_deep.nc"]
    assert files["observations"] == ["results/data/old.csv"]
    assert "loss" not in files
    files = drawing.files(plan, "svi_updated")
    assert files["loss"] == "results/fits/svi_updated/loss.csv"
    fits = ["svi_shallow", "svi_updated", "svi_joint", "svi_new"]
    assert files["predictions"] == [f"results/predictions/{fit}.nc" for fit in fits]
    assert files["diagnostics"] == [f"results/fits/{fit}/diagnostics.csv" for fit in fits]
    assert files["data"] == ["results/data/new.csv"]


def test_panels_show_only_what_their_fits_have_seen(plan):
    told = drawing.told(plan, "svi_updated")
    assert told["roles"] == ["source", "updated", "joint", "alone"]
    seen = [panel["observations"] for panel in drawing.panels(plan, "svi_updated")]
    assert seen == [["old"], ["old", "new"], ["old", "new"], ["new"]]
    assert told["new"] == ["new"]
    assert drawing.told(plan, "mcmc_deep")["roles"] == ["own"]


def test_the_job_of_a_fit_makes_its_figures(config, plan):
    made = [
        name.format(fit=entry)
        for figure in ("chains", "loss", None)
        for updated in (False, True)
        for entry in drawing.entries_with(plan, figure, updated)
        for name, *_ in drawing.figures(plan, figure, updated).values()
    ]
    made += [name for name, *_ in drawing.priors(plan).values()]
    made += [name for name, *_ in drawing.comparisons(plan).values()]
    assert sorted(made + list(config["figures"]["data"])) == sorted(figure_names(plan.config))


@pytest.mark.parametrize("leaves", [{"guide"}, {"guide", "starts"}])
def test_a_fit_that_leaves_neither_trajectories_nor_a_loss_has_no_figure_of_them(
    config, monkeypatch, leaves
):
    monkeypatch.setattr(METHODS["svi"], "leaves", frozenset(leaves))
    plan = Plan(checked(config))
    names = figure_names(plan.config)
    assert "svi_deep_calibration" in names
    assert not [name for name in names if name.endswith("_loss")]
    assert drawing.entries_with(plan, "loss", False) == []
    assert "svi_deep" in drawing.entries_with(plan, None, False)
    assert drawing.entries_with(plan, None, True) == ["svi_updated", "ensemble_updated"]
    assert [*drawing.figures(plan, None, updated=False)] == ["own", "calibration"]
    assert not {"loss", "posterior"} & {*drawing.files(plan, "svi_deep")}
    assert drawing.told(plan, "svi_deep")["shown"] == []
    assert not [path for path in plan.results() if "loss" in path]


def test_captions_say_what_prior_and_method_a_fit_has(plan):
    told = captions.of_fit(plan, "svi_updated")
    assert "that *svi_shallow* has found" in told["prior"]
    assert captions.of_fit(plan, "svi_shallow")["prior"].startswith("Every weight and bias is")
    assert not told["stacked"]
    assert told["draws"] == plan.fit("svi_updated")["inference"]["draws"]
    assert f"{told['draws']} draws" in told["account"]


def test_captions_say_whether_draws_have_weights_by_stacking(config):
    config["fits"] = {"mine": {"inference": {"method": "mclmc", "weights": "stacking"}}}
    assert captions.of_fit(Plan(checked(config)), "mine")["stacked"]


def test_the_prior_of_every_fit_is_drawn_but_of_an_update_and_of_a_study(config):
    config["fits"]["study"] = config["fits"]["svi_new"] | {"replicates": 2}
    plan = Plan(checked(config))
    assert {*drawing.priors(plan)} == {*plan.fits} - {
        "svi_updated",
        "ensemble_updated",
        "study-0",
        "study-1",
    }
    told = drawing.before(plan)
    assert told["svi_joint"]["observations"] == ["old", "new"]
    assert len({about["seed"] for about in told.values()}) == len(told)
    modules = {path.name for path in drawing.prior_modules(plan)}
    assert modules == {"normal.py", "heteroscedastic_normal.py"}
    assert set(drawing.prior_needs(plan)) == {"mem_mb", "runtime"}
    only = {"fits": {"one": config["fits"]["svi_new"] | {"replicates": 2}}}
    assert drawing.priors(Plan(checked(config | only))) == {}


def test_every_entry_has_one_job_of_figures(plan):
    kinds = [(figure, updated) for figure in ("chains", "loss", None) for updated in (False, True)]
    found = {kind: drawing.entries_with(plan, *kind) for kind in kinds}
    assert found["chains", False] == ["mcmc_shallow", "mcmc_deep"]
    assert found["loss", True] == ["svi_updated"]
    assert sorted(entry for own in found.values() for entry in own) == sorted(plan.entries)


def evaluation(inputs=("x",), targets=("y",)):
    """Of two regions, the second empty, with 5 points and 4 probes."""
    points = np.arange(5.0 * len(inputs)).reshape(5, -1)
    values = np.arange(5.0 * len(targets)).reshape(-1, 5) / 10
    there = np.array([[True, True, True, False], [False, False, False, True]])
    probes = np.arange(4.0 * len(inputs)).reshape(4, -1)
    function = np.arange(2 * 3 * len(targets) * 4.0).reshape(2, 3, len(targets), 4)
    shares = np.arange(2.0 * len(targets))[:, None, None].reshape(2, -1, 1, 1)
    return xr.Dataset(
        {
            "inputs": (("point", "input"), points),
            "targets": (("target", "point"), values),
            "inside": (
                ("region", "point"),
                np.array([[True, True, False, False, True], [False] * 5]),
            ),
            "pit": (("replicate", "target", "point"), np.stack([values, values + 1])),
            "shares": (("region", "target", "simulation", "below"), shares),
            "probe_inputs": (("probe", "input"), probes),
            "probe_inside": (("region", "probe"), there),
            "function": (("chain", "draw", "target", "probe"), function),
        },
        coords={"input": list(inputs), "target": list(targets), "region": ["data", "gap"]},
    )


def test_of_every_region_a_probe_is_shown_that_no_other_region_has_shown():
    inside = np.array(
        [
            [0, 1, 1, 1, 0, 0, 1],  # the middle of its first stretch
            [0, 0, 0, 0, 1, 1, 0],
            [1, 1, 1, 1, 1, 1, 1],  # shown already
            [0, 0, 0, 0, 0, 0, 0],  # without any
        ],
        dtype=bool,
    )
    assert shown_probes(inside) == {0: 2, 1: 5}


def test_traces_are_of_one_probe_of_every_region():
    traces = traces_of(own := evaluation())
    assert list(traces) == [("f(1.00)", "data"), ("f(3.00)", "gap")]
    function = own["function"].to_numpy()
    np.testing.assert_array_equal(traces["f(1.00)", "data"], function[:, :, 0, 1])
    traces = traces_of(own := evaluation(("a", "b", "c"), ("height", "weight")))
    assert list(traces)[:2] == [
        ("held-out row 2", "height, data"),
        ("held-out row 2", "weight, data"),
    ]
    function = own["function"].to_numpy()
    np.testing.assert_array_equal(list(traces.values())[1], function[:, :, 1, 1])


def test_points_are_named_by_their_only_input_or_by_their_row():
    one = np.array([[3e6], [-0.5], [2e-5]])
    assert [point_name(x, one) for x in one] == ["f(3e+06)", "f(−0.50)", "f(2e−05)"]
    several = np.array([[1.0, 2.0], [1.0, 3.0], [0.0, 3.0]])
    assert [point_name(x, several)[-5:] for x in several] == ["row 1", "row 2", "row 3"]


def test_calibration_is_of_the_points_in_a_region_and_of_all_draws():
    pit, simulated = by_region(evaluation())
    assert list(pit) == list(simulated) == [("", "data"), ("", "gap")]
    np.testing.assert_array_equal(pit["", "data"], [0, 0.1, 0.4])
    assert len(pit["", "gap"]) == 0
    pit, simulated = by_region(evaluation(("a", "b", "c"), ("height", "weight")))
    np.testing.assert_array_equal(pit["weight", "data"], [0.5, 0.6, 0.9])
    assert [values.item() for values in simulated.values()] == [0, 2, 1, 3]


def test_held_out_points_have_the_names_of_inputs_and_targets():
    table = held_out_of(evaluation(("a", "b", "c"), ("height", "weight")))
    assert list(table) == ["a", "b", "c", "height", "weight"]
    assert table["b"].tolist() == [1, 4, 7, 10, 13]
    assert table["weight"].tolist() == [0.5, 0.6, 0.7, 0.8, 0.9]


def test_a_panel_is_of_the_predictions_on_the_grid():
    bands = dict.fromkeys(BANDS, (("target", "point"), np.ones((2, 3))))
    grid = xr.Dataset(
        {"inputs": (("point", "input"), [[0.0], [1.0], [2.0]])} | bands,
        coords={"input": ["age"], "target": ["height", "weight"]},
    )
    table = pd.DataFrame({"age": [1.0], "height": [2.0], "weight": [3.0]})
    panel = panel_of(grid, "mine", "A fit", {"old": table}, verdict=("warn", "why"))
    assert panel.x.tolist() == [0, 1, 2]
    assert panel.mean.shape == (2, 3)
    assert panel.verdict == ("warn", "why")
    assert names_of(grid) == {"input": "age", "targets": ("height", "weight")}


def test_bands_of_a_table_are_its_outer_quantiles():
    mean, reach = np.full((1, 3), 2.0), np.full((1, 3), 3.0)
    kept = np.array([[[0.5] * 3], [[9.0] * 3], [[1.5] * 3]])
    grid = xr.Dataset(
        {
            "inputs": (("point", "input"), [[0.0], [1.0], [2.0]]),
            "mean": (("target", "point"), mean),
            **dict.fromkeys(("stddev", "function_stddev"), (("target", "point"), reach)),
            "quantiles": (("quantile", "target", "point"), kept),
            "function_quantiles": (("quantile", "target", "point"), kept / 2),
        },
        coords={"quantile": [0.025, 0.975, 0.5], "input": ["age"], "target": ["visits"]},
    )
    own, other = (panel_of(grid, "mine", "", {}, quantiles=given) for given in (True, False))
    assert own.extent == "2.5–97.5 % quantiles"
    np.testing.assert_array_equal(own.band, kept[:2])
    np.testing.assert_array_equal(own.function_band, kept[:2] / 2)
    assert other.extent == "± 2 sd"
    np.testing.assert_array_equal(other.band[:, 0, 0], [-4, 8])


def test_a_figure_over_one_input_refuses_others():
    with pytest.raises(ValueError, match="over one input cannot show 3 of them"):
        only_input(evaluation(("a", "b", "c")))


@pytest.fixture
def stored(tmp_path):
    """Files of a fit of two targets over an input, and of what it has learnt from."""
    bands = {name: (("target", "point"), np.ones((2, 3))) for name in BANDS}
    quantiles = {
        name: (("quantile", "target", "point"), np.ones((1, 2, 3)))
        for name in ("quantiles", "function_quantiles")
    }
    grid = xr.Dataset(
        {"inputs": (("point", "input"), [[0.0], [1.0], [2.0]])}
        | bands
        | quantiles
        | {"function": (("sample", "target", "point"), np.ones((1, 2, 3)))},
        coords={"input": ["age"], "target": ["height", "weight"]},
    )
    arrays.write(grid, tmp_path / "predictions.nc")
    found = {"diagnostic": "divergences", "value": 0.5, "threshold": 0.0, "verdict": "fail"}
    found |= {"region": "", "counts_for": "", "reason": "half of them"}
    safe.write_table(pd.DataFrame([found]), tmp_path / "diagnostics.csv")
    table = pd.DataFrame({"age": [1.0], "height": [2.0], "weight": [3.0]})
    safe.write_table(table, tmp_path / "old.csv")
    return tmp_path


def test_panels_are_read_with_the_names_of_their_columns(stored):
    about = [{"fit": "mine", "title": "A fit", "observations": ["old"]}]
    settings = {"sets": ["old"], "xlim": (0, 2), "ylim": (0, 1)}
    given = {"predictions": "predictions.nc", "diagnostics": "diagnostics.csv"}
    given |= {"observations": "old.csv"}
    given = {role: [stored / name] for role, name in given.items()}
    given["columns"] = stored / "columns.json"
    describe(of_names(("age",), ("height", "weight")), {}, given["columns"])
    frame, (panel,) = read_panels(about, given, ["old"], settings)
    assert (frame.input, frame.targets, frame.truth) == ("age", ("height", "weight"), None)
    assert panel.observations["old"]["weight"].tolist() == [3]
    assert panel.verdict[0] == "fail"
    given["truth"] = stored / "old.csv"
    frame, _ = read_panels(about, given, ["old"], settings)
    assert frame.truth["height"].tolist() == [2]
    with canvas.styled(ROOT / "config/bnnflow.mplstyle"):
        assert len(draw_fit(frame, panel).axes) == 2


def test_bands_of_a_table_are_quantiles(stored):
    describe(of_names(("age",), ("height", "weight")), {}, stored / "columns.json")
    files = {"predictions": ["predictions.nc"], "diagnostics": ["diagnostics.csv"]}
    files = {role: [str(stored / name) for name in own] for role, own in files.items()}
    files["observations"] = [str(stored / "old.csv")]
    files["columns"] = str(stored / "columns.json")
    # What Snakemake hands over has its names as no members.
    given = Namedlist(fromdict=files)
    about = [{"fit": "mine", "title": "A fit", "observations": ["old"]}]
    _, (panel,) = read_panels(about, given, ["old"], {"sets": ["old"], "xlim": None})
    assert "quantiles" in panel.extent
