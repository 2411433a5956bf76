"""The story of a run, from its config and tables."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from bnnflow import jobs
from bnnflow.config import studies
from bnnflow.config.checks import checked
from bnnflow.data import table
from bnnflow.files import safe
from bnnflow.files.columns import Column
from bnnflow.files.encodings import Encoding
from bnnflow.judge import meanings, verdicts
from bnnflow.run import names
from bnnflow.run.plan import Plan
from bnnflow.run.report import given, groups, markup, opinion, there
from bnnflow.run.report.found import Picture, Run, last_words
from bnnflow.run.report.story import story

# A point.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)

COLUMNS = ["diagnostic", "value", "threshold", "verdict", "region", "counts_for", "reason"]

SOUND = [
    ("divergences", 0.0, 0.0, "pass", "", "", ""),
    ("ess_bulk_function", 900.0, 400.0, "pass", "gap", "gap", ""),
]

FAILING = [
    ("ess_bulk_function", 4.2, 100.0, "fail", "data", "data all", ""),
    ("ess_bulk_function", 900.0, 400.0, "pass", "gap", "gap all", ""),
    ("rhat_chain_function", 1.3, 1.1, "fail", "data", "data all", ""),
    ("ess_tail_function", 9.0, 100.0, "fail", "data", "data all", ""),
    ("saturated_depth", 0.9, 0.5, "fail", "", "", ""),
    ("divergences", 0.004, 0.0, "warn", "", "", ""),
    ("rhat_function", np.nan, np.nan, "not measurable", "gap", "gap all", "one chain; set chains"),
]


class Page(HTMLParser):
    """What a page has: elements, ids, links, text, and whether all that opens closes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.names, self.words = [], [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, name, attributes):
        self.names.append(name)
        self.ids += [value for key, value in attributes if key == "id"]
        self.links += [value for key, value in attributes if key == "href"]
        assert not [key for key, _ in attributes if key.startswith("on")]
        if name not in ("img", "br"):
            self.open.append(name)

    def handle_startendtag(self, name, attributes):
        self.handle_starttag(name, attributes)
        assert name in ("img", "br")

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def scores(regions, targets=(None,), truth=True):
    rows = [
        (region, target, metric, value, 0.3, 0.4)
        for region in regions
        for target in targets
        for metric, value in (("lppd", -1.25), ("rmse_function", 0.1), ("coverage_95", 0.9))
        if truth or metric != "rmse_function"
    ]
    columns = ["region", "target", "metric", "value", "error_draws", "error_points"]
    found = pd.DataFrame(rows, columns=columns)
    return found if targets != (None,) else found.drop(columns="target")


class Results:
    """A folder of results to tell of."""

    def __init__(self, folder, config):
        self.config, self.folder = checked(config, reserved=set(), paths=[]), folder / "results"
        self.pictures = {}
        self.regions = list(self.config["evaluation"]["regions"])

    def fit(self, name, findings=SOUND, columns=COLUMNS, **scored):
        folder = self.folder / "fits" / name
        folder.mkdir(parents=True)
        safe.write_table(pd.DataFrame(findings, columns=columns), folder / "diagnostics.csv")
        safe.write_table(scores(self.regions, **scored), folder / "scores.csv")
        self.picture(name)

    def picture(self, name, caption=""):
        path = self.folder / "figures" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)
        self.pictures[name] = Picture(path, caption)

    def page(self):
        told = story(self.config, self.folder, self.pictures)
        # The template puts the theory between both parts.
        return Page(f'{told.start}<h1 id="theory"></h1>{told.rest}')


@pytest.fixture
def results(tmp_path, config):
    return lambda **changed: Results(tmp_path, config | changed)


def assert_sound(page):
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert "script" not in page.names


def test_a_whole_run_is_told(results):
    run = results()
    for name in run.config["fits"]:
        run.fit(name, FAILING if name == "mcmc_deep" else SOUND)
    for name in ("data", "all_fits", "scores", "svi_updated_beside_prior", "mcmc_deep_chains"):
        run.picture(name, f"<p>the caption of {name}</p>")
    page = run.page()
    assert_sound(page)
    assert "13 of 14 fits pass: mcmc_shallow, svi_deep, svi_shallow, svi_updated," in page.text
    assert page.text.count("the caption of") == 5
    assert page.names.count("img") == 14 + 14 + 5
    for place in ("fits", "diagnostics", "theory", "data", "fit-svi_new", "comparisons", "run"):
        assert f"#{place}" in page.links
        assert place in page.ids
    assert "−1.25 ± 0.5" in page.text
    assert "90 %" in page.text
    assert "These fits of the config have no results" not in page.text
    # The completed config.
    assert '"max_tree_depth": 10' in page.text


