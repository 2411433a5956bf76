"""What every script does first."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger("bnnflow")


def start(snakemake) -> None:
    """Send messages, warnings and the traceback of a crash to the job's log and to the screen."""
    form = logging.Formatter("%(asctime)s %(job)s: %(message)s", defaults={"job": _name(snakemake)})
    for handler in (logging.FileHandler(snakemake.log[0], mode="w"), logging.StreamHandler()):
        handler.setFormatter(form)
        logging.getLogger().addHandler(handler)
    log.setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.excepthook = _log_crash


def use_threads(count: int) -> None:
    """Fix the threads of torch, on whose number its results depend."""
    import torch

    torch.set_num_threads(count)


@contextmanager
def timed(what: str, steps: int, done: int = 0) -> Iterator[Callable[..., None]]:
    """Log how far a loop of `steps` is, about ten times, and its speed at the end.

    Of the steps so many may be `done` before, which then are not timed.

    Yields a function to call after every step with the step's number, from 1, and numbers that
    are worth a look: `report(step, loss=0.5)`.
    """
    begin = time.monotonic()
    every = max(1, steps // 10)

    def report(step: int, **facts: float) -> None:
        if step % every == 0 or step == steps:
            text = ", ".join(f"{name} {value:.4g}" for name, value in facts.items())
            log.info("%s %d/%d, %s", what, step, steps, text)

    log.info("%s: %d steps%s", what, steps, f", {done} done before" if done else "")
    yield report
    seconds = time.monotonic() - begin
    if taken := steps - done:
        log.info("%s: done in %.1f s, %.4g steps per second", what, seconds, taken / seconds)


def _name(snakemake) -> str:
    values = " ".join(f"{key}={value}" for key, value in snakemake.wildcards.items())
    return f"{snakemake.rule} {values}".strip()


def _log_crash(kind, error, traceback) -> None:
    log.critical("%s: %s", kind.__name__, error, exc_info=(kind, error, traceback))
