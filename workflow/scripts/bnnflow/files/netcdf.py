"""NetCDF files as the workflow writes them, and no others, read where HDF5 can do no harm.

HDF5 is a format of many features, among them links to other files and code for filters, and its
library was not made for damaged files: it can crash, run without end and ask for any memory. So
a file is read by a copy of the process with limits, and only what the workflow's own files have
is read: groups of arrays of numbers, each stored whole, no larger together than the file.
"""

import faulthandler
import json
import math
import mmap
import os
import resource
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import xarray as xr

from . import safe
from .errors import FileError

Groups = dict[str, xr.Dataset]

# What a file may cost besides the memory of its content: bytes, seconds of the processor at the
# least, and bytes a second.
MEMORY, SECONDS, SPEED = 256 << 20, 2, 20 << 20

# The most that a file may hold of these, and the largest attribute in bytes.
VARIABLES, ATTRIBUTE = 10_000, 1 << 16

# Arrays begin at multiples of so many bytes.
ALIGNED = 64

# Attributes by which NetCDF keeps dimensions.
STRUCTURE = {"CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "_NCProperties"}
STRUCTURE |= {"_Netcdf4Dimid", "_Netcdf4Coordinates", "_nc3_strict"}
# How the name of a dimension without values begins.
BARE = "This is a netCDF dimension but not a netCDF variable"
TOO_LARGE = "reading it takes too much memory"
# In which coordinates of texts have these, as JSON.
LABELS = "labels"
READER = "the process that reads it was ended"
# By which a process ends when it does what it must not.
CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL}
CRASHES |= {signal.SIGSYS, signal.SIGTRAP}
# By which values would have to be decoded.
ENCODING = {"scale_factor", "add_offset", "missing_value", "_Unsigned"}


def write(content: xr.Dataset | xr.DataTree, path: str | Path) -> None:
    """Write a data set, or a tree of them; coordinates of texts as numbers with labels."""
    if isinstance(content, xr.Dataset):
        content = content.assign_coords(dict(_numbered(content)))
    with safe.whole(path) as part:
        # From memory, because HDF5 can crash where a disk is full.
        part.write_bytes(content.to_netcdf(engine="h5netcdf"))


def read(path: str | Path, expected: str) -> Groups:
    """Read a file whole into memory: for every group, the root's name empty, a data set.

    Args:
        path: of the file.
        expected: what it should be, for the error.

    Raises:
        FileError: if the file is damaged, or has what the workflow's files do not have.
    """
    with safe.opened(path, expected) as file:
        size = file.seek(0, os.SEEK_END)
        if reason := _incomplete(file, size):
            raise FileError(path, expected, reason)
    memory = mmap.mmap(-1, size + ALIGNED * VARIABLES)
    answer = _answer(str(path), memory, size)
    if "reason" in answer:
        raise FileError(path, expected, answer["reason"])
    try:
        return {group: _dataset(content, memory) for group, content in answer["groups"].items()}
    except ValueError as error:  # dimensions of several sizes
        raise FileError(path, expected, error) from error


def _numbered(content: xr.Dataset) -> Iterator[tuple[str, tuple]]:
    """Coordinates of texts as places among them, which are an attribute."""
    for name, values in content.coords.items():
        if values.dtype.kind in "UO":
            labels = json.dumps(values.to_numpy().tolist(), ensure_ascii=False)
            yield name, (values.dims, np.arange(values.size), {LABELS: labels})


def _labelled(text: str, count: int) -> np.ndarray:
    """The texts of a coordinate of so many places.

    Raises:
        ValueError: if the attribute is something else.
    """
    labels = json.loads(text)
    if not (isinstance(labels, list) and all(isinstance(one, str) for one in labels)):
        raise ValueError("the labels of a coordinate are no texts")
    if len(labels) != count:
        raise ValueError(f"a coordinate of {count} places has {len(labels)} labels")
    return np.array(labels)


def _incomplete(file, size: int) -> str | None:
    """Why a file cannot be HDF5, or the whole of it: by its superblock."""
    file.seek(0)
    start = file.read(64).ljust(64, b"\0")
    if start[:8] != b"\x89HDF\r\n\x1a\n":
        return "it is no NetCDF file"
    version = start[8]
    place = {0: 40, 2: 28, 3: 28}.get(version)
    if place is None or start[13 if version == 0 else 9] != 8:
        return "its superblock is not of the workflow's kind"
    end = int.from_bytes(start[place : place + 8], "little")
    return None if end == size else f"it has {size} bytes, and should have {end}"


