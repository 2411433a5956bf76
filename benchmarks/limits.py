"""How often a right fit fails and a wrong one passes, at the default limits: verdicts simulated.

A function is drawn from a network's prior, observations from the function with normal noise. A
right fit is of that very model by many short chains. A wrong one has one thing wrong: too few
steps; steps too short to leave the optima; one noise for observations whose noise grows
thirtyfold; tails that no normal has. A network
that is too stiff takes what it misses for noise, and predicts well for what it is: its verdict is
told beside the others.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np
import pandas as pd
import torch
from measure import Row, row
from problems import ROOT  # noqa: F401, the path to the package

from bnnflow.data import baselines, distributions, points
from bnnflow.data.table import Table, fitted, of_names
from bnnflow.density.log_density import LogDensity
from bnnflow.files import posterior
from bnnflow.judge import findings, fit, scores, verdicts
from bnnflow.judge.meanings import PARTS
from bnnflow.judge.settings import Diagnostics
from bnnflow.methods import mclmc
from bnnflow.methods.mclmc import Mclmc
from bnnflow.model import build
from bnnflow.model.likelihood import LIKELIHOODS
from bnnflow.predict import evaluation, levels, predictive

# Observations that a fit learns from, as many that it does not, data sets of each kind, and how
# many there are to try it.
ROWS, REPLICATIONS, QUICK = 200, 200, 2

NETWORK = {"activation": "tanh", "residual": False, "skip": "none"}
NORMAL = LIKELIHOODS.made({"family": "normal"}).model_dump()
# Hidden units: of the network that makes the data, and of one that is too stiff for them.
UNITS, STIFF = 8, 1
PRIOR = {"family": "normal", "stddev": 3.0, "scaling": "none"}
NOISE = 0.1

LONG = {"optimum_steps": 1000, "warmup": 3000, "draws": 50, "thinning": 60}
SHORT = {"optimum_steps": 20, "warmup": 20, "draws": 50, "thinning": 1}
STILL = {"optimum_steps": 1000, "warmup": 100, "draws": 50, "thinning": 1}
STILL |= {"energy_variance": 1e-8}

# What is wrong, by kind: hidden units, settings, and the noise of the observations.
KINDS: Mapping[str, tuple[int, dict, str]] = {
    "right": (UNITS, LONG, "normal"),
    "too few steps": (UNITS, SHORT, "normal"),
    "still at the optima": (UNITS, STILL, "normal"),
    "one noise of many": (UNITS, LONG, "growing"),
    "heavy tails": (UNITS, LONG, "heavy"),
    "too stiff": (STIFF, LONG, "normal"),
}
CHAINS = 16


def limits(quick: bool) -> list[Row]:
    """The share of each verdict, by kind of fit."""
    count, rows = QUICK if quick else REPLICATIONS, []
    for kind in KINDS:
        found = [verdict(kind, seed) for seed in range(count)]
        for part in ("verdict", *PARTS):
            for told in verdicts.VERDICTS:
                share = np.mean([own[part] == told for own in found])
                rows.append(row("limits", kind, part, told, share, "share", at=count))
    return rows


def verdict(kind: str, seed: int) -> dict[str, str]:
    """That on a fit of a kind to data of its own, and those on its parts.

    Args:
        kind: one of KINDS.
        seed: of the data and of the chains.
    """
    units, settings, noise = KINDS[kind]
    model, density, x, y = _density(units)
    learnt, unseen = (_observed(seed, part, noise) for part in range(2))
    encoding = fitted(learnt, "none")
    x.copy_(torch.tensor(learnt.inputs, dtype=torch.float32))
    y.copy_(torch.tensor(learnt.targets[:, 0], dtype=torch.float32))
    # Compiled code reads the data where they are.
    streams = [torch.Generator().manual_seed(1000 * seed + chain) for chain in range(CHAINS)]
    own = Mclmc(**settings).model_dump()
    names = (*LONG, "energy_variance", "decoherence", "preconditioning", "start_scale")
    chains = mclmc.sample(density, streams, **{name: own[name] for name in names})
    tree = posterior.merged([posterior.of_chain(*each, {}, encoding) for each in chains])
    everywhere = {"all": np.ones(ROWS, dtype=bool)}
    held_out = points.held_out(unseen.columns, ["x"], ["y"], everywhere, {})
    mixtures = predictive.mixtures(model, tree, unseen.inputs)
    stream, weight = torch.Generator().manual_seed(seed), posterior.weights(tree)
    evaluated = evaluation.evaluated(
        mixtures, encoding.targets, held_out, levels.LEVELS, weight, stream
    )
    random, seen = np.random.default_rng(seed), held_out["targets"].to_numpy()
    cheaper = {
        name: held_out.merge(distributions.scores_at(each, seen, levels.LEVELS, random))
        for name, each in baselines.foretold(learnt, unseen.inputs).items()
    }
    left = fit.Left(evaluated, tree, Mclmc.leaves, [], own, ROWS)
    table = scores.table(evaluated)
    diagnosed = fit.diagnosed(left, table, Diagnostics().model_dump(), {}, None, cheaper)
    rows = findings.table(diagnosed, {})
    parts = {part: verdicts.worst(each["verdict"]) for part, each in verdicts.by_part(rows).items()}
    return {"verdict": verdicts.worst(parts.values())} | parts


@cache
def _density(units: int) -> tuple[dict, LogDensity, torch.Tensor, torch.Tensor]:
    model = NETWORK | {"hidden": [units], "likelihood": NORMAL}
    x, y = torch.zeros(ROWS, 1), torch.zeros(ROWS)
    made = build.network(model, PRIOR, inputs=1, targets=(0,))
    return model, LogDensity(made, x, y, engine="compiled"), x, y


def _observed(seed: int, part: int, noise: str) -> Table:
    """Observations of a function that a seed alone decides, and places that the part decides."""
    weights = np.random.default_rng([seed, 0])
    first, bias, last = weights.normal(size=(3, UNITS)) * PRIOR["stddev"]
    random = np.random.default_rng([seed, 1 + part])
    x = random.uniform(-1.5, 1.5, ROWS)
    f = np.tanh(np.outer(x, first) + bias) @ last
    scale = NOISE * np.ptp(f) * {"growing": 30.0 ** ((x - 1.5) / 3)}.get(noise, 1.0)
    error = random.standard_t(1.5, ROWS) if noise == "heavy" else random.normal(size=ROWS)
    own = pd.DataFrame({"x": x, "y": f + scale * error})
    return Table(own, of_names(("x",), ("y",)))
