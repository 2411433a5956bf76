"""What every script does first."""

import atexit
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from .written import OUTPUTS

log = logging.getLogger("bnnflow")

# Names a file that is locked for as long as the Snakemake lives that runs a job.
ALIVE = "BNNFLOW_RUN"


# By a part of an error's message, what is wrong with the machine, and what to do.
EXHAUSTED = {
    "No space left on device": "the disk is full: make room",
    "Disk quota exceeded": "your share of the disk is used up: make room, or ask for more",
    # PyTorch's own words, the driver's, and those of the libraries.
    **dict.fromkeys(
        ("CUDA out of memory", "CUDA error: out of memory", "STATUS_ALLOC_FAILED"),
        "the GPU's memory is used up: let fewer jobs use it at a time (--resources gpu=1), or fit"
        " fewer starts together (starts_per_job)",
    ),
    **dict.fromkeys(
        ("MemoryError", "allocate memory", "bad_alloc"),
        "memory is used up: let fewer jobs run at a time (--cores 1), or use a machine with more",
    ),
    **dict.fromkeys(
        ("No usable temporary directory", "generating temporary directory", "Failed to extract"),
        "the folder for temporary files is full or gone: make room, or let TMPDIR name another",
    ),
}
REMEDIES = EXHAUSTED | {
    "Read-only file system": "the folder is read-only: make it writable, or use another",
    "Permission denied": "this is not yours to write: change that, or use another folder",
}

# How a job begins to say what only the user can mend.
STOPS = "cannot go on"


class ToldError(ValueError):
    """What is wrong with what a user gives, in a sentence that needs no traceback."""


def start(snakemake) -> None:
    """Send messages, warnings and the traceback of a crash to the job's log and to the screen.

    What the job writes as its outputs is remembered from here on, by checksum.

    The job ends with its Snakemake, so that the next run finds nobody at work, and says why when
    it is stopped from outside; who wants more than that sets handlers of the signals later.
    """
    collect_seldom()
    form = logging.Formatter("%(asctime)s %(job)s: %(message)s", defaults={"job": _name(snakemake)})
    sys.excepthook = partial(_log_crash, snakemake.output)
    OUTPUTS.update(map(Path, snakemake.output))
    log.setLevel(logging.INFO)
    logging.captureWarnings(True)
    for kind, *place in ((logging.StreamHandler,), (_LogFile, snakemake.log[0], "w")):
        handler = kind(*place)
        handler.setFormatter(form)
        logging.getLogger().addHandler(handler)
    for number in {signal.SIGTERM, signal.SIGINT, getattr(signal, "SIGXCPU", signal.SIGTERM)}:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop)
    if ALIVE in os.environ:
        threading.Thread(target=_end_with_snakemake, daemon=True).start()


def collect_seldom() -> None:
    """Let Python look for garbage seldom, and not at its end.

    Imports leave little, and looking through it takes a third of the time of a short job.
    """
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)


def remedy(error: BaseException | None, among: Mapping[str, str] = REMEDIES) -> str | None:
    """What is wrong with the machine, and what to do, if that is why there is this error."""
    while error is not None:
        text = f"{type(error).__name__}: {error}"
        if found := [advice for part, advice in among.items() if part in text]:
            return found[0]
        error = error.__cause__ or error.__context__
    return None


def use_threads(count: int) -> None:
    """Fix the threads of torch, on whose number its results depend."""
    import torch

    torch.set_num_threads(count)


def tenth(steps: int) -> int:
    """How many steps lie between two lines in the log."""
    return max(1, steps // 10)


@contextmanager
def timed(what: str, steps: int, done: int = 0) -> Iterator[Callable[..., None]]:
    """Log how far a loop of `steps` is, about ten times, and its speed at the end.

    Of the steps so many may be `done` before, which then are not timed.

    Yields a function to call after steps with the number of those done and numbers that are worth
    a look: `report(step, loss=0.5)`.
    """
    begin = time.monotonic()
    last = done // tenth(steps)

    def report(step: int, **facts: float) -> None:
        nonlocal last
        if step // tenth(steps) > last or step == steps:
            last = step // tenth(steps)
            text = "".join(f", {name} {value:.4g}" for name, value in facts.items())
            log.info("%s %d/%d%s", what, step, steps, text)

    log.info("%s: %d steps%s", what, steps, f", {done} done before" if done else "")
    yield report
    seconds = time.monotonic() - begin
    if taken := steps - done:
        log.info("%s: done in %.1f s, %.4g steps per second", what, seconds, taken / seconds)


def _name(snakemake) -> str:
    values = " ".join(f"{key}={value}" for key, value in snakemake.wildcards.items())
    return f"{snakemake.rule} {values}".strip()


class _LogFile(logging.FileHandler):
    def handleError(self, record):  # noqa: N802
        """Without a word where the disk is full: the screen has the message too."""
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)


def _log_crash(outputs: Iterable[str], kind, error, traceback) -> None:
    if isinstance(error, ToldError):
        log.error("%s: %s", STOPS, error)
        return
    log.critical("%s: %s", kind.__name__, error, exc_info=(kind, error, traceback))
    if advice := remedy(error):
        log.critical(
            "%s, and run the same command again; what has been finished is kept. Not made: %s",
            advice[0].upper() + advice[1:],
            ", ".join(outputs),
        )


def _stop(number: int, frame: object) -> None:
    limit = (
        "" if number == signal.SIGINT else "if that was a limit on its time, allow the job more; "
    )
    name = signal.Signals(number).name
    log.critical("stopped by %s; %srun the same command again", name, limit)
    raise SystemExit(128 + number)


def _end_with_snakemake() -> None:
    """End this process when its Snakemake is dead, whose next run will do the job anew."""
    import fcntl

    with suppress(OSError), Path(os.environ[ALIVE]).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        log.critical("ended, because Snakemake has been killed")
        os._exit(1)
