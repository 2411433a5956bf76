"""Steps of microcanonical Langevin dynamics, of many chains at once.

The dynamics and its discretization are of Robnik, De Luca, Silverstein and Seljak (2023,
arXiv:2212.08549), the isokinetic leapfrog of ver Steeg and Galstyan (2021, arXiv:2111.02434).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Generator, Tensor

from ...density.log_density import LogDensity
from ...density.native import Function
from . import optimum
from .adam import factors
from .loop import Rows
from .streams import restore, states_of

# Of a chain's vectors: where it is, the direction in which it moves, the gradient there, the
# scale of every entry, and what the warm-up has seen of the entries' means and variances.
PLACE, DIRECTION, GRADIENT, SCALE, MEAN, VARIANCE = range(6)

# Of a chain's numbers: step size, decoherence length, the log density, two sums of the step size's
# adaptation, and the step size above which steps have failed.
STEP, LENGTH, DENSITY, ERRORS, WEIGHTS, HIGHEST = range(6)

# The adaptation of the step size remembers so many steps, and gives little weight to steps whose
# error is off by more than so many factors of e (Robnik et al., 2023, appendix B).
MEMORY, TRUST = 150, 1.5

# Of the first step, over the decoherence length.
FIRST_STEP = 1e-3

# Steps whose random numbers are drawn at once.
BLOCK = 50

# Shares of the warm-up after which the scales of the entries are learnt.
WINDOWS = (0.2, 0.4, 0.7)

# Share of the warm-up after which it has the step size of the draws, where it began with a larger.
COOLING = 0.9

# Draws of a prior variance that a learnt scale counts besides the chain's own.
PRIOR_DRAWS, PRIOR_VARIANCE = 5, 1e-3

# What a step that is a draw leaves of every chain: where it is, (chains, n), and three numbers.
ROWS = ("vector", "lp", "energy_error", "step_size")


def kicked(direction: Tensor, force: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """The direction after so much time in a constant force, at constant speed.

    Args:
        direction: of unit length, (..., n), n > 1.
        force: the gradient of the log density, (..., n).
        time: (...).

    Returns:
        The new direction (..., n), and by how much the kinetic energy has grown, in nats (...).
    """
    size = force.norm(dim=-1)
    towards = force / size.clamp(min=torch.finfo(force.dtype).tiny)[..., None]
    freedom = direction.shape[-1] - 1
    angle = time * size / freedom
    along = (direction * towards).sum(-1)
    left = (-angle).exp()
    new = towards * ((1 - left) * (1 + left + along * (1 - left)))[..., None]
    new = new + (2 * left)[..., None] * direction
    gain = angle - math.log(2) + (1 + along + (1 - along) * left.square()).log()
    return new / new.norm(dim=-1, keepdim=True), freedom * gain


def blurred(direction: Tensor, noise: Tensor, step: Tensor, length: Tensor) -> Tensor:
    """The direction (..., n), partly forgotten over a step.

    Args:
        direction: of unit length.
        noise: standard normal, (..., n).
        step, length: of the step, and over which the direction is forgotten, (...).
    """
    share = (torch.expm1(2 * step / length) / direction.shape[-1]).sqrt()
    new = direction + share[..., None] * noise
    return new / new.norm(dim=-1, keepdim=True)


def leapfrog(
    value_and_grad: Function,
    place: Tensor,
    direction: Tensor,
    gradient: Tensor,
    scale: Tensor,
    step: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Half a kick, a move, half a kick.

    Args:
        value_and_grad: log density (...) and gradient (..., n) at (..., n).
        place, direction, gradient: of the chains, (..., n).
        scale: of the entries, (..., n).
        step: length of the move in units of the scale, (...).

    Returns:
        The new place, direction and gradient (..., n); the log density there, and by how much the
        kinetic energy has grown, in nats (...).
    """
    turned, first = kicked(direction, scale * gradient, step / 2)
    place = place + step[..., None] * scale * turned
    density, gradient = value_and_grad(place)
    turned, second = kicked(turned, scale * gradient, step / 2)
    return place, turned, gradient, density, first + second


