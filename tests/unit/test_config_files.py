"""Config files that are no YAML, and several of them."""

import pytest
from conftest import ROOT

from bnnflow.config.faults import ConfigError
from bnnflow.config.reading import readable


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
        ("title: 'a\n", "found unexpected end of stream"),
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
