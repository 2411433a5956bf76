"""The curvature of a log density, as the precision of a normal distribution."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad, vjp

from ...density.log_density import LogDensity

# Numbers that the products of a chunk of directions may hold at once.
CHUNK = 2**24


def precision(density: LogDensity, place: Tensor, *, full: bool) -> Tensor:
    """The negative Hessian at a place (n,), made positive: (n, n), or its diagonal (n,).

    Where the likelihood's part curves upwards it counts for nothing, as it does in the generalised
    Gauss-Newton matrix (Schraudolph, 2002, Neural Computation 14); of the prior's part the size of
    the curvature counts. Where the likelihood is concave and the prior too, nothing is changed.

    Args:
        density: of the posterior, made with by_rows.
        place: in unconstrained space.
        full: whether all of it is asked for.
    """
    whole = sum(_hessian(density, place, part, full) for part in density.parts)
    *row, weights, share = density.sampled(torch.zeros(1, dtype=torch.long))
    prior = _hessian(density, place, (*row, 0 * weights, share), full)
    likelihood = _of_curvatures(prior - whole, lambda own: own.clamp(min=0))
    return likelihood + _of_curvatures(-prior, torch.abs)


def _hessian(density: LogDensity, place: Tensor, part: tuple[Tensor, ...], full: bool) -> Tensor:
    """Of a part of the data, or its diagonal, in double precision, by products with directions."""
    n = len(place)
    _, product = vjp(grad(lambda vector: density.log_prob(vector, *part)), place)
    together = max(1, CHUNK // (n * len(part[0])))
    found = []
    for directions in torch.eye(n, dtype=place.dtype).split(together):
        (rows,) = torch.vmap(product)(directions)
        found.append(rows if full else (rows * directions).sum(1))
    return torch.cat(found).double()


def _of_curvatures(matrix: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """A symmetric matrix, or a diagonal, with a function of its eigenvalues in their place."""
    if matrix.dim() == 1:
        return function(matrix)
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * function(values)) @ vectors.T
