"""Checkpoints: the state of a long fit in a file, from which it goes on when it was stopped."""

import hashlib
import json
import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pyro
import torch
from safetensors.torch import save
from torch import Tensor

from ..density import native
from ..density.log_density import LogDensity
from ..files import safe
from ..files.errors import FileError
from ..jobs import log

Tensors = dict[str, Tensor]

# After which a fit keeps its state before it ends.
STOPS = signal.SIGTERM, signal.SIGINT

# What writing may take of a fit's time.
SHARE = 0.01


@dataclass(frozen=True)
class Checkpoint:
    """Where a fit keeps its state, and how often.

    Attributes:
        path: of the file.
        facts: what determines the fit besides the density's data and the settings that the
            fitting function is given, such as model, prior and code; of types that JSON has. The
            state of a fit of other facts is not taken up.
        seconds: from one write to the next; longer where writing would take more than a hundredth
            of the time.
    """

    path: Path
    facts: object = None
    seconds: float = 60.0

    def remove(self) -> None:
        """Remove the file, once the result is written."""
        for path in (self.path, self.unfinished):
            path.unlink(missing_ok=True)

    @property
    def unfinished(self) -> Path:
        """The file while it is written; it then takes the place of the one before."""
        return self.path.with_name(f"{self.path.name}.new")


def of_job(snakemake) -> Checkpoint:
    """Beside a job's first output; its facts are the job's params and what its inputs hold."""
    inputs = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in snakemake.input]
    facts = {"params": dict(snakemake.params.items()), "inputs": inputs}
    return Checkpoint(Path(snakemake.output[0]).with_suffix(".checkpoint"), facts)


@contextmanager
def followed(
    checkpoint: Checkpoint | None, density: LogDensity, *facts: object
) -> Iterator["Progress"]:
    """The progress of a fit, as far as a checkpoint says.

    Within, SIGTERM, which schedulers send some seconds before they kill, and SIGINT, which Ctrl-C
    sends, wait for the step to end; the state is then written, and the fit stopped.

    Args:
        checkpoint: None if no state is to be kept.
        density: of the fit, whose engine is settled.
        facts: whatever else determines the fit, tensors or of types that JSON has.
    """
    progress = Progress(checkpoint, density, facts)
    # Other threads than the first cannot set handlers.
    if checkpoint is None or threading.current_thread() is not threading.main_thread():
        yield progress
        return
    others = {number: signal.getsignal(number) for number in STOPS}
    for number, other in others.items():
        if other != signal.SIG_IGN:
            signal.signal(number, progress.terminate)
    try:
        yield progress
    finally:
        for number, other in others.items():
            signal.signal(number, other)


class Progress:
    """The state of a fit between its steps, with a checkpoint or without one."""

    def __init__(self, checkpoint: Checkpoint | None, density: LogDensity, facts: tuple):
        self._checkpoint = checkpoint
        self._terminated: int | None = None
        self._tensors: Tensors = {}
        self._next = math.inf
        if checkpoint is not None:
            known = {
                "facts": checkpoint.facts,
                "engine": density.engine,
                "sites": [asdict(site) for site in density.sites],
                "versions": [torch.__version__, pyro.__version__],
                "threads": torch.get_num_threads(),
            }
            self._identity = _digest(known, *density.data, *facts)
            self._processor = _digest(native.processor(), density.facts.get("gpu"))
            self._tensors = _read(checkpoint.path, self._identity, self._processor)
            self._next = time.monotonic() + checkpoint.seconds

    def saved(self, part: str = "") -> Tensors:
        """What was last saved of a part, by this process or by an earlier one; empty at first."""
        found = {name: t for name, t in self._tensors.items() if name.startswith(part)}
        return {name.removeprefix(part): tensor for name, tensor in found.items()}

    def done(self, part: str = "") -> int:
        """How many steps of a part were done when it was last saved."""
        return int(self._tensors.get(f"{part}step", 0))

    def due(self) -> bool:
        """Whether it is time to save."""
        return self._terminated is not None or time.monotonic() >= self._next

    def save(self, step: int, tensors: Tensors, part: str = "") -> None:
        """Write the state of a part, with those of the others; does nothing without checkpoint.

        Args:
            step: how many steps are done.
            tensors: what the fit needs to go on. They must not change afterwards.
            part: what the names begin with, where a fit consists of several.

        Raises:
            SystemExit: if SIGTERM or SIGINT has come, after writing.
        """
        if self._checkpoint is None:
            return
        tensors = tensors | {"step": torch.tensor(step)}
        self._tensors |= {f"{part}{name}": tensor for name, tensor in tensors.items()}
        begin = time.monotonic()
        written = self._written()
        if self._terminated is not None:
            name = signal.Signals(self._terminated).name
            kept = f"{self._checkpoint.path} keeps its state, and the same command goes on from it"
            lost = "its state could not be written, and the same command begins anew"
            log.error("stopped by %s after step %d; %s", name, step, kept if written else lost)
            raise SystemExit(128 + self._terminated)
        end = time.monotonic()
        self._next = end + max(self._checkpoint.seconds, (end - begin) / SHARE)

    def terminate(self, number: int, _: object) -> None:
        """Stop at the next occasion to save, which is now; a handler of signals."""
        self._terminated = number

    def _written(self) -> bool:
        """Whether the state could be written; a fit does not fail where it cannot."""
        content = {
            "identity": self._identity,
            "content": _digest_of(self._tensors),
            "processor": self._processor,
        }
        try:
            _replace(self._checkpoint, save(self._tensors, content))
        except OSError as error:
            log.warning("no checkpoint could be written: %s", error)
            with suppress(OSError):
                self._checkpoint.unfinished.unlink()
            return False
        return True


def _replace(checkpoint: Checkpoint, content: bytes) -> None:
    """Write a file so that at any moment there is a whole one under its name, or none."""
    with checkpoint.unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    checkpoint.unfinished.replace(checkpoint.path)


def _read(path: Path, identity: str, processor: str) -> Tensors:
    """The tensors of a checkpoint, or none if it is not there, damaged, or another fit's."""
    if not path.exists():
        return {}
    try:
        found, facts = safe.safetensors(path, "a checkpoint", "pt")
    except FileError as error:
        log.warning("%s is no checkpoint (%s); the fit begins anew", path, error.reason)
        return {}
    # Copies, which lie in memory as any tensor does and not as in the file.
    tensors = {name: tensor.clone() for name, tensor in found.items()}
    if facts.get("content") != _digest_of(tensors):
        log.warning("%s is damaged; the fit begins anew", path)
        return {}
    if facts.get("identity") != identity:
        log.info("%s is of other settings, data or code; the fit begins anew", path)
        return {}
    log.info("goes on from %s", path)
    if facts.get("processor") != processor:
        log.info("which another processor has written: numbers may differ by rounding from those")
    return tensors


def _digest_of(tensors: Tensors) -> str:
    return _digest(*(part for name in sorted(tensors) for part in (name, tensors[name])))


def _digest(*facts: object) -> str:
    sums = hashlib.sha256()
    for fact in facts:
        if isinstance(fact, Tensor):
            sums.update(f"{fact.dtype} {tuple(fact.shape)} ".encode())
            sums.update(fact.detach().contiguous().reshape(-1).view(torch.uint8).numpy())
        else:
            sums.update(json.dumps(fact, sort_keys=True).encode())
        sums.update(b"\0")
    return sums.hexdigest()
