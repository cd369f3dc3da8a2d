"""What an optimizer takes, and how a step is left before its end."""

from collections.abc import Mapping
from typing import Any

from texsynth.compat import chainer
from texsynth.errors import CheckpointError
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


def check_kind(fields: Mapping[str, Any], *, decided_on_device: bool) -> None:
    """Raises a CheckpointError if a state is of the other kind of optimizer.

    Args:
        fields (dict): What an optimizer's ``state`` returned.
        decided_on_device (bool): Whether the one that is to restore it decides on a GPU.

    Raises:
        texsynth.errors.CheckpointError: It was saved by one that decides elsewhere.
    """
    if ("alpha" if decided_on_device else "scalars") in fields:
        kinds = ["by one process on a GPU", "by several processes or an older release"]
        was, now = reversed(kinds) if decided_on_device else kinds
        raise CheckpointError(
            f"the checkpoint was saved {was}: its optimizer's state cannot be gone on with {now}"
        )
