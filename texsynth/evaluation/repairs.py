"""What is measured of a repair: its edge, what was kept, and the statistics of what is new."""

from dataclasses import dataclass

import numpy as np

from texsynth import images, metrics
from texsynth.config import Config
from texsynth.errors import ImageError
from texsynth.objective import masks


@dataclass(frozen=True)
class Repair:
    """What was measured of a repair.

    Attributes:
        edge: z-score of the step across the edge of what was made anew, see
            :func:`texsynth.metrics.edge_score`; or ``None``.
        kept: Pixels that were to stay as they were.
        changed: Of these, those that did not.
        gram_errors: ``{layer: relative Gram error}`` of what was made anew, from what stayed or
            from the image whose texture was taken.
    """

    edge: float | None
    kept: int
    changed: int
    gram_errors: dict

    def as_dict(self):
        """Returns the measures as plain values, ready for JSON."""
        return {
            "edge": self.edge,
            "kept_pixels": self.kept,
            "changed_pixels": self.changed,
            "gram_errors": self.gram_errors,
        }


def measure(making, picture, pixels, vgg_weights, pooling, device):
    """Measures a repair.

    Args:
        making (texsynth.evaluation.making.Making): How it was made.
        picture (texsynth.command.recipe.Picture): The photograph.
        pixels: ``(H, W, 3)`` uint8, the repair.
        vgg_weights (texsynth.weights.VGGWeights): The weights of the network that measures.
        pooling: ``"average"`` or ``"max"``.
        device (chainer.backend.Device): Where to compute.

    Returns:
        Repair: The measures.

    Raises:
        texsynth.errors.TexsynthError: It has another size than a repair of that photograph would
            have, or mask and photograph do not go together.
    """
    config = Config(tile=making.tile, pooling=pooling)
    damaged = making.mending.damaged(picture, config)
    height, width = damaged.photo.shape[2:]
    if pixels.shape[:2] != (height, width):
        raise ImageError(
            f"it has {pixels.shape[1]}x{pixels.shape[0]} px; repaired so, {picture.path} would"
            f" have {width}x{height}"
        )
    mask = damaged.mask
    stays = mask[0, 0] == 0
    differs = (pixels != images.to_pixels(damaged.photo)).any(axis=2)
    source = making.mending.source_pixels
    table = vgg_weights.table

    def masks_of(layers):
        made = masks.touching(masks.shares(mask, layers, table))
        if source is not None:
            return masks.Masks(None, made)
        return masks.Masks(masks.within(masks.shares(1 - mask, layers, table)), made)

    exemplar = images.to_batch(pixels if source is None else source)  # itself, where it stayed
    made = vgg_weights, config, device
    return Repair(
        metrics.edge_score(pixels, mask[0, 0]),
        int(stays.sum()),
        int(np.count_nonzero(differs & stays)),
        metrics.gram_errors(pixels, exemplar, *made, masks_of=masks_of),
    )
