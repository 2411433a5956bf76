"""Several config files, overlays and the command line, as Snakemake puts them together."""

import pandas as pd


def test_later_files_overlay_earlier_ones_and_the_command_line_overlays_them_all(empty):
    empty.path("a.yaml").write_text(
        "fits:\n  mine: {inference: {chains: 2, chains_per_job: 1, draws: 10}}\n"
        "  other: {inference: {method: svi}}\n"
    )
    empty.path("b.yaml").write_text("fits: {mine: {inference: {chains: 3}}, mcmc_deep: null}\n")
    both = ("--configfile", "a.yaml", "b.yaml")
    planned = empty.planned("results/figures/mine.png", *both)
    assert planned["mine_chain"] == 3
    planned = empty.planned(*both, "--config", "fits={mine: {inference: {chains: 4}}}")
    assert planned["mine_chain"] == 4
    assert planned["other_start"] == 2
    assert planned["svi_deep_start"] == 1
    assert "mcmc_deep_chain" not in planned


def test_a_number_within_a_mapping_on_the_command_line_is_one(empty):
    empty.snakemake("--cores", "1", "results/data/old.csv", "--config", "data={noise: 0.5}")
    table = pd.read_csv(empty.path("results/data/old.csv"))
    far = (table["y"] - table["x"]).abs().max()
    assert far > 0.7  # f leaves the diagonal by less than 0.6


def test_a_config_of_fits_alone_takes_the_place_of_the_tutorials(empty):
    empty.path("config/config.yaml").write_text("fits: {mine: {}}\n")
    planned = empty.planned("-n")
    assert planned["mine_chain"] == 2
    assert not [rule for rule in planned if rule.startswith(("mcmc", "svi"))]


def test_a_config_that_is_no_yaml_is_told_with_its_line(empty):
    empty.path("config/config.yaml").write_text("fits:\n  mine:\n    title: My fit: the best\n")
    printed = empty.snakemake("-n", fails=True)
    assert "line 3: mapping values are not allowed here; a text with a colon needs" in printed
    assert "Traceback" not in printed


def test_a_config_file_of_the_command_line_is_told_with_its_line(empty):
    empty.path("my.yaml").write_text("fits:\n  mine:\n    title: My fit: the best\n")
    printed = empty.snakemake("-n", "--configfile", "my.yaml", fails=True)
    assert "my.yaml, line 3: mapping values are not allowed here; a text with a colon" in printed
    assert "Traceback" not in printed


def test_a_target_behind_the_config_files_is_told_where_to_stand(empty):
    empty.path("my.yaml").write_text("fits: {mine: {}}\n")
    empty.path("results/figures").mkdir(parents=True)
    empty.path("results/figures/mine.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    words = ("-n", "--configfile", "my.yaml", "results/figures/mine.png")
    printed = empty.snakemake(*words, fails=True)
    assert "name targets before that option: snakemake results/figures/mine.png" in printed
    assert "Traceback" not in printed
