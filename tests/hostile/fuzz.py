"""Read damaged files, and count what comes of random mutations: `fuzz.py --mutations 1000000`.

Every kind of file that jobs read is written small by the workflow's own functions, so that most
of it is structure, and mutated: bits flipped, pieces cut, doubled, spliced, lengths and numbers
replaced by nasty ones, tensors declared to be of other types and shapes; half of the time the
lengths that would give it away are put right. It may then be read all right, or be refused by a
FileError. Everything else is a fault: another exception, a crash, 2 seconds of the processor,
256 MiB besides the file. A mutation is known by kind and number: `--only KIND NUMBER` writes it
to a file and reads it as a job does.

A job reads NetCDF in a child process. Here the worker calls HDF5 itself, and is begun anew when
HDF5 crashes or hangs; the file is then read as a job reads it, and it is a fault only if the job
does not get away with a FileError. `--as-jobs` reads all files so, with a process for each.
"""

import argparse
import faulthandler
import json
import mmap
import os
import random
import re
import resource
import selectors
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import xarray as xr

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow" / "scripts"))

from bnnflow.data import tutorial
from bnnflow.files import (
    arrays,
    losses,
    memories,
    netcdf,
    parameters,
    posterior,
    predictions,
    safe,
    starts,
)
from bnnflow.files.columns import Column
from bnnflow.files.encodings import Encoding
from bnnflow.files.errors import FileError
from bnnflow.judge import chains, findings, meanings, scores, verdicts

SECONDS, MEMORY = netcdf.SECONDS, netcdf.MEMORY
# By the clock, where not even the processor is used.
PATIENCE = 600

# What becomes of a mutation; those from `crashed` on are faults.
READ, REFUSED, CONTAINED, CRASHED, HUNG, MEMORY_OVER = OUTCOMES = (
    *("read all right", "refused", "refused, HDF5 crashed or hung"),
    *("crashed", "hung", "over memory"),
)

NASTY = (0, 1, 2, 3, 7, 8, 64, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1)
NASTY += (2**63, 2**64 - 1, 2**64 - 8)
TOKENS = (b"", b"-1", b"0", b"1e999", b"nan", b"9" * 400, b"-0.0", b"null", b"1_0", b"0x10")
TOKENS += (b'"', b"\0", b"[", b"{", b"[" * 2000, b",", b"\n", b"\xff\xfe")
TOKENS += (b"../../x", b"\x1b[2J", b"<script>")

# Bits of the types that safetensors knows.
BITS = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "C64": 64, "BF16": 16} | {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E8M0", "F8_E4M3", "F8_E5M2"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **{f"{kind}{bits}": bits for bits in (16, 32, 64) for kind in "FIU"},
}

SITES = (
    parameters.Site("layer1.weight", (2, 1), "identity"),
    parameters.Site("sigma", (), "log"),
)


