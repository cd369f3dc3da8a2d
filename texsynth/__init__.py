"""texsynth: a new image with the texture of a photograph, by the method of Gatys et al. (2015).

:func:`synthesize` makes one texture. For many of one exemplar, with the network loaded and the
exemplar measured once, ask a :class:`Workshop` for a study, and call :func:`make_variation` for
each seed. :func:`mix` makes a texture between those of several exemplars, :func:`paint` an
image of several textures, :func:`steer` one whose direction or scale follows a map, :func:`repair`
a part of a photograph anew, :func:`synthesize_stack` the maps of a material together.
"""

import importlib
from typing import TYPE_CHECKING, Any

from texsynth.config import Config
from texsynth.errors import TexsynthError
from texsynth.terms import Term
from texsynth.version import __version__

if TYPE_CHECKING:
    from texsynth.images import read as read_image
    from texsynth.notebook import Show
    from texsynth.synthesis.loop import make_variation, synthesize
    from texsynth.synthesis.masked import Source
    from texsynth.synthesis.measuring import measure
    from texsynth.synthesis.mixture import Mixture, mix
    from texsynth.synthesis.progress import Progress
    from texsynth.synthesis.regions import paint
    from texsynth.synthesis.repairing import repair
    from texsynth.synthesis.result import Result
    from texsynth.synthesis.resuming import Checkpoints
    from texsynth.synthesis.stack_result import StackResult
    from texsynth.synthesis.stack_study import StackStudy
    from texsynth.synthesis.stacked import make_stack, synthesize_stack
    from texsynth.synthesis.steering import Steered, steer
    from texsynth.synthesis.varied import Varied
    from texsynth.synthesis.workshop import Workshop
    from texsynth.targets import Statistics

__all__ = [
    "Checkpoints",
    "Config",
    "Mixture",
    "Progress",
    "Result",
    "Show",
    "Source",
    "StackResult",
    "StackStudy",
    "Statistics",
    "Steered",
    "Term",
    "TexsynthError",
    "Varied",
    "Workshop",
    "__version__",
    "make_stack",
    "make_variation",
    "measure",
    "mix",
    "paint",
    "read_image",
    "repair",
    "steer",
    "synthesize",
    "synthesize_stack",
]

# Chainer takes a second to import: only who synthesizes waits for it.
_LATER = {
    "Checkpoints": ("texsynth.synthesis.resuming", "Checkpoints"),
    "Mixture": ("texsynth.synthesis.mixture", "Mixture"),
    "Progress": ("texsynth.synthesis.progress", "Progress"),
    "Result": ("texsynth.synthesis.result", "Result"),
    "Show": ("texsynth.notebook", "Show"),
    "Source": ("texsynth.synthesis.masked", "Source"),
    "StackResult": ("texsynth.synthesis.stack_result", "StackResult"),
    "StackStudy": ("texsynth.synthesis.stack_study", "StackStudy"),
    "Statistics": ("texsynth.targets", "Statistics"),
    "Steered": ("texsynth.synthesis.steering", "Steered"),
    "Varied": ("texsynth.synthesis.varied", "Varied"),
    "Workshop": ("texsynth.synthesis.workshop", "Workshop"),
    "make_stack": ("texsynth.synthesis.stacked", "make_stack"),
    "make_variation": ("texsynth.synthesis.loop", "make_variation"),
    "measure": ("texsynth.synthesis.measuring", "measure"),
    "mix": ("texsynth.synthesis.mixture", "mix"),
    "paint": ("texsynth.synthesis.regions", "paint"),
    "read_image": ("texsynth.images", "read"),
    "repair": ("texsynth.synthesis.repairing", "repair"),
    "steer": ("texsynth.synthesis.steering", "steer"),
    "synthesize": ("texsynth.synthesis.loop", "synthesize"),
    "synthesize_stack": ("texsynth.synthesis.stacked", "synthesize_stack"),
}


if not TYPE_CHECKING:  # where any name would be one of the package's

    def __getattr__(name: str) -> Any:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, its_name = _LATER[name]
        value = globals()[name] = getattr(importlib.import_module(module), its_name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
