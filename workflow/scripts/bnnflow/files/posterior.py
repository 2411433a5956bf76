"""The posterior file: draws of every site in constrained space, in ArviZ's layout."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from . import netcdf
from .errors import FileError

Draws = Mapping[str, np.ndarray]


def of_chain(
    draws: Draws, stats: Draws | None = None, facts: Mapping[str, str] | None = None
) -> xr.DataTree:
    """A posterior of one chain.

    Args:
        draws: for every site an array (draws, ...).
        stats: for every sampler statistic an array (draws,).
        facts: on how it was made, kept as attributes of the group `posterior`.
    """
    groups = {"posterior": draws} | ({"sample_stats": stats} if stats else {})
    tree = xr.DataTree.from_dict({group: _dataset(arrays) for group, arrays in groups.items()})
    tree["posterior"].attrs.update(facts or {})
    return tree


def merged(chains: list[xr.DataTree]) -> xr.DataTree:
    """One posterior of many chains, numbered from 0 in the order given."""
    groups = {
        group: xr.concat(
            [chain[group].to_dataset() for chain in chains],
            dim="chain",
            combine_attrs=_joined,
        ).assign_coords(chain=np.arange(len(chains)))
        for group in chains[0].children
    }
    return xr.DataTree.from_dict(groups)


def _joined(attributes: list[Mapping[str, str]], context: object = None) -> dict[str, str]:
    """Facts of all chains, each different one once."""
    keys = dict.fromkeys(key for own in attributes for key in own)
    return {
        key: "; ".join(dict.fromkeys(own[key] for own in attributes if key in own)) for key in keys
    }


def write(tree: xr.DataTree, path: str | Path) -> None:
    """Write as NetCDF."""
    netcdf.write(tree, path)


def read(path: str | Path, needed: Iterable[str] = ()) -> xr.DataTree:
    """Read a posterior whole into memory; what is needed and what is raised as for `opened`."""
    tree = opened(path, "a posterior", needed)
    if "posterior" not in tree.children or not tree["posterior"].data_vars:
        raise FileError(path, "a posterior", "it has no draws")
    return tree


def opened(path: str | Path, kind: str, needed: Iterable[str]) -> xr.DataTree:
    """Read a file of groups whole into memory.

    Args:
        path: of the file.
        kind: what it should be, for the error.
        needed: variables that it must have, such as "sample_stats/lp".

    Raises:
        FileError: if the file is damaged, lacks a variable, or its posterior is not one of finite
            draws by chain and draw.
    """
    groups = netcdf.read(path, kind)
    for name in needed:
        group, _, variable = name.partition("/")
        if variable not in groups.get(group, ()):
            raise FileError(path, kind, f"it has no {name}")
    for name, site in groups.get("posterior", xr.Dataset()).data_vars.items():
        if site.dims[:2] != ("chain", "draw"):
            raise FileError(path, kind, f"{name} has the dimensions {site.dims}")
        if not site.size or site.dtype.kind != "f" or not np.isfinite(site.to_numpy()).all():
            raise FileError(path, f"{kind} of finite draws", f"{name} is not finite")
    return xr.DataTree.from_dict({name or "/": group for name, group in groups.items()})


def pooled(tree: xr.DataTree) -> dict[str, np.ndarray]:
    """Draws of all chains one after another: for every site an array (draws, ...)."""
    return {
        name: site.to_numpy().reshape(-1, *site.shape[2:])
        for name, site in tree["posterior"].data_vars.items()
    }


def _dataset(arrays: Draws) -> xr.Dataset:
    variables = {}
    for name, array in arrays.items():
        own = [f"{name}_dim_{i}" for i in range(array.ndim - 1)]
        variables[name] = (["chain", "draw", *own], array[np.newaxis])
    dataset = xr.Dataset(variables)
    return dataset.assign_coords({dim: np.arange(size) for dim, size in dataset.sizes.items()})
