"""Other models than networks, beside which fits of a table stand: by scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, field_validator

from ..jobs import log
from ..settings import Count, Seed, fault
from .estimators import gaussian_process, gradient_boosting
from .estimators.named import ESTIMATORS
from .running.method import Combined, Method, Work

if TYPE_CHECKING:
    import xarray as xr
    from torch import Generator

    from ..density.log_density import LogDensity
    from ..files.encodings import Encoding
    from .running.checkpoints import Checkpoint

# The kinds of columns that are numbers.
NUMBERS = ("real", "whole", "count")

# Seconds that a job may take.
SECONDS = 1200


class Baseline(Method):
    """A model of scikit-learn in the place of a network."""

    part = "estimator"
    leaves = frozenset({"estimator"})
    priority = 1
    first_is_fits = True

    method: Literal["baseline"] = Field(
        "baseline",
        description="`baseline` is another model in the place of the network, by scikit-learn; the"
        " fit's `model` and `prior` are of no use to it.",
    )
    model: Literal[tuple(ESTIMATORS)] = Field(
        "gaussian_process",
        description="A `gaussian_process` with a Matérn 3/2 kernel and a length scale for every"
        " input, or `gradient_boosting` of quantiles.",
    )
    rows: Count | None = Field(
        None,
        description="The most training rows that it learns from, an even choice by seed. Without it"
        f" {gaussian_process.ROWS:,} of a Gaussian process and {gradient_boosting.ROWS:,} of"
        " gradient boosting.",
    )
    draws: Literal[1] = Field(1, description="A baseline has one set of parameters.")
    seed: Seed | None = Field(None, description="Seed in place of the derived one.")

    @field_validator("device")
    @classmethod
    def _on_the_processor(cls, value: str) -> str:
        if value != "cpu":
            raise fault("allowed with the method baseline is cpu")
        return value

    @classmethod
    def rounds(cls, inference: Mapping) -> list[list[range]]:
        """One job."""
        return [[range(1)]]

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
        """As for any method: of the density only its data are used.

        Raises:
            ValueError: if a target is not a number.
        """
        from .estimators import stored

        for target in encoding.targets:
            if target.kind not in NUMBERS:
                raise ValueError(
                    f"a baseline predicts numbers, but the target {target.name} is of levels"
                )
        x, y = (part.double().numpy() for part in density.data)
        most = self.rows or ESTIMATORS[self.model].ROWS
        if len(x) > most:
            log.warning("of %d training rows %d are taken; `rows` says how many", len(x), most)
            chosen = np.random.default_rng(seeds[0]).permutation(len(x))[:most]
            x, y = x[chosen], y[chosen]
        columns = y.reshape(len(x), -1).T
        return stored.of_targets(self.model, x, columns, seeds[0], encoding)

    def combined(self, paths: Sequence[str | Path]) -> Combined:
        """The only part."""
        from ..files import posterior

        (path,) = paths
        return Combined(posterior.weighted(posterior.read(path)))

    def work(self, size: int, gradient: float, compiled: bool) -> Work:
        """As for any method."""
        most = self.rows or ESTIMATORS[self.model].ROWS
        square = most**2 if self.model == "gaussian_process" else most
        return Work(together=1, steps=1, seconds=SECONDS, covariance=square)

    @property
    def kept(self) -> int:
        """One."""
        return self.draws

    @property
    def effort(self) -> str:
        """Which model."""
        return ESTIMATORS[self.model].WORDS

    def account(self) -> str:
        """Which model, and what it predicts."""
        return ESTIMATORS[self.model].ACCOUNT
