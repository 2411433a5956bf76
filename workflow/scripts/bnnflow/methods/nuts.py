"""The No-U-Turn sampler (Hoffman and Gelman, 2014, arXiv:1111.4246): Pyro's own, and nutpie."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from ..jobs import log
from ..settings import TO_AN_OPTIMUM, Count, Few, Seed, Share, fault, integer, number_only
from .running.method import Method, Work

if TYPE_CHECKING:
    import xarray as xr
    from torch import Generator, Tensor

    from ..density.log_density import LogDensity
    from ..density.pyro_private import NutsState
    from ..files.encodings import Encoding
    from .running.checkpoints import Checkpoint
    from .running.loop import Rows

Arrays = dict[str, np.ndarray]

# Of a draw of Pyro's sampler, as ArviZ names them, with torch's types.
STATISTICS = {
    "lp": "float64",
    "acceptance_rate": "float64",
    "step_size": "float64",
    "n_steps": "int64",
    "energy": "float64",
    "diverging": "bool",
}

# Of pyro.infer.autoguide.initialization.
INITS = {"uniform": "init_to_uniform", "median": "init_to_median", "prior": "init_to_sample"}

# The way to start that is not Pyro's, and its steps unless it is said otherwise.
OPTIMUM, OPTIMUM_STEPS = "optimum", 2000

# By sampler; the first is what it learns in the warm-up unless it is told otherwise.
MASS_MATRICES = {"pyro": ("diagonal", "dense"), "nutpie": ("low_rank", "diagonal")}

# Points that are tried for a chain's start, finite for some rows, until one is so for all.
STARTS = 100

# Seconds that a sampler needs beside each gradient; and a bound on the doublings of a trajectory,
# which may be longer but hardly ever is.
SECONDS = {"pyro": 250e-6, "nutpie": 20e-6}
DEPTH = 12


class Nuts(Method):
    """The No-U-Turn sampler."""

    part = "chain"
    leaves = frozenset({"sampled", "trajectories"})
    priority = 2

    method: Literal["nuts"] = Field("nuts", description="`nuts` samples the posterior.")
    sampler: Literal[*MASS_MATRICES] = Field(
        "nutpie",
        description="Implementation of NUTS; `pyro` is the tutorial's, `nutpie` the faster one with"
        " the better adaptation.",
    )
    warmup: integer(0, 10_000_000) = Field(
        500,
        description="Iterations that adapt step size and mass matrix, and are not kept; at least 1"
        " for nutpie.",
    )
    draws: Count = Field(500, description="Draws kept of each chain.")
    chains: Few = Field(4, description="Independent chains, each a job of its own.")
    target_accept: Share = Field(
        0.9, description="Mean acceptance probability that the adaptation aims at."
    )
    max_tree_depth: integer(1, 20) = Field(
        8, description="A trajectory has at most 2 ** max_tree_depth - 1 leapfrog steps."
    )
    mass_matrix: Literal[*dict.fromkeys(chain(*MASS_MATRICES.values()))] = Field(
        default_factory=lambda data: MASS_MATRICES.get(data.get("sampler"), [""])[0],
        description="What the warm-up learns of the posterior's covariance; `diagonal`, with `pyro`"
        " also `dense`, with `nutpie` also `low_rank`. Without it: `low_rank` for `nutpie`,"
        " `diagonal` for `pyro`.",
    )
    init: Literal[*INITS, OPTIMUM] = Field(
        "uniform",
        description="Where a chain starts; `uniform` in (-2, 2) for every unconstrained value, the"
        " `median` of draws from the prior, a draw from the `prior`, or an `optimum` of the"
        " posterior.",
    )
    optimum_steps: Count | None = Field(
        default_factory=lambda data: OPTIMUM_STEPS if data.get("init") == OPTIMUM else None,
        description=f"{TO_AN_OPTIMUM} Without it: {OPTIMUM_STEPS}. Only with `init: {OPTIMUM}`.",
    )
    seed: Seed | None = Field(
        None, description="Seed of the first chain in place of the derived one."
    )

    @field_validator("mass_matrix")
    @classmethod
    def _learnt_by_the_sampler(cls, value: str, info: ValidationInfo) -> str:
        allowed = MASS_MATRICES.get(sampler := info.data.get("sampler"), (value,))
        if value not in allowed:
            raise fault(f"allowed with the sampler {sampler} are {', '.join(allowed)}")
        return value

    @field_validator("optimum_steps")
    @classmethod
    def _of_its_start(cls, value: int | None, info: ValidationInfo) -> int | None:
        init = info.data.get("init")
        return number_only(value, init == OPTIMUM, f"with init: {init}")

    @field_validator("warmup")
    @classmethod
    def _enough_for_the_sampler(cls, value: int, info: ValidationInfo) -> int:
        if info.data.get("sampler") == "nutpie" and value < 1:
            raise fault("allowed with the sampler nutpie is 1 or more")
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
        """As for any method: one chain."""
        from ..files import posterior

        (seed,) = seeds
        names = ("warmup", "draws", "target_accept", "max_tree_depth", "mass_matrix")
        settings = {name: getattr(self, name) for name in ("sampler", "init", *names)}
        settings["optimum_steps"] = self.optimum_steps
        draws, stats = sample_chain(density, seed=seed, **settings, checkpoint=checkpoint)
        return posterior.of_chain(draws, stats, density.facts, encoding)

    def work(self, size: int, gradient: float, compiled: bool) -> Work:
        """As for any method: all trajectories as long as is allowed."""
        longest = 2 ** min(self.max_tree_depth, DEPTH) - 1
        return Work(
            together=1,
            steps=(self.warmup + self.draws) * longest,
            seconds=gradient + SECONDS[self.sampler],
            covariance=size**2 if self.mass_matrix == "dense" else 0,
        )

    @property
    def kept(self) -> int:
        """Those of all chains."""
        return self.draws * self.chains

    @property
    def effort(self) -> str:
        """Chains and steps."""
        return f"{self.chains} × ({self.warmup} + {self.draws}) steps"

    def account(self) -> str:
        """The sampler and its settings."""
        name = {"pyro": "Pyro"}.get(self.sampler, self.sampler)
        chains = f"{self.chains} chain{'s' if self.chains != 1 else ''}"
        return (
            f"The No-U-Turn sampler of {name}: {chains}, each with {self.warmup} steps of warm-up"
            rf" and {self.draws} draws :math:`\theta_s`, target acceptance {self.target_accept},"
            f" tree depth at most {self.max_tree_depth}."
        )


def sample_chain(
    density: LogDensity,
    *,
    sampler: str,
    init: str,
    seed: int,
    optimum_steps: int | None = None,
    checkpoint: Checkpoint | None = None,
    **settings,
) -> tuple[Arrays, Arrays]:
    """Run one chain of NUTS.

    Args:
        density: of the posterior.
        sampler: "pyro" or "nutpie".
        init: where the chain starts: "uniform" in (-2, 2) in unconstrained space, or the "median"
            of draws from the prior, or a draw from the "prior", or an "optimum".
        seed: of the whole chain, its starting point included.
        optimum_steps: of Adam up to the optimum.
        checkpoint: where Pyro's sampler keeps its state, warm-up included; with one that an
            earlier call has left, the chain goes on from there and ends with the same bytes as
            one that was never stopped. nutpie does not give its state away: its chain begins anew.
        settings: warmup, iterations that adapt step size and mass matrix; draws, iterations
            kept; target_accept, the mean acceptance probability that the step size is adapted
            to; max_tree_depth, the limit on the doublings of a trajectory; mass_matrix,
            "diagonal", or "dense" for Pyro, or "low_rank" for nutpie.

    Returns:
        Draws: for every site, in the model's order, an array (draws, ...) in constrained space.
        Statistics: for each an array (draws,), named as ArviZ names them.

    Raises:
        ValueError: if no starting point of finite density is found, for nutpie without warmup, or
            if there is no such sampler, mass matrix or way to start.
        NotCompiledError: if the density's engine `compiled`, or its GPU, is not possible.
        KeyboardInterrupt: if nutpie has been interrupted, which itself ends as if it were done.
        SystemExit: if SIGTERM or SIGINT has come, and there is a checkpoint to go on from.
    """
    import torch

    from .running import by_nutpie, loop, optimum

    for name, value, known in (
        ("sampler", sampler, MASS_MATRICES),
        ("mass matrix", settings["mass_matrix"], MASS_MATRICES.get(sampler, ())),
        ("init", init, (*INITS, OPTIMUM)),
    ):
        if value not in known:
            raise ValueError(f"the {name} is {value!r}, not one of {', '.join(known)}")
    stream = torch.Generator().manual_seed(seed)
    if init == OPTIMUM:
        start = optimum.optima(density, [stream], optimum_steps)[0]
    else:
        start = _start(density, init, stream)
    if sampler == "nutpie":
        if settings["warmup"] < 1:
            raise ValueError("nutpie needs a warmup of at least 1")
        if checkpoint is not None:
            log.info("a chain that is stopped begins anew, because nutpie keeps no state")
        vectors, stats = by_nutpie.chain(density, start, seed=seed, **settings)
    else:
        method = ByPyro(density, start, stream, [settings, init, seed, optimum_steps], **settings)
        _, rows = loop.run(method, checkpoint)
        vectors = rows["vector"]
        stats = {name: rows[name].numpy() for name in STATISTICS}
    # The last doubling, which a turn or a divergence may have cut short, counts as one.
    stats["tree_depth"] = np.ceil(np.log2(stats["n_steps"] + 1)).astype(int)
    values = density.constrained(density.unflattened(vectors))
    return {name: value.numpy() for name, value in values.items()}, stats


def _start(density: LogDensity, init: str, stream: Generator) -> Tensor:
    from pyro.infer.autoguide import initialization
    from pyro.infer.mcmc.util import initialize_model

    from ..density.pyro_private import drawing_from

    strategy = getattr(initialization, INITS[init])
    others = " or ".join(name for name in INITS if name != init)
    advice = (
        f"the chain finds no point of finite log density to start from (init: {init}); try init:"
        f" {others}, and look for data or a prior that the model cannot take"
    )
    for _ in range(STARTS):
        with drawing_from(stream):
            try:
                found, *_ = initialize_model(density.model, density.head, init_strategy=strategy)
            except ValueError as error:
                raise ValueError(f"{advice}. {error}") from error
        start = density.flattened(found).to(density.dtype)
        # This compiles, so that the sampler's time is its own; and other rows than the head's may
        # have no finite density there.
        value, grad = density.value_and_grad(start)
        if value.isfinite() and grad.isfinite().all():
            return start
    raise ValueError(advice)


class ByPyro:
    """A chain of Pyro's sampler, as the loop runs it.

    Args:
        density: of the posterior.
        start: where the chain starts, (n,).
        stream: of random numbers.
        facts: what determines the chain besides the density.
        warmup, draws, target_accept, max_tree_depth, mass_matrix: as for `sample_chain`.
    """

    stride = 1

    def __init__(
        self,
        density: LogDensity,
        start: Tensor,
        stream: Generator,
        facts: list,
        *,
        warmup: int,
        draws: int,
        target_accept: float,
        max_tree_depth: int,
        mass_matrix: str,
    ):
        from ..density.pyro_private import PyroNuts

        self.density, self.facts = density, facts
        self.phases = {"warm-up": warmup, "draws": draws}
        self._start, self._stream = start, stream
        self._sampler = PyroNuts(
            density.value_and_grad,
            warmup=warmup,
            target_accept=target_accept,
            max_tree_depth=max_tree_depth,
            dense=mass_matrix == "dense",
        )

    def init(self) -> NutsState:
        """As for any method."""
        return self._sampler.begun(self._start, self._stream)

    def step(self, state: NutsState, numbers: range) -> tuple[NutsState, Rows]:
        """As for any method; leaves vectors (draws, n) and STATISTICS (draws,)."""
        import torch

        state, found = self._sampler.iterated(state, len(numbers))
        if numbers.start < self.phases["warm-up"]:
            return state, {}
        rows = {
            name: torch.tensor(found[name], dtype=getattr(torch, kind))
            for name, kind in STATISTICS.items()
        }
        return state, rows | {"vector": torch.stack(found["vector"])}

    def shown(self, state: NutsState, rows: Rows) -> dict[str, float]:
        """As for any method."""
        return {"step size": float(state.step_size), "acceptance": float(state.acceptance)}
