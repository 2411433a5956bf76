"""Config files that are no YAML, and several of them."""

import pytest
import yaml
from conftest import ROOT
from snakemake.utils import update_config

from bnnflow.config.checks import checked
from bnnflow.config.faults import ConfigError
from bnnflow.config.reading import readable
from bnnflow.run.plan import PlanError
from bnnflow.run.provenance import rules_in
from bnnflow.run.styles import style_file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "fits:\n  mine:\n    title: My fit: the best\n",
            "line 3: mapping values are not allowed here; a text with a colon needs quotes: title:"
            ' "My fit: the best"',
        ),
        ("fits:\n  a: {}\n    b: {}\n", "line 3: "),
        ("seed: 1\n  engine: pyro\n", "does the line stand deeper than its neighbours?"),
        (
            "fits:\n\tmine: {}\n",
            "line 2: found character '\\t' that cannot start any token; inde",
        ),
        ("title:\n  'a\n", "line 2: found unexpected end of stream; what is opened here is not"),
        (
            "seed: 1\ndata: [a, b\n\n",
            "line 2: expected ',' or ']', but got '<stream end>'; what is opened here is not",
        ),
        (
            "targets: [Ofen [°C], b]\n",
            "line 1: expected ',' or ']', but got '['; within brackets, a text with brackets needs"
            " quotes: ['width [mm]']",
        ),
        ("targets: [°C] Ofen\n", "a text that begins with a bracket or a quote needs quotes"),
        ("targets: %\n", "character '%' that cannot start any token; a text that begins so needs"),
        ("targets: *all\n", "found undefined alias 'all'; a text that begins so needs quotes"),
        ("- a\n", "is ['a']; a config is a mapping of keys to values"),
        ("", "is None; a config is a mapping of keys to values"),
        ("a: \x01\n", "is no YAML (unacceptable character"),
        ("a: 2020-13-45\n", "is no YAML (month must be in 1..12)"),
        ("a: !!python/object:os.system 1\n", "line 1: could not determine a constructor"),
        ("[" * 5000, "is no YAML"),
    ],
)
def test_a_file_that_is_no_config_is_told_with_its_name_and_line(tmp_path, text, message):
    path = tmp_path / "my.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        readable(path)
    assert message in str(error.value)
    assert str(error.value).startswith(str(path))


def test_a_picture_is_no_config(tmp_path):
    path = tmp_path / "my_fit.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\0")
    with pytest.raises(ConfigError, match="is no text in UTF-8, and so no config"):
        readable(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        readable(tmp_path / "nowhere.yaml")


def test_configs_in_yaml_and_in_json_are_readable(tmp_path):
    assert readable(ROOT / "config/config.yaml") == ROOT / "config/config.yaml"
    path = tmp_path / "my.json"
    path.write_text('{"fits": {"mine": {}}}\t', encoding="utf-8")
    assert readable(path) == path


BROKEN = {
    "a tab": b"fits:\n\tsvi_deep: 1\n",
    "not closed": b"fits: {a: [1, 2\n",
    "empty": b"",
    "a list": b"- 1\n- 2\n",
    "two documents": b"seed: 1\n---\nseed: 2\n",
    "no text": b"seed: 1\0\n",
    "a key twice": b"seed: 1\nseed: 2\n",
    "a list as key": b"fits: {[1, 2]: {}}\n",
    "a number as key": b"fits: {1: {}}\n",
    "a tag that runs": b"seed: !!python/object/apply:os.system ['touch results']\n",
    "a tag that imports": b"seed: !!python/module:antigravity\n",
    "a tag that names": b"seed: !!python/name:os.system\n",
    "a tag of one's own": b"seed: !mine 5\n",
    "bytes": b"seed: !!binary aGVsbG8=\n",
    "a date": b"seed: 2020-01-01\n",
    "a set": b"predictions: {quantiles: !!set {0.5}}\n",
    "what contains itself": b"predictions: {quantiles: &q [*q]}\n",
    "what grows": b"".join(
        b"%c: &%c [%s]\n" % (97 + i, 97 + i, b",".join([b"*%c" % (96 + i) if i else b"1"] * 9))
        for i in range(9)
    ),
    "too many points": b"data: {truth: [0, 1, 1000000000000000000]}\n",
    "too wide": b"models: {deep: {hidden: [1000000000000]}}\n",
    "not a number": b"data: {noise: .nan}\n",
    "half a letter": b'seed: "\\ud800"\n',
    "a colour": b'fits: {"\\e[31m": {}}\n',
    "a path as name": b"figures: {data: {../../x: [old]}}\n",
    "a line in a name": b'figures: {data: {"x\\n": [old]}}\n',
    "a path with no end": b"figures: {style: /dev/zero}\n",
    "a path that is none": b'figures: {style: "a\\0b"}\n',
    "a style that is none": b"figures: {style: Snakefile}\n",
    "an address": b"figures: {style: 'http://localhost/x.mplstyle'}\n",
    "shell": b"figures: {data: {$(touch results): [old]}}\n",
}


def taken(path):
    """A config file on top of the tutorial's, by the steps that the workflow takes."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    update_config(config, yaml.safe_load(readable(path).read_bytes()))
    valid = checked(config, rules_in(ROOT), [path])
    style_file(valid["figures"]["style"], path.parent, ROOT)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_config_is_refused_in_a_few_words_and_does_nothing(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "broken.yaml"
    path.write_bytes(BROKEN[name])
    with pytest.raises((ConfigError, PlanError)) as error:
        taken(path)
    assert 10 < len(str(error.value)) < 10_000
    assert [*tmp_path.iterdir()] == [path]
