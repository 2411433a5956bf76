"""Networks for tables, of several inputs and 16 to 128 units, beside the floor and JAX."""

import growth
import jax.numpy as jnp
import peers
import problems
from measure import Row, Trial, compared, interleaved, loop, over, row

# Hidden widths and inputs, and rows of the table.
SHAPES = (
    ((16, 16, 16, 16), 5),
    ((32, 32, 32), 5),
    ((64, 64), 5),
    ((64, 64), 30),
    ((128, 128), 5),
)
ROWS, CHAINS = 1_200, 8


def tables(quick: bool) -> list[Row]:
    """Value and gradient, one at a time and batched, a chain; the floor; NumPyro the same ways."""
    # Shorter than a busy machine lets a process run: some turns are not interrupted.
    repeats, seconds = (3, 0.002) if quick else (100, 0.002)
    speed = growth.speed()
    rows = growth.of_core("tables", speed)
    for hidden, inputs in SHAPES[:1] if quick else SHAPES:
        problem = problems.tabular(hidden, inputs, ROWS)
        name = f"{inputs} inputs, {', '.join(map(str, hidden))}"
        times = interleaved(_trials(problem, seconds), repeats)
        rows += compared("tables", name, "per chain", times, "one at a time")
        floor = growth.floor(problem.widths, ROWS, speed)
        rows += [row("tables", name, "per chain", "floor", floor * 1e6, "µs")]
        rows += [
            row("tables", name, "per chain", f"{who} / floor", times[who].min() / floor, "x")
            for who in times
        ]
    return rows


def _trials(problem: problems.Problem, seconds: float) -> dict[str, Trial]:
    density, vectors = problem.density(), problem.vectors(CHAINS)
    arrays = jnp.asarray(vectors.numpy())
    one = {"one at a time": (density.value_and_grad, vectors)}
    many = {f"{CHAINS} batched": (density.value_and_grad, [vectors])}
    for who, layout in peers.LAYOUTS.items():
        single, batched = (
            peers.numpyro_value_and_grad(problem, layout, batched=batched)
            for batched in (False, True)
        )
        one[who] = single, list(arrays)
        many[f"{who}, {CHAINS} batched"] = batched, [arrays]
    trials = {who: loop(over(*way), seconds) for who, way in one.items()}
    return trials | {who: _per_chain(loop(over(*way), seconds)) for who, way in many.items()}


def _per_chain(trial: Trial) -> Trial:
    return lambda: trial() / CHAINS
