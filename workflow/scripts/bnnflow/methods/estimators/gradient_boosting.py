"""Gradient boosting of quantiles (Friedman, 2001, doi:10.1214/aos/1013203451).

Every quantile is a sum of trees of its own. Sorted, they are knots of a distribution.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .trained import Trained

if TYPE_CHECKING:
    from sklearn.ensemble import GradientBoostingRegressor

    from .quantiles import Quantiled

# The most rows without being asked for others: time grows with them.
ROWS = 20_000

TREES, DEPTH, RATE, SHARE, LEAF = 200, 6, 0.1, 0.5, 5

# One of so many parts of the rows is left out to find tails and the least gap.
PARTS = 5

# The least distances of quantiles that are tried, by unit of probability, where the target's
# standard deviation is 1.
GAPS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

WORDS = "Gradient boosting of quantiles"
ACCOUNT = (
    f"{WORDS}, each a sum of {TREES} trees. The distribution is uniform between the sorted"
    " quantiles and exponential beyond them; tails and the least distance between quantiles come"
    f" from one of {PARTS} parts of the rows, which a first fit has not seen."
)


def learn(x: np.ndarray, y: np.ndarray, seed: int) -> Trained:
    """Trees for every quantile, and the scale of the tails.

    Args:
        x: encoded inputs (n, inputs).
        y: a target of mean 0 and standard deviation 1, (n,).
        seed: of rows left out, and of those that every tree sees.
    """
    order = np.random.default_rng(seed).permutation(len(y))
    apart, seen = np.split(order, [max(1, len(y) // PARTS)])
    first = _stored(x[seen], y[seen], seed)
    tails, gap = _spread(np.sort(_predicted(first, x[apart]), axis=1), y[apart])
    own = _stored(x, y, seed)
    parameters = {name: own.pop(name) for name in ("start", "value")}
    return Trained(parameters | {"tails": tails, "gap": np.array(gap)}, own)


def components(own: Mapping[str, np.ndarray], x: np.ndarray) -> Quantiled:
    """The predictive distribution at encoded inputs (m, inputs)."""
    import torch

    from .quantiles import Quantiled

    knots = _apart(np.sort(_predicted(own, x), axis=1), float(own["gap"]))
    knots = knots * own["unit"] + own["location"]
    tails = np.tile(own["tails"] * own["unit"], (len(x), 1))
    return Quantiled.of(*(torch.from_numpy(part).float()[None] for part in (knots, tails)))


def _stored(x: np.ndarray, y: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Trees as arrays (levels, trees, nodes), a leaf's children being itself; start (levels,)."""
    from sklearn.ensemble import GradientBoostingRegressor

    from .quantiles import LEVELS

    settings = {"n_estimators": TREES, "max_depth": DEPTH, "learning_rate": RATE}
    settings |= {"subsample": SHARE, "min_samples_leaf": LEAF, "random_state": seed}
    fitted = [
        GradientBoostingRegressor(loss="quantile", alpha=level, **settings).fit(x, y)
        for level in LEVELS
    ]
    stored = [_trees(one) for one in fitted]
    start = np.array([one.init_.constant_.item() for one in fitted])
    return {name: np.stack([one[name] for one in stored]) for name in stored[0]} | {"start": start}


def _trees(fitted: GradientBoostingRegressor) -> dict[str, np.ndarray]:
    """Of one quantile: arrays (trees, nodes)."""
    nodes = 2 ** (DEPTH + 1) - 1
    found = {name: np.zeros((TREES, nodes)) for name in ("threshold", "value")}
    found |= {name: np.zeros((TREES, nodes), np.int32) for name in ("feature", "left", "right")}
    for row, (one,) in enumerate(fitted.estimators_):
        tree, count = one.tree_, one.tree_.node_count
        leaf = tree.children_left < 0
        own = np.arange(count)
        found["feature"][row, :count] = np.where(leaf, 0, tree.feature)
        found["threshold"][row, :count] = np.where(leaf, 0, tree.threshold)
        found["left"][row, :count] = np.where(leaf, own, tree.children_left)
        found["right"][row, :count] = np.where(leaf, own, tree.children_right)
        found["value"][row, :count] = RATE * tree.value[:, 0, 0]
    return found


def _predicted(own: Mapping[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """Quantiles (m, levels), as they come."""
    # Trees compare inputs in single precision.
    x, rows = np.asarray(x, dtype=np.float32), np.arange(len(x))
    found = np.empty((len(x), len(own["start"])))
    for level, start in enumerate(own["start"]):
        total = np.full(len(x), start)
        for tree in range(TREES):
            at = np.zeros(len(x), dtype=np.int32)
            for _ in range(DEPTH):
                less = x[rows, own["feature"][level, tree, at]] <= own["threshold"][level, tree, at]
                at = np.where(less, own["left"][level, tree, at], own["right"][level, tree, at])
            total += own["value"][level, tree, at]
        found[:, level] = total
    return found


def _apart(knots: np.ndarray, gap: float) -> np.ndarray:
    """Sorted quantiles (m, levels) moved away from their median, so that none are too near."""
    from .quantiles import LEVELS

    wide = np.maximum(np.diff(knots, axis=1), gap * np.diff(LEVELS))
    middle = len(LEVELS) // 2
    moved = np.cumsum(np.pad(wide, ((0, 0), (1, 0))), axis=1)
    return moved - moved[:, [middle]] + knots[:, [middle]]


def _spread(knots: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Means of both tails (2,), and the gap, of the highest density of rows (n,) not seen before.

    Args:
        knots: sorted quantiles (n, levels).
        y: observations (n,).
    """
    import torch

    from .quantiles import Quantiled

    found = []
    for gap in GAPS:
        own = _apart(knots, gap)
        beyond = own[:, 0] - y, y - own[:, -1]
        # As if one more row were a gap away, which is the least.
        tails = np.array([(gap + each[each > 0].sum()) / (1 + (each > 0).sum()) for each in beyond])
        parts = own, np.tile(tails, (len(y), 1))
        whole = Quantiled.of(*(torch.from_numpy(part)[None] for part in parts))
        density = float(whole.log_density(torch.from_numpy(y)).mean())
        found.append((density, gap, tails))
    _, gap, tails = max(found, key=lambda each: each[0])
    return tails, gap
