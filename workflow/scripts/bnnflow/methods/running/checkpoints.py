"""Checkpoints: the state of a long fit in a file, from which it goes on when it was stopped."""

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pyro
import torch
from safetensors.torch import save
from torch import Tensor

from ...density import native
from ...density.log_density import LogDensity
from ...files import safe
from ...files.errors import FileError
from ...jobs import log

Tensors = dict[str, Tensor]


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


class Kept:
    """The file of a checkpoint, for one run of a method and no other.

    Args:
        checkpoint: its place.
        density: that the method works on, whose engine is settled.
        facts: whatever else determines the run, tensors or of types that JSON has.
    """

    def __init__(self, checkpoint: Checkpoint, density: LogDensity, facts: Iterable[object]):
        self.checkpoint = checkpoint
        known = {
            "facts": checkpoint.facts,
            "engine": density.engine,
            "sites": [asdict(site) for site in density.sites],
            "versions": [torch.__version__, pyro.__version__],
            "threads": torch.get_num_threads(),
        }
        self._identity = _digest(known, *density.data, *facts)
        self._processor = _digest(native.processor(), density.facts.get("gpu"))

    def read(self) -> Tensors:
        """What was last written, by this process or an earlier one; nothing if that cannot serve.

        It cannot where there is no file, or a damaged one, or that of another run.
        """
        path = self.checkpoint.path
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
        if facts.get("identity") != self._identity:
            log.info("%s is of other settings, data or code; the fit begins anew", path)
            return {}
        log.info("goes on from %s", path)
        if facts.get("processor") != self._processor:
            log.info("which another processor has written: numbers may differ by rounding")
        return tensors

    def write(self, tensors: Tensors) -> bool:
        """Whether tensors could be written; a fit does not fail where they cannot."""
        content = {
            "identity": self._identity,
            "content": _digest_of(tensors),
            "processor": self._processor,
        }
        try:
            _replace(self.checkpoint, save(tensors, content))
        except OSError as error:
            log.warning("no checkpoint could be written: %s", error)
            with suppress(OSError):
                self.checkpoint.unfinished.unlink()
            return False
        return True


def _replace(checkpoint: Checkpoint, content: bytes) -> None:
    """Write a file so that at any moment there is a whole one under its name, or none."""
    with checkpoint.unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    checkpoint.unfinished.replace(checkpoint.path)


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
