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
    texts = {
        SCHEMA: MADE + yaml.safe_dump(schema(), sort_keys=False, allow_unicode=True, width=100)
    }
    for name, block, text in (
        ("config/README.md", "generated", keys(_plain(Config.model_json_schema()))),
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
    """The JSON schema of one config file, which may be laid over others.

    So no key is needed, every key may be null, and what tells the classes of a union apart may
    stand in another file. A key of one class is null in another, to be left out of what lies below.
    """
    own = _plain(Config.model_json_schema())
    for union in _unions(own):
        members = [own["$defs"][name] for choice in union["oneOf"] for name in _classes(choice)]
        shared = {key for member in members for key in member["properties"]}
        for member in members:
            lacking = sorted(shared - member["properties"].keys())
            member["properties"] |= {key: {"type": "null"} for key in lacking}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | _laid_over(own)


def keys(schema: dict) -> str:
    """A Markdown table with a row for every key of a JSON schema."""
    rows = [f"| `{key}` | {' | '.join(cells)} |\n" for key, *cells in _rows(schema, schema)]
    head = "| key | value | default | meaning |\n| --- | --- | --- | --- |\n"
    return "".join([head, *rows])


def diagnostics() -> str:
    """A Markdown table with a row for every diagnostic: the question that it asks, and remedies."""
    rows = [
        f"| `{name}` | {own.asks} | {'; '.join(dict.fromkeys(r.text for r in own.remedies))} |\n"
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
    kinds |= {f"{entry}_memory": "remember" for entry in plan.entries}
    of = {key: kinds.get(name) or re.sub(KINDS, r"\1\2", name) for key, name in names.items()}
    found = sorted({(of[a], of[b]) for a, b in edges if of[a] != of[b]})
    ends = ("all", "manifest")
    lines = [f"    {a} --> {b}\n" for a, b in found if a not in ends and b not in ends]
    return "".join(["```mermaid\nflowchart LR\n", *lines, "```\n"])


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def _plain(entry: object) -> object:
    """A schema without titles, defaults of mappings, and keys that may be null to be absent."""
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
        names = made.get("propertyNames", {}) | {"pattern": pattern}
        made |= {"propertyNames": names, "additionalProperties": values}
    own = made.get("properties", {})
    return made | ({"properties": {n: _not_null(o) for n, o in own.items()}} if own else {})


def _not_null(entry: dict) -> dict:
    some = [one for one in entry.get("anyOf", []) if one != {"type": "null"}]
    if len(some) == 1:
        return some[0] | {key: value for key, value in entry.items() if key != "anyOf"}
    return entry | ({"anyOf": some} if some else {})


def _laid_over(entry: object) -> object:
    """A schema of what any one of several files may have."""
    if isinstance(entry, list):
        return [_laid_over(one) for one in entry]
    if not isinstance(entry, dict):
        return entry
    made = {
        "anyOf" if key == "oneOf" else key: _laid_over(value)
        for key, value in entry.items()
        if key not in ("required", "discriminator")
    }
    if "properties" in made:
        made["properties"] = {name: _or_null(own) for name, own in made["properties"].items()}
    if isinstance(made.get("additionalProperties"), dict):
        made["additionalProperties"] = _or_null(made["additionalProperties"])
    return made


def _or_null(entry: dict) -> dict:
    if entry == {"type": "null"}:
        return entry
    told = {key: entry[key] for key in ("description", "default") if key in entry}
    kind = {key: value for key, value in entry.items() if key not in told}
    return {"anyOf": [kind, {"type": "null"}]} | told


def _unions(entry: object) -> Iterator[dict]:
    """All unions within a schema."""
    if isinstance(entry, dict) and "oneOf" in entry:
        yield entry
    if isinstance(entry, dict | list):
        for one in entry.values() if isinstance(entry, dict) else entry:
            yield from _unions(one)


def _classes(choice: dict) -> list[str]:
    """Names of the classes that one choice of a union has."""
    if "$ref" in choice:
        return [choice["$ref"].rsplit("/", 1)[1]]
    return [name for one in choice.get("oneOf", []) for name in _classes(one)]


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
    for one in entry.get("anyOf", []):
        yield from _inner(_resolved(one, root), root, key)
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
    if some := entry.get("anyOf", entry.get("oneOf")):
        each = (_allowed(_resolved(one, root), root) for one in some)
        return " or ".join(dict.fromkeys(each))
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
