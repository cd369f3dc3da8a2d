"""Shows how a synthesis goes on: a bar on a terminal, plain lines elsewhere."""

import contextlib
import sys
import time

import click

from texsynth.command.watch import Observer

_SECONDS_BETWEEN_LINES = 10.0
_BAR_UNITS = 1000


class ProgressBar:
    """A bar with level, step, loss and time left.

    It appears with the first progress, so that nothing before that writes into it.

    Args:
        stream: Text stream, a terminal.
    """

    def __init__(self, stream):
        self._stream = stream
        self._bar = None

    def show(self, progress):
        """Shows a :class:`texsynth.Progress`."""
        if self._bar is None:
            self._bar = click.progressbar(
                length=_BAR_UNITS,
                file=self._stream,
                width=0,  # as wide as the terminal allows beside the text
                show_eta=False,  # ours knows the levels
                item_show_func=lambda shown: shown and describe(shown),
            )
        self._bar.update(round(_BAR_UNITS * progress.fraction) - self._bar.pos, progress)

    def close(self):
        """Ends the line of the bar."""
        if self._bar is not None:
            self._bar.render_finish()


class ProgressLines:
    """A line every few seconds and at the end of each level.

    Args:
        stream: Text stream.
    """

    def __init__(self, stream):
        self._stream = stream
        self._last = -_SECONDS_BETWEEN_LINES

    def show(self, progress):
        """Shows a :class:`texsynth.Progress`, unless one was shown a moment ago."""
        now = time.monotonic()
        if progress.step == progress.steps or now - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = now
            click.echo(f"{progress.fraction:4.0%}  {describe(progress)}", file=self._stream)

    def close(self):
        """Does nothing: every line is whole."""


class NoProgress:
    """Shows nothing."""

    def show(self, progress):
        """Takes a :class:`texsynth.Progress` and does nothing."""

    def close(self):
        """Does nothing."""


def describe(progress):
    """Returns one line about a :class:`texsynth.Progress`: level, size, step, loss, time left."""
    return (
        f"level {progress.level}/{progress.levels} ({progress.size[0]}x{progress.size[1]})  "
        f"step {progress.step}/{progress.steps}  loss {progress.loss:.3g}  "
        f"{progress.seconds_left:.0f} s left"
    )


def make(quiet):
    """Chooses the way that fits standard error as it is now.

    Args:
        quiet (bool): Show nothing.
    """
    stream = sys.stderr
    if quiet or stream is None:  # it is None in a process that was started without one
        return NoProgress()
    return ProgressBar(stream) if stream.isatty() else ProgressLines(stream)


class Display(Observer):
    """Shows each step on standard error, as long as somebody is there to read it.

    Args:
        quiet (bool): Show nothing.
    """

    def __init__(self, quiet):
        self._way = make(quiet)

    def show(self, progress):
        """Shows a :class:`texsynth.Progress`."""
        try:
            self._way.show(progress)
        except OSError:  # nobody reads it any more; the picture is still wanted
            self._way = NoProgress()

    def __exit__(self, *exception):
        """Ends the line, and shows nothing any more."""
        with contextlib.suppress(OSError):
            self._way.close()
        self._way = NoProgress()
