"""Parameters of a variational fit: safetensors with the sites that they belong to."""

import json
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from . import files
from .errors import FileError


@dataclass(frozen=True)
class Site:
    """A latent variable of a model and its place in the flat unconstrained vector.

    Attributes:
        name: the site's name in the model.
        shape: of one value.
        transform: what takes a value to unconstrained space: "identity", "log", or
            "unconstrained" for any other.
    """

    name: str
    shape: tuple[int, ...]
    transform: str

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
    """

    sites: tuple[Site, ...]
    mean: np.ndarray
    stddev: np.ndarray

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


def write(parameters: Parameters, path: str | Path, covariance: np.ndarray | None = None) -> None:
    """Write tensors `mean`, `stddev` and, if given, `covariance`, and the sites as metadata."""
    tensors = {"mean": parameters.mean, "stddev": parameters.stddev}
    if covariance is not None:
        tensors["covariance"] = np.ascontiguousarray(covariance)
    write_guide(tensors, parameters.sites, path)


def read(path: str | Path) -> Parameters:
    """Read parameters.

    Raises:
        FileError: if the file is damaged, foreign, or its parts contradict each other.
    """
    tensors, sites = _read(path)
    return _parameters(tensors, "mean", "stddev", sites, path)


def write_guide(tensors: dict[str, np.ndarray], sites: tuple[Site, ...], path: str | Path) -> None:
    """Write a fitted guide as Pyro stores it, with the sites that it covers as metadata."""
    metadata = {"sites": json.dumps([asdict(site) for site in sites])}
    with files.whole(path) as part:
        # Not save_file, which lets nobody but the owner read.
        part.write_bytes(save(tensors, metadata))


def extracted(path: str | Path) -> tuple[Parameters, np.ndarray | None]:
    """Moments of a normal guide that `write_guide` has written.

    Returns:
        Means and standard deviations, and the covariance (n, n) where the guide has one.

    Raises:
        FileError: if the file is damaged, foreign, or its parts contradict each other.
    """
    tensors, sites = _read(path)
    guides = {name.partition(".")[0] for name in tensors}
    given = {name.partition(".")[2]: tensor for name, tensor in tensors.items()}
    try:
        loc, scale = given["loc"], given["scale"]
        if guides == {"AutoDiagonalNormal"}:
            root = None
        elif guides == {"AutoMultivariateNormal"}:
            root = scale[:, None] * given["scale_tril"]
        elif guides == {"AutoLowRankMultivariateNormal"}:
            root = np.hstack([scale[:, None] * given["cov_factor"], np.diag(scale)])
        else:
            raise FileError(path, "parameters of a normal guide", f"it has {sorted(tensors)}")
        covariance = None if root is None else root @ root.T
    except (KeyError, ValueError, IndexError) as error:
        raise FileError(path, "parameters of a normal guide", error) from error
    stddev = scale if covariance is None else np.sqrt(covariance.diagonal())
    moments = {"loc": loc, "scale": stddev}
    return _parameters(moments, "loc", "scale", sites, path), covariance


def _read(path: str | Path) -> tuple[dict[str, np.ndarray], tuple[Site, ...]]:
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            sites = json.loads(file.metadata()["sites"])
        return tensors, tuple(
            Site(site["name"], tuple(map(int, site["shape"])), site["transform"]) for site in sites
        )
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(path, "parameters of a fit", error) from error


def _parameters(
    tensors: dict[str, np.ndarray], mean: str, stddev: str, sites: tuple[Site, ...], path
) -> Parameters:
    count = sum(site.size for site in sites)
    for name in (mean, stddev):
        if name not in tensors:
            raise FileError(path, "parameters of a fit", f"it has no tensor {name}")
        shape = tensors[name].shape
        if shape != (count,):
            raise FileError(path, "parameters of a fit", f"{name} is {shape}, not ({count},)")
        if not np.isfinite(tensors[name]).all():
            raise FileError(path, "parameters of a fit", f"{name} is not finite")
    if not (tensors[stddev] > 0).all():
        raise FileError(path, "parameters of a fit", f"{stddev} is not positive")
    return Parameters(sites, tensors[mean], tensors[stddev])