def _written(folder: Path) -> dict[str, tuple[Path, Callable]]:
    """A small file of every kind, and what reads it."""
    at = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return at.normal(size=shape).astype(np.float32)

    def over(variables: dict) -> xr.Dataset:
        sizes = {"point": 5, "quantile": 2, "sample": 2, "replicate": 2, "level": 2, "probe": 3}
        sizes |= {"chain": 1, "left": 1, "draw": 4, "probability": 3}
        sizes |= {"region": 2, "target": 2, "input": 1, "set": 2, "simulation": 3, "below": 2}
        return xr.Dataset(
            {
                name: (dims, normal(*(sizes[dim] for dim in dims)))
                for name, dims in variables.items()
            }
        )

    draws = {"layer1.weight": normal(4, 2, 1), "sigma": abs(normal(4))}
    nuts = {name: normal(4) for name in chains.TRAJECTORY} | {"diverging": normal(4) > 0}
    chain = posterior.of_chain(draws, nuts, {"engine": "compiled"})
    stats = {"lp": normal(4), "log_q": normal(4)}
    encoding = Encoding((Column("x", 0.0, 1.0),), (Column("y", 0.5, 2.0),))
    fitted = posterior.of_chain(draws, stats, {"engine": "pyro"}, encoding)
    whole = posterior.weighted(fitted.copy())
    guide = {"loc": normal(3), "scale": abs(normal(3))}
    guides = {
        "AutoDiagonalNormal": guide,
        "AutoMultivariateNormal": guide | {"scale_tril": np.tril(normal(3, 3))},
        "AutoLowRankMultivariateNormal": guide | {"cov_factor": normal(3, 1)},
    }
    owned = {
        kind: {f"{kind}.{name}": tensor for name, tensor in own.items()}
        for kind, own in guides.items()
    }
    parts = predictions.POINTS, predictions.TRUTH, predictions.SCORED, predictions.PROBED
    names = {
        dim: [f"{dim} {number}" for number in range(2)] for dim in ("region", "target", "set")
    } | {"input": ["x"]}
    grid = over(predictions.GRID).assign_coords(target=names["target"])
    held_out = over({k: dims for part in parts for k, dims in part.items()})
    held_out = held_out.assign({name: held_out[name] > 0 for name in predictions.MASKS})
    held_out = held_out.assign_coords(names)
    table = pd.DataFrame({"x": normal(9), "y": normal(9)})
    loss = pd.DataFrame({"step": range(1, 9), "loss": normal(8)})
    told = (findings.Finding(name, "data", 1.5, 1.0, "warn") for name in meanings.MEANINGS)
    found = findings.table(told, {})
    metrics = pd.DataFrame(
        [("data", name, 1.0, 0.5, np.nan) for name in ("points", "lppd", "crps")],
        columns=scores.COLUMNS,
    )
    summary = pd.DataFrame({"fit": ["a", "b"], "verdict": ["fail", ""], "lppd_data": [1.0, 2.0]})
    made = {
        "chain.nc": (lambda p: posterior.write(chain, p), posterior.read),
        "posterior.nc": (lambda p: posterior.write(whole, p), posterior.read),
        "start.nc": (
            lambda p: posterior.write(
                starts.packed([1.0, np.nan], fitted, normal(6), owned["AutoDiagonalNormal"], SITES),
                p,
            ),
            partial(starts.read, guided=True),
        ),
        "predictions.nc": (lambda p: arrays.write(grid, p), predictions.read),
        "evaluation.nc": (
            lambda p: arrays.write(held_out, p),
            predictions.read_evaluation,
        ),
        **{
            f"{kind}.safetensors": (
                lambda p, own=own: parameters.write_tensors(own, SITES, p),
                parameters.extracted,
            )
            for kind, own in owned.items()
        },
        "parameters.safetensors": (
            lambda p: parameters.write(
                parameters.Parameters(SITES, guide["loc"], guide["scale"], encoding=encoding), p
            ),
            parameters.read,
        ),
        "memory.safetensors": (
            lambda p: memories.write(
                memories.Memory(SITES, normal(3, 1), normal(2, 3), normal(2), encoding), p
            ),
            memories.read,
        ),
        "data.csv": (
            lambda p: safe.write_table(table, p),
            partial(safe.numbers, columns=tutorial.COLUMNS),
        ),
        "loss.csv": (
            lambda p: safe.write_table(loss, p),
            lambda p: losses.read(p, steps=8),
        ),
        "diagnostics.csv": (lambda p: safe.write_table(found, p), verdicts.read),
        "scores.csv": (lambda p: scores.write(metrics, p), scores.read),
        "verdicts.csv": (
            lambda p: safe.write_table(summary.assign(reasons="none"), p),
            verdicts.read_summary,
        ),
    }
    for name, (write, _) in made.items():
        write(folder / name)
    return {name: (folder / name, read) for name, (_, read) in made.items()}


class Mutations:
    """Damaged files of every kind, each known by its kind and number."""

    def __init__(self, folder: Path, seed: int):
        self.seed, files = seed, _written(folder)
        self.readers = {name: read for name, (_, read) in files.items()}
        self.whole = {name: path.read_bytes() for name, (path, _) in files.items()}

    def mutated(self, kind: str, number: int) -> bytes:
        """The file of that number."""
        at = random.Random(f"{self.seed}/{kind}/{number}")
        data = bytearray(self.whole[kind])
        changes = OF_SAFETENSORS if kind.endswith(".safetensors") else CHANGES
        for _ in range(at.choice((1, 1, 1, 2, 4))):
            at.choice(changes)(at, data, self.whole[at.choice(list(self.whole))])
        if at.random() < 0.5:
            _put_right(kind, data)
        return bytes(data)


def _flip(at: random.Random, data: bytearray, other: bytes) -> None:
    for _ in range(at.randint(1, 8)):
        if data:
            data[at.randrange(len(data))] ^= 1 << at.randrange(8)


def _cut(at: random.Random, data: bytearray, other: bytes) -> None:
    del data[at.randint(0, len(data)) :]


def _insert(at: random.Random, data: bytearray, other: bytes) -> None:
    place = at.randint(0, len(data))
    data[place:place] = at.randbytes(at.choice((1, 2, 8, 100, 5000)))


def _delete(at: random.Random, data: bytearray, other: bytes) -> None:
    start, stop = _piece(at, data)
    del data[start:stop]


def _double(at: random.Random, data: bytearray, other: bytes) -> None:
    start, stop = _piece(at, data)
    place = at.randint(0, len(data))
    data[place:place] = data[start:stop]


