"""One run of the command: reads images, synthesizes, writes files, and minds signals."""

import contextlib
import dataclasses
import json
import logging
import signal
import tempfile
from pathlib import Path

import click

import texsynth
from texsynth import progress as progress_display
from texsynth.errors import ConfigError, TexsynthError

_log = logging.getLogger("texsynth")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Job:
    """One run of the command.

    Args:
        config (texsynth.Config): The settings.
        image_path (pathlib.Path): The exemplar.
        init_path (pathlib.Path): The image to start from; ``None`` starts from noise.
        target (pathlib.Path): The texture to write, from :func:`target_path`.
        snapshots (int): Save the image after every so many steps; ``None`` never does.
        quiet (bool): Say nothing.

    Attributes:
        written (list): Paths of the files that are there, whole.
    """

    def __init__(self, config, image_path, init_path, target, snapshots, quiet):
        self._config = config
        self._image_path = image_path
        self._init_path = init_path
        self._target = target
        self._snapshots = snapshots
        self._quiet = quiet
        self.written = []
        self._display = progress_display.make(quiet)
        self._signal = None

    def run(self):
        """Does the work; returns the number of the signal that ended it early, or ``None``."""
        from texsynth import image

        exemplar = image.read(self._image_path)
        init = self._init_path and image.read(self._init_path)
        handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        try:
            result = texsynth.synthesize(
                exemplar, self._config, init=init, callback=self._after_step
            )
            self._end_display()
            made = _account(result)
            self._save(self._target, result.image, made)
            pair = image.side_by_side(result.image, result.exemplar)
            self._save(comparison_of(self._target), pair, made)
            self._report(result)
        finally:
            self._end_display()
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return self._signal

    def _after_step(self, progress):
        if progress.level == progress.step == 1:
            # From here on there is something to save, so a signal ends the run in good order.
            for number in _SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, self._on_signal)
            if progress.scheme.why:
                _log.info("preset %s: %s", progress.scheme.name, progress.scheme.why)
        try:
            self._display.show(progress)
        except OSError:  # nobody is there to read it any more; the picture is still wanted
            self._display = progress_display.NoProgress()
        if self._snapshots and progress.step % self._snapshots == 0:
            self._save_snapshot(progress)
        return self._signal is not None

    def _on_signal(self, number, frame):
        if self._signal is not None:
            raise KeyboardInterrupt  # asked for twice: at once
        self._signal = number

    def _end_display(self):
        with contextlib.suppress(OSError):
            self._display.close()
        self._display = progress_display.NoProgress()

    def _save_snapshot(self, progress):
        name = f"{self._target.stem}_level{progress.level}_step{progress.step:05d}.png"
        path = self._target.with_name(name)
        try:
            for source in (self._image_path, self._init_path):
                if source and path.exists() and source.exists() and path.samefile(source):
                    raise TexsynthError(f"the snapshot {path} would overwrite what is read")
            self._save(path, progress.pixels())
        except TexsynthError as error:
            _log.warning("%s; no more snapshots are saved", error)
            self._snapshots = None

    def _save(self, path, pixels, made=None):
        from texsynth import image

        used = {"image": self._image_path.name}
        if self._init_path is not None:
            used["init"] = self._init_path.name
        used |= self._config.as_dict()
        text = {"settings": json.dumps(used, ensure_ascii=False), **(made or {})}
        text = {f"texsynth:{key}": value for key, value in text.items()}
        image.save_png(path, pixels, {"Software": f"texsynth {texsynth.__version__}", **text})
        self.written.append(path)

    def _report(self, result):
        if self._quiet:
            return
        errors = "  ".join(f"{name} {error:.3f}" for name, error in result.errors.items())
        reason = result.reason if self._signal is None else "interrupted"
        with contextlib.suppress(OSError):
            click.echo(
                f"{result.seconds:.1f} s, {result.evaluations} evaluations; {reason}", err=True
            )
            click.echo(f"relative Gram errors: {errors}", err=True)
        try:
            click.echo(f"{self._target}\n{comparison_of(self._target)}")
        except OSError as error:
            raise TexsynthError(f"cannot write to standard output: {error.strerror}") from error


def _account(result):
    """How a texture came about, for the text of its file."""
    scheme = dataclasses.asdict(result.scheme)
    history = [[float(f"{loss:.6g}") for loss in level] for level in result.history]
    values = {"errors": result.errors, "scheme": scheme, "history": history}
    values["evaluations"] = result.evaluations  # but no seconds: the same seed, the same bytes
    return {"engine": result.engine} | {key: json.dumps(value) for key, value in values.items()}


def target_path(image_path, init_path, out):
    """Returns the path of the texture, once it is sure that it can be written.

    Args:
        image_path (pathlib.Path): The exemplar.
        init_path (pathlib.Path): The image to start from, or ``None``.
        out (pathlib.Path): What the user asked for, a file or a folder, or ``None``.

    Raises:
        texsynth.errors.ConfigError: It is no PNG, or would overwrite what is read.
        texsynth.errors.TexsynthError: It cannot be written.
    """
    target = out or Path(f"{image_path.stem}_texture.png")
    try:
        if target.is_dir():
            target /= f"{image_path.stem}_texture.png"
        if target.suffix.lower() != ".png":
            raise ConfigError(f"--out must be a .png file, not {target}")
        if not target.parent.is_dir():
            raise ConfigError(f"--out: there is no folder {target.parent}")
        for path in (target, comparison_of(target)):
            if path.is_dir():
                raise ConfigError(f"--out: {path} is a folder")
            for source in (image_path, init_path):
                if source and path.exists() and source.exists() and path.samefile(source):
                    raise ConfigError(f"--out: {path} would overwrite {source}, which is read")
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise TexsynthError(f"cannot write {target}: {error.strerror}") from error
    return target


def comparison_of(target):
    """Returns the path of the comparison that goes with a texture's path."""
    return target.with_name(f"{target.stem.removesuffix('_texture')}_comparison.png")
