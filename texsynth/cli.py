"""The command: options to :class:`texsynth.Config`, then ``synthesize``, then files.

The only module that prints, exits and draws. Chainer and Pillow are imported when the work begins,
so that ``--help`` and usage errors come at once.
"""

import json
import logging
import signal
import sys
import tempfile
from pathlib import Path

import click

import texsynth
from texsynth import config as settings
from texsynth import progress as progress_display
from texsynth.config import Config
from texsynth.errors import ConfigError, TexsynthError

EXIT_FAILURE, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


class _OneLineErrors(click.Command):
    """A command whose every failure is one line on standard error and an exit code."""

    def main(self, args=None, prog_name="texsynth", **extra):
        try:
            code = super().main(args, prog_name, **{**extra, "standalone_mode": False})
        except click.ClickException as error:
            click.echo(f"texsynth: error: {error.format_message()}", err=True)
            code = error.exit_code
        except (click.Abort, KeyboardInterrupt):
            click.echo("texsynth: interrupted before the first step; nothing was written", err=True)
            code = EXIT_INTERRUPTED
        sys.exit(code)


def _from_text(parse):
    """Makes a click callback that parses an option's text and leaves ``None`` alone."""

    def callback(context, parameter, text):
        try:
            return None if text is None else parse(text)
        except ConfigError as error:
            raise click.BadParameter(str(error)) from error

    return callback