def test_a_title_that_is_only_the_name_is_not_told_beside_it(results):
    run = results(fits={"mine": {}, "other": {"title": "Another fit"}})
    for name in run.config["fits"]:
        run.fit(name)
    text = run.page().text
    assert "mine pass Data: old and new." in text
    assert "other pass Another fit. Data: old and new." in text


def test_causes_stand_before_what_follows_from_them_with_values_and_limits():
    table = pd.DataFrame(FAILING, columns=COLUMNS)
    assert list(opinion.sentences(table, ["data", "gap", "all"])) == [
        "Do not take this fit for the posterior: its computation is off, or may say something else"
        " when it is done again.",
        "Computed fails: 90 % of the trajectories end at the greatest depth of the tree"
        " (limit 50 %); R-hat of the function within a chain is 1.3 (limit 1.1), in data; the bulk"
        " ESS of the function is 4.2 (limit 100), in data; the tail ESS of the function is 9"
        " (limit 100), in data.",
    ]
    assert opinion.verdict_in(table, "data") == "fail"
    assert opinion.verdict_in(table, "gap") == "not measurable"
    assert opinion.verdict_in(table, "elsewhere") == ""


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("pass", ["Nothing that was measured speaks against this fit."]),
        (
            "not measurable",
            [
                "What was measured keeps its limits. Not all that matters could be measured.",
                "Calibrated could not be measured whole: calibration: no points, in gap.",
                "What was measured in data keeps its limits.",
            ],
        ),
        (
            "warn",
            [
                "Use this fit with care.",
                "Calibrated warns: the calibration is off by 0.06 beyond chance (limit 0.05), in"
                " gap.",
                "What was measured in data keeps its limits.",
            ],
        ),
    ],
)
def test_a_sentence_says_what_to_think_of_a_fit(verdict, said):
    lost = verdict == "not measurable"
    value, reason = (np.nan, "no points") if lost else (0.06, "")
    rows = [
        ("calibration_error", 0.01, 0.05, "pass", "data", "data", ""),
        ("calibration_error", value, 0.05, verdict, "gap", "gap", reason),
    ]
    assert list(opinion.sentences(pd.DataFrame(rows, columns=COLUMNS), ["data", "gap"])) == said


def test_what_is_bad_of_a_diagnostic_that_should_be_high_is_its_lowest_value():
    rows = [
        ("ess_bulk_function", value, 100.0, "fail", region, region, "")
        for value, region in ((60.0, "data"), (3.0, "gap"))
    ]
    _, told = opinion.sentences(pd.DataFrame(rows, columns=COLUMNS), ["data", "gap"])
    assert told == "Computed fails: the bulk ESS of the function is 3 (limit 100), everywhere."


def test_the_summary_counts_fits():
    def summary(**verdicts):
        names = ["rhat_function", "calibration_error", "skill"]
        own = {
            fit: pd.DataFrame({"diagnostic": names, "verdict": of_parts})
            for fit, of_parts in verdicts.items()
        }
        return opinion.summary(own)

    good, bad = ("pass", "pass", "pass"), ("fail", "fail", "fail")
    again = "Not computed well"
    assert summary(a=good, b=bad) == f"1 of 2 fits passes: a. {again}: b."
    assert summary(a=good, b=good) == "All 2 fits pass."
    assert summary(a=bad) == "The fit a does not pass."
    assert summary(a=bad, b=bad) == f"None of the 2 fits passes. {again}: a and b."
    many = {f"f{n}": bad for n in range(12)}
    assert summary(**many).endswith(f"{again}: {', '.join(list(many)[:10])} and 2 more.")
    # A fit is named with the first part of its verdict that fails, in the parts' order.
    told = (
        f"1 of 5 fits passes: a. To be used with care: e. {again}: c."
        " Held-out observations do not fall as foretold: b."
        " Something simpler predicts as well or better: d."
    )
    wrong, needless = ("pass", "fail", "fail"), ("warn", "pass", "fail")
    careful = ("pass", "warn", "not measurable")
    assert summary(a=good, b=wrong, c=bad, d=needless, e=careful) == told


