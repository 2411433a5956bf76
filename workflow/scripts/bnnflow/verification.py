"""Results recomputed from their manifest in another folder, and compared."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from . import manifests


class VerificationError(RuntimeError):
    """Results are not those of their manifest, or cannot be made again."""


def verify(path: Path, again: Path, snakefile: Path, style: Path, options: list[str]) -> str:
    """Make all results of a manifest again and compare.

    Args:
        path: of the manifest, in the folder of the results.
        again: a folder for the new ones, which is emptied first, and removed if all are the same.
        snakefile: of the workflow.
        style: of the figures; one with a path within this folder is taken to the new one.
        options: of Snakemake.

    Returns:
        What has been found, in a sentence.

    Raises:
        FileError: if there is no such manifest.
        VerificationError: if the results have been changed, cannot be made again, or differ.
    """
    manifest = manifests.read(path)
    if found := manifests.damaged(manifest, path.parent):
        raise VerificationError(f"results are not those of {path}:{_lines(found)}")
    shutil.rmtree(again, ignore_errors=True)
    (again / "config").mkdir(parents=True)
    config = json.dumps(manifest["config"], ensure_ascii=False)
    (again / "config" / "config.yaml").write_text(config, encoding="utf-8")
    if not style.is_absolute() and ".." not in style.parts:
        (again / style).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(style, again / style)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
    done = subprocess.run([*command, "--directory", str(again), *options], stdin=subprocess.DEVNULL)
    if done.returncode:
        raise VerificationError(f"recomputing has failed; the logs are in {again}/results/logs")
    found, compared = manifests.differences(manifest, path.parent, again / "results")
    exact = manifests.is_exact(manifest)
    how = "byte for byte" if exact else "within the tolerances for another platform or a GPU"
    if found:
        raise VerificationError(
            f"{len(found)} of {compared} results, compared {how}, differ:{_lines(found)}\n"
            f"{again} is kept, to look at"
        )
    shutil.rmtree(again)
    return f"{compared} results are the same, {how}"


def _lines(found: list[str]) -> str:
    return "".join(f"\n  {line}" for line in found)