@click.command(
    "texsynth", cls=_OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.argument("image_path", metavar="IMAGE", type=click.Path(path_type=Path))
@click.option(
    "-g", "--gpu", default=Config.gpu, show_default=True, help="CUDA device number; -1 is the CPU."
)
@click.option(
    "--engine",
    default=Config.engine,
    show_default=True,
    type=click.Choice(settings.ENGINES),
    help="How the network is evaluated; auto takes the fastest that works.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="PNG file to write.  [default: <name>_texture.png in the current folder]",
)
@click.option(
    "--size",
    default=Config.size,
    show_default=True,
    help="Longer side in pixels that IMAGE is brought to before anything else; 0 keeps it.",
)
@click.option(
    "--output-size",
    metavar="WxH",
    callback=_from_text(settings.parse_size),
    help="Size of the texture in pixels.  [default: that of the exemplar]",
)
@click.option(
    "-n",
    "--iterations",
    default=Config.iterations,
    show_default=True,
    help="Optimizer steps at full size, and at each coarser level.",
)
@click.option(
    "--optimizer",
    default=Config.optimizer,
    show_default=True,
    type=click.Choice(settings.OPTIMIZERS),
    help="How the image is optimised.",
)
@click.option(
    "--lr",
    "learning_rate",
    default=Config.learning_rate,
    show_default=True,
    help="Step size of Adam in grey levels.",
)
@click.option(
    "--layers",
    metavar="NAME[=WEIGHT],...",
    callback=_from_text(settings.parse_layers),
    help="Layers of the loss, conv1_1 to pool5, and their weights."
    f"  [default: {','.join(settings.DEFAULT_LAYERS)}]",
)
@click.option(
    "--pooling",
    default=Config.pooling,
    show_default=True,
    type=click.Choice(settings.POOLINGS),
    help="Pooling of the network.",
)
@click.option(
    "--levels",
    type=int,
    help="Pyramid levels, coarse to fine; 1 is full size only.  [default: 1 to 3, by the size]",
)
@click.option(
    "--init",
    default="noise",
    show_default=True,
    metavar="noise|IMAGE",
    help="What to start from: uniform noise, or an image.",
)
@click.option("--seed", default=Config.seed, show_default=True, help="Seed of the noise.")
@click.option(
    "--weights",
    type=click.Path(),
    help="VGG16 weights: .npz, .h5, .caffemodel, .onnx or .pth.  [default: found, or fetched]",
)
@click.option(
    "--snapshots",
    metavar="N",
    type=click.IntRange(min=1),
    help="Also save the image so far after every N steps.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Say more.")
@click.version_option(texsynth.__version__, message="%(prog)s %(version)s")
def main(image_path, out, init, snapshots, quiet, verbose, **options):
    """Make a new image with the texture of IMAGE.

    Writes <name>_texture.png, and <name>_comparison.png with the texture and IMAGE side by side.
    """
    _set_up_logging(quiet, verbose)
    try:
        config = Config(**options)
        target = _target(image_path, out)
        _Job(config, image_path, init, target, snapshots, quiet).run()
    except TexsynthError as error:
        raise _failure(str(error), error) from error
    except MemoryError as error:
        message = "not enough memory for this size; try a smaller --size or --output-size"
        raise _failure(message, error) from error


class _Job:
    """One run of the command: reads, synthesizes, writes."""

    def __init__(self, config, image_path, init, target, snapshots, quiet):
        self._config = config
        self._image_path = image_path
        self._init = init
        self._target = target
        self._snapshots = snapshots
        self._quiet = quiet
        self._interrupted = False

    def run(self):
        from texsynth import image

        exemplar = image.read(self._image_path)
        init = None if self._init == "noise" else image.read(self._init)
        handler = signal.getsignal(signal.SIGINT)
        try:
            with progress_display.make(self._quiet) as self._display:
                result = texsynth.synthesize(
                    exemplar, self._config, init=init, callback=self._after_step
                )
        finally:
            signal.signal(signal.SIGINT, handler)
        made = {"texsynth:errors": json.dumps(result.errors), "texsynth:engine": result.engine}
        self._save(self._target, result.image, made)
        pair = image.side_by_side(result.image, result.exemplar)
        self._save(_comparison_of(self._target), pair, made)
        self._report(result)
        if self._interrupted:
            sys.exit(EXIT_INTERRUPTED)

    def _after_step(self, progress):
        if not self._interrupted:
            # From the first step on there is something to save; a second Ctrl-C stops at once.
            signal.signal(signal.SIGINT, self._on_interrupt)
        self._display.show(progress)
        if self._snapshots and progress.step % self._snapshots == 0:
            name = f"{self._target.stem}_level{progress.level}_step{progress.step:05d}.png"
            self._save(self._target.with_name(name), progress.pixels())
        return self._interrupted

    def _on_interrupt(self, signal_number, frame):
        self._interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def _save(self, path, pixels, made=None):
        from texsynth import image

        settings_text = {"image": self._image_path.name, "init": self._init}
        settings_text |= self._config.as_dict()
        text = {
            "Software": f"texsynth {texsynth.__version__}",
            "texsynth:settings": json.dumps(settings_text, ensure_ascii=False),
        }
        image.save_png(path, pixels, text | (made or {}))

    def _report(self, result):
        if self._quiet:
            return
        errors = "  ".join(f"{name} {error:.3f}" for name, error in result.errors.items())
        reason = "interrupted" if self._interrupted else result.reason
        click.echo(f"{result.seconds:.1f} s, {result.evaluations} evaluations; {reason}", err=True)
        click.echo(f"relative Gram errors: {errors}", err=True)
        click.echo(f"{self._target}\n{_comparison_of(self._target)}")


def _target(image_path, out):
    """The path of the texture, after making sure that it can be written before any work is done."""
    target = out or Path(f"{image_path.stem}_texture.png")
    if target.is_dir():
        target /= f"{image_path.stem}_texture.png"
    if target.suffix.lower() != ".png":
        raise ConfigError(f"--out must be a .png file, not {target}")
    if not target.parent.is_dir():
        raise ConfigError(f"--out: there is no folder {target.parent}")
    for path in (target, _comparison_of(target)):
        if path.is_dir():
            raise ConfigError(f"--out: {path} is a folder")
        if path.exists() and image_path.exists() and path.samefile(image_path):
            raise ConfigError(f"--out: {path} would overwrite the exemplar")
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise TexsynthError(
            f"cannot write in {target.parent.resolve()}: {error.strerror}"
        ) from error
    return target


def _comparison_of(target):
    return target.with_name(f"{target.stem.removesuffix('_texture')}_comparison.png")


def _failure(message, error):
    failure = click.ClickException(" ".join(message.split()))
    failure.exit_code = EXIT_USAGE if isinstance(error, ConfigError) else EXIT_FAILURE
    return failure


def _set_up_logging(quiet, verbose):
    logger = logging.getLogger("texsynth")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("texsynth: %(message)s"))
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO)
