"""Whether chains have found the posterior, and what their sampler says of itself."""

import math
from collections.abc import Iterator, Mapping

import numpy as np
from arviz_stats.base import array_stats

from .findings import Finding, judged, too_few, unmeasured
from .limits import Limits

# Draws that a chain needs so that ten fall to each of its quarters.
FEWEST_DRAWS = 40

# Statistics of trajectories that are judged, all of which NUTS leaves.
TRAJECTORY = ("diverging", "tree_depth", "energy", "acceptance_rate")


def of_chains(
    function: np.ndarray,
    inside: Mapping[str, np.ndarray],
    limits: Limits,
) -> Iterator[Finding]:
    """Convergence of chains, judged on the network's function.

    Split R-hat and effective sample sizes with ranks (Vehtari et al., 2021,
    doi:10.1214/20-BA1221), the worst of a region's points; over all chains, and of each chain by
    itself, R-hat between its quarters, because chains that have settled in different modes may
    each have explored their own.

    Args:
        function: the latent function (chain, draw, probe).
        inside: by region, which of the probes (probe,) lie in it.
        limits: by name of the diagnostic.
    """
    for region, mask in inside.items():
        if mask.any():
            yield from _convergence("function", function[:, :, mask], limits, region)
        else:
            reason = "no held-out point is there; widen data.held_out"
            for name in _names("function"):
                yield unmeasured(name, reason, region)


def of_site(name: str, values: np.ndarray, limits: Limits) -> Iterator[Finding]:
    """Convergence of chains, judged on a site of the model (chain, draw, ...), the worst entry."""
    yield from _convergence(name, values.reshape(*values.shape[:2], -1), limits)


def _names(quantity: str) -> list[str]:
    return [f"{kind}_{quantity}" for kind in ("rhat", "rhat_chain", "ess_bulk", "ess_tail")]


def _convergence(
    quantity: str, values: np.ndarray, limits: Limits, region: str = ""
) -> Iterator[Finding]:
    chains, draws, _ = values.shape
    names = _names(quantity)
    stuck = sorted(set(np.nonzero(np.ptp(values, axis=1) == 0)[0].tolist()))
    if draws < FEWEST_DRAWS:
        for name in names:
            yield unmeasured(name, too_few(draws, "draw", "draws", FEWEST_DRAWS), region)
        return
    if stuck:
        which = (
            f"chains {', '.join(map(str, stuck))} do"
            if len(stuck) > 1
            else f"chain {stuck[0]} does"
        )
        reason = f"{which} not move; another init, or more warmup"
        for name in names:
            yield judged(name, math.nan, limits, region, reason)
        return
    across, within_chain, *ess_names = names
    if chains == 1:
        yield unmeasured(across, "one chain; set chains: 2 or more", region)
    else:
        yield judged(across, _rhat(values), limits, region)
    alone = [values[[chain]] for chain in range(chains)]
    yield judged(within_chain, max(map(_rhat, alone)), limits, region)
    for name, kind in zip(ess_names, ("bulk", "tail"), strict=True):
        ess = [_ess(part, kind) for part in alone]
        reason = f"of the chains {', '.join(f'{e:.0f}' for e in ess)}" if chains > 1 else ""
        yield judged(name, _ess(values, kind), limits, region, reason)


def of_trajectories(
    stats: Mapping[str, np.ndarray], settings: Mapping[str, float], limits: Limits
) -> Iterator[Finding]:
    """What a sampler says of itself, as far as it says it.

    Args:
        stats: by name, of TRAJECTORY those that the sampler has left, each (chain, draw).
        settings: of the sampler; target_accept and max_tree_depth, where it has such.
        limits: by name of the diagnostic.
    """
    if "diverging" in stats:
        yield judged("divergences", stats["diverging"].mean(), limits)
    if "tree_depth" in stats:
        saturated = (stats["tree_depth"] >= settings["max_tree_depth"]).mean()
        yield judged("saturated_depth", saturated, limits)
    if "energy" in stats:
        yield _of_energy(stats["energy"], limits)
    if "acceptance_rate" in stats:
        target = settings["target_accept"]
        off = np.abs(stats["acceptance_rate"].mean(1) - target).max()
        yield judged("acceptance_off_target", off, limits, reason=f"target {target:g}")


def _of_energy(energy: np.ndarray, limits: Limits) -> Finding:
    if (draws := energy.shape[1]) < FEWEST_DRAWS:
        return unmeasured("ebfmi", too_few(draws, "draw", "draws", FEWEST_DRAWS))
    # Of an energy that does not move there is none, which fails.
    with np.errstate(invalid="ignore"):
        bfmi = array_stats.bfmi(energy.astype(float), chain_axis=0, draw_axis=1)
    return judged("ebfmi", np.min(bfmi), limits)


def _rhat(values: np.ndarray) -> float:
    if len(values) == 1:
        half = values.shape[1] // 2
        values = np.concatenate([values[:, :half], values[:, -half:]])
    return float(np.max(array_stats.rhat(values, chain_axis=0, draw_axis=1, method="rank")))


def _ess(values: np.ndarray, kind: str) -> float:
    tails = {"prob": (0.05, 0.95)} if kind == "tail" else {}
    return float(np.min(array_stats.ess(values, chain_axis=0, draw_axis=1, method=kind, **tails)))