def test_one_fit_alone_is_told_and_the_others_are_named(results, config):
    run = results()
    run.fit("svi_new")
    page = run.page()
    assert_sound(page)
    assert "The fit svi_new passes." in page.text
    assert "mcmc_shallow , mcmc_deep , svi_deep" in page.text
    assert ": not asked for, or something before failed" in page.text
    assert "oracle" not in page.text.split('"seed"')[0]


def test_a_fit_that_failed_is_named_with_the_last_words_of_its_log(results):
    run = results()
    for name in run.config["fits"]:
        if name != "svi_deep":
            run.fit(name)
    logs = run.folder / "logs"
    for place, text in {
        "svi_deep_start/0.log": "12:00 svi_deep_start start=0: SVI: 25000 steps\n",
        "svi_deep.log": "12:01 svi_deep: FloatingPointError: all <b>diverged</b>; try less\n"
        "Traceback (most recent call last):\n  File\nFloatingPointError\n",
        "svi_deeper.log": "12:01 svi_deeper: another\nTraceback (most recent call last):\n",
    }.items():
        (logs / place).parent.mkdir(parents=True, exist_ok=True)
        (logs / place).write_text(text)
    page = run.page()
    assert_sound(page)
    assert "svi_deep failed: 12:01 svi_deep: FloatingPointError: all <b>diverged</b>" in page.text
    assert "another" not in page.text
    assert "All 13 fits pass." in page.text


def test_what_a_user_can_mend_is_a_last_word(tmp_path, config):
    path = tmp_path / "results/logs/mine_chain/0.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    said = f"12:00 mine_chain chain=0: {jobs.STOPS}: the likelihood poisson is of count targets"
    path.write_text(f"12:00 mine_chain chain=0: NUTS\n{said}\n")
    run = Run(config | {"groups": {}}, tmp_path / "results", {})
    assert last_words(run, "mine", "mine") == (said, path)


def test_a_stop_is_a_last_word_and_a_group_member_has_its_own_log(tmp_path, config):
    path = tmp_path / "results/logs/study_start/study-0/3.log"
    path.parent.mkdir(parents=True)
    path.write_text("12:00 study_start fit=study-0: stopped by SIGTERM; run the same again\n")
    run = Run(config | {"groups": {}}, tmp_path / "results", {})
    found, where = last_words(run, "study", "study-0")
    assert found.endswith("stopped by SIGTERM; run the same again")
    assert where == path
    assert last_words(run, "study", "study-1") is None


def test_several_targets_and_no_truth(results):
    run = results()
    findings = [
        ("calibration_error", value, 0.05, "warn", "gap", "gap", "", target)
        for target, value in (("height", 0.06), ("mass", 0.08))
    ]
    run.fit("mcmc_deep", findings, [*COLUMNS, "target"], targets=("height", "mass"), truth=False)
    page = run.page()
    assert_sound(page)
    assert "RMSE" not in page.text
    assert page.text.count("LPPD") == 2 + 1  # and in the legend
    assert "off by 0.08 beyond chance (limit 0.05), everywhere" in page.text
    assert "gap, height 0.06" in page.text
    assert "gap, mass 0.08" in page.text


def test_the_likelihood_of_a_table_is_told_for_every_target(tmp_path):
    targets = (
        Column("price", transform="log"),
        Column("visits", kind="count"),
        Column("kind", kind="classes", levels=("a", "b", "c")),
    )
    (tmp_path / "data").mkdir()
    run = Run({"data": {"table": "own.csv"}}, tmp_path, {})

    def told(*columns, settings=None):
        path = tmp_path / "data/columns.json"
        table.describe(Encoding((Column("x"),), columns), {}, path)
        return given.likelihood(run, settings)

    assert (
        told(*targets) == "normal of log(price), negative binomial of visits, categorical of kind"
    )
    own = {"price": {"family": "student_t"}}
    assert told(*targets, settings=own).startswith("student t of log(price), negative binomial")
    assert told(targets[1], settings={"family": "poisson"}) == "poisson of visits"
    both = told(Column("a"), Column("b"), settings={"family": "normal", "correlated": True})
    assert both == "normal of a, normal of b, with correlated residuals"
    many = told(*(Column(f"y{i}") for i in range(15)))
    assert many.endswith("normal of y11, 3 more")


