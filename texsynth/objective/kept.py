"""Pixels that stay: the objective of an image of which only a part may change."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from texsynth.compat import chainer
from texsynth.typing import Array, Size


class Keep(NamedTuple):
    """What of an image stays as it is: a change from what the optimizer makes to what is shown.

    The gradient is zero for pixels that stay: neither a step of an optimizer nor its line search
    moves them, for all are sums of gradients. They are shown to the network as they are.

    Attributes:
        photo: ``(1, 3, H, W)`` float32: what stays, and anything where nothing does.
        mask: ``(1, 1, H, W)`` float32: 0 where it stays, 1 where the optimizer's pixel takes its
            place, between them what is blended of both.
        around: ``(rows, columns)``: how many at each edge are copies of what lies as far within the
            opposite one, so that what is between them tiles, whatever its size.
    """

    photo: Array
    mask: Array
    around: Size = (0, 0)

    def of(self, part: Callable[[Array], Array], around: Size) -> "Keep":
        """Returns what stays of a part of the image.

        Args:
            part: Returns that part of an array.
            around: How much of that part are copies.
        """
        return Keep(part(self.photo), part(self.mask), around)

    def image(self, pixels: Array, out: Array | None = None) -> Array:
        """Returns what stays, and what the optimizer makes where it may.

        What stays has the same bits as in :attr:`photo`. See
        :class:`texsynth.objective.changed.Change`.

        Args:
            pixels: ``(1, 3, H, W)`` float32, on the same device, all finite.
            out: Where to put it; ``None`` makes a new array.
        """
        xp = chainer.backend.get_array_module(pixels)
        made: Array = xp.subtract(pixels, self.photo, out=out)
        made *= self.mask
        made += self.photo
        for copies, originals in self._copies(made):
            copies[...] = originals
        return made

    def gradient(self, of_image: Array, out: Array | None = None) -> Array:
        """Returns the gradient for the optimizer's pixels, from that for what is shown.

        Args:
            of_image: ``(1, 3, H, W)``; copies in it are written over.
            out: Where to put it; ``None`` makes a new array.
        """
        xp = chainer.backend.get_array_module(of_image)
        for copies, originals in reversed(list(self._copies(of_image))):
            originals += copies
            copies[...] = 0
        found: Array = xp.multiply(of_image, self.mask, out=out)
        return found

    def _copies(self, x: Array) -> Iterator[tuple[Array, Array]]:
        """Yields copies and what they are copies of, views, in an order in which they can be made.

        Those of columns are of all rows, copies among them: that fills the corners.
        """
        for edge, rows in zip(self.around, (x, x.swapaxes(2, 3)), strict=True):
            if edge:
                side = rows.shape[2] - 2 * edge
                yield rows[:, :, :edge], rows[:, :, side : side + edge]
                yield rows[:, :, side + edge :], rows[:, :, edge : 2 * edge]
