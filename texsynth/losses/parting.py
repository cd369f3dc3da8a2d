"""Which losses are shown what of an image, and in which way."""

from collections.abc import Iterable
from typing import NamedTuple

from texsynth.losses.contrast import ContrastGramLoss
from texsynth.losses.loss import IMAGE, Loss


class Parted(NamedTuple):
    """Losses by what they are shown.

    Attributes:
        plain: The image as it is, through the network or not.
        of_contrast: The image at even local contrast.
        of_pixels: All pixels at once, and nothing of a network: what need not be taken in parts
            where the network's activations must be, for the image itself is always there.
    """

    plain: list[Loss]
    of_contrast: list[Loss]
    of_pixels: list[Loss]


def parted(losses: Iterable[Loss]) -> Parted:
    """Parts losses by what they are shown.

    Args:
        losses: Losses to sum, as those of :mod:`texsynth.losses`.
    """
    found = Parted([], [], [])
    for loss in losses:
        if isinstance(loss, ContrastGramLoss):
            found.of_contrast.append(loss)
        elif tuple(loss.layers) == (IMAGE,) and not hasattr(loss, "partial"):
            found.of_pixels.append(loss)
        else:
            found.plain.append(loss)
    return found
