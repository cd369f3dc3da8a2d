"""The networks' weights: found, fetched, read from formats of the world (one a file), checked."""

from texsynth.weights.reading import CAFFE_MEAN
from texsynth.weights.store import (
    VGGWeights,
    fetch,
    find,
    find_or_fetch,
    load,
    save,
)

__all__ = [
    "CAFFE_MEAN",
    "VGGWeights",
    "fetch",
    "find",
    "find_or_fetch",
    "load",
    "save",
]
