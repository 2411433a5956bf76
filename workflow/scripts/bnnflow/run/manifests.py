"""The manifest of a run: config, seeds, versions, platform, and a checksum of every result."""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd

from ..density import compilers
from ..files import safe
from ..files.errors import FileError
from ..judge import scores
from ..written import checksum

# What the numbers depend on: these draw and count, also for one another, ...
PACKAGES = ("torch", "pyro-ppl", "opt_einsum", "nutpie", "numpy", "scipy", "arviz-stats", "pandas")
# ... and these lay out files and pictures.
PACKAGES += ("xarray", "h5netcdf", "h5py", "safetensors", "matplotlib", "kiwisolver", "pillow")
PACKAGES += ("snakemake",)

# The fact that only compiled fits depend on.
COMPILER = "C++ compiler"

# Bytes of a manifest, letters of a path in it, and bytes of one of the path's names.
LARGEST, LONGEST_PATH, LONGEST_NAME = 1 << 28, 1000, 255

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
    """The system, processor, compiler and versions of packages here."""
    facts = {
        "system": f"{platform.system()} {platform.libc_ver()[0]} {platform.libc_ver()[1]}".strip(),
        "processor": _processor(),
        "python": platform.python_version(),
        COMPILER: compilers.version(),
    }
    for name in PACKAGES:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            facts[name] = "not installed"
    return facts


def read(path: str | Path) -> dict:
    """Read a manifest.

    Raises:
        FileError: if it is none.
    """
    try:
        with safe.opened(path, "a manifest", LARGEST) as file:
            manifest = json.loads(file.read().decode())
        sums = manifest["sha256"]
        if not sums or not all(isinstance(entry, str) for item in sums.items() for entry in item):
            raise TypeError("sha256 is no mapping of paths to checksums")
        if strange := [name for name in sums if not _is_path(name)]:
            raise ValueError(f"{strange[0]!r} is no path of a result")
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
        try:
            if not (folder / name).is_file():
                found.append(f"{name}: is missing")
            elif checksum(folder / name) != expected:
                found.append(f"{name}: is not what its checksum says; it has been changed since")
        except OSError as error:
            found.append(f"{name}: cannot be read ({error.strerror})")
    return found


def is_exact(manifest: dict) -> bool:
    """Whether recomputing here gives the same bytes: on the same platform, where no GPU computes,
    whose kind and libraries the platform does not tell."""
    unused = {COMPILER} if manifest["config"].get("engine") == "pyro" else set()
    ours, theirs = (
        {key: value for key, value in facts.items() if key not in unused}
        for facts in (platform_facts(), manifest["platform"])
    )
    return ours == theirs and manifest["devices"] == ["cpu"]


def differences(manifest: dict, old: Path, new: Path, made: Iterable[str]) -> tuple[list[str], int]:
    """Compare results with those of the same config, recomputed.

    Args:
        manifest: of the old ones.
        old, new: folders in which the manifest's paths begin.
        made: paths of all the new ones.

    Returns:
        What differs, one line each, and the number of files that were compared: all, byte for
        byte, or those that can be, within the bounds of this module.
    """
    sums = manifest["sha256"]
    there = [name for name in sums if (new / name).is_file()]
    apart = [f"{name}: was not made again" for name in sums if name not in there]
    apart += [f"{name}: was made, and is not in the manifest" for name in made if name not in sums]
    if is_exact(manifest):
        apart += [
            f"{name}: differs{_where(old / name, new / name)}"
            for name in there
            if checksum(new / name) != sums[name]
        ]
        return apart, len(sums)
    compared = {name: _comparison(name) for name in there if _comparison(name)}
    for name, (read, compare) in compared.items():
        try:
            apart += [f"{name}: {fault}" for fault in compare(read(old / name), read(new / name))]
        except FileError as error:
            apart.append(f"{name}: {error}")
    return apart, len(compared)