def test_what_lies_most_often_behind_the_worst_verdict_of_a_group_is_told():
    """Of diagnostics as often as another, causes first; each fit counts once."""
    rows = [
        (f"f{fit}", diagnostic, verdict)
        for verdict, told in {
            "fail": {"skill": 4, "pareto_k": 2, "disagreement": 2, "elbo_drift": 1},
            "warn": {"calibration_error": 5},
            "pass": {"restart_spread": 5},
        }.items()
        for diagnostic, count in told.items()
        for fit in range(count)
    ]
    rows += [rows[0]]
    found = pd.DataFrame(rows, columns=["fit", "diagnostic", "verdict"])
    assert Page(groups.most_often(found)).text == (
        "What fails, with the share of the fits: gain over what is cheaper in 80 %; Pareto k in"
        " 40 %; disagreement with the sampled fit in 40 %; the ELBO still moves in 20 %."
    )
    more = pd.concat([found, found.head(1).assign(diagnostic="rhat_sigma")])
    assert Page(groups.most_often(more)).text.endswith("in 20 %; 1 more.")
    kept = more[more["verdict"] != "fail"]
    assert Page(groups.most_often(kept)).text == (
        "What warns, with the share of the fits: calibration in 100 %."
    )
    assert groups.most_often(kept[kept["verdict"] == "pass"]) == ""


def test_files_of_new_rows_are_named_where_they_are(tmp_path):
    run = Run({"data": {"predict": {"soon": "soon.csv", "never": "never.csv"}}}, tmp_path, {})
    assert given.new_rows(run, "mine") == ""
    path = tmp_path / "predictions/mine/soon.csv"
    path.parent.mkdir(parents=True)
    path.touch()
    said = Page(given.new_rows(run, "mine")).text
    assert said == "Predictions of new rows: results/predictions/mine/soon.csv ."
    assert given.new_rows(Run({"data": {}}, tmp_path, {}), "mine") == ""
    fits = [f"mine-fold_{number}" for number in range(1, 13)]
    for fit in fits:
        (tmp_path / "predictions" / fit).mkdir()
        (tmp_path / "predictions" / fit / "soon.csv").touch()
    said = Page(given.new_rows(run, *fits)).text
    assert said.count("/soon.csv") == 10
    assert said.endswith("results/predictions/mine-fold_10/soon.csv , 2 more.")


