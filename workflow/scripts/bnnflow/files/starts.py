"""The file of starts of a variational fit: the bound of each, and the best in full."""

from pathlib import Path

import numpy as np
import xarray as xr

from . import posterior
from .errors import FileError
from .parameters import Site, sites_as_text, sites_of_text


def packed(
    elbos: list[float],
    tree: xr.DataTree | None = None,
    guide: dict[str, np.ndarray] | None = None,
    sites: tuple[Site, ...] = (),
    losses: np.ndarray | None = None,
) -> xr.DataTree:
    """Starts that were fitted together, with what the best of them has left.

    Args:
        elbos: the bound at the end of each start in nats, not a number for one that diverged.
        tree: the posterior of the best, if one has not diverged.
        guide: its fitted guide as Pyro stores it.
        sites: that the guide covers, in the model's order.
        losses: of its steps, (steps,), in nats.
    """
    packed = tree.copy() if tree is not None else xr.DataTree()
    packed["starts"] = xr.DataTree(xr.Dataset({"elbo": ("start", np.array(elbos, dtype=float))}))
    if tree is not None:
        own = {
            name: ([f"{name}_dim_{i}" for i in range(array.ndim)], array)
            for name, array in guide.items()
        }
        facts = {"sites": sites_as_text(sites)}
        packed["guide"] = xr.DataTree(xr.Dataset(own, attrs=facts))
        packed["loss"] = xr.DataTree(xr.Dataset({"loss": ("step", losses)}))
    return packed


def best(
    starts: list[xr.DataTree],
) -> tuple[xr.DataTree, dict[str, np.ndarray], tuple[Site, ...], np.ndarray]:
    """The posterior of the best of all starts, with the bounds of all; its guide, sites and loss.

    Raises:
        FloatingPointError: if all have diverged.
    """
    elbos = [tree["starts"]["elbo"].to_numpy() for tree in starts]
    ended = [np.max(np.nan_to_num(part, nan=-np.inf)) for part in elbos]
    chosen = starts[int(np.argmax(ended))]
    if max(ended) == -np.inf:
        raise FloatingPointError(f"all {sum(map(len, elbos))} starts have diverged")
    kept = [name for name in ("posterior", "sample_stats", "encoding") if name in chosen]
    tree = xr.DataTree.from_dict(
        {name: chosen[name].to_dataset() for name in kept}
        | {"starts": xr.Dataset({"elbo": ("start", np.concatenate(elbos))})}
    )
    guide = {name: array.to_numpy() for name, array in chosen["guide"].data_vars.items()}
    sites = sites_of_text(chosen["guide"].attrs["sites"])
    return posterior.weighted(tree), guide, sites, chosen["loss"]["loss"].to_numpy()


def read(path: str | Path) -> xr.DataTree:
    """Read such a file whole into memory.

    Raises:
        FileError: if it is damaged, or something else.
    """
    kind = "starts of a fit"
    tree = posterior.opened(path, kind, needed=["starts/elbo"])
    if "posterior" not in tree.children:
        return tree
    try:
        sites_of_text(tree["guide"].attrs["sites"])
        posterior.encoding(tree)
        finite = np.isfinite(tree["loss/loss"]).all() and tree["sample_stats"].sizes
    except (KeyError, ValueError) as error:
        raise FileError(path, kind, error) from error
    if not finite:
        raise FileError(path, kind, "its loss is not finite")
    return tree