def walked(
    value_and_grad: Function,
    vectors: Tensor,
    noise: Tensor,
    numbers: Tensor,
    learning: Tensor,
    *,
    energy_variance: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """A step of chains.

    A step that ends where the density is not finite is not taken; its direction is turned back.

    Args:
        value_and_grad: log density (...) and gradient (..., n) at (..., n).
        vectors, numbers: of the chains, (..., 6, n) and (..., 6).
        noise: standard normal, (..., n).
        learning: how much the step size is to be adapted, 1 or 0; and the share of this step in
            the means and variances, 0 for none.
        energy_variance: that the adaptation aims at: of the energy's error in a step, an entry.

    Returns:
        Vectors and numbers after the step, and the error of the energy in nats (...).
    """
    place, direction, gradient, scale, mean, variance = vectors.unbind(-2)
    step, length, density, errors, weights, highest = numbers.unbind(-1)
    adapting, share = learning.unbind()
    n = place.shape[-1]
    new_place, turned, new_gradient, new_density, gained = leapfrog(
        value_and_grad, place, direction, gradient, scale, step
    )
    error = gained - (new_density - density)
    right = error.isfinite() & new_gradient.isfinite().all(-1)
    whole = right[..., None]
    place, gradient = new_place.where(whole, place), new_gradient.where(whole, gradient)
    density, error = new_density.where(right, density), error.where(right, 0 * step)
    direction = blurred(turned.where(whole, -direction), noise, step, length)
    off = error.square() / (n * energy_variance) + 1e-8
    weight = (-(off.log() / (6 * TRUST)).square() / 2).exp() * right
    decay, learns = 1 - 2 / (MEMORY + 1), adapting > 0
    errors = (decay * errors + weight * off / step**6).where(learns, errors)
    weights = (decay * weights + weight).where(learns, weights)
    highest = highest.minimum(0.8 * step).where(learns & ~right, highest)
    adapted = (weights / errors).pow(1 / 6).where(learns & (weights > 0), step)
    step = adapted.minimum(highest)
    apart = place - mean
    mean = mean + share * apart
    variance = (1 - share) * (variance + share * apart.square())
    vectors = torch.stack([place, direction, gradient, scale, mean, variance], -2)
    numbers = torch.stack([step, length, density, errors, weights, highest], -1)
    return vectors, numbers, error


@dataclass(frozen=True)
class State:
    """Of chains of n entries.

    Attributes:
        adam: of the search for optima, (chains, 3, n).
        vectors, numbers: as `walked` has them, (chains, 6, n) and (chains, 6).
        streams: of random numbers, (chains, bytes).
    """

    adam: Tensor
    vectors: Tensor
    numbers: Tensor
    streams: Tensor


def by_name(kept: Sequence[tuple[Tensor, ...]]) -> Rows:
    """Draws by the names of `ROWS`, (draws, chains, ...)."""
    columns = map(torch.stack, zip(*kept, strict=True))
    return dict(zip(ROWS, columns, strict=True)) if kept else {}


class Walks:
    """Chains that start at optima, as the loop runs them.

    Args:
        density: of the posterior.
        streams: of random numbers, one for every chain.
        facts: what determines the chains besides the density.
        optimum_steps, warmup, draws, thinning: steps up to the optimum and of the warm-up; draws,
            and the steps from one to the next.
        start_scale, energy_variance, warmup_energy_variance, decoherence, preconditioning: as the
            settings have them.
    """

    stride = 1

    # Random numbers of a step, besides those of the entries.
    _further = 0

    def __init__(
        self,
        density: LogDensity,
        streams: Sequence[Generator],
        facts: list,
        *,
        optimum_steps: int,
        warmup: int,
        draws: int,
        thinning: int,
        energy_variance: float,
        decoherence: float,
        preconditioning: str,
        start_scale: float = 1.0,
        warmup_energy_variance: float | None = None,
    ):
        self.density, self.facts, self._streams = density, facts, streams
        self.phases = {"optimum": optimum_steps, "warm-up": warmup, "draws": draws * thinning}
        self._thinning, self._variance = thinning, warmup_energy_variance or energy_variance
        # The variance goes with the sixth power of the step size (Robnik et al., 2023).
        self._cooled = (energy_variance / self._variance) ** (1 / 6)
        self._cools = int(COOLING * warmup) if warmup_energy_variance else warmup
        self._start_scale = start_scale
        self._decoherence, self._preconditions = decoherence, preconditioning == "diagonal"
        self._windows = [0, *(round(share * warmup) for share in WINDOWS)]

    def init(self) -> State:
        """As for any method."""
        states = optimum.begun(self.density, self._streams, self._start_scale)
        chains, _, n = states.shape
        vectors, numbers = states.new_zeros(chains, 6, n), states.new_zeros(chains, 6)
        self._factors = factors(optimum.rates(self.phases["optimum"]), states)
        self._climb = optimum.step(self.density, states)
        walk = partial(walked, energy_variance=self._variance)
        examples = vectors, states.new_zeros(chains, n), numbers, numbers.new_zeros(2)
        self._walk = self.density.around(walk, *examples, mapped=3)
        return State(states, vectors, numbers, states_of(self._streams))

    def step(self, state: State, numbers: range) -> tuple[State, Rows]:
        """As for any method; leaves what `ROWS` names."""
        climbing, warming = self.phases["optimum"], self.phases["warm-up"]
        if numbers.stop <= climbing:
            return self._climbed(state, numbers), {}
        restore(self._streams, state.streams)
        if numbers.start == climbing:
            state = self._begun(state)
        shifted = range(numbers.start - climbing, numbers.stop - climbing)
        if shifted.stop <= warming:
            return self._warmed(state, shifted), {}
        return self._drawn(state, shifted)

    def shown(self, state: State, rows: Rows) -> dict[str, float]:
        """As for any method."""
        numbers = state.numbers
        if not numbers.any():
            return {}
        return {
            "step size": float(numbers[:, STEP].median()),
            "log density": float(numbers[:, DENSITY].median()),
        }

    def _climbed(self, state: State, numbers: range) -> State:
        states = state.adam
        for factor in self._factors[numbers.start : numbers.stop]:
            (states,) = self._climb(states, factor)
        return replace(state, adam=states)

    def _begun(self, state: State) -> State:
        """At the optima, each chain in a direction of its own."""
        place = state.adam[:, 0]
        noise = torch.stack([torch.randn(place[0].shape, generator=own) for own in self._streams])
        direction = noise / noise.norm(dim=-1, keepdim=True)
        zeros, ones = torch.zeros_like(place), torch.ones_like(place)
        vectors = torch.stack([place, direction, zeros, ones, place, zeros], 1)
        numbers = torch.zeros_like(state.numbers)
        length = self._decoherence * math.sqrt(self.density.size)
        numbers[:, LENGTH], numbers[:, HIGHEST] = length, math.inf
        # A step of no length finds density and gradient.
        vectors, numbers, _ = self._walk(vectors, zeros, numbers, numbers.new_zeros(2))
        numbers[:, STEP] = FIRST_STEP * length
        return replace(state, vectors=vectors, numbers=numbers)

    def _warmed(self, state: State, numbers: range) -> State:
        vectors, values = state.vectors, state.numbers
        for number, noise in self._noise(numbers):
            begin = max(start for start in self._windows if start <= number)
            if begin == number > 0:
                before = max(start for start in self._windows if start < number)
                vectors, values = self._rescaled(vectors, values, number - before)
            if number == self._cools:
                values = values.clone()
                values[:, STEP] *= self._cooled
            adapting = float(number < self._cools)
            learning = vectors.new_tensor([adapting, 1 / (number - begin + 1)])
            vectors, values, _ = self._walk(vectors, noise, values, learning)
        return replace(state, vectors=vectors, numbers=values, streams=self._at)

    def _rescaled(self, vectors: Tensor, numbers: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Scales and decoherence lengths by what the chains have seen in so many steps."""
        vectors, numbers = vectors.clone(), numbers.clone()
        if self._preconditions:
            seen = count * vectors[:, VARIANCE] + PRIOR_DRAWS * PRIOR_VARIANCE
            scale = (seen / (count + PRIOR_DRAWS)).sqrt()
            numbers[:, STEP] *= (vectors[:, SCALE] / scale).log().mean(1).exp()
            numbers[:, ERRORS], numbers[:, WEIGHTS], numbers[:, HIGHEST] = 0, 0, math.inf
            vectors[:, SCALE] = scale
        spread = (vectors[:, VARIANCE] / vectors[:, SCALE].square()).sum(1).sqrt()
        # Of a chain that has taken one step, or could take none, no spread has been seen.
        numbers[:, LENGTH] = (self._decoherence * spread).where(spread > 0, numbers[:, LENGTH])
        return vectors, numbers

    def _drawn(self, state: State, numbers: range) -> tuple[State, Rows]:
        vectors, values, kept = state.vectors, state.numbers, []
        still = vectors.new_zeros(2)
        for number, noise in self._noise(numbers):
            vectors, values, error = self._walk(vectors, noise, values, still)
            if (number + 1 - self.phases["warm-up"]) % self._thinning == 0:
                kept.append((vectors[:, PLACE], values[:, DENSITY], error, values[:, STEP]))
        state = replace(state, vectors=vectors, numbers=values, streams=self._at)
        return state, by_name(kept)

    def _noise(self, numbers: range) -> Iterator[tuple[int, Tensor]]:
        """Standard normal numbers (chains, n), or more, for every step, and the step's number.

        They are drawn in blocks, of which the streams are at the first that is not used up.
        """
        n, number = self.density.size + self._further, numbers.start
        while number < numbers.stop:
            self._at = states_of(self._streams)
            draws = [torch.randn(BLOCK, n, generator=stream) for stream in self._streams]
            used = number % BLOCK
            end = min(numbers.stop, number - used + BLOCK)
            yield from zip(range(number, end), torch.stack(draws, 1)[used:], strict=False)
            number = end
        if number % BLOCK == 0:
            self._at = states_of(self._streams)
