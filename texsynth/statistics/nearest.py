"""The nearest of many vectors by squared distance, as one product of matrices."""

import numpy as np

from texsynth.compat import chainer
from texsynth.typing import Array


def prepared(keys: Array) -> Array:
    """Lays out vectors to be found.

    Args:
        keys: ``(P, K)``; about their mean, or rounding is of its size.

    Returns:
        array: ``(K + 1, P)``: their negatives, and half of their squared lengths.
    """
    xp = chainer.backend.get_array_module(keys)
    halves = (keys**2).sum(axis=1, keepdims=True) / 2
    laid: Array = xp.ascontiguousarray(xp.concatenate([-keys, halves], axis=1).T)
    return laid


def nearest(queries: Array, keys: Array, at_once: int) -> Array:
    """Finds the nearest vector for each of several.

    Args:
        queries: ``(Q, K)``, about the same point as the keys.
        keys: What :func:`prepared` returned.
        at_once: How many distances there may be at a time.

    Returns:
        array: ``(Q,)`` int64: which of the keys.
    """
    xp = chainer.backend.get_array_module(queries)
    # With a one at the end, a product is half the distance but for the query's own length.
    queries = xp.concatenate([queries, xp.ones((len(queries), 1), queries.dtype)], axis=1)
    found: Array = xp.empty(len(queries), np.int64)
    step = max(1, at_once // keys.shape[1])
    for start in range(0, len(queries), step):
        found[start : start + step] = (queries[start : start + step] @ keys).argmin(axis=1)
    return found
