"""What an optimizer takes, and how a step is left before its end."""

from texsynth.compat import chainer
from texsynth.typing import Array


class Stopped(Exception):  # noqa: N818 (no error: a way out of a step)
    """Raised by a loss function that is not to be computed any more; the step is given up."""


class Image(chainer.Link):
    """A link whose one parameter is the image, so that a ``chainer.Optimizer`` can own it.

    Args:
        pixels (array): ``(N, 3, H, W)`` float32, RGB; on any device.
    """

    def __init__(self, pixels: Array) -> None:
        super().__init__()
        with self.init_scope():
            self.pixels = chainer.Parameter(pixels)
