"""Write the parts of the documentation that follow from the code; `make docs` runs it.

The schema of the config, by which editors complete its keys, and the table of all keys in
config/README.md come from the classes of the settings. The table of diagnostics in docs/trust.md
comes from their meanings, as the report's does. The graph of jobs in docs/developing.md
comes from Snakemake. With --check nothing is written, and what is stale makes it fail.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from bnnflow.config.checks import checked  # noqa: E402
from bnnflow.config.settings import Config  # noqa: E402
from bnnflow.judge.meanings import MEANINGS  # noqa: E402
from bnnflow.run.plan import Plan  # noqa: E402

SCHEMA = "workflow/schemas/config.schema.yaml"
MADE = "# Made from the classes of the settings by `make docs`.\n"
# Of a rule's name its kind, where that is not the whole.
KINDS = r"^(?:generate_(data)|(diagnose|plot)).*"


def main() -> int:
    """Rewrite or check all of them; 1 if a check has found something stale."""
    described = schema()
    texts = {
        SCHEMA: MADE + yaml.safe_dump(described, sort_keys=False, allow_unicode=True, width=100)
    }
    for name, block, text in (
        ("config/README.md", "generated", keys(described)),
        ("docs/trust.md", "generated: diagnostics", diagnostics()),
        ("docs/developing.md", "generated", graph()),
    ):
        old = texts.get(name) or (ROOT / name).read_text(encoding="utf-8")
        made = rf"\g<1>{text}\g<2>"
        texts[name] = re.sub(rf"(?s)(<!-- {block} -->\n).*?(<!-- end -->)", made, old)
    stale = [name for name, text in texts.items() if not _is(ROOT / name, text)]
    if stale and "--check" in sys.argv:
        print(f"{' and '.join(stale)}: stale, run `make docs`")
        return 1
    for name in stale:
        (ROOT / name).write_text(texts[name], encoding="utf-8")
    return 0


def schema() -> dict:
    """The JSON schema of the config."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | _plain(
        Config.model_json_schema()
    )


def keys(schema: dict) -> str:
    """A Markdown table with a row for every key of a JSON schema."""
    rows = [f"| `{key}` | {' | '.join(cells)} |\n" for key, *cells in _rows(schema, schema)]
    head = "| key | value | default | meaning |\n| --- | --- | --- | --- |\n"
    return "".join([head, *rows])


def diagnostics() -> str:
    """A Markdown table with a row for every diagnostic: the question that it asks, and remedies."""
    rows = [
        f"| `{name}` | {own.asks} | {'; '.join(remedy.text for remedy in own.remedies)} |\n"
        for name, own in MEANINGS.items()
    ]
    head = "| diagnostic | asks | if it fails |\n| --- | --- | --- |\n"
    return "".join([head, *rows])


def graph() -> str:
    """The kinds of jobs of the tutorial as a Mermaid block, edges in order of their names.

    Rules of a kind are one there: those that make data, parts, posteriors, diagnostics, figures.
    """
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "mermaid-js"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    names = dict(re.findall(r"^\s*(id\d+)\[(\w+)\]$", done.stdout, re.M))
    edges = re.findall(r"^\s*(id\d+) --> (id\d+)$", done.stdout, re.M)
    plan = Plan(checked(yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))))
    kinds = {plan.posterior_rule(entry): "combine" for entry in plan.entries}
    kinds |= {f"{entry}_{plan.method(entry).part}": "infer" for entry in plan.entries}
    of = {key: kinds.get(name) or re.sub(KINDS, r"\1\2", name) for key, name in names.items()}
    found = sorted({(of[a], of[b]) for a, b in edges if of[a] != of[b]})
    ends = ("all", "manifest")
    lines = [f"    {a} --> {b}\n" for a, b in found if a not in ends and b not in ends]
    return "".join(["```mermaid\nflowchart LR\n", *lines, "```\n"])


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def _plain(entry: object) -> object:
    """A schema without titles, defaults of mappings, and null, which counts as absent."""
    if isinstance(entry, list):
        return [_plain(one) for one in entry]
    if not isinstance(entry, dict):
        return entry
    made = {
        key: _plain(value)
        for key, value in entry.items()
        if not (key == "title" and isinstance(value, str))
        and not (key == "default" and (value is None or isinstance(value, dict)))
    }
    for pattern, values in made.pop("patternProperties", {}).items():
        made |= {"propertyNames": {"pattern": pattern}, "additionalProperties": values}
    some = [one for one in made.get("anyOf", []) if one != {"type": "null"}]
    if "anyOf" in made:
        del made["anyOf"]
        made = (some[0] if len(some) == 1 else {"anyOf": some}) | made
    return made


