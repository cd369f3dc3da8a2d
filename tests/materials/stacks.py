"""Stacks of maps to test with."""

import numpy as np

from texsynth.materials.kinds import KINDS


def stack(*kinds, size=(5, 7), seed=0):
    """Returns maps of random values; normals are unit vectors that point out of the surface."""
    rng = np.random.default_rng(seed)
    maps = {}
    for kind in kinds or KINDS:
        maps[kind] = rng.random((*size, KINDS[kind].channels), dtype=np.float32)
        if KINDS[kind].is_vector:
            vectors = np.concatenate([maps[kind][..., :2] - 0.5, np.ones((*size, 1))], axis=2)
            unit = vectors / np.linalg.norm(vectors, axis=2, keepdims=True)
            maps[kind] = (unit / 2 + 0.5).astype(np.float32)
    return maps
