"""Predictive distributions: mixtures of what the likelihood says at posterior draws."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from ..files import posterior, predictions
from ..files.columns import Column, encoded
from ..files.encodings import Encoding
from ..methods.estimators import stored
from ..model import build
from ..model.components import Components, Counts, Labels
from ..model.correlation import Correlation
from ..model.model import Response
from ..model.several import chosen
from .counts import Counted
from .labels import Labelled
from .mixture import Mixture
from .transformed import TransformedMixture
from .units import in_units

# What a posterior must have.
NEEDED = posterior.WEIGHT, posterior.ENCODING

# What a user can do about numbers that are none.
ASTRAY = "the fit has gone astray; look at its log, and fit again with other settings"


def read(path: str | Path, fitted: Mapping) -> xr.DataTree:
    """Read a fit's posterior, with all that is NEEDED.

    Args:
        path: of the file.
        fitted: the settings by which the posterior should have been fitted.

    Raises:
        FileError: as `posterior.read`.
        SettingsError: if it was fitted by others.
    """
    tree = posterior.read(path, NEEDED)
    posterior.check_settings(tree, fitted, path)
    return tree


def mixtures(model: dict, tree: xr.DataTree, inputs: np.ndarray) -> list[Mixture]:
    """The predictive distribution of every target at points.

    It is of a target as the network sees it, or in the target's units where that is transformed.

    Args:
        model: its settings.
        tree: the posterior, with all that is NEEDED.
        inputs: of the points (n, inputs), in their own units.

    Raises:
        ValueError: if the posterior is not of this model.
    """
    encoding, weights = posterior.encoding(tree), posterior.pooled_weights(tree)
    seen = encoded(inputs, encoding.inputs).astype(np.float32)
    if stored.GROUP in tree.children:
        components = stored.components(tree, seen)
    else:
        response = _response(model, encoding)
        components = response.components(posterior.pooled(tree), torch.from_numpy(seen))
    if weights is None:
        found = [_kind(own)(own) for own in components]
    else:
        found = [_kind(own).of(own, torch.from_numpy(weights)) for own in components]
    return [
        own if column.transform == "none" else TransformedMixture.around(own, column)
        for own, column in zip(found, encoding.targets, strict=True)
    ]


def correlation(model: dict, tree: xr.DataTree) -> Correlation | None:
    """How residuals of targets depend on each other; None where they do not, given the network.

    Args:
        model: its settings.
        tree: the posterior, with all that is NEEDED.
    """
    if stored.GROUP in tree.children:
        return None
    return _response(model, posterior.encoding(tree)).correlation(posterior.pooled(tree))


def _response(model: dict, encoding: Encoding) -> Response:
    known = {"likelihood": chosen(model.get("likelihood"), encoding.targets)}
    return build.response(model | known, encoding.width, encoding.levels)


def summarised(
    mixtures: Sequence[Mixture],
    targets: Sequence[Column],
    points: xr.Dataset,
    quantiles: list[float],
    function_draws: int,
) -> xr.Dataset:
    """What is kept of predictive distributions on a grid.

    It is in the targets' units, and in single precision where these are not scaled. The response's
    moments are those of the mixture over draws, by the laws of total expectation and variance; its
    quantiles are the mixture's. Nothing is sampled.

    Args:
        mixtures: of every target, at the points.
        targets: how they were encoded.
        points: inputs (point, input), as `data.points.grid` has them.
        quantiles: probabilities of the quantiles.
        function_draws: number of latent functions kept, evenly spaced over the draws.

    Returns:
        Over (point, input): inputs. Over (target, point): mean, stddev, and function_stddev, the
        standard deviation without the noise. Over (quantile, target, point): quantiles and
        function_quantiles. Over (sample, target, point): function. Where a target has classes,
        over (class, target, point): class_probability, 0 of a class that a target does not
        have; all else is of the classes' places then.

    Raises:
        FloatingPointError: if one of these is not finite.
    """
    levels = torch.tensor(quantiles, dtype=torch.double)
    by_target = []
    for mixture, column in zip(mixtures, targets, strict=True):
        own = {
            "mean": mixture.mean(),
            "stddev": mixture.stddev(),
            "function_stddev": mixture.function_stddev(),
            "quantiles": mixture.quantiles(levels),
            "function_quantiles": mixture.function_quantiles(levels),
            "function": mixture.components.mean[mixture.evenly(function_draws)],
        }
        by_target.append({name: in_units(name, part.float(), column) for name, part in own.items()})
    kept = xr.Dataset(
        {
            name: (dims, torch.stack([own[name] for own in by_target], -2).numpy())
            for name, dims in predictions.GRID.items()
            if name != "inputs"
        },
        coords={"quantile": quantiles, "target": [column.name for column in targets]},
    )
    classes = [own.probability()[0] if isinstance(own, Labelled) else None for own in mixtures]
    if (probability := of_classes(classes)) is not None:
        kept["class_probability"] = (predictions.CLASSES, probability.float().numpy())
    return finite(kept, "on the grid").merge(points)


def _kind(components: Components) -> type[Mixture]:
    kinds = {Labels: Labelled, Counts: Counted}
    return next((kinds[each] for each in kinds if isinstance(components, each)), Mixture)


def of_classes(values: Sequence[Tensor | None]) -> Tensor | None:
    """Of every target values (..., class, n), or none: (..., class, target, n), 0 where none are.

    Returns:
        None where no target has any.
    """
    known = [value for value in values if value is not None]
    if not known:
        return None
    most = max(value.shape[-2] for value in known)
    empty = torch.zeros_like(known[0][..., :1, :])
    parts = [empty if value is None else value for value in values]
    padded = [torch.nn.functional.pad(part, (0, 0, 0, most - part.shape[-2])) for part in parts]
    return torch.stack(padded, -2)


def finite(predictions: xr.Dataset, where: str) -> xr.Dataset:
    """The same, if all of it is finite.

    Raises:
        FloatingPointError: with the names of what is not.
    """
    wrong = [name for name, values in predictions.items() if not np.isfinite(values).all()]
    if wrong:
        raise FloatingPointError(
            f"{', '.join(wrong)} {where} cannot be computed in floating-point numbers, because the"
            f" response is too large or the noise too small: {ASTRAY}"
        )
    return predictions
