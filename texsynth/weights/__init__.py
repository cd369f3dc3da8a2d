"""VGG16's weights: found, fetched, read from the formats of the world (one a file), checked."""

from texsynth.weights.reading import CAFFE_MEAN
from texsynth.weights.store import (
    FILE_NAME,
    VGGWeights,
    fetch,
    find,
    find_or_fetch,
    load,
    save,
)

__all__ = [
    "CAFFE_MEAN",
    "FILE_NAME",
    "VGGWeights",
    "fetch",
    "find",
    "find_or_fetch",
    "load",
    "save",
]
