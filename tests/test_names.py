import ast
import os
import subprocess
import sys
import textwrap

import pytest
from conftest import ROOT

from bnnflow import provenance
from bnnflow.seeds import derived


def test_seeds_are_the_names_alone():
    # SHA-256 of "0/svi_deep", its first four bytes; a change would change everybody's results.
    assert derived(0, "svi_deep") == 0xAA07A728
    names = [("a",), ("b",), ("a", 1), ("a", 2), ("a1",)]
    assert len({derived(seed, *name) for seed in (0, 1) for name in names}) == 10
    assert all(0 <= derived(seed, "fit") < 2**32 for seed in range(100))


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "bnnflow"
    folder.mkdir()
    for name, text in {
        "__init__": "",
        "outer": "from . import inner\n",
        "inner": "from .deepest import thing\n",
        "deepest": "thing = 1\n",
        "other": "",
    }.items():
        (folder / f"{name}.py").write_text(text)
    script = tmp_path / "script.py"
    script.write_text("from bnnflow import outer\n")
    monkeypatch.setattr(provenance, "PACKAGE", folder)
    return folder


def digest(package):
    provenance._imported.cache_clear()
    return provenance.digest(package.parent / "script.py")


@pytest.mark.parametrize("name", ["__init__", "outer", "inner", "deepest", "../script"])
def test_the_digest_sees_what_a_script_imports_at_any_depth(package, name):
    before = digest(package)
    with (package / f"{name}.py").open("a") as file:
        file.write("# changed\n")
    assert digest(package) != before


def test_the_digest_sees_nothing_else(package):
    before = digest(package)
    (package / "other.py").write_text("changed = True\n")
    os.utime(package / "inner.py", (0, 0))
    assert digest(package) == before


def test_jobs_that_need_no_torch_do_not_import_it():
    scripts = ROOT / "workflow" / "scripts"
    heavy = {"sample_chain", "fit_start", "predict"}
    without = textwrap.dedent("""
        import sys
        class Without:
            def find_spec(self, name, path=None, target=None):
                if name in ("torch", "pyro"):
                    raise ImportError(f"{name} was imported")
        sys.meta_path.insert(0, Without())
    """)
    for path in scripts.glob("*.py"):
        # Everything that the script imports, and nothing that it does.
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        code = without + "\n".join(map(ast.unparse, imports))
        done = subprocess.run([sys.executable, "-c", code], cwd=scripts, capture_output=True)
        assert (done.returncode != 0) == (path.stem in heavy), done.stderr
        assert path.stem not in heavy or b" was imported" in done.stderr, done.stderr
