"""Textures of the command on the page: their steps, the losses of each term, their ends."""

import logging

from texsynth.command.watch import Observer
from texsynth.compat import chainer
from texsynth.errors import TexsynthError
from texsynth.live import Exemplar, Status, Step

_log = logging.getLogger("texsynth")


class OnPage:
    """The textures of a command, on a board.

    Args:
        board (texsynth.live.Board): Where they are shown.
    """

    def __init__(self, board):
        self._board = board

    def expect(self, outputs):
        """Shows that a texture is to be made.

        Args:
            outputs (texsynth.command.outputs.Outputs): Where it will be.
        """
        self._entry(outputs)

    def observer(self, outputs, recipe):
        """Returns the :class:`texsynth.command.watch.Observer` of a texture that is to be made.

        Args:
            outputs (texsynth.command.outputs.Outputs): Where it will be.
            recipe (texsynth.command.recipe.Recipe): What it is made from.
        """
        exemplar, config = recipe.exemplar, recipe.config
        exemplars = [
            Exemplar(picture.path, config.input_range, config.size)
            for picture in (() if exemplar.is_target else exemplar.pictures)
        ]
        return _Shown(self._entry(outputs), exemplars)

    def saved(self, outputs, result, written):
        """Shows that a texture is there.

        Args:
            outputs (texsynth.command.outputs.Outputs): Where it was to be.
            result (texsynth.Result): The texture.
            written: Paths of its files; it is the first.
        """
        status = Status.DONE if result.is_finished else Status.STOPPED
        size = result.image.shape[1::-1]
        self._entry(outputs).end(status, written, f"{result.seconds:.1f} s", size)

    def kept(self, outputs):
        """Shows that a texture was there already.

        Args:
            outputs (texsynth.command.outputs.Outputs): Where it is.
        """
        self._entry(outputs).end(Status.KEPT, outputs.paths)

    def failed(self, outputs, reason):
        """Shows that a texture cannot be made.

        Args:
            outputs (texsynth.command.outputs.Outputs): Where it was to be.
            reason (str): Why.
        """
        self._entry(outputs).end(Status.FAILED, message=reason)

    def _entry(self, outputs):
        return self._board.entry(outputs.texture, outputs.texture.name)


class _Shown(Observer):
    """Tells an entry of the board of each step."""

    def __init__(self, entry, exemplars):
        self._entry, self._exemplars = entry, exemplars
        self._listening = _Listening()
        self._is_lost = False

    def show(self, progress):
        """Shows a :class:`texsynth.Progress`."""
        if self._is_lost:
            return
        told = {name: getattr(progress, name) for name in Step._fields}
        try:
            terms = self._listening.terms(progress.loss)
            self._entry.step(Step(**told), terms, progress.pixels)
        except Exception as error:  # too little memory for a frame, say; the texture is wanted
            self._is_lost = True
            _log.warning("the page shows no more steps: %s: %s", type(error).__name__, error)

    def is_to_end(self):
        """Returns whether somebody pressed the button."""
        return self._entry.is_to_end

    def __enter__(self):
        """Shows that it begins."""
        self._entry.begin(self._exemplars)
        self._listening.__enter__()
        return self

    def __exit__(self, kind, error, traceback):
        """Shows why it failed, if it did."""
        self._listening.__exit__(kind, error, traceback)
        if isinstance(error, KeyboardInterrupt):
            self._entry.end(Status.FAILED, message="interrupted")
        elif error is not None:
            is_told = isinstance(error, TexsynthError)
            reason = str(error) if is_told else f"{type(error).__name__}: {error}"
            self._entry.end(Status.FAILED, message=reason)


class _Listening(chainer.Reporter):
    """Hears what objectives report of each evaluation: the loss and its terms."""

    def __init__(self):
        super().__init__()
        self._heard = []

    def report(self, values, observer=None):
        """Takes one evaluation."""
        self._heard.append(values)

    def terms(self, loss):
        """Returns the terms of the evaluation that a step came to, as floats by name.

        Args:
            loss (float): The loss of the step, which may have taken several.
        """
        heard, self._heard = self._heard, []
        same = (each for each in reversed(heard) if float(each["loss"]) == loss)
        chosen = next(same, heard[-1] if heard else {})
        return {name: float(value) for name, value in chosen.items() if name != "loss"}
