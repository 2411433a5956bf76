"""Parameters of a variational fit: safetensors with the sites that they belong to."""

import json
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import save

from . import encodings, safe
from .encodings import Encoding
from .errors import FileError

EXPECTED = "parameters of a fit"
TRANSFORMS = ("identity", "log", "unconstrained")

# What a site is to a model of this package; those of other models have no role.
PRIOR, LIKELIHOOD = "prior", "likelihood"
ROLES = (PRIOR, LIKELIHOOD, "")


@dataclass(frozen=True)
class Site:
    """A latent variable of a model and its place in the flat unconstrained vector.

    Attributes:
        name: the site's name in the model.
        shape: of one value.
        transform: what takes a value to unconstrained space: "identity", "log", or
            "unconstrained" for any other.
        role: whose it is, "prior" or "likelihood"; only the prior's are carried into an update.
    """

    name: str
    shape: tuple[int, ...]
    transform: str
    role: str = ""

    @property
    def size(self) -> int:
        """Number of entries."""
        return prod(self.shape)


@dataclass(frozen=True)
class Parameters:
    """Moments of a normal distribution over a model's unconstrained vector.

    Attributes:
        sites: in the model's order.
        mean, stddev: arrays (n,), the sites' values one after another.
        covariance: (n, n), where the distribution is not of independent entries. A prior of
            independent normal distributions takes mean and stddev alone.
        encoding: of the data from which they have been learnt, which is that of an update, too.
    """

    sites: tuple[Site, ...]
    mean: np.ndarray
    stddev: np.ndarray
    covariance: np.ndarray | None = None
    encoding: Encoding | None = None

    def by_site(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Mean and standard deviation of every site, in the site's shape."""
        ends = np.cumsum([site.size for site in self.sites])
        return {
            site.name: tuple(
                part[end - site.size : end].reshape(site.shape) for part in (self.mean, self.stddev)
            )
            for site, end in zip(self.sites, ends, strict=True)
        }

    def table(self) -> pd.DataFrame:
        """A row for every entry: site, index within the flattened site, mean, stddev, transform."""
        rows = [(site.name, i, site.transform) for site in self.sites for i in range(site.size)]
        table = pd.DataFrame(rows, columns=["site", "index", "transform"])
        table.insert(2, "mean", self.mean)
        table.insert(3, "stddev", self.stddev)
        return table


def write(parameters: Parameters, path: str | Path) -> None:
    """Write tensors `mean`, `stddev` and, if there is one, `covariance`; the rest as metadata."""
    tensors = {"mean": parameters.mean, "stddev": parameters.stddev}
    if parameters.covariance is not None:
        tensors["covariance"] = np.ascontiguousarray(parameters.covariance)
    write_tensors(tensors, parameters.sites, path, parameters.encoding)


def read(path: str | Path) -> Parameters:
    """Read parameters.

    Raises:
        FileError: if the file is damaged, foreign, or its parts contradict each other.
    """
    tensors, sites, encoding = read_tensors(path)
    count = sum(site.size for site in sites)
    _check(tensors, {"mean": (count,), "stddev": (count,)}, path)
    stddev, covariance = tensors["stddev"], tensors.get("covariance")
    if covariance is not None:
        _check(tensors, {"covariance": (count, count)}, path)
        # The one is made from the other in the same precision.
        if not np.allclose(covariance.diagonal(), stddev**2, rtol=1e-5, atol=0):
            raise FileError(path, EXPECTED, "stddev and covariance contradict each other")
    return Parameters(sites, tensors["mean"], stddev, covariance, encoding)


def write_tensors(
    tensors: dict[str, np.ndarray],
    sites: tuple[Site, ...],
    path: str | Path,
    encoding: Encoding | None = None,
) -> None:
    """Write tensors, as Pyro stores a fitted guide, with the sites that they cover as metadata."""
    metadata = {"sites": sites_as_text(sites)}
    if encoding:
        metadata["encoding"] = encoding.as_text()
    with safe.whole(path) as part:
        # Not save_file, which lets nobody but the owner read.
        part.write_bytes(_in_order(save(tensors, metadata)))


def extracted(path: str | Path) -> Parameters:
    """Moments of a normal guide that `write_tensors` has written, with covariance where it has one.

    Raises:
        FileError: if the file is damaged, foreign, or its parts contradict each other.
    """
    tensors, sites, encoding = read_tensors(path)
    guides = {name.partition(".")[0] for name in tensors}
    given = {name.partition(".")[2]: tensor for name, tensor in tensors.items()}
    count = sum(site.size for site in sites)
    needed = {"loc": (count,), "scale": (count,)}
    if guides == {"AutoMultivariateNormal"}:
        needed["scale_tril"] = (count, count)
    elif guides == {"AutoLowRankMultivariateNormal"}:
        # Of any number of columns.
        needed["cov_factor"] = (count, *given.get("cov_factor", np.empty(0)).shape[-1:])
    elif guides != {"AutoDiagonalNormal"}:
        raise FileError(path, "parameters of a normal guide", f"it has {sorted(tensors)}")
    _check(given, needed, path)
    mean, scale = given["loc"], given["scale"]
    if len(needed) == 2:
        return Parameters(sites, mean, scale, encoding=encoding)
    # It and what it is made of.
    if (size := 3 * mean.itemsize * count**2) > safe.largest():
        reason = f"its covariance would take {size} bytes of memory"
        raise FileError(path, "parameters of a normal guide", reason)
    if "scale_tril" in needed:
        root = scale[:, None] * given["scale_tril"]
    else:
        root = np.hstack([scale[:, None] * given["cov_factor"], np.diag(scale)])
    covariance = root @ root.T
    moments = {"mean": mean, "stddev": np.sqrt(covariance.diagonal())}
    _check(moments, dict.fromkeys(moments, (count,)), path)
    return Parameters(sites, **moments, covariance=covariance, encoding=encoding)


def sites_as_text(sites: tuple[Site, ...]) -> str:
    """Sites as JSON, which files keep beside their tensors."""
    return json.dumps([asdict(site) for site in sites])


def sites_of_text(text: str) -> tuple[Site, ...]:
    """The sites in such a text.

    Raises:
        ValueError: if the text is something else.
    """
    try:
        entries = json.loads(text)
        sites = tuple(Site(**{**entry, "shape": tuple(entry["shape"])}) for entry in entries)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"its sites cannot be read ({type(error).__name__}: {error})") from error
    for site in sites:
        if not safe.is_name(site.name):
            raise ValueError(f"a site has the name {site.name!r}")
        if site.transform not in TRANSFORMS:
            raise ValueError(f"{site.name} has the transform {site.transform!r}")
        if site.role not in ROLES:
            raise ValueError(f"{site.name} has the role {site.role!r}")
        if len(site.shape) > 32 or not all(type(n) is int and n > 0 for n in site.shape):
            raise ValueError(f"{site.name} has the shape {site.shape}")
    if len({site.name for site in sites}) < len(sites) or not sites:
        raise ValueError("it has no sites, or one twice")
    return sites


