"""The figure of a sampled fit's chains."""

from collections.abc import Mapping

import numpy as np

from .canvas import Figure, head, legend_below, rcParams

# Of ranks, at most, and how many of a chain's draws are to fall to each.
RANK_BINS, FEWEST_IN_BIN = 20, 5


def draw_chains(
    fit: str,
    title: str,
    traces: Mapping[tuple[str, str], np.ndarray],
    diverging: np.ndarray,
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
        verdict: on the fit, and why.
    """
    chains, length = diverging.shape
    names, first = [f"chain {chain}" for chain in range(chains)], np.zeros(chains, dtype=int)
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


def point_name(place: np.ndarray) -> str:
    """The function at a point (input,), as its axis is called: f(0.50, −1.25)."""
    numbers = [f"{x:.2f}" if 0.01 <= abs(x) < 1000 or x == 0 else f"{x:.3g}" for x in place[:3]]
    shown = ", ".join([*numbers, *(["…"] if len(place) > 3 else [])])
    return f"f({shown})".replace("-", "−")


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


def _mark_divergences(axes, diverging: np.ndarray) -> None:
    """A line at the foot of the axes for each draw whose transition diverged."""
    count = int(diverging.sum())
    if count:
        draws = np.flatnonzero(diverging.any(axis=0))
        label = f"diverged: {count} of {diverging.size} transitions"
        look = {"color": rcParams["text.color"], "linewidth": 0.8, "label": label}
        axes.vlines(draws, 0, 0.08, transform=axes.get_xaxis_transform(), **look)
