"""The loss on images at even local contrast."""

from texsynth.losses.gram import GramLoss


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
