"""Share of nearly verbatim copied patches: a texture is new, not the exemplar cut and pasted.

Patches of the output on a grid are compared with the patches at all positions of the exemplar, by
normalised correlation of the luminance: the cosine of the two, each less its mean.

A regular texture repeats itself: its patches are in the exemplar more than once, and a good texture
has them too. So the exemplar's own repetition is measured with the same patches: the share of them
that correlates as well with another place of the exemplar. Copying is what exceeds it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from texsynth.metrics.luminance import luminance
from texsynth.metrics.patch_search import PatchIndex
from texsynth.typing import Array, Pixels

THRESHOLD = 0.95
"""Correlation from which on a patch counts as copied."""

_PATCHES_A_SIDE = 16
_SMALLEST_PATCH = 12
_MOST_POSITIONS_A_SIDE = 64
# A patch with less contrast than this, of the exemplar's own, looks like any other such patch.
_FLAT = 0.1
_FLAT_GREY_LEVELS = 1.0


@dataclass(frozen=True)
class CopyMap:
    """Where an image has patches of the exemplar.

    Attributes:
        rows: ``(R,)`` int, upper rows of the patches, in pixels.
        columns: ``(C,)`` int, left columns of the patches, in pixels.
        patch (int): Side of a patch in pixels.
        correlation: ``(R, C)`` float32, best correlation with any patch of the exemplar.
        flat: ``(R, C)`` bool, patches with too little contrast to tell; they do not count.
    """

    rows: npt.NDArray[np.int_]
    columns: npt.NDArray[np.int_]
    patch: int
    correlation: npt.NDArray[np.float32]
    flat: npt.NDArray[np.bool_]

    @property
    def copied(self) -> npt.NDArray[np.bool_]:
        """``(R, C)`` bool: correlation of at least 0.95, and not flat."""
        return (self.correlation >= THRESHOLD) & ~self.flat

    @property
    def share(self) -> float | None:
        """Share of the patches with contrast that are copied, 0..1; ``None`` if none has any."""
        judged = int((~self.flat).sum())
        return int(self.copied.sum()) / judged if judged else None


class CopyDetector:
    """Finds an exemplar's patches in other images.

    Args:
        exemplar: ``(H, W, 3)`` uint8.
    """

    def __init__(self, exemplar: Pixels) -> None:
        self._grey = luminance(exemplar).astype(np.float32)
        self._flat_below = max(_FLAT_GREY_LEVELS, _FLAT * float(self._grey.std()))
        self._indexes: dict[int, PatchIndex] = {}
        self._repetitions: dict[int, float | None] = {}

    def copies(self, pixels: Pixels) -> CopyMap:
        """Returns the :class:`CopyMap` of an image.

        Args:
            pixels: ``(H, W, 3)`` uint8.
        """
        grey = luminance(pixels).astype(np.float32)
        return self._map(grey, self._patch_for(grey), elsewhere=False)

    def repetition(self, pixels: Pixels) -> float | None:
        """Returns what share of the exemplar's patches is in the exemplar elsewhere too, 0..1.

        Elsewhere: at least half a patch away, so that a smooth patch, which is like itself moved
        by a pixel, does not count. ``None`` if no patch of the exemplar has contrast.

        Args:
            pixels: ``(H, W, 3)`` uint8; the patches have the size that :meth:`copies` takes for it.
        """
        patch = self._patch_for(pixels[:, :, 0])
        if patch not in self._repetitions:
            self._repetitions[patch] = self._map(self._grey, patch, elsewhere=True).share
        return self._repetitions[patch]

    def _patch_for(self, grey: Array) -> int:
        side: int = min(*grey.shape, *self._grey.shape)
        wanted: int = max(_SMALLEST_PATCH, min(self._grey.shape) // _PATCHES_A_SIDE)
        return min(side, wanted)

    def _map(self, grey: npt.NDArray[np.float32], patch: int, elsewhere: bool) -> CopyMap:
        if patch not in self._indexes:
            self._indexes[patch] = PatchIndex(self._grey, patch)
        rows, columns = (_grid(side, patch) for side in grey.shape)
        places = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
        windows = np.lib.stride_tricks.sliding_window_view(grey, (patch, patch))
        patches = windows[places[:, 0], places[:, 1]]
        flat = patches.std(axis=(1, 2)) < self._flat_below
        apart = places if elsewhere else None
        correlation = self._indexes[patch].best_correlations(patches, apart)
        shape = len(rows), len(columns)
        return CopyMap(rows, columns, patch, correlation.reshape(shape), flat.reshape(shape))


def _grid(side: int, patch: int) -> npt.NDArray[np.int_]:
    stride = max(patch // 2, -(-(side - patch) // _MOST_POSITIONS_A_SIDE))
    return np.arange(0, side - patch + 1, stride)
