"""Trajectories of microcanonical dynamics as proposals, of many chains at once.

The sampler is of Robnik, Cohn-Gordon and Seljak (2025, arXiv:2503.01707); dual averaging is of
Hoffman and Gelman (2014, arXiv:1111.4246).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Generator, Tensor

from ...density.log_density import LogDensity
from ...density.native import Function
from . import walks
from .loop import Rows
from .walks import DENSITY, STEP, Walks, by_name, leapfrog

# Of a chain's vectors, after place, direction, gradient and scale as a walk has them: where the
# trajectory has begun, and the gradient there.
ORIGIN, SLOPE = 4, 5

# Of a chain's numbers, after step size, length and log density as a walk has them, the density of
# the origin: steps that the trajectory still has, the kinetic energy that it has gained, the error
# of the energy of the last whole trajectory; and of dual averaging the number of proposals, the
# mean lack of acceptance, the average of the step size's logarithm, and its first value.
LEFT, GAINED, ERROR, PROPOSALS, LACK, AVERAGE, ANCHOR = range(3, 10)

# Random numbers of a step, besides those of the entries: for the length of a trajectory, and for
# its acceptance.
UNIFORM = 2

# Of dual averaging: how little a lack of acceptance counts, how many proposals the beginning
# weighs, and how fast the average forgets. A proposal has many steps, so that there are few: with
# Hoffman and Gelman's 0.05 in the place of 0.2 a few rejections shrink the step a thousandfold,
# and the next trajectory outlasts the warm-up.
CALM, EARLY, FORGETTING = 0.2, 10, 0.75

# The longest trajectory over the decoherence length. Lengths are uniform from none to this one, so
# that on a normal posterior of many entries of equal variance a trajectory's end has no correlation
# with its beginning: the cosine is zero on average.
LONGEST = math.pi

# Of the energy's error in a step of the walk before: its variance, an entry.
ENERGY_VARIANCE = 0.1


def proposed(
    value_and_grad: Function,
    vectors: Tensor,
    noise: Tensor,
    numbers: Tensor,
    learning: Tensor,
    *,
    target_accept: float,
) -> tuple[Tensor, Tensor]:
    """A step of chains along their trajectories, each of which ends by acceptance or rejection.

    A chain that has no step left begins a trajectory at its origin, in a random direction and of a
    random number of steps, uniform up to that of the longest trajectory. At the last step the end
    of the trajectory becomes the next origin with the probability min(1, exp(-error)). Whether a
    trajectory is accepted does not change how long it takes, so that the origin after any fixed
    number of steps has the distribution of the chain.

    Args:
        value_and_grad: log density (...) and gradient (..., n) at (..., n).
        vectors, numbers: of the chains, (..., 6, n) and (..., 10).
        noise: standard normal, (..., n + 2).
        learning: whether the step size is to be adapted, 1 or 0, (1,).
        target_accept: that the adaptation aims at.

    Returns:
        Vectors and numbers after the step.
    """
    place, direction, gradient, scale, origin, slope = vectors.unbind(-2)
    step, length, density, left, gained, error, *adaptation = numbers.unbind(-1)
    proposals, lack, average, anchor = adaptation
    spread, *uniform = noise.split([noise.shape[-1] - UNIFORM, 1, 1], -1)
    much, chance = (torch.special.ndtr(each[..., 0]) for each in uniform)
    begins = left < 1
    new = begins[..., None]
    place, gradient = origin.where(new, place), slope.where(new, gradient)
    direction = (spread / spread.norm(dim=-1, keepdim=True)).where(new, direction)
    steps = much * (LONGEST * length / step - 1)
    left = steps.ceil().clamp(min=1).where(begins, left) - 1
    new_place, turned, new_gradient, value, gain = leapfrog(
        value_and_grad, place, direction, gradient, scale, step
    )
    gained = torch.zeros_like(gained).where(begins, gained) + gain
    right = (gained - value).isfinite() & new_gradient.isfinite().all(-1)
    whole = right[..., None]
    # A trajectory that has come where there is no density ends in a rejection, and not before the
    # others.
    gained = gained.where(right, gained.new_tensor(torch.inf))
    place, gradient = new_place.where(whole, place), new_gradient.where(whole, gradient)
    direction = turned.where(whole, direction)
    ends = left < 1
    error = (gained - (value - density)).where(right, gained).where(ends, error)
    probability = (-error).clamp(max=0).exp()
    accepted = ends & (chance < probability)
    moved = accepted[..., None]
    origin, slope = place.where(moved, origin), gradient.where(moved, slope)
    density = value.where(accepted, density)
    learns = ends & (learning[..., 0] > 0)
    proposals = proposals + learns
    weight = 1 / (proposals + EARLY)
    lack = (lack + weight * (target_accept - probability - lack)).where(learns, lack)
    tried = anchor - proposals.sqrt() / CALM * lack
    forgets = proposals.clamp(min=1).pow(-FORGETTING)
    average = (average + forgets * (tried - average)).where(learns, average)
    step = tried.exp().where(learns, step)
    vectors = torch.stack([place, direction, gradient, scale, origin, slope], -2)
    kept = [step, length, density, left, gained, error, proposals, lack, average, anchor]
    return vectors, torch.stack(kept, -1)


@dataclass(frozen=True)
class State(walks.State):
    """Of chains of n entries.

    Attributes:
        proposals, decisions: vectors and numbers as `proposed` has them, (chains, 6, n) and
            (chains, 10).
    """

    proposals: Tensor
    decisions: Tensor


class Trajectories(Walks):
    """Chains of accepted trajectories, which begin where walks end.

    The first half of the warm-up is a walk, which finds lengths and scales; the second half adapts
    the step size to the acceptance.

    Args:
        density, streams, facts, settings: as for `Walks`.
        warmup: of both halves.
        target_accept: mean probability of acceptance that the step size is adapted to.
    """

    _further = UNIFORM

    def __init__(
        self,
        density: LogDensity,
        streams: Sequence[Generator],
        facts: list,
        *,
        warmup: int,
        target_accept: float,
        **settings,
    ):
        walking = warmup - warmup // 2
        settings |= {"warmup": walking, "energy_variance": ENERGY_VARIANCE}
        super().__init__(density, streams, facts, **settings)
        phases = self.phases
        self.phases = phases | {"adaptation": warmup - walking, "draws": phases.pop("draws")}
        self._target = target_accept

    def init(self) -> State:
        """As for any method."""
        begun = super().init()
        chains, _, n = begun.vectors.shape
        walk, zeros = self._walk, begun.vectors.new_zeros
        self._walk = lambda vectors, noise, *rest: walk(vectors, noise[:, :n].contiguous(), *rest)
        vectors, numbers = zeros(chains, 6, n), zeros(chains, 10)
        examples = vectors, zeros(chains, n + UNIFORM), numbers, zeros(1)
        propose = partial(proposed, target_accept=self._target)
        self._propose = self.density.around(propose, *examples, mapped=3)
        return State(**vars(begun), proposals=vectors, decisions=numbers)

    def step(self, state: State, numbers: range) -> tuple[State, Rows]:
        """As for any method; leaves what `walks.ROWS` names, energy_error of whole trajectories."""
        before = self.phases["optimum"] + self.phases["warm-up"]
        if numbers.stop <= before:
            return super().step(state, numbers)
        walks.restore(self._streams, state.streams)
        if numbers.start == before:
            state = self._switched(state)
        climbing = self.phases["optimum"]
        return self._decided(state, range(numbers.start - climbing, numbers.stop - climbing))

    def shown(self, state: State, rows: Rows) -> dict[str, float]:
        """As for any method."""
        adjusted = state.decisions.any()
        return super().shown(replace(state, numbers=state.decisions) if adjusted else state, rows)

    def _switched(self, state: State) -> State:
        """From the walk's last places, no trajectory begun."""
        count = self.phases["warm-up"] - self._windows[-1]
        vectors, numbers = self._rescaled(state.vectors, state.numbers, count)
        proposals = vectors.clone()
        proposals[:, ORIGIN], proposals[:, SLOPE] = (
            vectors[:, walks.PLACE],
            vectors[:, walks.GRADIENT],
        )
        decisions = torch.zeros_like(state.decisions)
        decisions[:, :LEFT] = numbers[:, :LEFT]
        # The step of least cost goes with the fourth root of the entries (Beskos et al., 2013,
        # Bernoulli 19), where the walk's does not.
        decisions[:, STEP] *= self.density.size**-0.25
        decisions[:, AVERAGE] = decisions[:, ANCHOR] = decisions[:, STEP].log()
        return replace(state, proposals=proposals, decisions=decisions)

    def _decided(self, state: State, numbers: range) -> tuple[State, Rows]:
        vectors, values, kept = state.proposals, state.decisions, []
        first = self.phases["warm-up"] + self.phases["adaptation"]
        learning = vectors.new_tensor([float(numbers.start < first)])
        if numbers.start == first:
            # The step size changes for the last time, and no trajectory may have two.
            values = values.clone()
            values[:, STEP], values[:, LEFT] = values[:, AVERAGE].exp(), 0
        for number, noise in self._noise(numbers):
            vectors, values = self._propose(vectors, noise, values, learning)
            if number >= first and (number + 1 - first) % self._thinning == 0:
                drawn = (values[:, column] for column in (DENSITY, ERROR, STEP))
                kept.append((vectors[:, ORIGIN], *drawn))
        state = replace(state, proposals=vectors, decisions=values, streams=self._at)
        return state, by_name(kept)
