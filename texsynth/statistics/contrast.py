"""Images brought to even local contrast: what is faint becomes as plain as what is strong.

Statistics of an image as it is count what has contrast: edges, joints, stars. What lies between
them, the grain of a brick or the black of a sky, adds next to nothing, and can be anything. Eyes
adapt to it: their response is divided by that of the surroundings (Heeger 1992, *Normalization of
cell responses in cat striate cortex*). As in the normalised Laplacian pyramid (Laparra, Balle,
Berardino and Simoncelli 2016), the local mean is subtracted, and the rest divided by the local
deviation.
"""

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from texsynth.compat import chainer
from texsynth.typing import Array, Size, Wrap

_SIGMA = 5.0  # pixels, of the Gaussian that says what is local
_REACH = 15  # pixels, three sigmas
_EVENEST = 0.1  # of the mean deviation, to which smaller ones are raised for units
_FLAT = 1e-4  # of the largest value: a mean deviation that is no more than rounding
_LEAST = 4.0  # grey levels: deviations that are smaller are raised less, for they may be rounding
_CONTRAST, _MEAN = 40.0, 128.0  # grey levels, about those of photographs
_ROWS = 32  # that are blurred at once: a matrix over all of them would be mostly zeros
_ROWS_ON_A_GPU = 512  # where zeros cost less than launches


class Evened(NamedTuple):
    """An image at even contrast, and what its gradient needs.

    Attributes:
        image: ``(1, C, H, W)``: mean about 128, deviation about 40 everywhere.
        excess: ``(1, C, H, W)``: what the image has beyond its local mean.
        deviation: ``(1, 1, H, W)``: the local one, in grey levels.
    """

    image: Array
    excess: Array
    deviation: Array


def even_contrast(image: chainer.Variable) -> chainer.Variable:
    """Returns an image at even local contrast, with the way back, see :class:`EvenContrast`.

    Args:
        image (chainer.Variable): ``(1, C, H, W)``, 0..255.
    """
    even: chainer.Variable = _Even().apply((image,))[0]
    return even


class _Even(chainer.FunctionNode):
    def forward(self, inputs: tuple[Array, ...]) -> tuple[Array]:
        (image,) = inputs
        xp = chainer.backend.get_array_module(image)
        self._even = EvenContrast(image.shape[2:], xp=xp, dtype=image.dtype)
        self._found = self._even.of(image)
        return (self._found.image,)

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[chainer.Variable, ...]
    ) -> tuple[chainer.Variable]:
        return (chainer.as_variable(self._even.gradient(self._found, grad_outputs[0].array)),)


def units(image: Array, wrap: Wrap = (False, False)) -> Array:
    """Returns in which units to measure changes of an image, so that all are as plain to see.

    That is the root of the local deviation of all channels together, over its mean. With losses of
    local contrast, the loss curves as the inverse of the deviation's square; others know of
    no place. The root lies between.

    Args:
        image: ``(1, C, H, W)``, in any colours.
        wrap: As for :class:`EvenContrast`.

    Returns:
        array: ``(1, 1, H, W)``, about 1; 1 throughout if the image is flat.
    """
    xp = chainer.backend.get_array_module(image)
    deviation = EvenContrast(image.shape[2:], wrap, xp, image.dtype).deviation(image)
    mean = deviation.mean()
    if mean <= _FLAT * abs(image).max():
        mean, deviation = mean.dtype.type(1), xp.ones_like(deviation)
    found: Array = xp.sqrt(xp.maximum(deviation / mean, image.dtype.type(_EVENEST)))
    return found