def _rows(schema: dict, root: dict, path: str = "") -> Iterator[tuple[str, str, str, str]]:
    required = schema.get("required", [])
    for name, given in schema.get("properties", {}).items():
        entry = _resolved(given, root)
        key = f"{path}.{name}".lstrip(".")
        default = "needed" if name in required else ""
        if "default" in given and not isinstance(given["default"], list):
            default = f"`{yaml.safe_dump(given['default']).split()[0]}`"
        elif "default" in given and not any(isinstance(one, dict) for one in given["default"]):
            default = f"`{given['default']}`"
        yield key, _allowed(entry, root), default, entry["description"]
        yield from _inner(entry, root, key)


def _inner(entry: dict, root: dict, key: str) -> Iterator[tuple[str, str, str, str]]:
    if isinstance(others := entry.get("additionalProperties"), dict):
        yield from _rows(_resolved(others, root), root, f"{key}.<name>")
    if "items" in entry and "prefixItems" not in entry:
        yield from _rows(_resolved(entry["items"], root), root, f"{key}[]")
    choices = [_resolved(choice, root) for choice in entry.get("oneOf", [])]
    name = entry.get("discriminator", {}).get("propertyName")
    if name:
        first = choices[0]["properties"][name]
        told = " ".join(choice["properties"][name]["description"] for choice in choices)
        kinds = ", ".join(f"`{choice['properties'][name]['const']}`" for choice in choices)
        yield f"{key}.{name}", kinds, f"`{first['const']}`", told
    rows = [list(_rows(choice, root, key)) for choice in choices]
    shared = set.intersection(*map(set, rows)) if name else set()
    for choice, own in zip(choices, rows, strict=True):
        if "oneOf" in choice:
            yield from _inner(choice, root, key)
        kind = f"({choice['properties'][name]['const']}) " if name else ""
        for inner, allowed, default, text in own:
            if (inner, allowed, default, text) in shared:
                if choice is choices[0]:
                    yield inner, allowed, default.removeprefix("needed"), text
            elif inner != f"{key}.{name}":
                yield inner, allowed, default.removeprefix("needed"), f"{kind}{text}"
    yield from _rows(entry, root, key)


def _resolved(entry: dict, root: dict) -> dict:
    if "$ref" not in entry:
        return entry
    return root["$defs"][entry["$ref"].rsplit("/", 1)[1]] | entry


def _allowed(entry: dict, root: dict) -> str:
    if "enum" in entry:
        return ", ".join(f"`{value}`" for value in entry["enum"])
    if "const" in entry:
        return f"`{entry['const']}`"
    if "anyOf" in entry:
        return " or ".join(_allowed(one, root) for one in entry["anyOf"])
    if "oneOf" in entry:
        return "mapping"
    if "prefixItems" in entry:
        return (
            "[" + ", ".join(_allowed(_resolved(e, root), root) for e in entry["prefixItems"]) + "]"
        )
    if entry["type"] == "array":
        items = _resolved(entry["items"], root)
        return f"list of {_allowed(items, root)}" if items["type"] != "object" else "list"
    if "maximum" in entry and entry.get("minimum") == -entry["maximum"]:
        return f"{entry['type']} within ±{entry['maximum']}"
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {entry[name]}" for name, sign in bounds.items() if name in entry]
    kind = {"object": "mapping", "string": "text"}.get(entry["type"], entry["type"])
    return ", ".join([f"{kind} {limits[0]}", *limits[1:]]) if limits else kind


if __name__ == "__main__":
    sys.exit(main())
