"""Progress bars of a notebook: tqdm's, or one of text."""

import importlib
import warnings
from types import ModuleType
from typing import Any

from texsynth.command.progress import describe
from texsynth.synthesis.progress import Progress

_TEXT_UNITS = 30


class TqdmBar:
    """A bar of tqdm's.

    Args:
        tqdm: The class of ``tqdm.auto``.
    """

    def __init__(self, tqdm: Any) -> None:
        # The time left is ours, which knows the levels.
        self._bar = tqdm(total=1.0, bar_format="{percentage:3.0f}%|{bar}| {desc}")

    def show(self, progress: Progress) -> None:
        """Shows a :class:`texsynth.Progress`."""
        self._bar.n = progress.fraction
        self._bar.set_description_str(describe(progress))

    def close(self) -> None:
        """Leaves it as it is."""
        self._bar.close()


class TextBar:
    """A line of text that is written over.

    Args:
        display: The module ``IPython.display``.
    """

    def __init__(self, display: ModuleType) -> None:
        self._display = display
        self._handle: Any = None

    def show(self, progress: Progress) -> None:
        """Shows a :class:`texsynth.Progress`."""
        done = "#" * int(_TEXT_UNITS * progress.fraction)
        line = f"{progress.fraction:4.0%} [{done:{_TEXT_UNITS}}] {describe(progress)}"
        self._handle = shown(self._display, {"text/plain": line}, self._handle)

    def close(self) -> None:
        """Does nothing: the line is whole."""


def make(display: ModuleType) -> TqdmBar | TextBar:
    """Makes tqdm's bar if there is tqdm, else one of text.

    Args:
        display: The module ``IPython.display``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # without ipywidgets it advises to install them
            tqdm = importlib.import_module("tqdm.auto").tqdm
    except ImportError:
        return TextBar(display)
    return TqdmBar(tqdm)


def shown(display: ModuleType, bundle: dict[str, str], handle: Any) -> Any:
    """Shows data in a place of its own, or over what is there.

    Args:
        display: The module ``IPython.display``.
        bundle: The data by media type.
        handle: What an earlier call returned; ``None`` makes a new place.

    Returns:
        The handle of the place.
    """
    if handle is None:
        return display.display(bundle, raw=True, display_id=True)
    handle.update(bundle, raw=True)
    return handle
