"""The interior of activations: what is left when the positions near the image's edges are not."""

from texsynth.losses.inside import Inside
from texsynth.objective.blocks import regions


def interior(activations, image_shape, edge, rooms=None):
    """Returns activations without those near the edges of the image, as losses read them.

    Args:
        activations (dict): ``{name: chainer.Variable}``, ``(N, C, h, w)``, of any layers.
        image_shape: ``(N, 3, H, W)``.
        edge: ``(rows, columns)``: pixels of the image at each edge, see
            :func:`texsynth.objective.blocks.kept`.
        rooms (texsynth.kernels.rooms.Rooms): As for :class:`texsynth.losses.inside.Inside`.
    """
    return Inside(activations, regions(activations, image_shape[2:], edge), rooms)


def interior_of_masks(masks, image_shape, edge):
    """Returns how much the positions count that :func:`interior` leaves.

    Args:
        masks (dict): ``{layer: (1, 1, h, w)}``, see :class:`texsynth.objective.masks.Masks`.
        image_shape: ``(N, 3, H, W)``.
        edge: As for :func:`interior`.
    """
    places = regions(masks, image_shape[2:], edge)
    return {name: mask[:, :, *places[name]] for name, mask in masks.items()}
