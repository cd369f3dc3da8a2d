"""The interior of activations: what is left when the positions near the image's edges are not."""

from texsynth.compat import chainer
from texsynth.objective.blocks import kept, regions


class _Interior(chainer.FunctionNode):
    """Cuts rows and columns off; the gradient keeps the layout in memory, for engines mind it."""

    def __init__(self, rows, columns):
        super().__init__()
        self._rows, self._columns = rows, columns

    def forward(self, inputs):
        (x,) = inputs
        self._like = x
        return (x[:, :, self._rows, self._columns],)

    def backward(self, indexes, grad_outputs):
        xp = chainer.backend.get_array_module(self._like)
        gx = xp.zeros_like(self._like)
        gx[:, :, self._rows, self._columns] = grad_outputs[0].array
        return (chainer.as_variable(gx),)


def interior(activations, image_shape, stride, edge):
    """Returns the activations without those near the edges of the image.

    Args:
        activations (chainer.Variable): ``(N, C, h, w)``, of any layer.
        image_shape: ``(N, 3, H, W)``.
        stride (int): Pixels of the image from one position to the next.
        edge: ``(rows, columns)``: pixels of the image at each edge, see
            :func:`texsynth.objective.blocks.kept`.

    Returns:
        chainer.Variable: A part of ``activations``, or itself where nothing is to be left out.
    """
    cuts = [kept(side, stride, cut) for side, cut in zip(image_shape[2:], edge, strict=True)]
    if all(cut.start == 0 for cut in cuts):
        return activations
    return _Interior(*cuts).apply((activations,))[0]


def interior_of_masks(masks, image_shape, edge):
    """Returns how much the positions count that :func:`interior` leaves.

    Args:
        masks (dict): ``{layer: (1, 1, h, w)}``, see :class:`texsynth.objective.masks.Masks`.
        image_shape: ``(N, 3, H, W)``.
        edge: As for :func:`interior`.
    """
    places = regions(masks, image_shape[2:], edge)
    return {name: mask[:, :, *places[name]] for name, mask in masks.items()}
