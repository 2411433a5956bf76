"""What a posterior remembers of a function, as the prior of an update: safetensors."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import parameters
from .encodings import Encoding
from .errors import FileError
from .parameters import LIKELIHOOD, Site

EXPECTED = "the memory of a posterior"


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
    names = ("inputs", "loading", "target")
    tensors = {name: np.ascontiguousarray(getattr(memory, name)) for name in names}
    parameters.write_tensors(tensors, memory.sites, path, memory.encoding)


def read(path: str | Path) -> Memory:
    """Read a memory.

    Raises:
        FileError: if the file is damaged, foreign, or its parts contradict each other.
    """
    tensors, sites, encoding = parameters.read_tensors(path, EXPECTED)
    own = sum(site.size for site in sites if site.role == LIKELIHOOD)
    for name, dims in {"inputs": 2, "loading": 2, "target": 1}.items():
        if name not in tensors or tensors[name].ndim != dims:
            raise FileError(path, EXPECTED, f"it has no {name} of {dims} dimensions")
        if tensors[name].dtype != np.float32 or not np.isfinite(tensors[name]).all():
            raise FileError(path, EXPECTED, f"{name} is not finite")
    (k, width), (r, d) = tensors["inputs"].shape, tensors["loading"].shape
    if not k or (d - own) % k or d <= own or tensors["target"].shape != (r,):
        raise FileError(path, EXPECTED, "its tensors contradict each other")
    if encoding and width != encoding.width:
        raise FileError(
            path, EXPECTED, f"its inputs are {width}, its encoding has {encoding.width}"
        )
    return Memory(sites, **tensors, encoding=encoding)
