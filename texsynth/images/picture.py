"""What is read of an image file, before its colours are what they should be."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image


class Picture(NamedTuple):
    """Colours, and what they are to be seen through.

    Attributes:
        colours: An image of mode L, I;16, RGB, CMYK or LAB.
        alpha: Mode L; ``None`` is opaque.
        profile: Colour profile of the file, which may be anything; ``None`` if there is none.
        orientation: How to turn it, as EXIF counts.
    """

    colours: Image.Image
    alpha: Image.Image | None = None
    profile: object = None
    orientation: int = 1

    def upright(self) -> "Picture":
        """Returns it turned, with the orientation 1."""
        turn = _TURNS.get(self.orientation)
        if turn is None:
            return self
        alpha = None if self.alpha is None else self.alpha.transpose(turn)
        return self._replace(colours=self.colours.transpose(turn), alpha=alpha, orientation=1)


class Deep(NamedTuple):
    """What is read of an image file that has more than 8 bits a channel, in sRGB, unrounded.

    Attributes:
        colours: ``(H, W, C)`` floating-point numbers, 0..255: grey or RGB.
        alpha: ``(H, W)``, 0..255; ``None`` is opaque.
        orientation: How to turn it, as EXIF counts.
    """

    colours: npt.NDArray[Any]
    alpha: npt.NDArray[Any] | None = None
    orientation: int = 1

    def upright(self) -> "Deep":
        """Returns it turned, with the orientation 1."""
        alpha = None if self.alpha is None else turned(self.alpha, self.orientation)
        return Deep(turned(self.colours, self.orientation), alpha)


def turned(values: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Returns ``(H, W)`` or ``(H, W, C)`` turned, as EXIF counts."""
    if orientation in (5, 6, 7, 8):  # its rows are columns
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values[::-1] if orientation in (3, 4, 7, 8) else values


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def keyed(values: npt.NDArray[np.integer[Any]], key: tuple[int, ...]) -> Image.Image:
    """Returns the alpha of pixels of which one colour is transparent.

    Args:
        values: ``(H, W)`` or ``(H, W, C)``.
        key: The colour.
    """
    apart = values.reshape(*values.shape[:2], -1) != np.array(key)
    return Image.fromarray(np.where(apart.any(axis=2), 255, 0).astype(np.uint8))
