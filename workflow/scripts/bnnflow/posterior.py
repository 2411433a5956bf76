"""The posterior file: draws of every site in constrained space, in ArviZ's layout."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

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
    tree.to_netcdf(path, engine="h5netcdf")


def read(path: str | Path) -> xr.DataTree:
    """Read a posterior whole into memory.

    Raises:
        FileError: if the file is damaged, or holds no finite draws by chain and draw.
    """
    return opened(path, "a posterior", needed=("posterior",))


def opened(path: str | Path, kind: str, needed: Sequence[str]) -> xr.DataTree:
    """Read a file of groups whole into memory.

    Args:
        path: of the file.
        kind: what it should be, for the error.
        needed: groups that it must have.

    Raises:
        FileError: if the file is damaged, lacks a group, or its posterior is not one of finite
            draws by chain and draw.
    """
    try:
        with xr.open_datatree(path, engine="h5netcdf") as file:
            tree = file.load()
        groups = {name: tree[name] for name in needed} | dict(tree.children)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise FileError(path, kind, error) from error
    for name, site in groups["posterior"].data_vars.items() if "posterior" in groups else ():
        if site.dims[:2] != ("chain", "draw"):
            raise FileError(path, kind, f"{name} has the dimensions {site.dims}")
        if not np.isfinite(site.to_numpy()).all():
            raise FileError(path, f"{kind} of finite draws", f"{name} is not finite")
    return tree


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