def _overwrite(at: random.Random, data: bytearray, other: bytes) -> None:
    start, stop = _piece(at, data)
    place = at.randint(0, len(data))
    data[place : place + stop - start] = data[start:stop]


def _splice(at: random.Random, data: bytearray, other: bytes) -> None:
    start, stop = _piece(at, other)
    place = at.randint(0, len(data))
    data[place : place + stop - start] = other[start:stop]


def _blank(at: random.Random, data: bytearray, other: bytes) -> None:
    start, stop = _piece(at, data)
    data[start:stop] = at.choice((b"\0", b"\xff")) * (stop - start)


def _number(at: random.Random, data: bytearray, other: bytes) -> None:
    """A length, an address, a type: in HDF5 mostly at multiples of 4."""
    width = at.choice((1, 2, 4, 8))
    place = at.randint(0, max(0, len(data) - width))
    place -= place % at.choice((1, 4, 8))
    value = at.choice((*NASTY, len(data), len(data) - 1, at.randint(0, len(data))))
    data[place : place + width] = (value % 256**width).to_bytes(width, "little")


def _near(at: random.Random, data: bytearray, other: bytes) -> None:
    """A byte that is not 0 nearly what it was."""
    for _ in range(20):
        if data and data[place := at.randrange(len(data))]:
            data[place] = (data[place] + at.choice((-1, 1))) % 256
            return


def _token(at: random.Random, data: bytearray, other: bytes) -> None:
    """A number or a word in text."""
    word = re.compile(rb"[\w.+-]+")
    if count := sum(1 for _ in word.finditer(data)):
        start, stop = next(islice(word.finditer(data), at.randrange(count), None)).span()
        data[start:stop] = at.choice(TOKENS)


def _declared(at: random.Random, data: bytearray, other: bytes) -> None:
    """A tensor of the same bytes, of another type or shape."""
    try:
        end = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:end])
        tensor = header[at.choice([name for name in header if name != "__metadata__"])]
        start, stop = tensor["data_offsets"]
        if at.random() < 0.5:
            tensor["dtype"] = at.choice(list(BITS))
        shape = [(stop - start) * 8 // BITS[tensor["dtype"]]]
        for _ in range(at.choice((0, 1, 1, 2, 3, 40))):
            factor = at.choice((1, 1, 2, 3, shape[0] or 1))
            shape[0] //= factor
            shape.insert(at.randint(0, len(shape)), factor)
        tensor["shape"] = shape
        text = json.dumps(header).encode()
    except (ValueError, LookupError, TypeError, ArithmeticError, RecursionError):
        return  # an earlier change has left no header
    data[:end] = len(text).to_bytes(8, "little") + text


CHANGES = (_flip, _cut, _insert, _delete, _double, _overwrite, _splice, _blank)
CHANGES += (_number, _number, _near, _near, _token, _flip)
OF_SAFETENSORS = (*CHANGES, _declared, _declared, _declared, _declared)


def _piece(at: random.Random, data: bytes) -> tuple[int, int]:
    start = at.randint(0, len(data))
    return start, min(len(data), start + at.choice((1, 4, 8, 16, 40, 200, 2000)))


def _put_right(kind: str, data: bytearray) -> None:
    """Lengths by which a change of the size would show at once."""
    if kind.endswith(".nc") and data[8:9] == b"\0":
        data[40:48] = len(data).to_bytes(8, "little")
    elif kind.endswith(".safetensors") and (end := data.rfind(b"}")) > 8:
        data[:8] = (end - 7).to_bytes(8, "little")
    elif kind.endswith(".csv") and not data.endswith(b"\n"):
        data += b"\n"


def outcome(read: Callable, path: Path) -> tuple[str, str]:
    """What becomes of a file that is read, and why."""
    try:
        read(path)
    except FileError as error:
        return REFUSED, str(error)
    except MemoryError as error:
        return MEMORY_OVER, repr(error)
    except Exception as error:  # a fault of any kind is what is looked for
        return CRASHED, repr(error)
    return READ, ""


def _in_this_process(path: str, memory: mmap.mmap, size: int) -> dict:
    return netcdf.contents(path, memory, size)


def _work(mutations: Mutations, kind: str, numbers: range, as_jobs: bool, pipe: int) -> None:
    """Read these mutations, and write a letter for the outcome of each to the pipe."""
    faulthandler.disable()
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    pages = int(Path("/proc/self/statm").read_bytes().split()[0])
    limit = pages * mmap.PAGESIZE + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer = netcdf._answer if as_jobs else _in_this_process
    with tempfile.TemporaryDirectory() as folder, patch.object(netcdf, "_answer", answer):
        path = Path(folder, kind)
        for number in numbers:
            path.write_bytes(mutations.mutated(kind, number))
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            signal.setitimer(signal.ITIMER_REAL, PATIENCE)
            found, _ = outcome(mutations.readers[kind], path)
            os.write(pipe, bytes([OUTCOMES.index(found)]))


class _Worker:
    """A process that reads mutations of one kind, and is begun anew after each that ends it."""

    def __init__(self, mutations: Mutations, kind: str, numbers: range, as_jobs: bool):
        self.mutations, self.kind, self.numbers, self.as_jobs = mutations, kind, numbers, as_jobs
        self.counts, self.faults, self.seconds = Counter(), [], 0.0
        self._begin()

    def _begin(self) -> None:
        self.pipe, theirs = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            try:
                os.close(self.pipe)
                _work(self.mutations, self.kind, self.numbers, self.as_jobs, theirs)
            finally:
                os._exit(0)
        os.close(theirs)

    def heard(self) -> bool:
        """Take what the process says; whether there is more to come."""
        said = os.read(self.pipe, 1 << 16)
        for letter in said:
            self._count(OUTCOMES[letter])
        if said:
            return True
        os.close(self.pipe)
        _, status, used = os.wait4(self.process, 0)
        self.seconds += used.ru_utime + used.ru_stime
        if self.numbers:
            self._count(self._ended(-os.waitstatus_to_exitcode(status)))
        if self.numbers:
            self._begin()
        return bool(self.numbers)

    def _count(self, found: str) -> None:
        self.counts[found] += 1
        if OUTCOMES.index(found) >= OUTCOMES.index(CRASHED):
            self.faults.append((self.kind, self.numbers[0]))
        self.numbers = self.numbers[1:]

    def _ended(self, by: int) -> str:
        """What becomes of the mutation at which the process has ended by a signal."""
        if self.kind.endswith(".nc") and not self.as_jobs:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, self.kind)
                path.write_bytes(self.mutations.mutated(self.kind, self.numbers[0]))
                found, _ = outcome(self.mutations.readers[self.kind], path)
            return CONTAINED if found == REFUSED else found
        return HUNG if by in (signal.SIGPROF, signal.SIGALRM) else CRASHED


