"""What every fit begins with: its data and its network as tensors."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..data import table
from ..files.encodings import Encoding
from ..files.parameters import Parameters
from .likelihood import LIKELIHOODS, Targets
from .model import Model, Response
from .network import Network
from .prior import PRIORS, learnt


def observations(
    paths: Iterable[str | Path],
    inputs: Sequence[str],
    targets: Sequence[str],
    scaling: str,
    source: Parameters | None = None,
) -> tuple[Encoding, Tensor, Tensor]:
    """What a fit learns from, encoded in double precision and then rounded to single.

    Args:
        paths: of the data sets, which are taken one after another.
        inputs, targets: names of their columns.
        scaling: as of `data.table.fitted`; an update has the encoding of its source instead.
        source: the parameters of the fit whose posterior is the prior, where it is one.

    Returns:
        The encoding; inputs (n, inputs); targets (n,), or (n, targets) where there are several.

    Raises:
        FileError: if a file is not such a data set.
        PrecisionError: if single precision does not tell a column's values apart.
        ValueError: if the source has learnt from other columns.
    """
    rows = table.read(paths, inputs, targets)
    if source is None:
        encoding = table.fitted(rows, scaling)
    elif source.encoding is None:
        raise ValueError("the prior's parameters say nothing of how their data were encoded")
    else:
        encoding = source.encoding
    for own, columns in ((inputs, encoding.inputs), (targets, encoding.targets)):
        if (names := [column.name for column in columns]) != list(own):
            raise ValueError(f"the prior has learnt from the columns {names}, the data have {own}")
    x, y = (
        torch.tensor(table.in_single(rows.array(names), columns))
        for names, columns in ((inputs, encoding.inputs), (targets, encoding.targets))
    )
    return encoding, x, y[:, 0].clone() if len(targets) == 1 else y


def response(model: dict, inputs: int, targets: Targets) -> Response:
    """Network and likelihood of a fit, without a prior.

    Args:
        model: the fit's settings of it.
        inputs: number of them.
        targets: levels of each.
    """
    likelihood = LIKELIHOODS.made(model["likelihood"])
    network = Network(
        inputs,
        outputs=likelihood.outputs(targets),
        **{key: model[key] for key in ("hidden", "activation", "residual", "skip")},
    )
    return Response(network, likelihood, targets)


def network(
    model: dict, prior: dict, inputs: int, targets: Targets, source: Parameters | None = None
) -> Model:
    """The Pyro model of a fit.

    Args:
        model, prior: the fit's settings; those of the prior count where there is no source.
        inputs: number of them.
        targets: levels of each.
        source: the parameters of the fit whose posterior is the prior, where it is one.

    Raises:
        ValueError: if the source's parameters do not belong to this network.
    """
    observed = response(model, inputs, targets)
    shapes = observed.network.shapes
    own = learnt(shapes, source) if source else PRIORS.made(prior).weights(shapes)
    return Model(own, observed)