class EvenContrast:
    """Brings images of one size to even local contrast.

    With ``d = x - B x``, ``B`` a Gaussian's weighted mean within the image, and the grey
    ``g = mean over c of d_c``, it is ``128 + 40 d / sqrt(B g^2 + 4^2)``.

    Args:
        size: ``(height, width)`` in pixels.
        wrap: ``(rows, columns)``: whether opposite edges are neighbours.
        xp: What computes, NumPy or CuPy.
        dtype: That of the images.
    """

    def __init__(
        self,
        size: Size,
        wrap: Wrap = (False, False),
        xp: ModuleType = np,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        self._xp, self._dtype = xp, dtype
        at_once = _ROWS if xp is np else _ROWS_ON_A_GPU
        rows, columns = (_bands(n, wraps, at_once) for n, wraps in zip(size, wrap, strict=True))
        self._rows, self._columns = self._sent(rows), self._sent(columns)

    def of(self, image: Array) -> Evened:
        """Returns an image at even contrast.

        Args:
            image: ``(1, C, H, W)``, 0..255, of the size.
        """
        excess = image - self._blurred(image)
        grey = excess.mean(axis=1, keepdims=True)
        deviation = self._xp.sqrt(self._blurred(grey**2) + image.dtype.type(_LEAST**2))
        return Evened(excess * (_CONTRAST / deviation) + _MEAN, excess, deviation)

    def deviation(self, image: Array) -> Array:
        """Returns the local deviation of all channels together, ``(1, 1, H, W)``.

        Args:
            image: ``(1, C, H, W)``.
        """
        excess = image - self._blurred(image)
        found: Array = self._xp.sqrt(self._blurred((excess**2).sum(axis=1, keepdims=True)))
        return found

    def gradient(self, found: Evened, given: Array) -> Array:
        """Returns the gradient for the image, ``(1, C, H, W)``.

        Args:
            found (Evened): What :meth:`of` returned.
            given: ``(1, C, H, W)``: the gradient for ``found.image``.
        """
        excess, deviation = found.excess, found.deviation
        passed = given * (_CONTRAST / deviation)
        by_deviation = (passed * excess).sum(axis=1, keepdims=True) / -deviation
        by_variance = self._blurred(by_deviation / (2 * deviation), is_back=True)
        grey = excess.mean(axis=1, keepdims=True)
        passed += grey * by_variance * (2 / excess.shape[1])
        back: Array = passed - self._blurred(passed, is_back=True)
        return back

    def _blurred(self, x: Array, is_back: bool = False) -> Array:
        """``B x``; or ``B^T x``, which gradients take."""
        once = self._along(self._rows, x, is_back)
        return self._along(self._columns, once.swapaxes(2, 3), is_back).swapaxes(2, 3)

    def _along(self, bands: list[Any], x: Array, is_back: bool) -> Array:
        out: Array = self._xp.zeros(x.shape, x.dtype)
        for rows, window, matrix in bands:
            if is_back:  # a window may not name a row twice
                out[:, :, window] += self._xp.matmul(matrix.T, x[:, :, rows])
            else:
                out[:, :, rows] = self._xp.matmul(matrix, x[:, :, window])
        return out

    def _sent(self, bands: list[Any]) -> list[Any]:
        return [
            (rows, window, self._xp.asarray(matrix, self._dtype)) for rows, window, matrix in bands
        ]


def _bands(side: int, wraps: bool, at_once: int) -> list[Any]:
    """The Gaussian's weights along an axis, some rows at a time: rows, columns, and their matrix.

    Each row sums to 1: at an edge that does not wrap, the mean is of what there is.
    """
    offsets = np.arange(-_REACH, _REACH + 1)
    weights = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    found = []
    for start in range(0, side, at_once):
        rows = np.arange(start, min(start + at_once, side))
        places = rows[:, None] + offsets
        counts = np.ones_like(places, bool) if wraps else (places >= 0) & (places < side)
        places %= side
        window = np.unique(places[counts])
        matrix = np.zeros((len(rows), len(window)))
        at = np.broadcast_to(np.arange(len(rows))[:, None], places.shape)
        spread = np.broadcast_to(weights, places.shape)
        np.add.at(matrix, (at[counts], np.searchsorted(window, places[counts])), spread[counts])
        matrix /= matrix.sum(axis=1, keepdims=True)
        found.append((slice(rows[0], rows[-1] + 1), _as_slice(window), matrix))
    return found


def _as_slice(window: Any) -> Any:
    """Places as a slice, which needs no copy, if they follow one another."""
    first, last = int(window[0]), int(window[-1])
    return slice(first, last + 1) if last - first + 1 == len(window) else window
