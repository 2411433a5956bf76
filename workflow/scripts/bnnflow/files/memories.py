"""What a posterior remembers of a function, as the prior of an update: safetensors."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import parameters
from .encodings import Encoding
from .errors import FileError
from .parameters import LIKELIHOOD, Site

EXPECTED = "the memory of a posterior"

# Of its tensors.
DIMENSIONS = {"inputs": 2, "loading": 2, "target": 1}


@dataclass(frozen=True)
class Memory:
    """A normal distribution of what a network says at some inputs.

    A statistic s has the network's outputs at the inputs, of one output after another, and then
    the likelihood's own sites, without constraints, in the order of their names. The memory is that
    loading s - target is standard normal. Arrays are in single precision.

    Attributes:
        sites: of the model, in its order.
        inputs: encoded, (k, width).
        loading: (r, d).
        target: (r,).
        encoding: of the data from which it has been learnt, which is that of an update, too.
    """

    sites: tuple[Site, ...]
    inputs: np.ndarray
    loading: np.ndarray
    target: np.ndarray
    encoding: Encoding | None = None


def write(memory: Memory, path: str | Path) -> None:
    """Write; sites and encoding as metadata."""
    tensors = {name: np.ascontiguousarray(getattr(memory, name)) for name in DIMENSIONS}
    parameters.write_tensors(tensors, memory.sites, path, memory.encoding)


def read(path: str | Path) -> Memory:
    """Read a memory.

    Raises:
        FileError: if the file is damaged, foreign, or its parts contradict each other.
    """
    tensors, sites, encoding = parameters.read_tensors(path, EXPECTED)
    own = sum(site.size for site in sites if site.role == LIKELIHOOD)
    if foreign := tensors.keys() - DIMENSIONS:
        raise FileError(path, EXPECTED, f"it has {sorted(foreign)}")
    for name, dims in DIMENSIONS.items():
        if name not in tensors or tensors[name].ndim != dims:
            raise FileError(path, EXPECTED, f"it has no {name} of {dims} dimensions")
        if tensors[name].dtype != np.float32:
            raise FileError(path, EXPECTED, f"{name} is not of single precision")
        if not np.isfinite(tensors[name]).all():
            raise FileError(path, EXPECTED, f"{name} is not finite")
    if reason := _contradiction(**tensors, own=own, encoding=encoding):
        raise FileError(path, EXPECTED, reason)
    return Memory(sites, **tensors, encoding=encoding)


def _contradiction(
    inputs: np.ndarray,
    loading: np.ndarray,
    target: np.ndarray,
    own: int,
    encoding: Encoding | None,
) -> str:
    """Which shapes do not fit each other, in a sentence; empty where all do."""
    (k, width), (r, d) = inputs.shape, loading.shape
    if len(target) != r:
        return f"target has {len(target)} entries, loading {r} rows"
    if not k:
        return "inputs has no rows"
    if d <= own or (d - own) % k:
        return (
            f"loading has {d} columns, of which {own} are the likelihood's; {d - own} are not as"
            f" many for each of {k} inputs"
        )
    if encoding and width != encoding.width:
        return f"inputs has {width} columns, the encoding {encoding.width}"
    return ""
