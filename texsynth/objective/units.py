"""Units in which the pixels of an image are measured, each in its own."""

from typing import NamedTuple

from texsynth.compat import chainer
from texsynth.typing import Array


class Units(NamedTuple):
    """A change of variables to the values of pixels over their units.

    What an optimizer takes for steps of one length are longer where units are, which is a diagonal
    preconditioner of the units' squares (Nocedal and Wright 2006, section 5.1), for L-BFGS on any
    device. Its first step, of 20 at most, is of as many units.

    Attributes:
        of: ``(1, 1, H, W)`` float32, above 0, on the image's device; read at each call.
    """

    of: Array

    def image(self, values: Array, out: Array | None = None) -> Array:
        """Returns the image of values, see :class:`texsynth.objective.changed.Change`."""
        xp = chainer.backend.get_array_module(values)
        image: Array = xp.multiply(values, self.of, out=out)
        return image

    def gradient(self, of_image: Array, out: Array | None = None) -> Array:
        """Returns the gradient for the values: the change is its own transpose."""
        return self.image(of_image, out)