def test_every_diagnostic_has_its_value_limits_and_a_remedy_that_fits(results):
    run = results()
    rows = [
        ("pareto_k", 0.9, 0.7, "warn", "", "", "the weights are worth 3 of 500 draws"),
        ("elbo_drift", 0.0001, 0.001, "pass", "", "", "too far"),
        ("rhat_chain_scale", 1.0, 1.01, "pass", "", "", ""),
        ("engine", np.nan, np.nan, "warn", "", "", "Pyro's, slow: no compiler"),
    ]
    run.fit("svi_deep", rows)
    text = run.page().text
    told = text.split("what to do")[1].split("What the diagnostics ask")[0]
    assert told.index("ELBO") < told.index("Pareto k") < told.index("Pyro's own code")
    assert "Pareto k 0.9 0.7, 1 warn a guide with correlations: AutoMultivariateNormal" in told
    assert "no compiler" in told
    assert "too far" not in told
    explained = text.split("What the diagnostics ask")[1]
    assert all(meanings.meaning(name).words in explained for name, *_ in rows)
    assert "R-hat of scale within a chain" in explained
    assert meanings.meaning("divergences").asks not in text
    assert meanings.SITE not in text


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> {{ x }} </table> & `"


def test_hostile_words_are_only_words(results, config):
    fits = {"mine": config["fits"]["svi_new"] | {"title": HOSTILE, "note": "a note"}}
    run = results(fits=fits)
    rows = [("pareto_k", np.nan, 0.7, "fail", "", "", HOSTILE)]
    run.fit("mine", rows)
    page = run.page()
    assert_sound(page)
    assert page.names.count("img") == 2
    assert page.text.count("<script>alert(1)</script>") >= 3


def test_a_fit_is_told_how_far_it_is_from_the_best_and_from_the_process(results):
    run = results(fits={"mine": {}, "other": {}})
    for name in run.config["fits"]:
        run.fit(name)
    run.picture("scores")
    keys = {"settings": "", "other_settings": "", "region": "data", "metric": "lppd", "splits": 1}
    rows = [
        keys | {"group": name, "other": other, "difference": apart, "error": 0.025}
        for name, other, apart in (
            ("mine", "linear", 7.0), ("mine", "oracle", -0.6), ("mine", "other", -0.25),
            ("other", "linear", 8.0), ("other", "oracle", -0.35),
        )
    ]  # fmt: skip
    (run.folder / "tables").mkdir()
    safe.write_table(pd.DataFrame(rows), run.folder / "tables/differences.csv")
    (run.folder / "evaluations").mkdir()
    safe.write_table(scores(run.regions), run.folder / "evaluations/oracle.csv")
    page = run.page()
    assert_sound(page)
    # The first region is the data.
    assert "less oracle −0.6 ± 0.025 –" in page.text
    assert "less other −0.25 ± 0.025 –" in page.text
    assert "less oracle −0.35 ± 0.025 –" in page.text
    assert "less linear" not in page.text
    assert page.text.count("less other") == 1
    assert "How far the LPPD is above that of another" in page.text


def test_a_study_alone_is_told_by_its_spread(results, config):
    fits = {"study": config["fits"]["svi_new"] | {"replicates": 3, "title": "A <study>"}}
    run = results(fits=fits)
    names = run.config["groups"]["study"]["cells"][""]
    findings = [SOUND, FAILING, FAILING[:1] + SOUND[:1]]
    for name, own in zip(names, findings, strict=True):
        run.fit(name, own)
    run.pictures.clear()
    metrics = verdicts.stacked(names, [scores(run.regions)] * 3)
    summary = pd.DataFrame({"fit": names, "verdict": ["pass", "fail", "fail"]})
    table = studies.spreads(metrics, summary, {"study": run.config["groups"]["study"]["cells"]})
    (run.folder / "tables").mkdir()
    safe.write_table(table, run.folder / "tables/groups.csv")
    found = verdicts.stacked(names, (pd.DataFrame(own, columns=COLUMNS) for own in findings))
    safe.write_table(found, run.folder / "tables/diagnostics.csv")
    for name in ("study", "scores"):
        run.picture(name)
    page = run.page()
    assert_sound(page)
    assert "1 of 3 fits of study pass." in page.text
    assert "The 3 fits of the group study" in page.text
    assert "What the numbers mean" in page.text
    assert "all 3 33 % pass 67 % fail" in page.text
    assert (
        "What fails, with the share of the fits: bulk ESS of the function in 67 %;"
        " saturated tree depth in 33 %; R-hat of the function within a chain in 33 %;"
        " tail ESS of the function in 33 %."
    ) in page.text
    assert "−1.25 ± 0" in page.text
    assert "#fits" not in page.links
    assert "#group-study" in page.links


@pytest.mark.parametrize(
    ("held_out", "told"),
    [
        ({"share": 0.2}, "20 % drawn with seed 7"),
        ({"group": "plant", "share": 0.3}, "30 % of the groups of plant, drawn with seed 7"),
        ({"tail": "a", "share": 1 / 3}, "33 % at both ends of a"),
        ({"where": {"a": [1, None]}}, "all of which {'a': [1, None]} holds"),
        ({"table": "other.csv"}, "all of other.csv"),
    ],
)
def test_by_what_rows_are_held_out_is_told(held_out, told):
    assert given.how(held_out, seed=7) == told


def test_nothing_at_all_is_told_as_that(results):
    page = results().page()
    assert_sound(page)
    assert "These fits of the config have no results here." in page.text


def test_text_is_escaped_wherever_it_stands():
    hostile = "<&\"'>"
    assert markup.html(hostile) == "&lt;&amp;&quot;&#x27;&gt;"
    assert markup.tag("p", hostile, class_=hostile, id=None) == (
        '<p class="&lt;&amp;&quot;&#x27;&gt;">&lt;&amp;&quot;&#x27;&gt;</p>'
    )
    assert markup.spoken("more `draws <`") == "more <code>draws &lt;</code>"
    assert markup.joined(["<", markup.BREAK], " & ") == "&lt; &amp; <br/>"
    assert re.fullmatch(
        r'<div class="scroll"><table><tbody><tr><td>&lt;</td><th>b</th></tr></tbody></table></div>',
        markup.html_table([], [["<", markup.tag("th", "b")]]),
    )


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["--cores", "1"], False),
        (["--report", "r.html"], True),
        (["--report=r.html"], True),
        (["--report", "r.html", "--report-after-run"], False),
        (["--report-stylesheet", "s.css"], False),
    ],
)
def test_a_report_without_a_run_is_told_by_the_command_line(arguments, asked):
    assert there.is_report(arguments) is asked


def test_a_report_leaves_out_what_a_failed_fit_has_left(config):
    plan = Plan(checked(config, reserved=set(), paths=[]))
    files = [*plan.results(), "results/manifest.json"]
    assert there.made(plan, files, lambda path: True) == files
    assert there.made(plan, files, lambda path: False) == []
    # Others are judged beside it: of them nothing can be made either.
    gone = "results/fits/svi_shallow/posterior.nc"
    made = there.made(plan, files, lambda path: path != gone)
    left = {file.split("/")[2] for file in made if file.startswith("results/fits/")}
    assert left == {*config["fits"]} - {"svi_shallow", "svi_updated"}
    pictures = {file for file in made if file.endswith(".png")}
    assert "results/figures/svi_deep_loss.png" in pictures
    assert "results/figures/data.png" in pictures
    assert not {file for file in pictures if "svi_shallow" in file or "svi_updated" in file}
    assert not {file for file in made if "all_fits" in file or "scores.png" in file}
    assert not {file for file in made if "/tables/" in file or "manifest" in file}
    # A picture that is not there leaves the fit whole.
    lost = "results/figures/svi_new.png"
    assert set(files) - set(there.made(plan, files, lambda path: path != lost)) == {lost}


def test_a_group_is_left_out_where_one_of_its_fits_failed(config):
    fits = {
        "study": config["fits"]["svi_new"] | {"replicates": 2},
        "old": config["fits"]["svi_new"] | {"title": "named as data are"},
    }
    plan = Plan(checked(config | {"fits": fits}, reserved=set(), paths=[]))
    gone = "results/evaluations/study-1.nc"
    made = there.made(plan, plan.results(), lambda path: path != gone)
    assert "results/figures/study.png" not in made
    assert "results/figures/old.png" in made
    assert "results/fits/study-0/posterior.nc" in made
    gone = "results/fits/old/posterior.nc"
    made = there.made(plan, plan.results(), lambda path: path != gone)
    assert "results/data/old.csv" in made
    assert "results/figures/study.png" in made


def test_a_table_that_could_not_be_split_has_the_last_word(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = {"table": "own.csv", "targets": "y"}
    plan = Plan(checked({"data": data, "fits": {"mine": {}}}))
    assert there.fault_of_table(plan) == ""
    (tmp_path / "results" / "logs").mkdir(parents=True)
    log = tmp_path / "results" / "logs" / "split_table.log"
    log.write_text("it has 3 rows\nthe column Größe is empty\n", encoding="utf-8")
    assert there.fault_of_table(plan) == "the column Größe is empty"
    (tmp_path / "results" / "data").mkdir()
    (tmp_path / names.data_file(names.COLUMNS)).touch()
    assert there.fault_of_table(plan) == ""


def test_a_run_that_failed_leaves_tables_of_the_fits_that_are_whole(results, monkeypatch):
    run = results()
    plan = Plan(run.config)
    monkeypatch.chdir(run.folder.parent)
    assert there.tables(plan) == ""
    for name in ("mcmc_deep", "svi_new"):
        run.fit(name)
        for file in plan.results():
            if name in file:
                path = run.folder.parent / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    said = there.tables(plan)
    assert said == (
        f"results/partial has the tables of 2 of 14 fits, which are whole. {there.MORE}"
    )
    table = verdicts.read_summary(run.folder / "partial/verdicts.csv")
    assert table["fit"].tolist() == ["mcmc_deep", "svi_new"]
    assert set(table["verdict"]) == {"pass"}
    # A run that has failed after its own tables leaves no others.
    for file in plan.results():
        path = run.folder.parent / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert there.tables(plan) == there.MORE
