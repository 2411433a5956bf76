"""Whether a config asks for more than memory or a file holds."""

import math
from collections.abc import Iterator

from ..data import slices
from ..files.columns import Column
from ..methods.running.method import METHODS
from ..model import size
from ..settings import POINTS
from .relations import is_simulated, learns_scales, target_names

# The most that jobs are asked to hold: numbers of a posterior, and of a response at every draw and
# point; numbers of a covariance, and of the losses of a job.
NUMBERS, FEWER = 2_000_000_000, 500_000_000

# Outputs of a network that an update remembers, each beside all others.
REMEMBERED = 5000

# Letters of a fit's name, which stands in names of files.
NAME_LETTERS = 180


def faults(config: dict) -> Iterator[str]:
    """What would not fit into memory, or not into a file that is read."""
    for i, observations in enumerate(config["data"].get("observations", [])):
        if (points := sum(interval[2] for interval in observations["intervals"])) > POINTS:
            yield f"data.observations[{i}]: has {points} points; allowed are {POINTS} or fewer"
    own = not is_simulated(config)
    grid = slices.MOST if own else config["predictions"]["grid"][2]
    held_out = 0 if own else config["data"]["held_out"][2]
    kept = config["predictions"]["function_draws"] + 2 * len(config["predictions"]["quantiles"])
    if grid * kept > NUMBERS:
        yield f"predictions: keeps {grid * kept} numbers; allowed are {NUMBERS} or fewer"
    # The least that a table has, before it is read.
    inputs = len(config["data"].get("inputs", [1]))
    targets = [Column(name) for name in target_names(config)]
    for name, fit in config["fits"].items():
        if len(name) > NAME_LETTERS:
            yield f"fits.{name}: has a name of {len(name)} letters; allowed are {NAME_LETTERS}"
        inference, model = fit["inference"], config["models"][fit["model"]]
        draws = METHODS.made(inference).kept
        scaled = learns_scales(config["fits"], name)
        of_model = size.of_model(model, scaled, inputs, targets)
        parameters = of_model.numbers
        if (remembered := fit["prior"].get("inputs", 0) * of_model.outputs) > REMEMBERED:
            yield (
                f"fits.{name}.prior.inputs: asks to remember {remembered} outputs; allowed are"
                f" {REMEMBERED} or fewer, inputs times outputs of the network"
            )
        for what, count in (
            ("parameters", parameters),
            ("points of predictions.grid", grid),
            ("held-out points", held_out),
        ):
            if draws * count > NUMBERS:
                yield (
                    f"fits.{name}: has {draws} draws and {count} {what}; allowed are {NUMBERS} or"
                    " fewer of the one times the other"
                )
        together = min(inference.get("starts", 0), inference.get("starts_per_job", 0))
        losses = inference.get("steps", 0) * together
        if losses > FEWER:
            yield (
                f"fits.{name}.inference: has {losses} steps in all starts of a job; allowed are"
                f" {FEWER} or fewer"
            )
        full = inference.get("guide", "AutoDiagonalNormal") != "AutoDiagonalNormal"
        if (full or inference.get("mass_matrix") == "dense") and parameters**2 > FEWER:
            yield (
                f"fits.{name}.inference: needs the covariance of {parameters} parameters; allowed"
                f" are {math.isqrt(FEWER)} or fewer, or"
                f" {'the guide AutoDiagonalNormal' if full else 'another mass_matrix'}"
            )
