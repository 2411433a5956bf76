"""The posterior file: draws of every site in constrained space, in ArviZ's layout."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from ..jobs import ToldError
from . import encodings, netcdf
from .encodings import Encoding
from .errors import FileError, plain_sentence

# How far the weights of chains may add up to something else than 1.
ROUNDING = 1e-9

# What a reader of weights or of the encoding needs.
WEIGHT, ENCODING = "weights/weight", "encoding/input_centre"

# Dimensions of the weights that chains would have without each of some.
WITHOUT = ("left", "chain")

# By which a posterior was fitted, as JSON.
SETTINGS = "settings"

# Letters of the settings that a sentence names.
SENTENCE = 800

# Of the file of chains that were not needed, the attribute that says so.
SPARE = "spare"

Draws = Mapping[str, np.ndarray]


class SettingsError(ToldError):
    """A posterior was fitted by other settings than those of the config."""

    def __init__(self, told: str):
        super().__init__(plain_sentence(told, SENTENCE))


def of_chain(
    draws: Draws,
    stats: Draws | None = None,
    facts: Mapping[str, str] | None = None,
    encoding: Encoding | None = None,
) -> xr.DataTree:
    """A posterior of one chain.

    Args:
        draws: for every site an array (draws, ...).
        stats: for every sampler statistic an array (draws,).
        facts: on how it was made, kept as attributes of the group `posterior`.
        encoding: of the data that it was made from, kept as the group `encoding`.
    """
    groups = {"posterior": draws} | ({"sample_stats": stats} if stats else {})
    datasets = {group: _dataset(arrays) for group, arrays in groups.items()}
    datasets["posterior"].attrs.update(facts or {})
    if encoding:
        datasets["encoding"] = encoding.as_dataset()
    return xr.DataTree.from_dict(datasets)


def merged(chains: list[xr.DataTree]) -> xr.DataTree:
    """One posterior of many chains of equal weight, numbered from 0 in the order given.

    Raises:
        ValueError: if the chains' data were encoded differently.
    """
    by_group = {
        group: [chain[group].to_dataset() for chain in chains]
        for group in chains[0].children
        if group != "weights"
    }
    shared = {}
    if own := by_group.pop("encoding", None):
        if not all(each.identical(own[0]) for each in own):
            raise ValueError("the chains' data were encoded differently; make all chains again")
        shared["encoding"] = own[0]
    groups = {
        group: xr.concat(parts, dim="chain", combine_attrs=_joined).assign_coords(
            chain=np.arange(sum(part.sizes["chain"] for part in parts))
        )
        for group, parts in by_group.items()
    }
    return weighted(xr.DataTree.from_dict(groups | shared))


def weighted(
    tree: xr.DataTree, weights: np.ndarray | None = None, without: np.ndarray | None = None
) -> xr.DataTree:
    """The posterior with weights of its chains.

    Args:
        tree: the posterior.
        weights: of the chains (chains,), adding up to 1; equal by default.
        without: the same if each of some chains were not there, (left, chains), where they are not
            in the proportions of the weights.
    """
    chains = tree["posterior"].sizes["chain"]
    weights = np.full(chains, 1 / chains) if weights is None else np.asarray(weights, np.double)
    own = {"weight": ("chain", weights)}
    own |= {} if without is None else {"without": (WITHOUT, without)}
    coordinate = {"chain": tree["posterior"]["chain"].to_numpy()}
    tree["weights"] = xr.DataTree(xr.Dataset(own, coordinate))
    return tree


def fitted_by(tree: xr.DataTree, settings: Mapping) -> xr.DataTree:
    """The posterior with the settings by which it was fitted, of types that JSON has."""
    tree["posterior"].attrs[SETTINGS] = json.dumps(settings)
    return tree


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
    return _with_draws(opened(path, "a posterior", needed), path)


def spare() -> xr.DataTree:
    """The file of chains that were not needed, which has none."""
    return xr.DataTree(xr.Dataset(attrs={SPARE: "the chains before these suffice"}))


def read_parts(paths: Iterable[str | Path]) -> list[xr.DataTree]:
    """Read posteriors of some chains each, without those that were not needed.

    Raises:
        FileError: as `read`.
    """
    trees = {path: opened(path, "a posterior", ()) for path in paths}
    return [_with_draws(tree, path) for path, tree in trees.items() if SPARE not in tree.attrs]


def opened(path: str | Path, kind: str, needed: Iterable[str]) -> xr.DataTree:
    """Read a file of groups whole into memory.

    Args:
        path: of the file.
        kind: what it should be, for the error.
        needed: variables that it must have, such as "sample_stats/lp".

    Raises:
        FileError: if the file is damaged, lacks a variable, its posterior is not one of finite
            draws by chain and draw, its weights are not shares of the chains, or its encoding is
            none.
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
    try:
        if "weights" in groups:
            _check_weights(groups["weights"], groups.get("posterior", xr.Dataset()))
        if "encoding" in groups:
            encodings.of_dataset(groups["encoding"])
    except ValueError as error:
        raise FileError(path, kind, error) from error
    return xr.DataTree.from_dict({name or "/": group for name, group in groups.items()})


