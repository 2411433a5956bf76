"""What keeps the project true to what it says of itself."""

import ast
import re
import subprocess
import sys
from collections import Counter

import pytest
import yaml
from conftest import ROOT
from docutils.core import publish_parts

from bnnflow.run import provenance

# Those of other names; pydantic_core is a part of pydantic that it has apart.
MODULES = {
    "pyro": "pyro-ppl",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "pydantic_core": "pydantic",
    "xdist": "pytest-xdist",
}
# Modules beside the tests, which they import.
OURS = {path.stem for path in (ROOT / "tests").rglob("*") if path.is_dir() or path.suffix == ".py"}
CONDA = {"pytorch": "torch", "matplotlib-base": "matplotlib"}


def pins(name):
    lines = (ROOT / "envs" / name).read_text().splitlines()
    return dict(line.lower().split("==") for line in lines if "==" in line)


def required(name="requirements.txt"):
    lines = (ROOT / "envs" / name).read_text().splitlines()
    return {line for line in lines if line and not line.startswith(("#", "-r"))}


def packages(nodes):
    """What must be installed for the imports among the nodes of a syntax tree."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.split(".")[0])
    names -= {*sys.stdlib_module_names, "bnnflow", *OURS}
    return {MODULES.get(name, name).replace("_", "-") for name in names}


def imported(*folders):
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    return packages(node for tree in trees for node in ast.walk(tree))


def jobs():
    """The text of every rule of the rules' files, and the script that it runs."""
    for rules in (ROOT / "workflow/rules").glob("*.smk"):
        for block in re.split(r"^ *rule.*:$", rules.read_text(), flags=re.M)[1:]:
            if "    run:" in block or "    script:" not in block:  # verifies, or collects
                continue
            for name in re.findall(r"scripts/(\w+)\.py", block):
                yield block, ROOT / "workflow/scripts" / f"{name}.py"


def test_what_is_imported_is_required_and_pinned():
    unused = required() - imported("workflow")
    # Only imported by Snakemake, xarray and, for its report and for clusters, by Snakemake again.
    others = {"pygments", "snakemake-executor-plugin-slurm"}
    assert unused == {"snakemake", "h5netcdf"} | others
    assert imported("workflow") <= required()
    assert imported("tests") <= required() | required("requirements-dev.txt")
    assert required() <= set(pins("requirements.lock"))
    assert {name.replace("-", "_") for name in required("requirements-dev.txt")} <= {
        name.replace("-", "_")
        for lock in ("requirements.lock", "requirements-dev.lock")
        for name in pins(lock)
    }
    assert not set(pins("requirements.lock")) & set(pins("requirements-dev.lock"))


# From the ground up: a room imports from those before it, and from itself.
ROOMS = (
    "written",
    "jobs",
    "settings",
    "registered",
    "files",
    "data",
    "model",
    "density",
    "methods",
    "predict",
    "judge",
    "config",
)
ROOMS += ("figures", "run")


def test_rooms_import_from_those_below_them_and_modules_from_no_circle():
    package = ROOT / "workflow/scripts/bnnflow"
    assert {path.stem for path in package.iterdir() if path.name != "__pycache__"} == {
        *ROOMS,
        "__init__",
    }
    for path in package.rglob("*.py"):
        room = path.relative_to(package).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for other in provenance._imported(path):
            theirs = other.relative_to(package).parts[0].removesuffix(".py")
            assert theirs == "__init__" or ROOMS.index(theirs) <= ROOMS.index(room), (path, other)
        seen, pending = set(), provenance._imported(path)
        while pending:
            seen |= pending
            pending = {found for one in pending for found in provenance._imported(one)} - seen
        assert path not in seen or path.name == "__init__.py", f"{path} imports itself"


# Verbs that always stand behind their module's name, as in `posterior.read`: every kind of file is
# read and written by the same words.
VERBS = {"read", "write", "check"}


def test_no_two_rooms_have_a_function_of_the_same_name():
    package = ROOT / "workflow/scripts/bnnflow"
    rooms = {}
    for path in package.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                room = path.relative_to(package).parts[0]
                rooms.setdefault(node.name, set()).add(room)
    shared = {name for name, places in rooms.items() if len(places) > 1}
    assert shared <= VERBS, {name: rooms[name] for name in shared - VERBS}
    verbs = "|".join(VERBS)
    for path in (ROOT / "workflow").rglob("*.py"):
        code = path.read_text(encoding="utf-8")
        assert not re.search(rf"^\s*from \S+ import (.*, )?({verbs})\b", code, re.M), path


def test_no_module_of_ours_goes_by_another_name():
    renamed = r"^\s*(?:from (?:\.|bnnflow)|import bnnflow).*? as "
    for path in (ROOT / "workflow").rglob("*.*"):
        if path.suffix in (".py", ".smk"):
            assert not re.search(renamed, path.read_text(encoding="utf-8"), re.M), path


