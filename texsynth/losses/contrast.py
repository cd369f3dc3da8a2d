"""The loss on images at even local contrast, and which losses are shown what."""

from collections.abc import Iterable

from texsynth.losses.gram import GramLoss
from texsynth.losses.loss import Loss


class ContrastGramLoss(GramLoss):
    """The Gram loss of an image at even local contrast (:mod:`texsynth.statistics.contrast`).

    It says what faint structure has to be like, between stars or on smooth stone, which next to
    nothing of :class:`GramLoss` is about. It sees full size alone: coarser levels decide on
    structure.

    Args:
        weights: Weight of each layer by name; a layer of weight 0 is left out.
    """

    default_layers = ("conv1_1", "pool1", "pool2")
    is_fine = True
    recalled = None  # type: ignore[assignment]  # no statistics are kept of even contrast


def parted(losses: Iterable[Loss]) -> tuple[list[Loss], list[Loss]]:
    """Parts losses into those of images as they are, and those of images at even contrast.

    Args:
        losses: Losses to sum, as those of :mod:`texsynth.losses`.
    """
    losses = list(losses)
    of_contrast: list[Loss] = [loss for loss in losses if isinstance(loss, ContrastGramLoss)]
    return [loss for loss in losses if loss not in of_contrast], of_contrast