def campaign(
    mutations: Mutations, count: int, workers: int, as_jobs: bool = False
) -> Iterator[tuple[str, Counter, list, float]]:
    """Read so many mutations of all kinds together.

    Yields for every kind: its name, how often each outcome was, the numbers of the faults, and
    the seconds of the processor that it took.
    """
    each = -(-count // len(mutations.whole))
    waiting = list(mutations.whole)
    selector = selectors.DefaultSelector()
    while waiting or selector.get_map():
        while waiting and len(selector.get_map()) < workers:
            worker = _Worker(mutations, waiting.pop(0), range(each), as_jobs)
            selector.register(worker.pipe, selectors.EVENT_READ, worker)
        for key, _ in selector.select():
            worker = key.data
            selector.unregister(key.fd)
            if worker.heard():
                selector.register(worker.pipe, selectors.EVENT_READ, worker)
            else:
                yield worker.kind, worker.counts, worker.faults, worker.seconds


def main() -> int:
    """Print the table; 1 if there were faults."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mutations", type=int, default=100_000, help="in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--as-jobs", action="store_true", help="NetCDF in a process for each file")
    parser.add_argument("--only", nargs=2, metavar=("KIND", "NUMBER"), help="one of them")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        mutations = Mutations(Path(folder), given.seed)
    if given.only:
        kind, number = given.only
        path = Path(f"{number}-{kind}")
        path.write_bytes(mutations.mutated(kind, int(number)))
        print(path, *outcome(mutations.readers[kind], path), sep="\n")
        return 0
    print("| kind | mutations |", *(f"{name} |" for name in OUTCOMES), "a second of a core |")
    print("| --- |" + " ---: |" * (len(OUTCOMES) + 2))
    total, faults, used, began = Counter(), [], 0.0, time.monotonic()
    run = campaign(mutations, given.mutations, given.workers, given.as_jobs)
    for kind, counts, wrong, seconds in run:
        total, faults, used = total + counts, faults + wrong, used + seconds
        _print_row(kind, counts, seconds)
    _print_row("all", total, used)
    print(f"\n{time.monotonic() - began:.0f} s with {given.workers} workers, seed {given.seed}")
    for kind, number in faults:
        print(f"fault: --seed {given.seed} --only {kind} {number}")
    return bool(faults)


def _print_row(kind: str, counts: Counter, seconds: float) -> None:
    numbers = (
        counts.total(),
        *(counts[name] for name in OUTCOMES),
        round(counts.total() / seconds),
    )
    print(f"| {kind} |", *(f"{number} |" for number in numbers), flush=True)


if __name__ == "__main__":
    sys.exit(main())
