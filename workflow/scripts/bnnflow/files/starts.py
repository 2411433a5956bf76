"""The file of starts of a variational fit: the bound of each, and the best or all in full."""

from pathlib import Path

import numpy as np
import xarray as xr

from . import posterior
from .errors import FileError
from .parameters import Site, sites_as_text, sites_of_text


def packed(
    elbos: list[float],
    tree: xr.DataTree | None = None,
    losses: np.ndarray | None = None,
    guide: dict[str, np.ndarray] | None = None,
    sites: tuple[Site, ...] = (),
) -> xr.DataTree:
    """Starts that were fitted together, with what the best of them, or all, have left.

    Args:
        elbos: the bound at the end of each start in nats, not a number for one that diverged.
        tree: the posterior, if one start has not diverged: of the best, or of all that have not,
            a chain each.
        losses: of the best start's steps, or means over these starts, (steps,), in nats.
        guide: the best start's fitted guide as Pyro stores it.
        sites: that the guide covers, in the model's order.
    """
    packed = tree.copy() if tree is not None else xr.DataTree()
    packed["starts"] = xr.DataTree(xr.Dataset({"elbo": ("start", np.array(elbos, dtype=float))}))
    if tree is not None:
        packed["loss"] = xr.DataTree(xr.Dataset({"loss": ("step", losses)}))
    if guide is not None:
        own = {
            name: ([f"{name}_dim_{i}" for i in range(array.ndim)], array)
            for name, array in guide.items()
        }
        facts = {"sites": sites_as_text(sites)}
        packed["guide"] = xr.DataTree(xr.Dataset(own, attrs=facts))
    return packed


def best(
    starts: list[xr.DataTree],
) -> tuple[xr.DataTree, dict[str, np.ndarray], tuple[Site, ...], np.ndarray]:
    """The posterior of the best of all starts, with the bounds of all; its guide, sites and loss.

    Raises:
        FloatingPointError: if all have diverged.
    """
    bounds = _bounds(starts)
    best = [np.max(np.nan_to_num(tree["starts"]["elbo"], nan=-np.inf)) for tree in starts]
    chosen = starts[int(np.argmax(best))]
    tree = posterior.weighted(xr.DataTree.from_dict(_draws(chosen) | bounds))
    guide = {name: array.to_numpy() for name, array in chosen["guide"].data_vars.items()}
    sites = sites_of_text(chosen["guide"].attrs["sites"])
    return tree, guide, sites, chosen["loss"]["loss"].to_numpy()


def mixture(starts: list[xr.DataTree]) -> tuple[xr.DataTree, np.ndarray]:
    """The posterior of all starts that have not diverged, a chain each, and their mean loss.

    Raises:
        FloatingPointError: if all have diverged.
    """
    bounds = _bounds(starts)
    parts = [tree for tree in starts if "posterior" in tree.children]
    tree = posterior.merged([xr.DataTree.from_dict(_draws(part)) for part in parts])
    tree["starts"] = xr.DataTree(bounds["starts"])
    counts = [part["posterior"].sizes["chain"] for part in parts]
    losses = np.average([part["loss"]["loss"] for part in parts], axis=0, weights=counts)
    return tree, losses


def _draws(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    """The groups of a posterior."""
    names = ("posterior", "sample_stats", "encoding", "loo")
    return {name: tree[name].to_dataset() for name in names if name in tree.children}


def _bounds(starts: list[xr.DataTree]) -> dict[str, xr.Dataset]:
    """The group of the bounds of all starts.

    Raises:
        FloatingPointError: if all have diverged.
    """
    elbos = np.concatenate([tree["starts"]["elbo"].to_numpy() for tree in starts])
    if np.isnan(elbos).all():
        raise FloatingPointError(f"all {len(elbos)} starts have diverged")
    return {"starts": xr.Dataset({"elbo": ("start", elbos)})}


def read(path: str | Path, *, guided: bool) -> xr.DataTree:
    """Read such a file whole into memory.

    Args:
        path: of the file.
        guided: whether starts that have not diverged must have left a guide.

    Raises:
        FileError: if it is damaged, or something else.
    """
    kind = "starts of a fit"
    tree = posterior.opened(path, kind, needed=["starts/elbo"])
    if "posterior" not in tree.children:
        return tree
    try:
        if guided:
            sites_of_text(tree["guide"].attrs["sites"])
        posterior.encoding(tree)
        finite = np.isfinite(tree["loss/loss"]).all() and tree["sample_stats"].sizes
    except (KeyError, ValueError) as error:
        raise FileError(path, kind, error) from error
    if not finite:
        raise FileError(path, kind, "its loss is not finite")
    return tree
