"""What every fit begins with: its data and its network as tensors."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..data import table
from ..files import memories, parameters
from ..files.columns import Column, widened
from ..files.encodings import Encoding
from ..files.memories import Memory
from ..files.parameters import Parameters
from .likelihood import Targets
from .memory import Recalled
from .model import Model, Response
from .network import Network
from .prior import PRIORS, learnt
from .several import chosen, of_settings

# What of another fit's posterior is carried into an update.
Source = Parameters | Memory


def source_of(files: Mapping[str, str]) -> Source | None:
    """What a fit's prior is read from, of the files of a job by role, where there is some.

    Raises:
        FileError: if the file is not what it should be.
    """
    if path := files.get("memory"):
        return memories.read(path)
    path = files.get("prior")
    return parameters.read(path) if path else None


def observations(
    paths: Iterable[str | Path],
    about: Encoding,
    scaling: str,
    unscaled: Collection[str] = (),
    source: Source | None = None,
) -> tuple[Encoding, Tensor, Tensor]:
    """What a fit learns from, encoded in double precision and then rounded to single.

    Args:
        paths: of the data sets, which are taken one after another.
        about: what their columns are.
        scaling, unscaled: as of `data.table.fitted`; an update has the encoding of its source
            instead.
        source: of the fit whose posterior is the prior, where it is one.

    Returns:
        The encoding; inputs (n, widths); targets (n,), or (n, targets) where there are several.

    Raises:
        FileError: if a file is not such a data set.
        PrecisionError: if single precision does not tell a column's values apart.
        ValueError: if the source has learnt from other columns.
    """
    rows = table.read(paths, about)
    if source is None:
        encoding = table.fitted(rows, scaling, unscaled)
    elif source.encoding is None:
        raise ValueError("the prior says nothing of how its data were encoded")
    else:
        encoding = source.encoding
    for own, columns in ((about.inputs, encoding.inputs), (about.targets, encoding.targets)):
        given, learnt = ([_kept(column) for column in each] for each in (own, columns))
        if given != learnt:
            raise ValueError(
                f"the prior has learnt from the columns {learnt}, the data have {given}"
            )
    x = widened(table.in_single(rows.inputs, encoding.inputs), encoding.inputs)
    y = torch.tensor(table.in_single(rows.targets, encoding.targets))
    return encoding, torch.tensor(x), y[:, 0].clone() if len(about.targets) == 1 else y


def known(
    paths: Iterable[str | Path],
    about: Encoding,
    scaling: str,
    settings: dict,
    source: Source | None = None,
) -> tuple[Encoding, Tensor, Tensor, dict]:
    """What a fit learns from, and what `network` needs to be told of its model.

    Args:
        paths, about, scaling, source: as `observations` has them.
        settings: `model` and `prior` of the fit.

    Raises:
        ValueError: if the likelihood does not suit a target, and as `observations` does.
    """
    model = settings["model"]
    likelihood = chosen(model.get("likelihood"), about.targets)
    scalable = zip(about.targets, of_settings(likelihood).scalable(about.levels), strict=True)
    unscaled = [target.name for target, scaled in scalable if not scaled]
    encoding, x, y = observations(paths, about, scaling, unscaled, source)
    told = settings | {
        "model": model | {"likelihood": likelihood},
        "inputs": encoding.width,
        "targets": encoding.levels,
    }
    return encoding, x, y, told


def _kept(column: Column) -> str | dict[str, tuple[str, ...]]:
    """What of a column a network's weights depend on: its name, and its levels if it has some."""
    return {column.name: column.levels} if column.levels else column.name


def response(model: dict, inputs: int, targets: Targets) -> Response:
    """Network and likelihood of a fit, without a prior.

    Args:
        model: the fit's settings of it, with the likelihood as `several.chosen` has it.
        inputs: number of them.
        targets: levels of each.
    """
    likelihood = of_settings(model["likelihood"])
    network = Network(
        inputs,
        outputs=likelihood.outputs(targets),
        **{key: model[key] for key in ("hidden", "activation", "residual", "skip")},
    )
    return Response(network, likelihood, targets)


def network(
    model: dict, prior: dict, inputs: int, targets: Targets, source: Source | None = None
) -> Model:
    """The Pyro model of a fit.

    Args:
        model, prior: the fit's settings, the model's as of `response`; those of the prior count
            where there is no source.
        inputs: number of them.
        targets: levels of each.
        source: of the fit whose posterior is the prior, where it is one: parameters in the place
            of the prior, or a memory beside it.

    Raises:
        ValueError: if the source's parameters do not belong to this network.
    """
    observed = response(model, inputs, targets)
    shapes = observed.network.shapes
    if isinstance(source, Parameters):
        return Model(learnt(shapes, source), observed)
    return Model(PRIORS.made(prior).weights(shapes), observed, source and Recalled(source))
