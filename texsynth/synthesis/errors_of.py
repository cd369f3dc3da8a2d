"""How far a texture that was made is from its exemplar, and by which engine that is measured."""

from typing import Any

from texsynth.network import engine
from texsynth.typing import Pixels

_WORTH = 160 * 160  # pixels from which another network, to measure the texture, is worth its time
_LARGE = 2048 * 2048  # pixels; the memory of the optimizer is then enough for another network
_BLOCK, _LARGE_BLOCK = 256, 512  # pixels, in which a texture is measured if memory is short, or not


def errors_of(study: Any, pixels: Pixels) -> dict[str, float]:
    """Returns the relative Gram errors of a texture, see :func:`texsynth.metrics.gram_errors`.

    Args:
        study (texsynth.synthesis.study.Study): The exemplar.
        pixels: ``(H, W, 3)`` uint8, the texture at full size.
    """
    workshop, size = study.workshop, pixels[..., 0].size
    is_worth_it = size >= (_LARGE if study.is_in_blocks else _WORTH) or workshop.engine == "cuda"
    by = workshop.engine if is_worth_it else "plain"
    block = _BLOCK if study.is_in_blocks else _LARGE_BLOCK
    with engine.threads(workshop.engine):  # as in the synthesis: their number changes no bit of it
        found: dict[str, float] = study.errors(pixels, by, block)
    return found
