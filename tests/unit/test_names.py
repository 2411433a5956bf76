import ast
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from conftest import ROOT

from bnnflow.config.seeds import derived
from bnnflow.run import provenance


def test_seeds_are_the_names_alone():
    # SHA-256 of "0/svi_deep", its first four bytes; a change would change everybody's results.
    assert derived(0, "svi_deep") == 0xAA07A728
    names = [("a",), ("b",), ("a", 1), ("a", 2), ("a1",)]
    assert len({derived(seed, *name) for seed in (0, 1) for name in names}) == 10
    assert all(0 <= derived(seed, "fit") < 2**32 for seed in range(100))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with rooms, of which a script imports one module."""
    folder = tmp_path / "bnnflow"
    for name, text in {
        "__init__": "",
        "jobs": "log = print\n",
        "first/__init__": "",
        "first/outer": "from . import beside\nfrom ..second import inner\n",
        "first/beside": "",
        "second/__init__": "from ..third.whole import part\n",
        "second/inner": "from .deepest import thing\nfrom ..jobs import log\n",
        "second/deepest": "thing = 1\n",
        "second/other": "",
        "third/__init__": "",
        "third/whole": "part = 1\n",
        "fourth/__init__": "",
        "fourth/plain": "import bnnflow.fifth.absolute\n",
        "fifth/__init__": "",
        "fifth/absolute": "",
    }.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    script = tmp_path / "script.py"
    script.write_text("from bnnflow.first import outer\nfrom bnnflow.fourth import plain\n")
    monkeypatch.setattr(provenance, "PACKAGE", folder)
    return folder


def digest(package, *loaded):
    provenance._imported.cache_clear()
    provenance._essence.cache_clear()
    return provenance.digest(package.parent / "script.py", *loaded)


def append(path, text):
    with path.open("a") as file:
        file.write(text)


@pytest.mark.parametrize(
    "name",
    [
        *("__init__", "first/__init__", "first/outer", "first/beside", "second/__init__"),
        *("second/inner", "second/deepest", "third/__init__", "third/whole"),
        *("fourth/__init__", "fourth/plain", "fifth/__init__", "fifth/absolute", "../script"),
    ],
)
def test_the_digest_sees_what_a_script_imports_at_any_depth(package, name):
    before = digest(package)
    append(package / f"{name}.py", "changed = True\n")
    assert digest(package) != before


def test_the_digest_sees_nothing_else(package):
    before = digest(package)
    append(package / "second/other.py", "changed = True\n")
    append(package / "jobs.py", "changed = True\n")
    os.utime(package / "second/inner.py", (0, 0))
    assert digest(package) == before


def test_the_digest_sees_modules_that_are_loaded_by_name(package):
    """And what they import, by functions too; and those of others it does not see."""
    (package / "second/loaded.py").write_text("def f():\n    from . import other\n")
    loaded = Path("second/loaded.py")
    without, before = digest(package), digest(package, loaded)
    assert without != before
    append(package / "second/other.py", "changed = True\n")
    assert (digest(package), digest(package, loaded) == before) == (without, False)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ('x = Field(1, description="A.")', 'x = Field(1, description="B.")', True),
        ('x = Field(1, description="A.")', 'x = Field(2, description="A.")', False),
        ("x = 1", "x = 1  # a comment", True),
        ("x = 1", "x  =  (1)", True),
        ("x = 1", "x = 2", False),
        ("def f(x):\n    return x", 'def f(x):\n    """Words."""\n    return x', False),
        ('def f(x):\n    """A."""\n    return x', 'def f(x):\n    """B."""\n    return x', True),
        ('log.info("a %d", x)', 'log.warning("b")', True),
        ('jobs.log.info("a")', 'jobs.log.info("b")', True),
        ("log.info(1)", "draw(1)", False),
        ('catalog.write("a")', 'catalog.write("b")', False),
        ('raise ValueError("a")', 'raise ValueError(f"b {x}") from None', False),
        ('raise ValueError("a")', 'raise ValueError(f"b {x}")', True),
        ('raise ValueError("a")', 'raise KeyError("a")', False),
        ('fail(ValueError("a"))', 'fail(ValueError("b"))', False),
    ],
)
def test_words_are_no_part_of_the_digest(package, old, new, same):
    path = package / "second/inner.py"
    path.write_text(f"{old}\n")
    before = digest(package)
    path.write_text(f"{new}\n")
    assert (digest(package) == before) == same


def test_jobs_that_need_no_torch_do_not_import_it():
    scripts = ROOT / "workflow" / "scripts"
    heavy = {"infer", "enough", "predict", "predict_new", "plot_prior", "remember"}
    without = textwrap.dedent("""
        import sys
        class Without:
            def find_spec(self, name, path=None, target=None):
                if name in ("torch", "pyro"):
                    raise ImportError(f"{name} was imported")
        sys.meta_path.insert(0, Without())
    """)
    # Everything that the scripts import, and nothing that they do, one after the other.
    code, names = [without], {path.stem for path in scripts.glob("*.py")}
    for name in sorted(names):
        tree = ast.parse((scripts / f"{name}.py").read_text(encoding="utf-8"))
        imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        code += ["try:", *(textwrap.indent(ast.unparse(node), "    ") for node in imports)]
        code += ["except ImportError as error:", f"    print('{name}:', error)"]
    command = [sys.executable, "-c", "\n".join(code)]
    done = subprocess.run(command, cwd=scripts, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = dict(line.split(": ") for line in done.stdout.splitlines())
    assert told.keys() == heavy < names, told
    assert all(words in ("torch was imported", "pyro was imported") for words in told.values())
