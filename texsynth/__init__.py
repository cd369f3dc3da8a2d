"""texsynth: a new image with the texture of a photograph, by the method of Gatys et al. (2015)."""

from texsynth.config import Config
from texsynth.errors import TexsynthError
from texsynth.version import __version__

__all__ = [
    "Checkpoints",
    "Config",
    "Progress",
    "Result",
    "TexsynthError",
    "__version__",
    "synthesize",
]


def __getattr__(name):
    # Chainer takes a second to import: only who synthesizes waits for it.
    if name in ("Checkpoints", "Progress", "Result", "synthesize"):
        from texsynth.synthesis import loop

        return getattr(loop, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