@pytest.mark.parametrize("name", ["base", "torch"])
def test_conda_pins_agree_with_the_lock(name):
    dependencies = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())["dependencies"]
    assert "python >=3.11" in dependencies
    others = set(dependencies) - {"python >=3.11", "cxx-compiler"}  # no pip package is a compiler
    found = dict(entry.split(" =") for entry in others)
    locked = pins("requirements.lock")
    assert found == {package: locked[CONDA.get(package, package)] for package in found}


# What jobs of an environment load by name.
PACKAGE = ROOT / "workflow/scripts/bnnflow"
REGISTERED = {
    "base": [PACKAGE / "methods"],
    "torch": [PACKAGE / "methods", PACKAGE / "model/likelihoods", PACKAGE / "model/priors"],
}


@pytest.mark.parametrize("name", ["base", "torch"])
def test_a_conda_environment_has_what_its_scripts_import(name):
    dependencies = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())["dependencies"]
    there = {CONDA.get(entry.split(" ")[0], entry.split(" ")[0]) for entry in dependencies}
    scripts = [script for block, script in jobs() if f"envs/{name}.yaml" in block]
    assert scripts
    found = [path for folder in REGISTERED[name] for path in folder.glob("*.py")]
    seen, pending = set(), {*scripts, *found}
    while pending:
        path = pending.pop()
        # At the top only: what a function imports is for those who call it.
        top = ast.parse(path.read_text(encoding="utf-8")).body
        assert packages(top) <= there, path
        seen.add(path)
        pending |= provenance._named(path, top) - seen


def test_the_container_has_a_compiler_and_what_the_lock_pins_and_no_root():
    recipe = (ROOT / "envs/Containerfile").read_text().replace("\\\n", "")
    steps = re.findall(r"^([A-Z]+) (.*)$", recipe, re.M)
    names = [name for name, _ in steps]
    ((source, target),) = [text.split() for name, text in steps if name == "COPY"]
    assert (ROOT / "envs" / source).samefile(ROOT / "envs/requirements.lock")
    apt, pip, user = (text for name, text in steps if name == "RUN")
    assert re.search(r"apt-get install .*\bg\+\+", apt)
    assert re.fullmatch(rf"pip install .*--requirement {target}", pip)
    (who,) = (text for name, text in steps if name == "USER")
    assert re.search(rf"useradd .*\b{who}\b", user)
    assert names.index("COPY") < names.index("USER") < names.index("ENTRYPOINT")
    assert dict(steps)["ENTRYPOINT"] == '["snakemake"]'
    minor = re.search(r"^ARG BASE=python:3\.(\d+)-slim$", recipe, re.M)[1]
    assert int(minor) >= 11


def test_every_job_declares_its_log_benchmark_environment_and_code():
    blocks = list(jobs())
    # Every script is some job's.
    assert {script for _, script in blocks} == {*(ROOT / "workflow/scripts").glob("*.py")}
    for block, script in blocks:
        assert script.exists()
        assert re.search(rf'code=code(_with)?\("{script.stem}"[,)]', block)
        parts = ("output", "log", "benchmark", "conda", "params", "script")
        order = [block.index(f"{part}:") for part in parts]
        assert order == sorted(order)


def test_every_job_runs_beside_snakemake_or_says_what_it_asks_of_a_cluster():
    for block, script in jobs():
        assert ("localrule: True" in block) != ("resources:" in block), script
        assert ("resources:" in block) == ("envs/torch.yaml" in block), script
    # Which a rule made of another does not take from it.
    for rules in (ROOT / "workflow/rules").glob("*.smk"):
        for block in re.split(r"^ *use rule", rules.read_text(encoding="utf-8"), flags=re.M)[1:]:
            own = re.split(r"^(?=\S)", block, maxsplit=1, flags=re.M)[0]
            assert ("localrule: True" in own) != ("resources:" in own), own


def test_nothing_is_ever_unpickled():
    for path in (ROOT / "workflow").rglob("*.py"):
        code = path.read_text(encoding="utf-8")
        assert not re.search(r"pickle|torch\.load|joblib|yaml\.load\(|\beval\(|\bexec\(", code), (
            path
        )


def test_what_is_private_to_pyro_is_touched_in_one_file():
    """Its underscores, those of torch's distributions, and patches of what is not ours."""
    package = ROOT / "workflow/scripts/bnnflow"
    for path in {*package.rglob("*.py")} - {package / "density/pyro_private.py"}:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or "", *(alias.name for alias in node.names)]
                assert "mock" not in ".".join(names), path
                foreign = "pyro" in names[0] or "torch.distributions" in names[0]
                assert not (foreign and "._" in f".{'.'.join(names)}"), path
            if isinstance(node, ast.Attribute) and re.match("_(?!_)", node.attr):
                owner = ast.unparse(node.value)
                own = owner.startswith(("self", "cls", "os"))
                torchs = owner.startswith("torch") and "distributions" not in owner
                assert own or torchs, (path, ast.unparse(node))


# By a list of words, the one calls Snakemake in a new folder, which no job does; the other asks the
# compiler, which the environment names, what it is.
VERIFICATION = ROOT / "workflow/scripts/bnnflow/run/verification.py"
CALLERS = VERIFICATION, ROOT / "workflow/scripts/bnnflow/density/compilers.py"


