"""What code the workflow consists of."""

import ast
import hashlib
import re
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent


def digest(script: Path) -> str:
    """Digest of a script and of every module of this package that it imports, at any depth.

    Snakemake reruns a job when a param changes; with this as a param it also does so when the
    code changes that the job runs, and not when a file is merely touched.
    """
    sums = hashlib.sha256()
    for path in sorted(_closure(script)):
        sums.update(f"{path.name}\0".encode() + path.read_bytes())
    return sums.hexdigest()[:16]


def rules_in(root: Path) -> frozenset[str]:
    """Names of the rules that stand in the workflow's own files, those of the fits excepted."""
    files = [root / "Snakefile", *root.glob("workflow/rules/*.smk")]
    texts = [file.read_text(encoding="utf-8") for file in files]
    return frozenset(name for text in texts for name in re.findall(r"^rule (\w+):", text, re.M))


def _closure(script: Path) -> set[Path]:
    found, pending = set(), {script}
    while pending:
        path = pending.pop()
        found.add(path)
        pending |= _imported(path) - found
    return found


@cache
def _imported(path: Path) -> set[Path]:
    names = {PACKAGE.name}
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = f"{PACKAGE.name}.{node.module or ''}".rstrip(".") if node.level else node.module
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    parts = (name.split(".") for name in names if name.split(".")[0] == PACKAGE.name)
    paths = {PACKAGE.joinpath(*part[1:]) for part in parts}
    return {
        file
        for stem in paths
        for file in (stem.with_suffix(".py"), stem / "__init__.py")
        if file.is_file()
    }
