"""How large a model is, told without torch: what its jobs need, and whether anything holds it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..files.columns import Column
from .several import of_settings, unchecked


@dataclass(frozen=True)
class Size:
    """A model by its size.

    Attributes:
        numbers: of all sites: weights, biases, scales of layers, and the likelihood's own.
        layers: that have weights; a skip is none.
        units: of all layers, inputs and outputs included.
        outputs: of the network.
    """

    numbers: int
    layers: int
    units: int
    outputs: int


def of_model(model: Mapping, learns_scales: bool, inputs: int, targets: Sequence[Column]) -> Size:
    """The size of a fit's model.

    Args:
        model: its settings.
        learns_scales: whether the scales of its layers are sites.
        inputs: of the network.
        targets: the columns; classes whose levels are not known have one output.
    """
    likelihood = of_settings(unchecked(model.get("likelihood"), targets))
    levels = tuple(len(target.levels) for target in targets)
    outputs = max(1, likelihood.outputs(levels))
    weights = weight_shapes(model, inputs, outputs)
    matrices = sum(len(shape) == 2 for shape in weights.values())
    own = likelihood.shapes(levels)
    return Size(
        numbers=sum(map(math.prod, (*weights.values(), *own.values()))) + learns_scales * matrices,
        layers=len(model["hidden"]) + 1,
        units=inputs + sum(model["hidden"]) + outputs,
        outputs=outputs,
    )


def weight_shapes(model: Mapping, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights and biases of a network, as `network.Network` has them."""
    shapes = {}
    for number, (before, own) in enumerate(pairwise([inputs, *model["hidden"], outputs]), start=1):
        shapes |= {f"layer{number}.weight": (own, before), f"layer{number}.bias": (own,)}
    return shapes | ({"skip.weight": (outputs, inputs)} if model["skip"] == "linear" else {})
