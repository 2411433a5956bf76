"""Results recomputed from their manifest in another folder, and compared."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable
from copy import deepcopy
from pathlib import Path

from ..config.checks import ConfigError, checked
from ..files.errors import FileError
from . import manifests
from .plan import PlanError
from .provenance import rules_in
from .styles import style_file

# The environment's name of what hands the command line to the process that runs the rule.
COMMAND_LINE = "BNNFLOW_COMMAND_LINE"

# A file by which a folder that was made here is known.
MARKER = ".verification"

# Options of Snakemake that say where jobs run, with which software, and what they may use. They
# may be shortened; executors that are plugged in have options of their own, which are not.
OPTIONS = ("--profile", "--workflow-profile", "--executor", "--jobs", "--cores", "--local-cores")
OPTIONS += ("--max-threads", "--resources", "--set-threads", "--set-resources")
OPTIONS += ("--default-resources", "--default-res", "--retries", "--restart-times", "--keep-going")
OPTIONS += ("--latency-wait", "--output-wait", "--seconds-between-status-checks")
OPTIONS += ("--max-jobs-per-second", "--max-status-checks-per-second")
OPTIONS += ("--software-deployment-method", "--deployment-method", "--deployment", "--sdm")
OPTIONS += ("--use-conda", "--conda-prefix", "--conda-frontend", "--use-apptainer")
OPTIONS += ("--use-singularity", "--apptainer-prefix", "--singularity-prefix", "--apptainer-args")
OPTIONS += ("--singularity-args",)
SHORT = {"-e": "--executor", "-j": "--jobs", "-c": "--cores", "-T": "--retries"}
SHORT |= {"-k": "--keep-going", "-w": "--latency-wait"}
# Of what the run that makes results again would print, its jobs' own messages are left.
QUIET = ("--quiet", "host", "reason", "rules")
PLUGINS = ("--slurm-", "--cluster-generic-")


class VerificationError(RuntimeError):
    """Results are not those of their manifest, or cannot be made again."""


def verified(log: Path, root: Path) -> str:
    """Make results again from their manifest, where and with what this run was told, and compare.

    Args:
        log: of the rule, in whose path is the prefix of a module, and to which is written what
            has been found, with the names of all results of the manifest.
        root: the folder of the Snakefile.

    Returns:
        What has been found, in a sentence.

    Raises:
        VerificationError: if the results have been changed, cannot be made again, or differ.
    """
    path = log.parents[1] / "manifest.json"
    try:
        found = _verified(path, root)
    except (ConfigError, PlanError) as error:
        fault = f"of {path}, {error}"
    except (FileError, VerificationError) as error:
        fault = str(error)
    else:
        fault = None
    if fault:
        log.write_text(f"{fault}\n", encoding="utf-8")
        raise VerificationError(fault)
    names = manifests.read(path)["sha256"]
    log.write_text(f"{found}:{_lines(names)}\n", encoding="utf-8")
    return found


def _verified(path: Path, root: Path) -> str:
    if COMMAND_LINE not in os.environ:
        raise VerificationError("ask for it by its name: `snakemake verify`")
    place, options = json.loads(os.environ[COMMAND_LINE])
    if not path.exists():
        raise VerificationError(f"there is no {path}; `snakemake` makes the results and it")
    manifest = manifests.read(path)
    config = checked(deepcopy(manifest["config"]), rules_in(root))
    return verify(
        path,
        manifest,
        style_file(config["figures"]["style"], Path.cwd(), root),
        again=Path("verification"),
        snakefile=root / "Snakefile",
        options=options,
        place=Path(place),
    )


def verify(
    path: Path,
    manifest: dict,
    style: Path,
    again: Path,
    snakefile: Path,
    options: Iterable[str],
    place: Path,
) -> str:
    """Make all results of a manifest again and compare; the old ones are only read.

    Args:
        path: of the manifest, in the folder of the results.
        manifest: as it was read.
        style: of the figures, in place of the one that the manifest's config names.
        again: a folder for the new ones; one that an earlier call has made is emptied first. It
            is removed if all are the same.
        snakefile: of the workflow.
        options: of Snakemake.
        place: the folder from which paths in the options start.

    Returns:
        What has been found, in a sentence.

    Raises:
        FileError: if the new manifest is damaged.
        VerificationError: if the results have been changed, cannot be made again, or differ.
    """
    if found := manifests.damaged(manifest, path.parent):
        raise VerificationError(f"results are not those of {path}:{_lines(found)}")
    _empty(again)
    config = manifest["config"] | {"figures": manifest["config"]["figures"] | {"style": str(style)}}
    config["data"] = _with_tables_at(config["data"], path.resolve().parent.parent)
    (again / "config").mkdir()
    text = json.dumps(config, ensure_ascii=False)
    (again / "config" / "config.yaml").write_text(text, encoding="utf-8")
    command = recomputing(snakefile, again, options)
    if subprocess.run(command, cwd=place, stdin=subprocess.DEVNULL).returncode:
        raise VerificationError(f"recomputing has failed; the logs are in {again}/results/logs")
    made = manifests.read(again / "results" / path.name)["sha256"]
    found, compared = manifests.differences(manifest, path.parent, again / "results", made)
    exact = manifests.is_exact(manifest)
    how = "byte for byte" if exact else "within the tolerances for another platform or a GPU"
    if found:
        raise VerificationError(
            f"{compared} results, compared {how}; these differ:{_lines(found)}\n"
            f"{again} is kept, to look at"
        )
    shutil.rmtree(again)
    return f"{compared} results are the same, {how}"


def recomputing(snakefile: Path, folder: Path, options: Iterable[str]) -> list[str]:
    """The command that makes the results in a folder which has the config.

    They are asked for by the manifest, which needs all of them; a strict workflow would fail if a
    fit does.
    """
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile.resolve())]
    # The target first, for options take all words up to the next.
    return [
        *command,
        "--directory",
        str(folder.resolve()),
        "results/manifest.json",
        *QUIET,
        *options,
    ]


def where_jobs_run(words: Iterable[str], leave: Collection[str]) -> list[str]:
    """Of a command line of Snakemake, the options that say where jobs run and what they may use.

    Args:
        words: of the command line.
        leave: those among them that are targets.
    """
    kept, keep = [], False
    for word in words:
        if re.match("--?[A-Za-z]", word):
            name = word.split("=")[0] if word[:2] == "--" else SHORT.get(word[:2], word)
            keep = name.startswith(PLUGINS) or any(full.startswith(name) for full in OPTIONS)
        if keep and word not in (*leave, "--"):
            kept.append(word)
    return kept


def _with_tables_at(data: dict, folder: Path) -> dict:
    """Settings of the data whose paths of tables start from a folder, and are whole."""
    if "table" not in data:
        return data
    own = data | {"table": str(folder / data["table"])}
    own["predict"] = {name: str(folder / table) for name, table in data["predict"].items()}
    if "table" in data["held_out"]:
        own["held_out"] = {"table": str(folder / data["held_out"]["table"])}
    return own


def _empty(folder: Path) -> None:
    """Make a folder, or empty one that was made here."""
    ours = not folder.is_symlink() and (folder / MARKER).is_file()
    if not ours and (folder.is_symlink() or folder.exists()):
        raise VerificationError(
            f"{folder} was not made by `snakemake verify`, which makes results again in a folder"
            " of that name and deletes it; give it another name, or another place"
        )
    try:
        if ours:
            shutil.rmtree(folder)
        folder.mkdir()
        text = "Made by `snakemake verify`, which deletes this folder when it starts again.\n"
        (folder / MARKER).write_text(text, encoding="utf-8")
    except OSError as error:
        raise VerificationError(f"{folder} cannot be made anew: {error}") from error


def _lines(found: Iterable[str]) -> str:
    return "".join(f"\n  {line}" for line in found)