def test_no_shell_is_built_and_no_network_is_used():
    """Text of the config is in no command, because jobs have none."""
    shell = r"\bshell\s*[:(]|\bshell=|os\.(system|popen|exec|spawn)|getoutput"
    command = r"\bsubprocess\b|\bPopen\b"
    network = r"\b(socket|urllib|requests|http|ftplib|smtplib|aiohttp|ssl)\b(?!:)|https?://"
    folders = ROOT / "workflow/scripts", ROOT / "workflow/rules"
    paths = [path for folder in folders for path in folder.rglob("*.*") if path.suffix != ".pyc"]
    for path in (ROOT / "Snakefile", *paths):
        wrong = f"{shell}|{network}" if path in CALLERS else f"{shell}|{command}|{network}"
        assert not re.search(wrong, path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize(
    "directive",
    [
        ".. include:: {}",
        ".. raw:: html\n   :file: {}",
        ".. raw:: html\n   :url: file://{}",
        ".. csv-table:: a table\n   :file: {}",
        ".. csv-table:: a table\n   :url: file://{}",
    ],
)
def test_notes_of_the_config_read_no_files_into_the_report(tmp_path, monkeypatch, directive):
    monkeypatch.setenv("DOCUTILSCONFIG", str(ROOT / "workflow/report/docutils.conf"))
    path = tmp_path / "private.txt"
    path.write_text("secret")
    made = {"writer": "html", "settings_overrides": {"report_level": 5}}
    assert "secret" not in publish_parts(directive.format(path), **made)["whole"]
    assert "secret" in publish_parts(path.read_text(), **made)["whole"]


def test_every_file_is_written_beside_its_place():
    direct = r"\.(to_csv|savefig|save_file)\((?!part\b)|(?<!\bpart)\.write_(text|bytes)\("
    for path in {*(ROOT / "workflow/scripts").rglob("*.py")} - {VERIFICATION}:
        assert not re.search(direct, path.read_text(encoding="utf-8")), path


def texts_of_the_locale(tree):
    """Lines on which text is read or written without saying that it is UTF-8."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if ast.unparse(node.func) == "os.open":
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        constants = {each.value for each in node.args if isinstance(each, ast.Constant)}
        constants |= {key.value.value for key in node.keywords if key.arg == "mode"}
        if name == "open":
            asks = not any(isinstance(each, str) and "b" in each for each in constants)
        else:
            asks = name in ("read_text", "write_text")
        if asks and "encoding" not in {key.arg for key in node.keywords}:
            yield node.lineno


def test_every_text_is_utf_8_whatever_the_locale():
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for folder in ("workflow", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        for line in texts_of_the_locale(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert not found
    # Templates are no Python; the package reads for them.
    for path in (ROOT / "workflow").rglob("*"):
        if path.suffix in (".smk", ".rst"):
            assert not re.search(
                r"\b(read_text|write_text|open)\(\)", path.read_text(encoding="utf-8")
            )


def test_the_generated_documentation_is_fresh():
    command = [sys.executable, "workflow/document.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def documentation():
    """The text of every page for readers, by its path."""
    pages = ROOT / "README.md", ROOT / "config/README.md", *(ROOT / "docs").glob("*.md")
    return {page: page.read_text(encoding="utf-8") for page in pages}


def test_the_documentation_names_what_exists():
    makefile = (ROOT / "Makefile").read_text()
    for page, text in documentation().items():
        for target in set(re.findall(r"`make (\w+)`|^make (\w+)$", text, re.M)):
            assert re.search(rf"^[\w ]*\b{target[0] or target[1]}\b[\w ]*:", makefile, re.M), target
        # The page of results tells of folders that a run makes.
        for folder in re.findall(r"^\| `(\S+/)` \|", text, re.M) if page.stem != "results" else ():
            assert (ROOT / folder).is_dir(), (page, folder)
        for place in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text):
            assert (page.parent / place).exists(), (page, place)


def test_the_documentation_says_why_each_dependency_is_there():
    text = "".join(documentation().values())
    table = text.split("Why each dependency is there\n")[1].split("For the tests:")[0]
    named = set(re.findall(r"[\w-]+", " ".join(re.findall(r"^\| ([\w, -]+) \|", table, re.M))))
    assert required() == named - {"package", "---"}


@pytest.mark.parametrize(
    "name",
    [
        ".github/workflows/test.yml",
        ".pre-commit-config.yaml",
        ".snakemake-workflow-catalog.yml",
        "CITATION.cff",
        "profiles/default/config.yaml",
        "profiles/slurm/config.yaml",
    ],
)
def test_yaml_files_parse(name):
    assert isinstance(yaml.safe_load((ROOT / name).read_text(encoding="utf-8")), dict)


def test_no_two_test_files_have_one_name():
    """pytest collects the first alone."""
    names = Counter(path.name for path in (ROOT / "tests").glob("*/test_*.py"))
    assert max(names.values()) == 1, names.most_common(1)
