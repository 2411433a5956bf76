"""What predictive distributions say of held-out observations, point by point."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray as xr
from torch import Generator, Tensor

from ..files.columns import Column, transformed
from ..files.predictions import POINTS, SCORED, SCORED_CLASSES, TRUTH
from ..model.correlation import Correlation
from .joint import jointly
from .labels import Labelled
from .levels import CALIBRATION
from .mixture import Mixture
from .predictive import ASTRAY, finite, of_classes
from .reliability import gaps, reliability_errors
from .units import in_units, of_mixture
from .weighted import CHUNK

# Steps of probability between the quantiles that are kept at probes.
STEPS = 50

# Data sets that a fit makes itself, to tell what is chance.
SIMULATIONS = 1000


def evaluated(
    mixtures: Sequence[Mixture],
    targets: Sequence[Column],
    points: xr.Dataset,
    levels: list[float],
    weighting: xr.Dataset,
    stream: Generator,
    correlation: Correlation | None = None,
) -> xr.Dataset:
    """All by which a fit is judged.

    Args:
        mixtures: of every target, at the points.
        targets: how they were encoded.
        points: as `data.points.held_out` has them.
        levels: probabilities of the quantiles.
        weighting: of the chains, whose draws are one after another in the mixtures, as
            `posterior.weighting` has it.
        stream: of random numbers.
        correlation: of the residuals of targets; none where they are independent given the
            network.

    Raises:
        FloatingPointError: if the response of a draw is not finite, or has no noise, or if either
            is so extreme that a score is not finite.

    Returns:
        The points' inputs, targets, truth where it is known, inside and of_set, with what
        `scored`, `probed` and `simulated` give, and the weighting.
    """
    own = [name for name in (*POINTS, *TRUTH) if name in points]
    parts = [
        points[own],
        scored(mixtures, targets, points["targets"].to_numpy(), levels, stream, correlation),
        probed(mixtures, targets, points, weighting.sizes["chain"]),
        simulations(mixtures, points["inside"].to_numpy(), stream),
        weighting,
    ]
    return xr.merge(parts)


def unscored(
    mixtures: Sequence[Mixture],
    targets: Sequence[Column],
    points: xr.Dataset,
    weighting: xr.Dataset,
) -> xr.Dataset:
    """What `evaluated` has by which many chains are judged; observations are not looked at.

    Args:
        mixtures, targets, points, weighting: as there.

    Returns:
        What `probed` gives, with inside of the points, the weighting, and stddev over
        (replicate, target, point).
    """
    pairs = zip(mixtures, targets, strict=True)
    stddev = torch.stack([in_units("stddev", own.stddev(), column) for own, column in pairs])
    spread = xr.Dataset({"stddev": (SCORED["stddev"], stddev[None].numpy())})
    inside = points[["inside"]].assign_coords(target=points["target"])
    probes = probed(mixtures, targets, points, weighting.sizes["chain"])
    return xr.merge([inside, probes, weighting, spread])


def scored(
    mixtures: Sequence[Mixture],
    targets: Sequence[Column],
    y: np.ndarray,
    levels: list[float],
    stream: Generator,
    correlation: Correlation | None = None,
) -> xr.Dataset:
    """Scores and summaries of predictive distributions at their observations.

    Replicates are those of a `Mixture`, from which the jackknife has the Monte Carlo error.

    Args:
        mixtures: of every target.
        targets: how they were encoded.
        y: observations (target, n), in their own units.
        levels: probabilities of the quantiles.
        stream: of random numbers, for the pit of counts.
        correlation: as `evaluated` has it.

    Raises:
        FloatingPointError: as `evaluated`.

    Returns:
        Over (replicate, target, point): mean, stddev; function_stddev, that without the noise;
        log_density, in nats; crps, in units of y; pit, the probability of less than y, or of a
        count a random one between those of less than y and of y or less. Over
        (replicate, level, target, point): quantiles, to first order in the groups left out. Where a
        target has classes, over (replicate, class, target, point): class_probability, 0 of a class
        that a target does not have; all but the log density is of the classes' places then. Where
        there are several targets, what `jointly` gives.
    """
    own = tuple(map(of_mixture, targets))
    seen = torch.from_numpy(transformed(y.T, own).T.astype(np.float32))
    by_target = [
        {
            name: in_units(name, part, column)
            for name, part in _scored(mixture, own, levels, stream).items()
        }
        for mixture, column, own in zip(mixtures, targets, seen, strict=True)
    ]
    found = xr.Dataset(
        {
            name: (dims, torch.stack([own[name] for own in by_target], -2).numpy())
            for name, dims in SCORED.items()
        },
        coords={"level": levels},
    )
    classes = [own.probability() if isinstance(own, Labelled) else None for own in mixtures]
    if (probability := of_classes(classes)) is not None:
        found["class_probability"] = (SCORED_CLASSES["class_probability"], probability.numpy())
    if len(mixtures) > 1:
        found = found.merge(jointly(mixtures, targets, seen, correlation))
    return finite(found, "at the held-out observations")


def simulations(mixtures: Sequence[Mixture], inside: np.ndarray, stream: Generator) -> xr.Dataset:
    """How observations would fall to a predictive distribution if it were right.

    Each of many data sets is drawn from the response at one draw, so that its points share what
    the fit does not know of the function, and is seen among all of them. Where that is much,
    even a fit that is right has all points on one side.

    Args:
        mixtures: of every target, at n points.
        inside: which of the points lie in which region, (region, n).
        stream: of random numbers.

    Returns:
        Over (region, target, simulation, below): shares, of a region's points below the predictive
        quantiles of probabilities `levels.CALIBRATION`. Where a target has classes, over
        (region, target, simulation, error): reliability_errors, 0 of other targets.
    """
    count = np.maximum(1, inside.sum(1))
    unreliable = np.zeros((len(inside), len(mixtures), SIMULATIONS, 2))
    shares = np.zeros((len(inside), len(mixtures), SIMULATIONS, len(CALIBRATION)))
    for target, mixture in enumerate(mixtures):
        begin, labels = 0, []
        for y in mixture.samples(SIMULATIONS, stream):
            labels.append(y)
            y = mixture.untied(y, stream)
            pit = (y.numpy().argsort(0).argsort(0) + 0.5) / SIMULATIONS
            part = inside[:, begin : (begin := begin + y.shape[1])]
            for number, level in enumerate(CALIBRATION):
                below = pit <= level
                for region, where in enumerate(part):
                    shares[region, target, :, number] += below[:, where].sum(1)
        if isinstance(mixture, Labelled):
            probability = mixture.probability()[0].numpy()
            for number, seen in enumerate(torch.cat(labels, 1).numpy()):
                means = gaps(probability, seen) @ inside.T / count
                unreliable[:, target, number] = reliability_errors(means).T
    shares /= count[:, None, None, None]
    dims = ("region", "target", "simulation", "below")
    found = xr.Dataset({"shares": (dims, shares.astype(np.float32))}, coords={"below": CALIBRATION})
    if any(isinstance(mixture, Labelled) for mixture in mixtures):
        found["reliability_errors"] = ((*dims[:-1], "error"), unreliable.astype(np.float32))
    return found


def probed(
    mixtures: Sequence[Mixture], targets: Sequence[Column], points: xr.Dataset, chains: int
) -> xr.Dataset:
    """Predictive distributions in full at the probes, a few points of every region.

    Args:
        mixtures: of every target, at the points.
        targets: how they were encoded.
        points: as `data.points.held_out` has them.
        chains: number of them, whose draws are one after another in the mixtures.

    Returns:
        Over (chain, draw, target, probe): function. Over (probability, target, probe):
        probe_quantiles, of the response, in the middle of equal steps of probability. Over
        (probe, input): probe_inputs. Over (region, probe): probe_inside.
    """
    places = np.flatnonzero(points["probe"])
    of_probes = points.isel(point=places).rename(point="probe", probe="is_probe")
    probability = (np.arange(STEPS) + 0.5) / STEPS
    function, quantiles = [], []
    for mixture, column in zip(mixtures, targets, strict=True):
        at = mixture.at(torch.from_numpy(places))
        means, own = at.components.mean, at.quantiles(torch.from_numpy(probability)).float()
        function.append(in_units("function", means.reshape(chains, -1, len(places)), column))
        quantiles.append(in_units("probe_quantiles", own, column))
    found = xr.Dataset(
        {
            "probe_inputs": (("probe", "input"), of_probes["inputs"].to_numpy()),
            "probe_inside": (("region", "probe"), of_probes["inside"].to_numpy()),
            "function": (("chain", "draw", "target", "probe"), torch.stack(function, 2).numpy()),
            "probe_quantiles": (
                ("probability", "target", "probe"),
                torch.stack(quantiles, 1).numpy(),
            ),
        },
        coords={"probability": probability},
    )
    return finite(found, "at the held-out observations")


def _scored(
    mixture: Mixture, y: Tensor, levels: list[float], stream: Generator
) -> Mapping[str, Tensor]:
    """Of one target; y (n,)."""
    if (wrong := mixture.components.wrong()).any():
        raise FloatingPointError(
            f"at {wrong.sum()} of {mixture.draws} draws the response is not finite, or the noise is"
            f" nothing: {ASTRAY}"
        )
    points = max(1, CHUNK // mixture.draws)
    pairs = zip(mixture.parts(points), y.split(points), strict=True)
    parts = [_scored_part(part, at, torch.tensor(levels).double(), stream) for part, at in pairs]
    return {name: torch.cat([part[name] for part in parts], dim=-1) for name in parts[0]}


def _scored_part(
    mixture: Mixture, y: Tensor, levels: Tensor, stream: Generator
) -> dict[str, Tensor]:
    return mixture.moments() | {
        "log_density": mixture.log_density(y),
        "crps": mixture.crps(y),
        "pit": mixture.pit(y, stream),
        "quantiles": mixture.quantile_replicates(levels),
    }
