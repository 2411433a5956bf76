"""The figure of a sampled fit's chains."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from ..judge.scores import by_target, inside_of
from .canvas import Axes, Figure, head, legend_below, rcParams
from .inputs import UPRIGHT, cut

# Of ranks, at most, and how many of a chain's draws are to fall to each.
RANK_BINS, FEWEST_IN_BIN = 20, 5


def draw_chains(
    fit: str,
    title: str,
    traces: Mapping[tuple[str, str], np.ndarray],
    diverging: np.ndarray,
    weights: np.ndarray,
    verdict: tuple[str, str],
) -> Figure:
    """Traces of the network's function at some points, and how its ranks fall to the chains.

    Ranks of chains that explore the same distribution are uniform (Vehtari et al., 2021,
    doi:10.1214/20-BA1221). The halves of a single chain stand for two.

    Args:
        fit: its name.
        title: heading.
        traces: by the function's point and its region, in words, values (chain, draw).
        diverging: which transitions diverged (chain, draw); they are marked below the traces.
        weights: of the chains (chain,), which are told where they are not equal.
        verdict: on the fit, and why.
    """
    chains, length = diverging.shape
    names, first = [f"chain {chain}" for chain in range(chains)], np.zeros(chains, dtype=int)
    if np.ptp(weights):
        told = zip(names, weights, strict=True)
        names = [f"{name}, weight {weight:.2g}" for name, weight in told]
    half = length // 2
    halved = chains == 1 and half > 0
    if halved:
        names, first = ["first half", "second half"], np.array([0, length - half])
    width, height = rcParams["figure.figsize"]
    figure = Figure(figsize=(width, 0.4 * height * len(traces) + 0.4 * height))
    grid = figure.subplots(len(traces), 2, squeeze=False, sharex="col", width_ratios=(2, 1))
    for (trace, rank), ((point, region), values) in zip(grid, traces.items(), strict=True):
        parts = np.stack([values[0, :half], values[0, -half:]]) if halved else values
        shares, edges = _rank_shares(parts)
        for number, name in enumerate(names):
            color = f"C{(number + 1) % 10}"
            steps = first[number] + np.arange(parts.shape[1])
            look = {"color": color, "linewidth": 0.6, "marker": "." if length < 20 else ""}
            trace.plot(steps, parts[number], label=name, **look)
            rank.stairs(shares[number], edges, color=color)
        _mark_divergences(trace, diverging)
        rank.axhline(1, color="0.6", linewidth=0.8, zorder=0)
        rank.set_ylim(bottom=0)
        trace.set_ylabel(f"{point}\n{region}", fontsize="medium", parse_math=False)
        rank.set_ylabel("share, relative\nto uniform", fontsize="small")
        trace.locator_params(axis="x", integer=True)
    grid[-1, 0].set_xlabel("draw")
    grid[-1, 1].set_xlabel("rank among all draws")
    head(figure, fit, title, verdict)
    legend_below(figure, *grid[0, 0].get_legend_handles_labels())
    return figure


def traces_of(evaluation: xr.Dataset) -> dict[tuple[str, str], np.ndarray]:
    """The function at one probe of every region, draw by draw.

    Args:
        evaluation: of a fit, with function (chain, draw, target, probe), probe_inputs
            (probe, input) and probe_inside (region, probe).

    Returns:
        By the function's point and its region, in words, values (chain, draw), ordered as the
        probes are.
    """
    places, inside = evaluation["probe_inputs"].to_numpy(), inside_of(evaluation, "probe_inside")
    points = evaluation["inputs"].to_numpy()
    shown = shown_probes(np.array(list(inside.values())))
    found = {}
    for region, probe in sorted(shown.items(), key=lambda entry: entry[1]):
        for target, own in by_target(evaluation).items():
            about = ", ".join(filter(None, (cut(target, UPRIGHT), list(inside)[region])))
            found[point_name(places[probe], points), about] = own["function"][..., probe].to_numpy()
    return found


def shown_probes(inside: np.ndarray) -> dict[int, int]:
    """By region a probe to show, where no other region's lies in it: of its first ones the middle.

    Args:
        inside: which probes lie in which region (region, probe).
    """
    found = {}
    for region, own in enumerate(inside):
        if own.any() and not own[list(found.values())].any():
            ends = np.flatnonzero(np.diff(np.pad(own, 1).astype(int)))
            found[region] = int(ends[:2].sum() // 2)
    return found


def point_name(place: np.ndarray, points: np.ndarray) -> str:
    """The function at a held-out point, as its axis is called: f(−1.25), or the row of a table.

    Args:
        place: the point (input,).
        points: all held-out points (n, input); rows are counted from 1.
    """
    if len(place) > 1:
        return f"held-out row {np.flatnonzero((points == place).all(1))[0] + 1}"
    (x,) = place
    number = f"{x:.2f}" if 0.01 <= abs(x) < 1000 or x == 0 else f"{x:.3g}"
    return f"f({number})".replace("-", "−")


def _rank_shares(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of ranks by chain (chain, bin), relative to uniform, and the ends of the bins.

    Args:
        values: (chain, draw).
    """
    ranked, draws = values.size, values.shape[1]
    most = min(RANK_BINS, max(1, draws // FEWEST_IN_BIN))
    # So that every bin holds equally many ranks.
    number = max(bins for bins in range(1, most + 1) if ranked % bins == 0)
    edges = np.linspace(0, ranked, number + 1)
    ranks = values.ravel().argsort().argsort().reshape(values.shape)
    counts = np.stack([np.histogram(chain, edges)[0] for chain in ranks])
    return counts * number / draws, edges


def _mark_divergences(axes: Axes, diverging: np.ndarray) -> None:
    """A stroke below the traces for each draw whose transition diverged, a row a chain."""
    if not (count := int(diverging.sum())):
        return
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom - 0.2 * (top - bottom), top)
    high = min(0.06, 0.15 / len(diverging))
    look = {"linewidth": 0.8, "transform": axes.get_xaxis_transform()}
    for chain, own in enumerate(diverging):
        low = high * chain
        draws = np.flatnonzero(own)
        axes.vlines(draws, low, low + 0.9 * high, color=f"C{(chain + 1) % 10}", **look)
    label = f"below: diverged, {count} of {diverging.size} transitions"
    axes.plot([], [], "|", color=rcParams["text.color"], label=label)