def _answer(path: str, memory: mmap.mmap, size: int) -> dict:
    """What a child process finds in the file, with the arrays in the memory; or why it does not.

    A process of its own, because a crash of HDF5 ends only that, and limits hold for it alone.
    """
    ours, theirs = os.pipe()
    with warnings.catch_warnings():
        # Of threads, which the child does without: it calls HDF5 and ends.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _answer_and_end(theirs, path, memory, size)
    os.close(theirs)
    try:
        with os.fdopen(ours, "rb") as pipe:
            text = pipe.read()
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if ended == -signal.SIGXCPU:
        return {"reason": "reading it takes too long"}
    if ended < 0:
        name = signal.Signals(-ended).name
        crashes = -ended in CRASHES
        return {"reason": f"HDF5 crashes on it ({name})" if crashes else f"{READER} by {name}"}
    return json.loads(text) if text else {"reason": f"{READER} without a word"}


def _answer_and_end(pipe: int, path: str, memory: mmap.mmap, size: int) -> None:
    """Write what is in the file, or what went wrong, into the pipe, and end the process."""
    no_memory = json.dumps({"reason": TOO_LARGE}).encode()
    try:
        try:
            _limit(size)
            text = json.dumps(contents(path, memory, size)).encode()
        except MemoryError:
            text = no_memory
        except Exception as error:
            said = f"{READER}: {type(error).__name__}: {error}"
            text = json.dumps({"reason": said}).encode()
        while text:
            text = text[os.write(pipe, text) :]
    finally:
        os._exit(0)


def _limit(size: int) -> None:
    """Bound what this process can do, and silence what C libraries say when they crash."""
    faulthandler.disable()
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nothing, stream)
    while h5py.h5pl.size():  # places of filters' code
        h5py.h5pl.remove(0)
    seconds = SECONDS + size // SPEED
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CPU: seconds}
    pages = Path("/proc/self/statm")
    if pages.exists():  # on Linux, where alone this limit is kept
        used = int(pages.read_bytes().split()[0]) * mmap.PAGESIZE
        limits[resource.RLIMIT_AS] = used + MEMORY
    for kind, limit in limits.items():
        # At the hard limit of time a process is killed without a word.
        soft, hard = map(_lower, (limit, limit + 1), resource.getrlimit(kind))
        resource.setrlimit(kind, (soft, hard))


def _lower(limit: int, present: int) -> int:
    """The lower of two limits: only root may raise one again that has been lowered."""
    return limit if present == resource.RLIM_INFINITY else min(limit, present)


def contents(path: str, memory: mmap.mmap, size: int) -> dict:
    """What a file of that size holds, its arrays in the memory; or the reason why not.

    Calls HDF5 in this process, which is for files of one's own, and for tests.
    """
    try:
        with h5py.File(path, "r") as file:
            groups = dict(_groups(file))
            _fill(memory, size, [v for g in groups.values() for v in g["variables"].values()])
            return {"groups": groups}
    except _RefusedError as error:
        return {"reason": str(error)}
    except (MemoryError, RecursionError):
        return {"reason": TOO_LARGE}
    except Exception as error:  # of HDF5 and h5py on damaged files there is no end of kinds
        return {"reason": " ".join(f"{type(error).__name__}: {error}".split())[:300]}


class _RefusedError(Exception):
    """A file has what the workflow's files do not have."""


