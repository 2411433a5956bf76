"""What code the workflow consists of."""

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]

# Modules on which no number depends: one speaks and stops, one remembers what was written, others
# check settings, which jobs are given as they were checked, or find modules, which are digested
# themselves.
SILENT = ("jobs.py", "written.py", "settings.py", "registered.py")

# A rule, or one that is made from another; its name.
RULE = r"^(?:rule|use rule \w+ as) (\w+)(?::| with:)"


def digest(script: Path, *loaded: Path) -> str:
    """Digest of a script and of every module of this package that it imports, at any depth.

    Args:
        script: of a job.
        loaded: modules, from the package on, that the job loads by names in its settings; they and
            what they import count too.

    Snakemake reruns a job when a param changes; with this as a param it also does so when the
    code changes that the job's numbers depend on: not when a file is merely touched, and not for
    comments, docstrings, what is logged, or what an exception says.
    """
    sums = hashlib.sha256()
    for path in sorted(_closure(script, *(PACKAGE / module for module in loaded))):
        name = path.relative_to(PACKAGE) if path.is_relative_to(PACKAGE) else path.name
        sums.update(f"{name}\0{_essence(path)}\0".encode())
    return sums.hexdigest()[:16]


def rules_in(root: Path) -> frozenset[str]:
    """Names of the rules that stand in the workflow's own files, those of the fits excepted."""
    files = [root / "Snakefile", root / "workflow/Snakefile", *root.glob("workflow/rules/*.smk")]
    texts = [file.read_text(encoding="utf-8") for file in files]
    return frozenset(name for text in texts for name in re.findall(RULE, text, re.M))


def _closure(*paths: Path) -> set[Path]:
    found, pending = set(), {*paths}
    while pending:
        path = pending.pop()
        found.add(path)
        pending |= _imported(path) - found
    return found - {PACKAGE / name for name in SILENT}


@cache
def _imported(path: Path) -> set[Path]:
    """Modules of the package that a file imports, with the packages that they lie in."""
    return _named(path, ast.walk(ast.parse(path.read_bytes())))


def _named(path: Path, nodes: Iterable[ast.AST]) -> set[Path]:
    """Those that some nodes of a file's syntax tree import."""
    found = {PACKAGE / "__init__.py"}
    for node in nodes:
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = (*_package(path, node.level), *(node.module or "").split("."))
            base = tuple(filter(None, base))
            names = [base, *((*base, alias.name) for alias in node.names)]
        else:
            continue
        for name in names:
            if name[0] == PACKAGE.name:
                found |= set(_files(name[1:]))
    return found


def _package(path: Path, level: int) -> tuple[str, ...]:
    """The package that a relative import of so many dots begins from; nothing for an absolute."""
    if not level:
        return ()
    folder = path.parents[level - 1]
    return (PACKAGE.name, *folder.relative_to(PACKAGE).parts)


def _files(parts: tuple[str, ...]) -> Iterator[Path]:
    """The file of a module, if it is one, and of every package on the way to it."""
    stems = (PACKAGE.joinpath(*parts[:depth]) for depth in range(len(parts) + 1))
    for stem in stems:
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if stem != PACKAGE and path.is_file():
                yield path


@cache
def _essence(path: Path) -> str:
    """A file's code without what no number depends on."""
    return ast.unparse(_Essential().visit(ast.parse(path.read_bytes())))


class _Essential(ast.NodeTransformer):
    """Leaves out docstrings, calls of `log`, and the words of exceptions and of settings."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Texts by themselves, and what is logged."""
        call = node.value
        if isinstance(call, ast.Constant) and isinstance(call.value, str):
            return ast.Pass()
        if isinstance(call, ast.Call) and re.match(r"(jobs\.)?log\.\w+$", ast.unparse(call.func)):
            return ast.Pass()
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """A setting without what it tells readers."""
        if ast.unparse(node.func) == "Field":
            node.keywords = [key for key in node.keywords if key.arg != "description"]
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """What is raised, but not what it says."""
        if isinstance(node.exc, ast.Call):
            node.exc.args, node.exc.keywords = [], []
        return node
