"""Pixels that stay: the objective of an image of which only a part may change."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from texsynth.compat import chainer
from texsynth.typing import Array, Size


class Keep(NamedTuple):
    """What of an image stays as it is.

    Attributes:
        image: ``(1, 3, H, W)`` float32: what stays, and anything where nothing does.
        mask: ``(1, 1, H, W)`` float32: 0 where it stays, 1 where the optimizer's pixel takes its
            place, between them what is blended of both.
        around: ``(rows, columns)``: how many at each edge are copies of what lies as far within the
            opposite one, so that what is between them tiles, whatever its size.
    """

    image: Array
    mask: Array
    around: Size = (0, 0)

    def of(self, part: Callable[[Array], Array], around: Size) -> "Keep":
        """Returns what stays of a part of the image.

        Args:
            part: Returns that part of an array.
            around: How much of that part are copies.
        """
        return Keep(part(self.image), part(self.mask), around)

    def shown(self, pixels: Array) -> Array:
        """Returns the image with what the optimizer makes where it may, ``(1, 3, H, W)`` float32.

        What stays has the same bits as in :attr:`image`.

        Args:
            pixels: ``(1, 3, H, W)`` float32, on the same device, all finite.
        """
        xp = chainer.backend.get_array_module(pixels)
        made: Array = xp.subtract(pixels, self.image)
        made *= self.mask
        made += self.image
        for copies, originals in self._copies(made):
            copies[...] = originals
        return made

    def gradient(self, shown: Array, out: Array | None = None) -> Array:
        """Returns the gradient for the optimizer's pixels, from that for what is shown.

        Args:
            shown: ``(1, 3, H, W)``; copies in it are written over.
            out: Where to put it; ``None`` makes a new array.
        """
        xp = chainer.backend.get_array_module(shown)
        for copies, originals in reversed(list(self._copies(shown))):
            originals += copies
            copies[...] = 0
        found: Array = xp.multiply(shown, self.mask, out=out)
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


class WithKept:
    """An objective as a function of what the optimizer makes of an image, of which a part stays.

    The gradient is zero for pixels that stay: neither a step of an optimizer nor its line search
    moves them, for all are sums of gradients. They are shown to the network as they are.

    Args:
        objective: What :mod:`texsynth.objective` makes.
        keep (Keep): What stays, on its device.
        in_place: As for :class:`texsynth.objective.colours.InColours`.
    """

    def __init__(
        self, objective: Callable[[chainer.Variable], Any], keep: Keep, in_place: bool = False
    ) -> None:
        self._objective, self._keep, self._in_place = objective, keep, in_place
        self._shown: Any = None
        self._gradient: Any = None

    def __call__(self, image: chainer.Variable) -> Any:
        """Computes loss and gradient.

        Args:
            image (chainer.Variable): ``(1, 3, H, W)`` float32; its gradient is set.

        Returns:
            What the objective returns, the loss.
        """
        shown = self._keep.shown(image.array)
        if self._shown is None:
            self._shown = chainer.Parameter(shown)
        else:
            self._shown.array[...] = shown  # a recorded graph reads the same memory each time
        loss = self._objective(self._shown)
        image.grad = self._keep.gradient(self._shown.grad, self._gradient)
        if self._in_place:
            self._gradient = image.grad
        return loss
