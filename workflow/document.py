"""Write the parts of the documentation that follow from the code; `make docs` runs it.

The table of all keys in config/README.md comes from the config's schema, the graph of rules in
README.md from Snakemake. With --check nothing is written, and what is stale makes it fail.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
TARGETS = ("all_fits", "svi_updated_beside_prior", "svi_updated", "svi_deep_loss")


def main() -> int:
    """Rewrite or check both files; 1 if a check has found something stale."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text("utf-8"))
    stale = []
    for name, text in (("config/README.md", keys(schema)), ("README.md", graph())):
        path = ROOT / name
        old = path.read_text(encoding="utf-8")
        new = re.sub(r"(?s)(<!-- generated -->\n).*?(<!-- end -->)", rf"\g<1>{text}\g<2>", old)
        if new != old and "--check" in sys.argv:
            stale.append(name)
        elif new != old:
            path.write_text(new, encoding="utf-8")
    if stale:
        print(f"{' and '.join(stale)}: stale, run `make docs`")
    return bool(stale)


def keys(schema: dict) -> str:
    """A Markdown table with a row for every key of a JSON schema."""
    rows = [f"| `{path}` | {allowed} | {text} |\n" for path, allowed, text in _rows(schema, schema)]
    return "".join(["| key | value | meaning |\n| --- | --- | --- |\n", *rows])


def graph() -> str:
    """The rules between data and figures as a Mermaid block, edges in order of their names.

    The rules that diagnose a fit each are one there. Every plot shows data too; those edges are
    left out.
    """
    targets = [f"results/figures/{name}.png" for name in TARGETS]
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "mermaid-js", *targets]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    names = dict(re.findall(r"^\s*(id\d+)\[(\w+)\]$", done.stdout, re.M))
    edges = re.findall(r"^\s*(id\d+) --> (id\d+)$", done.stdout, re.M)
    names = {key: re.sub("^diagnose_.*", "diagnose", name) for key, name in names.items()}
    named = sorted({(names[a], names[b]) for a, b in edges})
    lines = [
        f"    {a} --> {b}\n"
        for a, b in named
        if a != b and not (a.startswith("generate_data") and b.startswith("plot"))
    ]
    return "".join(["```mermaid\nflowchart TB\n", *lines, "```\n"])


def _rows(schema: dict, root: dict, path: str = "") -> Iterator[tuple[str, str, str]]:
    for name, entry in schema.get("properties", {}).items():
        if entry is False or set(entry) == {"const"}:
            continue
        entry = _resolved(entry, root)
        key = f"{path}.{name}".lstrip(".")
        yield key, _allowed(entry, root), entry["description"]
        yield from _inner(entry, root, key)
    for branch in schema.get("allOf", []):
        method = branch["if"]["properties"]["method"]["const"]
        for key, allowed, text in _rows(_resolved(branch["then"], root), root, path):
            yield key, allowed, f"({method}) {text}"


def _inner(entry: dict, root: dict, key: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(others := entry.get("additionalProperties"), dict):
        yield from _rows(_resolved(others, root), root, f"{key}.<name>")
    if "items" in entry and "prefixItems" not in entry:
        yield from _rows(_resolved(entry["items"], root), root, f"{key}[]")
    yield from _rows(entry, root, key)


def _resolved(entry: dict, root: dict) -> dict:
    if "$ref" not in entry:
        return entry
    return root["$defs"][entry["$ref"].rsplit("/", 1)[1]] | entry


def _allowed(entry: dict, root: dict) -> str:
    if "enum" in entry:
        return ", ".join(f"`{value}`" for value in entry["enum"])
    if "prefixItems" in entry:
        return (
            "[" + ", ".join(_allowed(_resolved(e, root), root) for e in entry["prefixItems"]) + "]"
        )
    if isinstance(entry["type"], list):
        return " or ".join(_allowed(entry | {"type": kind}, root) for kind in entry["type"])
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