def _is_path(name: str) -> bool:
    """Whether it is one within a folder, which a file system and a terminal can take."""
    parts = name.split("/")
    return (
        len(name) <= LONGEST_PATH
        and name.isprintable()
        and not {"", ".", ".."} & {*parts}
        and all(len(part.encode()) <= LONGEST_NAME for part in parts)
    )


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
    try:
        ours, theirs = (safe.read_table(path, "a table", ()) for path in (old, new))
    except FileError as error:
        return f": {error}"
    if ours.shape != theirs.shape or list(ours) != list(theirs):
        return f": {ours.shape} and {theirs.shape} entries"
    numbers = (table.apply(pd.to_numeric, errors="coerce") for table in (ours, theirs))
    gaps = np.subtract(*numbers).abs().max().dropna()
    return f": {gaps.idxmax()} by up to {gaps.max():.3g}" if (gaps > 0).any() else ""


def _comparison(name: str):
    """How to read and to compare the results of a name, if they can be."""
    if name.startswith("data/"):
        columns = ("x", "y", "f") if name == "data/held_out.csv" else ("x", "y")
        return partial(safe.numbers, columns=columns), _same_data
    if name.endswith("/parameters.csv"):
        return _parameters, _same_parameters
    return (_scores, _same_scores) if name == "tables/metrics.csv" else None


def _parameters(path: Path) -> pd.DataFrame:
    columns = ("site", "index", "mean", "stddev")
    return safe.read_table(path, "a table of parameters", columns, numeric=columns[2:])


def _scores(path: Path) -> pd.DataFrame:
    return scores.read(path, first=("fit",))


def _same_data(old: pd.DataFrame, new: pd.DataFrame) -> list[str]:
    if old.shape != new.shape:
        return [f"has {len(new)} rows instead of {len(old)}"]
    far = ~np.isclose(new, old, rtol=DATA_RTOL, atol=DATA_RTOL)
    return [f"{far.sum()} values are further apart than {DATA_RTOL:g}"] if far.any() else []


def _same_parameters(old: pd.DataFrame, new: pd.DataFrame) -> list[str]:
    if not old[["site", "index"]].equals(new[["site", "index"]]):
        return ["has other entries"]
    moved = _gap(old["mean"], new["mean"]) / new["stddev"]
    scaled = _gap(old["stddev"], new["stddev"]) / old["stddev"]
    faults = []
    if _beyond(moved, MEAN_IN_STDDEVS).any():
        faults.append(f"a mean has moved by {_worst(moved)} of its standard deviation")
    if _beyond(scaled, STDDEV_RTOL).any():
        faults.append(f"a standard deviation has changed by {_worst(100 * scaled)} %")
    return faults


def _same_scores(old: pd.DataFrame, new: pd.DataFrame) -> list[str]:
    keys = ["fit", "region", "metric"]
    both = old.merge(new, on=keys, how="outer", suffixes=("_old", ""), indicator="which")
    if (both["which"] != "both").any():
        return ["has other rows"]
    # Errors and sizes of the new ones, because nothing in the old file may widen its own bounds.
    error, value = (
        both[name].where(np.isfinite(both[name]), 0) for name in ("error_draws", "value")
    )
    bound = SCORE_ERRORS * np.sqrt(2) * error + SCORE_RTOL * value.abs().clip(lower=SCORE_RTOL)
    far = both[_beyond(_gap(both["value_old"], both["value"]), bound)]
    return [
        f"{row.metric} of {row.fit} in {row.region} is {row.value:.4g} instead of"
        f" {row.value_old:.4g}"
        for row in far.itertuples()
    ]


def _gap(old: pd.Series, new: pd.Series) -> pd.Series:
    """How far numbers are apart: not at all where neither is there, infinitely where one is."""
    same = (old == new) | (old.isna() & new.isna())
    return (new - old).abs().fillna(np.inf).mask(same, 0.0)


def _beyond(gap: pd.Series, bound: pd.Series | float) -> pd.Series:
    return ~(gap <= bound)  # also where there is no telling


def _worst(gap: pd.Series) -> str:
    return f"{gap.fillna(np.inf).max():.3g}"
