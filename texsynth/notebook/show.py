"""A callback that shows a synthesis in a notebook, and hears its interrupt."""

import base64
import importlib
import io
import math
import signal
import time
from types import ModuleType, TracebackType
from typing import Any, Self

from PIL import Image

from texsynth.command.interruption import Interruption
from texsynth.command.progress import describe
from texsynth.errors import ConfigError, TexsynthError
from texsynth.notebook import bars
from texsynth.notebook.frame import compose
from texsynth.synthesis.progress import Progress

_SECONDS_BETWEEN_FRAMES = 0.5
_SMALLEST, _LARGEST = 16, 4096  # pixels


class Show:
    """Shows the image, the loss and the time left in a notebook while a synthesis runs.

    It is passed as ``callback`` to whatever makes a texture::

        result = texsynth.synthesize(exemplar, config, callback=texsynth.Show())

    The image and the curve of the loss are drawn at most twice a second, and when the synthesis
    ends; above them is a progress bar, by ``tqdm.auto`` where there is tqdm, else of text. The
    notebook's interrupt ends the synthesis after the step that it is in, and what was made until
    then is the result, whose ``is_finished`` is false; a second one, or one before the first step,
    raises ``KeyboardInterrupt``. The texture is the same, bit for bit, as without.

    Args:
        size: Pixels of the longer side of the image as it is shown, 16..4096; small levels are
            enlarged to it, large ones reduced.

    Raises:
        texsynth.errors.ConfigError: ``size`` is out of range.
        texsynth.errors.TexsynthError: IPython is missing, or this is no notebook.
    """

    def __init__(self, size: int = 300) -> None:
        if not (isinstance(size, int) and _SMALLEST <= size <= _LARGEST):
            raise ConfigError(
                f"size of what is shown must be a whole number, {_SMALLEST}..{_LARGEST}, not {size}"
            )
        self._size = size
        self._ipython = _notebooks_ipython()
        self._begin()

    def _begin(self) -> None:
        self._losses: list[list[float]] = []
        self._level = 0
        self._bar: Any = None
        self._handle: Any = None  # of the image
        self._pending: Progress | None = None  # which was not drawn
        self._last_drawn = -math.inf
        # No SIGTERM: that is meant for the kernel.
        self._interruption = Interruption((signal.SIGINT,))

    def __enter__(self) -> Self:
        """Begins anew, and takes the interrupt; called by what makes the texture."""
        self._begin()
        self._interruption.__enter__()
        return self

    def __call__(self, progress: Progress) -> bool:
        """Shows a step, if it is time to; returns whether an interrupt ends the synthesis.

        Args:
            progress (texsynth.Progress): How far it is.
        """
        self._interruption.in_order = True  # from here on there is something to keep
        if progress.level != self._level:
            self._level = progress.level
            self._losses.append([])
        self._losses[-1].append(progress.loss)
        is_over: bool = self._interruption.number is not None
        self._pending = progress
        if is_over or time.monotonic() - self._last_drawn >= _SECONDS_BETWEEN_FRAMES:
            self._draw()
        return is_over

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Draws the last step, unless the synthesis failed, and gives the interrupt back."""
        self._interruption.__exit__()
        if kind is None:
            self._draw()
        self._pending = None
        if self._bar is not None:
            self._bar.close()

    def _draw(self) -> None:
        """Draws the step that is pending, if there is one."""
        if self._pending is None:
            return
        progress, self._pending = self._pending, None
        if self._bar is None:
            self._bar = bars.make(self._ipython.display)
        self._bar.show(progress)
        image = compose(progress.pixels(), self._losses, self._size)
        bundle = {"image/png": _png(image), "text/plain": f"<{describe(progress)}>"}
        self._handle = bars.shown(self._ipython.display, bundle, self._handle)
        self._last_drawn = time.monotonic()  # afterwards: drawing may take long itself


def _notebooks_ipython() -> ModuleType:
    """Returns the package IPython, within one of its shells."""
    try:
        ipython = importlib.import_module("IPython")
        importlib.import_module("IPython.display")
    except ImportError as error:
        raise TexsynthError(
            "texsynth.Show needs IPython, which is not installed (pip install ipython)"
        ) from error
    if ipython.get_ipython() is None:
        raise TexsynthError(
            "texsynth.Show draws in a notebook, and this program runs in none: pass a callback of"
            " your own, such as lambda progress: print(progress.loss)"
        )
    return ipython


def _png(image: Image.Image) -> str:
    """Returns an image as the messages of notebooks have it."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
