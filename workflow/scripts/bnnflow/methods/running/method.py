"""What every method of inference is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from ...registered import Registry
from ...settings import AUTO, Count, Settings, fault

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from torch import Generator

    from ...density.log_density import LogDensity
    from ...files.encodings import Encoding
    from ...files.parameters import Site
    from .checkpoints import Checkpoint


# That a row's weights are smoothed of (a fifth of them is a tail of 5).
FEWEST_DRAWS = 25


@dataclass(frozen=True)
class Combined:
    """What a fit leaves, made of its parts.

    Attributes:
        posterior: as `files.posterior` has it.
        guide: the parameters of the guide as Pyro stores them, of a method that leaves one.
        sites: that the guide covers, in the model's order.
        losses: of every step, (steps,), in nats, of a method that leaves them.
    """

    posterior: xr.DataTree
    guide: Mapping[str, np.ndarray] | None = None
    sites: tuple[Site, ...] = ()
    losses: np.ndarray | None = None


@dataclass(frozen=True)
class Work:
    """What a job that makes parts has to do.

    Attributes:
        together: parts that it makes together.
        steps: that each takes.
        seconds: of a step of one part.
        covariance: numbers of a covariance that each part keeps, beside the diagonal.
    """

    together: int
    steps: int
    seconds: float
    covariance: int


class Method(Settings, ABC):
    """How a posterior is found; the fields are the settings of `inference` in a config.

    A fit consists of parts, such as chains, which are independent, each with a seed of its own.

    Attributes:
        part: what a part is called. The settings have the number of them under its plural, and may
            have how many a job makes, under `<plural>_per_job`, and the most of them where the
            number is AUTO, under `most_<plural>`.
        leaves: what there is besides the posterior, by which a fit is judged and drawn:
            "sampled", draws of the posterior itself, one after another, beside which guides are
            judged; "trajectories", such draws that are looked at as chains, with the statistics
            `judge.chains.TRAJECTORY` and the settings max_tree_depth and target_accept; "guide", a
            normal distribution in unconstrained space, which can be another fit's prior, with the
            statistics lp and log_q; "ensemble", many chains or members, which are judged by their
            pooled prediction; "normals", draws of a normal distribution of each member, with the
            statistics lp and log_q; "loss", a number for each of the setting steps; "starts", the
            bounds of all starts; "estimator", another model that predicts in the place of the
            network. Where settings decide, a property of the settings.
        priority: of making parts among all jobs: the longest first, because others wait for them.
        first_is_fits: whether the first part has the seed of the fit itself.
        method: the name of its module.
    """

    part: ClassVar[str]
    leaves: ClassVar[frozenset[str]]
    priority: ClassVar[int]
    first_is_fits: ClassVar[bool] = False

    method: str
    device: Literal["cpu", "cuda"] = Field(
        "cpu",
        description="Where the log density is evaluated; `cpu`, the processor, or `cuda`, a GPU.",
    )
    draws: Count
    weights: Literal["equal", "stacking"] = Field(
        "equal",
        description="Of chains, starts or members; `equal`, or `stacking`, by which their mixture"
        " predicts training rows best that are left out. Stacking needs several of them, with"
        f" {FEWEST_DRAWS} draws each or more.",
    )

    @field_validator("weights")
    @classmethod
    def _enough_draws(cls, value: str, info: ValidationInfo) -> str:
        if value == "stacking" and info.data.get("draws", FEWEST_DRAWS) < FEWEST_DRAWS:
            raise fault(f"allowed with fewer than {FEWEST_DRAWS} draws is equal")
        return value

    @classmethod
    def rounds(cls, inference: Mapping) -> list[list[range]]:
        """Numbers of the parts that a job makes, for each job of a fit with these settings.

        All jobs are one round, unless the settings have AUTO for the number of parts. Then every
        round has as many jobs as all before it, and is asked for if their parts do not suffice.
        """
        count, together = inference[f"{cls.part}s"], inference.get(f"{cls.part}s_per_job", 1)
        most = inference[f"most_{cls.part}s"] if count == AUTO else count
        jobs = [range(n, min(n + together, most)) for n in range(0, most, together)]
        ends = [len(jobs)]
        if count == AUTO:
            ends = [1 << n for n in range((len(jobs) - 1).bit_length())] + ends
        return [jobs[begin:end] for begin, end in pairwise([0, *ends])]

    @abstractmethod
    def infer(
        self,
        density: LogDensity,
        seeds: Sequence[int],
        streams: Sequence[Generator],
        *,
        observations: int,
        encoding: Encoding,
        checkpoint: Checkpoint | None = None,
    ) -> xr.DataTree:
        """Make parts.

        Args:
            density: of the posterior.
            seeds: of every part.
            streams: of random numbers, one for every part: its seed has begun the stream, and
                PyTorch's initial weights of the network have been drawn from it.
            observations: how many the data are.
            encoding: of the data.
            checkpoint: where the state is kept; with one that an earlier call has left, the parts
                go on from there and end with the same bytes as if never stopped.

        Returns:
            What the file of these parts has; `combined` reads it.
        """

    def combined(self, paths: Sequence[str | Path]) -> Combined:
        """What the files of all parts make together: a chain of the posterior each, as it is."""
        from ...files import posterior

        return Combined(posterior.merged(posterior.read_parts(paths)))

    @abstractmethod
    def work(self, size: int, gradient: float, compiled: bool) -> Work:
        """What a job that makes parts has to do.

        Args:
            size: number of unconstrained values.
            gradient: seconds of one value and gradient.
            compiled: whether compiled code evaluates them.
        """

    def rows_of_step(self, observations: int) -> int:
        """Of the data, those that a step takes."""
        return observations

    @property
    @abstractmethod
    def kept(self) -> int:
        """Number of draws of the whole fit."""

    @property
    @abstractmethod
    def effort(self) -> str:
        """How much is done, in a few words."""

    @abstractmethod
    def account(self) -> str:
        """What is done, for the caption of a fit: reStructuredText."""


METHODS = Registry(__package__.rpartition(".")[0], Method, key="method", default="mclmc")
