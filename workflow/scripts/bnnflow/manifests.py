"""The manifest of a run: config, seeds, versions, platform, and a checksum of every result."""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd

from . import files
from .errors import FileError

# What the numbers depend on.
PACKAGES = ("torch", "pyro-ppl", "nutpie", "numpy", "pandas", "xarray", "h5netcdf", "h5py")
PACKAGES += ("safetensors", "arviz-stats", "matplotlib", "snakemake")

# Bytes of a manifest.
LARGEST = 1 << 28

# On another platform rounding differs, and with it every chain; these bounds hold all the same.
DATA_RTOL = 1e-9  # of observations
MEAN_IN_STDDEVS, STDDEV_RTOL = 0.05, 0.05  # of the parameters of a variational fit
SCORE_RTOL, SCORE_ERRORS = 0.01, 4.0  # of scores, beside their Monte Carlo errors


def described(
    config: dict,
    seeds: Mapping[str, int],
    devices: list[str],
    results: Iterable[str],
    folder: Path,
) -> dict:
    """The manifest of results of a config.

    Args:
        config: as it was given, all files and options together.
        seeds: of the jobs by name.
        devices: on which fits were evaluated.
        results: paths of the files.
        folder: in which they are, and from which the manifest names them.
    """
    return {
        "config": config,
        "seeds": dict(seeds),
        "threads of torch": 1,
        "devices": devices,
        "platform": platform_facts(),
        "sha256": {
            Path(path).relative_to(folder).as_posix(): checksum(path)
            for path in sorted(map(str, results))
        },
    }


def platform_facts() -> dict[str, str]:
    """The system, processor and versions of packages here."""
    facts = {
        "system": f"{platform.system()} {platform.libc_ver()[0]} {platform.libc_ver()[1]}".strip(),
        "processor": _processor(),
        "python": platform.python_version(),
    }
    for name in PACKAGES:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            facts[name] = "not installed"
    return facts


def checksum(path: str | Path) -> str:
    """SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: str | Path) -> dict:
    """Read a manifest.

    Raises:
        FileError: if it is none.
    """
    try:
        with files.opened(path, "a manifest", LARGEST) as file:
            manifest = json.loads(file.read().decode())
        sums = manifest["sha256"]
        if outside := [name for name in sums if ".." in name.split("/") or name[:1] == "/"]:
            raise ValueError(f"{outside[0]!r} is not among its results")
        if not all(isinstance(entry, str) for item in sums.items() for entry in item):
            raise TypeError("sha256 is no mapping of paths to checksums")
        if not isinstance(manifest["config"], dict) or not isinstance(manifest["platform"], dict):
            raise TypeError("config or platform is no mapping")
        if not isinstance(manifest["devices"], list):
            raise TypeError("devices is no list")
    except FileError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FileError(path, "a manifest", error) from error
    return manifest


def damaged(manifest: dict, folder: Path) -> list[str]:
    """Results in a folder that are not what the manifest says, or are missing, one line each."""
    found = []
    for name, expected in manifest["sha256"].items():
        if not (folder / name).is_file():
            found.append(f"{name}: is missing")
        elif checksum(folder / name) != expected:
            found.append(f"{name}: is not what its checksum says; it has been changed since")
    return found


def is_exact(manifest: dict) -> bool:
    """Whether recomputing here gives the same bytes: on the same platform, where no GPU computes,
    whose kind and libraries the platform does not tell."""
    return manifest["platform"] == platform_facts() and manifest["devices"] == ["cpu"]


def differences(manifest: dict, old: Path, new: Path) -> tuple[list[str], int]:
    """Compare results with those of the same config, recomputed.

    Args:
        manifest: of the old ones.
        old, new: folders in which the manifest's paths begin.

    Returns:
        What differs, one line each, and the number of files that were compared: all, byte for
        byte, or those that can be, within the bounds of this module.
    """
    sums = manifest["sha256"]
    missing = [f"{name}: was not made again" for name in sums if not (new / name).is_file()]
    there = [name for name in sums if (new / name).is_file()]
    if is_exact(manifest):
        apart = [
            f"{name}: differs{_where(old / name, new / name)}"
            for name in there
            if checksum(new / name) != sums[name]
        ]
        return missing + apart, len(sums)
    compared = {name: _comparison(name) for name in there if _comparison(name)}
    apart = [
        f"{name}: {fault}"
        for name, compare in compared.items()
        for fault in compare(*(pd.read_csv(folder / name) for folder in (old, new)))
    ]
    return missing + apart, len(compared)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    name = facts.get("model name", platform.machine())
    flags = " ".join(sorted(facts.get("flags", facts.get("Features", "")).split()))
    return f"{platform.machine()}, {name}, {hashlib.sha256(flags.encode()).hexdigest()[:8]}"


def _where(old: Path, new: Path) -> str:
    """The largest difference of two tables, where they are tables."""
    if old.suffix != ".csv":
        return ""
    ours, theirs = (pd.read_csv(path) for path in (old, new))
    if ours.shape != theirs.shape or list(ours) != list(theirs):
        return f": {ours.shape} and {theirs.shape} entries"
    numbers = ours.select_dtypes("number").columns
    gaps = {name: float((ours[name] - theirs[name]).abs().max()) for name in numbers}
    if not gaps or not max(gaps.values()) > 0:
        return ""
    worst = max(gaps, key=lambda name: np.nan_to_num(gaps[name], nan=-1))
    return f": {worst} by up to {gaps[worst]:.3g}"


def _comparison(name: str):
    if name.startswith("data/"):
        return _same_data
    if name.endswith("/parameters.csv"):
        return _same_parameters
    return _same_scores if name == "tables/metrics.csv" else None


def _same_data(old: pd.DataFrame, new: pd.DataFrame) -> list[str]:
    if old.shape != new.shape:
        return [f"has {len(new)} rows instead of {len(old)}"]
    far = ~np.isclose(new, old, rtol=DATA_RTOL, atol=DATA_RTOL)
    return [f"{far.sum()} values are further apart than {DATA_RTOL:g}"] if far.any() else []


def _same_parameters(old: pd.DataFrame, new: pd.DataFrame) -> list[str]:
    if not old[["site", "index"]].equals(new[["site", "index"]]):
        return ["has other entries"]
    moved = (new["mean"] - old["mean"]).abs() / old["stddev"]
    scaled = (new["stddev"] / old["stddev"] - 1).abs()
    faults = []
    if (moved > MEAN_IN_STDDEVS).any():
        faults.append(f"a mean has moved by {moved.max():.3g} of its standard deviation")
    if (scaled > STDDEV_RTOL).any():
        faults.append(f"a standard deviation has changed by {100 * scaled.max():.3g} %")
    return faults


def _same_scores(old: pd.DataFrame, new: pd.DataFrame) -> list[str]:
    keys = ["fit", "region", "metric"]
    both = old.merge(new, on=keys, how="outer", suffixes=("", "_new"))
    if len(both) != len(old) or both["value_new"].isna().sum() != both["value"].isna().sum():
        return ["has other rows"]
    error = np.hypot(*(both[name].fillna(0) for name in ("error_draws", "error_draws_new")))
    bound = SCORE_ERRORS * error + SCORE_RTOL * both["value"].abs().clip(lower=SCORE_RTOL)
    far = both[(both["value_new"] - both["value"]).abs() > bound]
    return [
        f"{row.metric} of {row.fit} in {row.region} is {row.value_new:.4g} instead of"
        f" {row.value:.4g}"
        for row in far.itertuples()
    ]