def _in_order(file: bytes) -> bytes:
    """The same file with its metadata sorted, which safetensors writes in any order."""
    end = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + file[end:]


def read_tensors(
    path: str | Path, expected: str = EXPECTED
) -> tuple[dict[str, np.ndarray], tuple[Site, ...], Encoding | None]:
    """The tensors of a file, and the sites and the encoding in its metadata.

    Args:
        path: of the file.
        expected: what it should be, for the error.

    Raises:
        FileError: if the file is damaged or foreign.
    """
    tensors, metadata = safe.safetensors(path, expected)
    try:
        encoding = metadata.get("encoding")
        encoding = encodings.of_text(encoding) if encoding else None
        return tensors, sites_of_text(metadata.get("sites", "")), encoding
    except ValueError as error:
        raise FileError(path, expected, error) from error


def _check(
    tensors: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]], path: str | Path
) -> None:
    """That there are tensors of these shapes, finite, standard deviations positive."""
    for name, needed in shapes.items():
        if name not in tensors:
            raise FileError(path, EXPECTED, f"it has no tensor {name}")
        tensor = tensors[name]
        if tensor.shape != needed:
            raise FileError(path, EXPECTED, f"{name} is {tensor.shape}, not {needed}")
        if tensor.dtype not in (np.float32, np.float64) or not np.isfinite(tensor).all():
            raise FileError(path, EXPECTED, f"{name} is not finite")
        if name in ("stddev", "scale") and not (tensor > 0).all():
            raise FileError(path, EXPECTED, f"{name} is not positive")