def _fill(memory: mmap.mmap, size: int, variables: list[dict]) -> None:
    """Read the variables into the memory, and say where instead of what."""
    if len(variables) > VARIABLES or sum(each["bytes"] for each in variables) > size:
        raise _RefusedError("its arrays are larger than the file, or too many")
    end = 0
    for each in variables:
        each["place"] = end
        stored, shape = each.pop("stored"), each["shape"]
        if count := math.prod(shape):
            stored.read_direct(np.frombuffer(memory, each["type"], count, end).reshape(shape))
        end += -(-each.pop("bytes") // ALIGNED) * ALIGNED


def _groups(file: h5py.File) -> Iterator[tuple[str, dict]]:
    members = _members(file)
    groups = {name: part for name, part in members.items() if isinstance(part, h5py.Group)}
    root = {name: part for name, part in members.items() if name not in groups}
    yield "", _content(file, root)
    for name, group in groups.items():
        yield name, _content(group, _members(group))


def _members(group: h5py.Group) -> dict[str, h5py.HLObject]:
    members = {}
    for name in group:
        if not safe.is_name(name) or len(members) == VARIABLES:
            raise _RefusedError(f"it has the name {name[:80]!r}, or too many")
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise _RefusedError(f"{name} is a link to something else")
        members[name] = group[name]
    return members


def _content(group: h5py.Group, members: dict[str, h5py.HLObject]) -> dict:
    """Attributes and variables of a group."""
    variables = {}
    for name, member in members.items():
        if not isinstance(member, h5py.Dataset):
            raise _RefusedError(f"{name} is neither a group in the root nor a variable")
        if not str(_attribute(member, "NAME")).startswith(BARE):
            variables[name] = _variable(name, member, group.name.rstrip("/") + "/")
    return {"attributes": _attributes(group), "variables": variables}


def _variable(name: str, stored: h5py.Dataset, folder: str) -> dict:
    kind, plan = stored.id.get_type(), stored.id.get_create_plist()
    if kind.get_class() not in (h5py.h5t.INTEGER, h5py.h5t.FLOAT) or kind.get_size() > 8:
        raise _RefusedError(f"{name} is of the type {kind.dtype}")
    whole = plan.get_layout() in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT)
    if not whole or plan.get_nfilters() or plan.get_external_count():
        raise _RefusedError(f"{name} is stored in parts, filtered or in another file")
    size = math.prod(stored.shape) * kind.get_size()
    if stored.id.get_storage_size() != size:  # HDF5 would make up any amount
        raise _RefusedError(f"of {name} not everything is stored")
    attributes = _attributes(stored)
    if ENCODING & set(attributes) or not _is_nan(attributes.pop("_FillValue", math.nan)):
        raise _RefusedError(f"{name} is encoded")
    return {
        "stored": stored,
        "bytes": math.prod(stored.shape) * stored.dtype.itemsize,
        "type": stored.dtype.newbyteorder("=").str,
        "shape": stored.shape,
        "dims": _dims(name, stored, folder),
        "attributes": attributes,
    }


def _dims(name: str, stored: h5py.Dataset, folder: str) -> list[str]:
    """Names of the dimensions, which are members of the variable's group."""
    if _attribute(stored, "CLASS") == "DIMENSION_SCALE":
        return [name]
    if not stored.shape:
        return []
    links = _attribute(stored, "DIMENSION_LIST")
    if links is None or len(links) != len(stored.shape):
        raise _RefusedError(f"{name} has other dimensions than its shape")
    dims = [h5py.h5r.get_name(one, stored.id).decode() for (one,) in links]
    if not all(dim.startswith(folder) and safe.is_name(dim[len(folder) :]) for dim in dims):
        raise _RefusedError(f"{name} has the dimensions {dims}")
    return [dim[len(folder) :] for dim in dims]


def _attributes(part: h5py.HLObject) -> dict:
    """Texts and numbers, without what only keeps the structure of NetCDF."""
    names = [name for name in part.attrs if name not in STRUCTURE]
    if wrong := [name for name in names if not safe.is_name(name)]:
        raise _RefusedError(f"it has the name {wrong[0][:80]!r}")
    return {name: _attribute(part, name) for name in names}


def _attribute(part: h5py.HLObject, name: str):
    if name not in part.attrs:
        return None
    stored = part.attrs.get_id(name)
    if stored.get_storage_size() > ATTRIBUTE or math.prod(stored.shape) > ATTRIBUTE:
        raise _RefusedError(f"the attribute {name} is too large")
    value = part.attrs[name]
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "iuf":
        return value.item() if value.size == 1 else value.tolist()
    if isinstance(value, str) or name == "DIMENSION_LIST":
        return value
    raise _RefusedError(f"the attribute {name} is neither text nor numbers")


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _dataset(content: dict, memory: mmap.mmap) -> xr.Dataset:
    variables, coordinates = {}, set()
    for name, each in content["variables"].items():
        values = np.frombuffer(memory, each["type"], math.prod(each["shape"]), each["place"])
        attributes = each["attributes"]
        if attributes.pop("dtype", None) == "bool":
            values = values.astype(bool)
        if LABELS in attributes:
            values = _labelled(attributes.pop(LABELS), values.size)
        coordinates |= {*str(attributes.pop("coordinates", "")).split()} & set(content["variables"])
        variables[name] = (each["dims"], values.reshape(each["shape"]), attributes)
    coordinates |= {name for name, (dims, *_) in variables.items() if list(dims) == [name]}
    return xr.Dataset(
        {name: each for name, each in variables.items() if name not in coordinates},
        {name: each for name, each in variables.items() if name in coordinates},
        content["attributes"],
    )
