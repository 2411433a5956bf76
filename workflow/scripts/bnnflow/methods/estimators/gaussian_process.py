"""A Gaussian process with a Matérn 3/2 kernel and a length scale for every input.

Rasmussen and Williams, 2006, Gaussian Processes for Machine Learning, sections 2.2 and 4.2.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .trained import Trained

if TYPE_CHECKING:
    from torch import Tensor

    from ...model.components import Components

# The most rows without being asked for others: time grows with their cube.
ROWS = 2000

# The likelihood whose distributions are those of predictions.
NOISE_FAMILY = "normal"

# Bounds of the variance of the process, of length scales and of the variance of the noise.
AMPLITUDE, LENGTH, NOISE = (1e-3, 1e3), (1e-2, 1e3), (1e-6, 1e1)

WORDS = "A Gaussian process with a Matérn 3/2 kernel, a length scale for every input and noise"
ACCOUNT = (
    f"{WORDS}, whose parameters maximise the marginal likelihood. The predictive distribution is"
    " normal."
)


def learn(x: np.ndarray, y: np.ndarray, seed: int) -> Trained:
    """The kernel that maximises the marginal likelihood.

    Args:
        x: encoded inputs (n, inputs).
        y: a target of mean 0 and standard deviation 1, (n,).
        seed: of no use here.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    smooth = Matern(np.ones(x.shape[1]), LENGTH, nu=1.5)
    kernel = ConstantKernel(1.0, AMPLITUDE) * smooth + WhiteKernel(0.1, NOISE)
    with warnings.catch_warnings():
        # An input that does not matter has the largest length scale.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = GaussianProcessRegressor(kernel).fit(x, y).kernel_
    parameters = {
        "amplitude": found.k1.k1.constant_value,
        "length_scale": np.broadcast_to(found.k1.k2.length_scale, x.shape[1]).copy(),
        "noise": found.k2.noise_level,
    }
    return Trained(parameters, {"inputs": x, "outputs": y})


def components(own: Mapping[str, np.ndarray], x: np.ndarray) -> Components:
    """The predictive distribution at encoded inputs (m, inputs)."""
    import torch

    from ...model.likelihood import LIKELIHOODS

    length = torch.from_numpy(own["length_scale"])
    seen, at = (torch.from_numpy(part).double() / length for part in (own["inputs"], x))
    amplitude, noise = float(own["amplitude"]), float(own["noise"])
    covariance = _matern(seen, seen, amplitude) + noise * torch.eye(len(seen))
    root = torch.linalg.cholesky(covariance)
    weights = torch.cholesky_solve(torch.from_numpy(own["outputs"]).double()[:, None], root)[:, 0]
    means, variances = [], []
    for part in at.split(max(1, 2**24 // len(seen))):
        across = _matern(part, seen, amplitude)
        known = torch.linalg.solve_triangular(root, across.mT, upper=False).square().sum(0)
        means.append(across @ weights)
        variances.append((amplitude - known).clamp(min=0) + noise)
    mean, stddev = torch.cat(means), torch.cat(variances).sqrt()
    location, unit = float(own["location"]), float(own["unit"])
    normals = LIKELIHOODS[NOISE_FAMILY].distributions
    return normals((mean * unit + location).float()[None], (stddev * unit).float()[None])


def _matern(a: Tensor, b: Tensor, amplitude: float) -> Tensor:
    """Covariances (n, m) of rows (n, inputs) and (m, inputs), over their length scales."""
    import torch

    distance = math.sqrt(3) * torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
    return amplitude * (1 + distance) * (-distance).exp()
