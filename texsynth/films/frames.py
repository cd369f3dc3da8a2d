"""Which frames a film has: a bounded number, spaced by how much changes from each to the next."""

import numpy as np

from texsynth import images
from texsynth.typing import Pixels, Size

_LONGEST = 512  # pixels; larger frames make films that no page shows


class Frames:
    """Takes images as they come, and keeps few of them, each unlike the one before it.

    An optimizer changes much in its first steps and little in its last ones: frames at equal times
    show a jump, and then nothing. So a frame is kept when the root mean square of what has changed
    since the last one that was kept comes to a threshold. It begins at the least that can be seen;
    once twice as many frames are there as are wanted it is raised, and those that have come too
    close are dropped. So memory is bounded, however many images come.

    Args:
        count: How many frames there are at most, at least 2.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._threshold = 1.0  # grey levels
        self._kept: list[Pixels] = []
        self._last: Pixels | None = None

    def add(self, pixels: Pixels) -> None:
        """Takes the next image.

        Args:
            pixels: ``(H, W, 3)`` uint8, RGB.
        """
        size = images.fitted_size(_size(pixels), min(_LONGEST, max(pixels.shape[:2])))
        frame = self._last = _resized(pixels, size)
        if self._kept and _change(self._kept[-1], frame) < self._threshold:
            return
        self._kept.append(frame)
        while len(self._kept) >= 2 * self._count:
            self._threshold *= 1.25
            self._kept = _thinned(self._kept, self._threshold)

    def chosen(self) -> list[Pixels]:
        """Returns the frames: the first image, the last one, and between them what differs most.

        Returns:
            list of numpy.ndarray: ``(H, W, 3)`` uint8 each, of the size of the last one or, if that
            has more than 512 pixels a side, smaller; at most as many as were asked for. None if
            there was no image.
        """
        if self._last is None:
            return []
        frames, threshold = self._kept, self._threshold
        while len(frames) > self._count - 1:
            threshold *= 1.05
            frames = _thinned(frames, threshold)
        is_there = frames[-1] is self._last or not _change(frames[-1], self._last)
        frames = [*frames] if is_there else [*frames, self._last]
        return [_resized(frame, _size(self._last)) for frame in frames]


def _thinned(frames: list[Pixels], threshold: float) -> list[Pixels]:
    """Those that differ by a threshold from the last that is kept before them; the first one is."""
    kept = frames[:1]
    for frame in frames[1:]:
        if _change(kept[-1], frame) >= threshold:
            kept.append(frame)
    return kept


def _change(one: Pixels, other: Pixels) -> float:
    """Root mean square of the difference, in grey levels; the earlier is brought to its size."""
    before = _resized(one, _size(other)).astype(np.float32)
    return float(np.sqrt(np.square(before - other).mean()))


def _size(pixels: Pixels) -> Size:
    return pixels.shape[1], pixels.shape[0]


def _resized(pixels: Pixels, size: Size) -> Pixels:
    if _size(pixels) == size:
        return pixels
    batch = pixels.transpose(2, 0, 1)[np.newaxis].astype(np.float32)
    return images.to_pixels(images.fit(batch, size))