def check_settings(tree: xr.DataTree, settings: Mapping, path: str | Path) -> None:
    """That a posterior was fitted by these settings.

    Args:
        tree: the posterior, read from the path.
        settings: of types that JSON has.
        path: for the error.

    Raises:
        SettingsError: if not, with both where they differ.
        FileError: if the posterior does not say by which.
    """
    try:
        found = dict(_flat(json.loads(tree["posterior"].attrs[SETTINGS])))
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        reason = "it does not say by which settings it was fitted"
        raise FileError(path, "a posterior", reason) from error
    own = dict(_flat(json.loads(json.dumps(settings))))
    if differing := [key for key in {**found, **own} if found.get(key) != own.get(key)]:
        then, now = (
            ", ".join(
                f"{key}: {json.dumps(given.get(key), ensure_ascii=False)}" for key in differing
            )
            for given in (found, own)
        )
        raise SettingsError(
            f"{path}: was fitted with {then}, but the config now has {now}; give the config that"
            " was fitted, or leave --allowed-rules out, and the fit is made again"
        )


def encoding(tree: xr.DataTree) -> Encoding:
    """How the data were encoded; of a file that was read as needing `ENCODING`."""
    return encodings.of_dataset(tree["encoding"].to_dataset())


def weights(tree: xr.DataTree) -> np.ndarray:
    """Of the chains, (chains,), adding up to 1; of a file that was read as needing `WEIGHT`."""
    return tree["weights"]["weight"].to_numpy()


def weighting(tree: xr.DataTree) -> xr.Dataset:
    """Weights of the chains, and what they would be without each of the chains that have weight.

    Returns:
        weight over chain, and without over (left, chain), each adding up to 1. Where one chain has
        all the weight, nothing is left without that chain, and the weights stay as they are.
    """
    own = tree["weights"].to_dataset().drop_vars("chain", errors="ignore")
    if "without" in own:
        return own
    weight = own["weight"].to_numpy()
    kept = np.flatnonzero(weight)
    left = np.where(np.arange(len(weight)) == kept[:, None], 0, weight)
    total = left.sum(1, keepdims=True)
    without = np.divide(left, total, out=np.tile(weight, (len(kept), 1)), where=total > 0)
    return own.assign(without=(WITHOUT, without))


def pooled_weights(tree: xr.DataTree) -> np.ndarray | None:
    """Of the draws of all chains one after another, (draws,), adding up to 1; none if all equal."""
    own, draws = weights(tree), tree["posterior"].sizes["draw"]
    return None if np.ptp(own) <= ROUNDING / len(own) else np.repeat(own / draws, draws)


def pooled(tree: xr.DataTree) -> dict[str, np.ndarray]:
    """Draws of all chains one after another: for every site an array (draws, ...)."""
    return {
        name: site.to_numpy().reshape(-1, *site.shape[2:])
        for name, site in tree["posterior"].data_vars.items()
    }


def _with_draws(tree: xr.DataTree, path: str | Path) -> xr.DataTree:
    if "posterior" not in tree.children or not tree["posterior"].data_vars:
        raise FileError(path, "a posterior", "it has no draws")
    return tree


def _check_weights(given: xr.Dataset, posterior: xr.Dataset) -> None:
    """That every chain has a share.

    Raises:
        ValueError: if not.
    """
    dimensions = {"weight": ("chain",)} | ({"without": WITHOUT} if "without" in given else {})
    for name, dims in dimensions.items():
        weight = given.get(name, xr.DataArray())
        if weight.dims != dims or weight.sizes["chain"] != posterior.sizes.get("chain"):
            raise ValueError("its weights are not one for every chain")
        values = weight.to_numpy()
        whole = np.abs(values.sum(-1) - 1) <= ROUNDING
        if values.dtype.kind != "f" or not (values >= 0).all() or not np.all(whole):
            raise ValueError("its weights are not shares, which add up to 1")


def _flat(settings: Mapping, prefix: str = "") -> Iterator[tuple[str, object]]:
    """By dotted key every setting that is no mapping."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _dataset(arrays: Draws) -> xr.Dataset:
    variables = {}
    for name, array in arrays.items():
        own = [f"{name}_dim_{i}" for i in range(array.ndim - 1)]
        variables[name] = (["chain", "draw", *own], array[np.newaxis])
    dataset = xr.Dataset(variables)
    return dataset.assign_coords({dim: np.arange(size) for dim, size in dataset.sizes.items()})
