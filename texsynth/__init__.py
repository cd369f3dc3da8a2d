"""texsynth: a new image with the texture of a photograph, by the method of Gatys et al. (2015)."""

from texsynth.config import Config
from texsynth.errors import TexsynthError

__version__ = "0.1.0"
__all__ = ["Checkpoints", "Config", "Progress", "Result", "TexsynthError", "synthesize"]


def __getattr__(name):
    # Chainer takes a second to import: only who synthesizes waits for it.
    if name in ("Checkpoints", "Progress", "Result", "synthesize"):
        from texsynth import synthesis

        return getattr(synthesis, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
