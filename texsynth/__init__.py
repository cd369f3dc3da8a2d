"""texsynth: a new image with the texture of a photograph, by the method of Gatys et al. (2015)."""

from typing import TYPE_CHECKING, Any

from texsynth.config import Config
from texsynth.errors import TexsynthError
from texsynth.version import __version__

if TYPE_CHECKING:
    from texsynth.synthesis.loop import Progress, Result, synthesize
    from texsynth.synthesis.resuming import Checkpoints

__all__ = [
    "Checkpoints",
    "Config",
    "Progress",
    "Result",
    "TexsynthError",
    "__version__",
    "synthesize",
]


if not TYPE_CHECKING:  # where any name would be one of the package's

    def __getattr__(name: str) -> Any:
        # Chainer takes a second to import: only who synthesizes waits for it.
        if name in ("Checkpoints", "Progress", "Result", "synthesize"):
            from texsynth.synthesis import loop

            return getattr(loop, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
