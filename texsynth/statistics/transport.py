"""Between Gaussian distributions: the one that lies on the way when mass is moved the least.

The mean of ``N(m_i, S_i)`` with shares ``l_i`` in the Wasserstein distance is Gaussian with mean
``sum l_i m_i`` and the covariance ``S`` that minimises ``sum l_i d(S, S_i)^2``, where ``d^2(S, T) =
tr S + tr T - 2 tr (S^1/2 T S^1/2)^1/2`` (Agueh and Carlier 2011, *Barycenters in the Wasserstein
space*, section 6.2). Of two it is the point of McCann's geodesic between them. Vacher, Davila, Kohn
and Coen-Cagli 2020, *Texture interpolation for probing visual perception*, mix textures so.
"""

from collections.abc import Sequence

import numpy as np

from texsynth.typing import Array

_NOTHING = 1e-6  # of the largest, which a singular value has that is rounding
_ROUNDS = 20
_STEADY = 1e-5  # relative change from which the mean of more than two stays


def barycentre(covariances: Sequence[Array], shares: Sequence[float]) -> Array:
    """Returns the covariance of the mean of Gaussians in the Wasserstein distance.

    By roots ``A_i`` with ``S_i = A_i A_i^T``: each is turned, ``A_i U_i``, as near as can be to the
    mean of all, ``sum l_i A_i U_i`` (Procrustes; Masarotto, Panaretos and Zemel 2019, *Procrustes
    metrics on covariance operators*, section 8). No inverse is taken, for covariances of more
    channels than positions have none. Of two, that is exact at once; more are turned again until
    the mean stays. What no turn brings nearer is taken as independent.

    Args:
        covariances: ``(C, C)`` each, symmetric and positive semidefinite.
        shares: At least 0; they sum to 1.

    Returns:
        numpy.ndarray: ``(C, C)`` float64, symmetric and positive semidefinite.
    """
    pairs = [(s, share) for s, share in zip(covariances, shares, strict=True) if share > 0]
    wholes = [np.asarray(s, np.float64) for s, _ in pairs]
    if len(wholes) == 1:
        return wholes[0]
    weights = [share for _, share in pairs]
    roots = [_root(whole) for whole in wholes]
    if len(roots) == 2:
        turned = [roots[0], _turned(roots[1], roots[0])]
        return _covariance(wholes, turned, weights)
    mean = roots[0]
    for _ in range(_ROUNDS):
        turned = [_turned(root, mean) for root in roots]
        before = mean
        mean = np.sum([w * root for w, root in zip(weights, turned, strict=True)], axis=0)
        if np.linalg.norm(mean - before) <= _STEADY * np.linalg.norm(mean):
            break
    return _covariance(wholes, turned, weights)


def _covariance(
    wholes: Sequence[Array], turned: Sequence[Array], weights: Sequence[float]
) -> Array:
    """What the mean of turned roots comes to, with what of the wholes was not turned."""
    mean = np.sum([w * root for w, root in zip(weights, turned, strict=True)], axis=0)
    found = mean @ mean.T
    for weight, whole, root in zip(weights, wholes, turned, strict=True):
        found += weight**2 * (whole - root @ root.T)
    symmetric: Array = (found + found.T) / 2
    return symmetric


def _root(covariance: Array) -> Array:
    """The symmetric square root; what is negative by rounding counts as nothing."""
    values, vectors = np.linalg.eigh(covariance)
    root: Array = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return root


def _turned(root: Array, goal: Array) -> Array:
    """``A U`` with the ``U`` that brings it nearest to a goal, as far as any does."""
    product = root.T @ goal
    # The polar factor by eigenvectors, in a third of the time that singular ones take.
    squares, vectors = np.linalg.eigh(product.T @ product)
    counts = squares > _NOTHING**2 * squares[-1]
    vectors, lengths = vectors[:, counts], np.sqrt(squares[counts])
    turned: Array = (root @ product @ (vectors / lengths)) @ vectors.T
    return turned
