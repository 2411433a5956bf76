"""Config files: what is wrong with one as YAML, with its line, before Snakemake reads it."""

import json
import re
from collections import Counter
from pathlib import Path

import yaml

from .faults import ConfigError, quote

# What YAML says of a text with a colon, and of a tab or another character.
COLON, START = "mapping values are not allowed here", "that cannot start any token"

# By a part of what YAML says what to do; names of columns have such characters.
REMEDIES = {
    **dict.fromkeys(("stream end", "end of stream"), "what is opened here is not closed"),
    **dict.fromkeys((START, "undefined alias"), "a text that begins so needs quotes"),
    "expected ',' or": "within brackets, a text with brackets needs quotes: ['width [mm]']",
    "but found '<scalar>'": "a text that begins with a bracket or a quote needs quotes around it",
}


def readable(path: str | Path) -> str | Path:
    """The path, if it is of a file that Snakemake can read as a config.

    Raises:
        ConfigError: if not, with the line and what to do.
    """
    text = _text(path)
    try:
        try:
            config = json.loads(text)
        except ValueError:
            config = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_told(path, text, error)) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is no YAML ({error})") from None
    if not isinstance(config, dict):
        raise ConfigError(f"{path}: is {quote(config)}; a config is a mapping of keys to values")
    return path


def twice(path: str | Path) -> list[str]:
    """Keys that stand twice in one mapping of a YAML file, of which YAML takes the last."""
    try:
        root = yaml.compose(_text(path), yaml.SafeLoader)
    except (yaml.YAMLError, ConfigError, RecursionError):
        return []  # whoever has read it knows how
    found, seen, pending = [], set(), [root]
    while pending:
        node = pending.pop()
        if id(node) in seen or not isinstance(node, yaml.CollectionNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
            found += [
                f"{path}, line {key.start_mark.line + 1}: the key {quote(key.value)} stands twice"
                for key, _ in node.value
                if isinstance(key, yaml.ScalarNode) and keys.pop(key.value, 0) > 1
            ]
            pending += [part for pair in node.value for part in pair]
        else:
            pending += node.value
    return found


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is no text in UTF-8, and so no config ({error})") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None


def _told(path: str | Path, text: str, error: yaml.MarkedYAMLError) -> str:
    """Where a file is no YAML, and what to do."""
    mark, problem = error.problem_mark or error.context_mark, error.problem or error.context
    if "stream" in problem:
        mark = error.context_mark or mark
    line = text.splitlines()[mark.line] if mark.line < len(text.splitlines()) else ""
    remedy = ""
    if problem == COLON and (pair := re.fullmatch(r"\s*(?:- )?([\w.-]+): +(.*:.*?)\s*", line)):
        text = json.dumps(pair[2], ensure_ascii=False)
        remedy = f"; a text with a colon needs quotes: {pair[1]}: {text}"
    elif problem == COLON:
        remedy = "; does the line stand deeper than its neighbours?"
    elif START in problem and "\\t" in problem:
        remedy = "; indent with blanks instead of tabs"
    else:
        remedy = next((f"; {told}" for part, told in REMEDIES.items() if part in problem), "")
    return f"{path}, line {mark.line + 1}: {problem}{remedy}\n  {line.strip()}"
