"""Microcanonical Langevin Monte Carlo, many short chains from many optima.

The sampler is of Robnik, De Luca, Silverstein and Seljak (2023, arXiv:2212.08549); many of its
chains, started at optima, as the posterior of a network are of Sommer et al. (2025,
arXiv:2502.06335).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationInfo, field_validator

from ..settings import (
    AUTO,
    TO_AN_OPTIMUM,
    WIDTH_OF_STARTS,
    Count,
    Few,
    FewOrAuto,
    Positive,
    Seed,
    Share,
    fault,
    number_only,
)
from .running.method import Method, Work

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from torch import Generator

    from ..density.log_density import LogDensity
    from ..files.encodings import Encoding
    from .running.checkpoints import Checkpoint

# Seconds of a step beside the gradient, of a chain among many.
SECONDS = 3e-6

# At which rounds of more and more chains end, unless it is said otherwise.
MOST_CHAINS = 128

# To which the step size is adapted, unless it is said otherwise.
ENERGY_VARIANCE, TARGET_ACCEPT = 0.1, 0.9

# Settings of the step size, of chains that are adjusted and of others.
ADAPTED, WALKED = ("target_accept",), ("energy_variance", "warmup_energy_variance")


class Mclmc(Method):
    """Microcanonical Langevin Monte Carlo."""

    part = "chain"
    leaves = frozenset({"sampled", "ensemble"})
    priority = 2

    method: Literal["mclmc"] = Field(
        "mclmc", description="`mclmc` samples the posterior by many short chains from many optima."
    )
    chains: FewOrAuto = Field(
        16,
        description="Independent chains, each from an optimum of its own. With `auto`, rounds of"
        " more and more chains, until those that there are suffice by the limits of"
        " `computation_error` and `effective_chains`.",
    )
    most_chains: Few | None = Field(
        default_factory=lambda data: MOST_CHAINS if data.get("chains") == AUTO else None,
        description="Chains that there are at most. Without it:"
        f" {MOST_CHAINS}. Only with `chains: {AUTO}`.",
    )
    chains_per_job: Few = Field(
        8,
        description="Chains that are sampled together in one job; together they take less time in"
        " sum, as jobs of their own they run side by side.",
    )
    optimum_steps: Count = Field(2000, description=TO_AN_OPTIMUM)
    start_scale: Positive = Field(1.0, description=WIDTH_OF_STARTS)
    warmup: Count = Field(
        5000, description="Steps that adapt step size and decoherence length, and are not kept."
    )
    draws: Count = Field(125, description="Draws kept of each chain.")
    thinning: Count = Field(160, description="Steps from one draw to the next.")
    adjusted: bool = Field(
        False,
        description="Whether a Metropolis step accepts or rejects trajectories of many steps, after"
        " each of which the direction is a new one: exact for steps of any size.",
    )
    energy_variance: Positive | None = Field(
        default_factory=lambda data: None if data.get("adjusted") else ENERGY_VARIANCE,
        description="Variance of the energy's error in a step, per entry of the posterior, that the"
        " step size is adapted to; smaller is nearer to the exact posterior. Without it:"
        f" {ENERGY_VARIANCE}. Not with `adjusted`.",
    )
    warmup_energy_variance: Positive | None = Field(
        None,
        description="Energy variance of the first nine tenths of the warm-up. One larger than"
        " `energy_variance` carries chains farther from their optima; the step size then shrinks by"
        " the sixth root of the ratio. Without it: that of `energy_variance`. Not with `adjusted`.",
    )
    target_accept: Share | None = Field(
        default_factory=lambda data: TARGET_ACCEPT if data.get("adjusted") else None,
        description="Mean acceptance probability that the step size is adapted to. Without it:"
        f" {TARGET_ACCEPT}. Only with `adjusted`.",
    )
    decoherence: Positive = Field(
        1.0,
        description="Length over which a chain forgets its direction, over the root of the"
        " posterior's total variance; with `adjusted` a trajectory has up to π such lengths.",
    )
    preconditioning: Literal["none", "diagonal"] = Field(
        "none",
        description="`diagonal` measures every entry by the standard deviation that the chain has"
        " seen of the entry.",
    )
    seed: Seed | None = Field(
        None, description="Seed of the first chain in place of the derived one."
    )

    @field_validator("most_chains")
    @classmethod
    def _of_auto(cls, value: int | None, info: ValidationInfo) -> int | None:
        chains = info.data.get("chains")
        return number_only(value, chains == AUTO, f"with chains: {chains}")

    @field_validator("energy_variance", "target_accept")
    @classmethod
    def _of_its_kind(cls, value: float | None, info: ValidationInfo) -> float | None:
        adjusted = bool(info.data.get("adjusted"))
        needed = adjusted == (info.field_name == "target_accept")
        return number_only(value, needed, f"with adjusted: {str(adjusted).lower()}")

    @field_validator("warmup_energy_variance")
    @classmethod
    def _of_walks(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("adjusted"):
            raise fault("allowed with adjusted: true is none")
        return value

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
        """As for any method: several chains together."""
        from ..files import posterior

        names = ("optimum_steps", "start_scale", "warmup", "draws", "thinning")
        names += ("decoherence", "preconditioning", "adjusted")
        names += ADAPTED if self.adjusted else WALKED
        settings = {name: getattr(self, name) for name in names}
        chains = sample(density, streams, **settings, checkpoint=checkpoint)
        return posterior.merged(
            [posterior.of_chain(*own, density.facts, encoding) for own in chains]
        )

    def work(self, size: int, gradient: float, compiled: bool) -> Work:
        """As for any method."""
        return Work(
            together=min(self.chains_per_job, self.most),
            steps=self.optimum_steps + self.warmup + self.draws * self.thinning,
            seconds=gradient + SECONDS,
            covariance=0,
        )

    @property
    def most(self) -> int:
        """Chains that there are at most."""
        return self.most_chains or self.chains

    @property
    def kept(self) -> int:
        """Those of all chains, at most."""
        return self.draws * self.most

    @property
    def effort(self) -> str:
        """Chains and steps."""
        chains = f"up to {self.most}" if self.chains == AUTO else f"{self.chains}"
        return f"{chains} × ({self.warmup} + {self.draws * self.thinning}) steps"

    def account(self) -> str:
        """The sampler and its settings."""
        chains = f"{self.most} chain{'s' if self.most != 1 else ''}"
        if self.chains == AUTO:
            chains = f"as many chains as suffice, up to {self.most}"
        if self.adjusted:
            kind = "Metropolis-adjusted microcanonical dynamics"
            aim = f"the target acceptance of a trajectory is {self.target_accept:g}"
        else:
            kind = "Microcanonical Langevin dynamics"
            aim = (
                f"the variance of the energy's error in a step is {self.energy_variance:g} an entry"
            )
            if self.warmup_energy_variance is not None:
                aim += f", and {self.warmup_energy_variance:g} in most of the warm-up"
        return (
            f"{kind}: {chains}, each from the end of"
            f" {self.optimum_steps} steps of Adam up the log posterior, with {self.warmup} steps of"
            rf" warm-up and {self.draws} draws :math:`\theta_s`, one in {self.thinning} steps;"
            f" {aim}."
        )


def sample(
    density: LogDensity,
    streams: Sequence[Generator],
    *,
    adjusted: bool = False,
    checkpoint: Checkpoint | None = None,
    **settings,
) -> list[tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]]:
    """Run chains, all in one compiled call a step.

    Args:
        density: of the posterior, of two entries or more.
        streams: of random numbers, one for every chain.
        adjusted: whether trajectories are accepted or rejected.
        checkpoint: where the state is kept; with one that an earlier call has left, the chains go
            on from there and end with the same bytes as chains that were never stopped.
        settings: optimum_steps, start_scale, warmup, draws, thinning, decoherence and
            preconditioning, and energy_variance and warmup_energy_variance or, adjusted,
            target_accept, as the fields of `Mclmc`.

    Returns:
        For every chain its draws, for every site, in the model's order, an array (draws, ...) in
        constrained space; and statistics, each an array (draws,): `lp`, the log density in
        unconstrained space; `energy_error`, of the step before the draw, or of the
        last trajectory that has been accepted or rejected; both in nats; and `step_size`.

    Raises:
        ValueError: if the posterior has one entry, in which no direction can turn.
        FloatingPointError: if a chain has found no place of finite log density.
        NotCompiledError: if the density's engine `compiled`, or its GPU, is not possible.
        SystemExit: if SIGTERM or SIGINT has come, and there is a checkpoint to go on from.
    """
    from .running import loop
    from .running.adjusted import Trajectories
    from .running.walks import Walks

    if density.size < 2:
        raise ValueError("mclmc needs a posterior of two entries or more; use nuts")
    facts = [settings, *(stream.get_state() for stream in streams)]
    kind = Trajectories if adjusted else Walks
    _, rows = loop.run(kind(density, streams, facts, **settings), checkpoint)
    if not (whole := rows["lp"].isfinite().all(0)).all():
        lost = ", ".join(map(str, (~whole).nonzero()[:, 0].tolist()))
        raise FloatingPointError(
            f"the log density is not finite where these chains of the job have gone: {lost}; look"
            " for data or a prior that the model cannot take"
        )
    values = density.constrained(density.unflattened(rows["vector"]))
    return [
        (
            {name: value[:, chain].numpy() for name, value in values.items()},
            {name: rows[name][:, chain].numpy() for name in ("lp", "energy_error", "step_size")},
        )
        for chain in range(len(streams))
    ]
