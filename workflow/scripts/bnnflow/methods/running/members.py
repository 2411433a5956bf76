"""Methods whose posterior is made of members, each from an optimum of its own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from ...settings import TO_AN_OPTIMUM, WIDTH_OF_STARTS, Count, Few, Positive, Seed
from .method import Method, Work

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from torch import Generator, Tensor

    from ...density.log_density import LogDensity
    from ...files.encodings import Encoding
    from .checkpoints import Checkpoint


class Members(Method):
    """Members, each a chain of the posterior."""

    part = "member"
    leaves = frozenset({"ensemble"})
    priority = 1

    members: Few = Field(16, description="Independent members, each at an optimum of its own.")
    members_per_job: Few = Field(
        8,
        description="Members that are made together in one job; together they take less time in"
        " sum, as jobs of their own they run side by side.",
    )
    optimum_steps: Count = Field(10_000, description=TO_AN_OPTIMUM)
    start_scale: Positive = Field(1.0, description=WIDTH_OF_STARTS)
    seed: Seed | None = Field(
        None, description="Seed of the first member in place of the derived one."
    )

    @abstractmethod
    def drawn(
        self, density: LogDensity, optimum: Tensor, stream: Generator
    ) -> tuple[Tensor, dict[str, np.ndarray]]:
        """By the optimum (n,) of a member its draws, and what is known of each.

        Returns:
            Draws (draws, n) in unconstrained space; and statistics (draws,) by name, beside `lp`.
        """

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
        """As for any method: several members together."""
        from ...files import posterior

        made = self.members_of(density, streams, observations=observations, checkpoint=checkpoint)
        return posterior.merged([posterior.of_chain(*own, density.facts, encoding) for own in made])

    def members_of(
        self,
        density: LogDensity,
        streams: Sequence[Generator],
        *,
        observations: int,
        checkpoint: Checkpoint | None = None,
    ) -> list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
        """Of every member its draws, by site (draws, ...), and statistics (draws,).

        The statistics are `lp` in nats and those that `drawn` gives.

        Raises:
            FloatingPointError: if a member has gone where the log density is not finite.
            NotCompiledError: if the density's engine `compiled`, or its GPU, is not possible.
            SystemExit: if SIGTERM or SIGINT has come, and there is a checkpoint to go on from.
        """
        from . import optimum
        from .drawn import with_densities

        found = []
        places = optimum.optima(
            density, streams, self.optimum_steps, self.start_scale, checkpoint=checkpoint
        )
        for place, stream in zip(places, streams, strict=True):
            vectors, known = self.drawn(density, place, stream)
            values, lp = with_densities(density, vectors, observations)
            draws = {name: value.numpy() for name, value in values.items()}
            found.append((draws, {"lp": lp.numpy()} | known))
        return found

    def work(self, size: int, gradient: float, compiled: bool) -> Work:
        """As for any method."""
        together = min(self.members_per_job, self.members)
        return Work(together=together, steps=self.optimum_steps, seconds=gradient, covariance=0)

    @property
    def kept(self) -> int:
        """Those of all members."""
        return self.draws * self.members

    @property
    def effort(self) -> str:
        """Members and steps."""
        return f"{self.members} × {self.optimum_steps} steps"
