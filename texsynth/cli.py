"""The command: options to :class:`texsynth.Config`, a :class:`texsynth.job.Job`, an exit code.

Nothing but this module, ``job`` and ``progress`` prints or exits. Chainer and Pillow are imported
when the work begins, so that ``--help`` and usage errors come at once.
"""

import logging
import sys
from pathlib import Path

import click

import texsynth
from texsynth import config as settings
from texsynth.config import Config
from texsynth.errors import ConfigError, TexsynthError
from texsynth.job import Job, target_path

_log = logging.getLogger("texsynth")

EXIT_FAILURE, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


# Whether a file can be read is seen when it is read, and told in our words.
_PATH = click.Path(path_type=Path, readable=False)


class _OneLineErrors(click.Command):
    """A command whose every failure is one line on standard error and an exit code."""

    def main(self, args=None, prog_name="texsynth", **extra):
        try:
            code = super().main(args, prog_name, **{**extra, "standalone_mode": False})
        except click.ClickException as error:
            click.echo(f"texsynth: error: {error.format_message()}", err=True)
            code = error.exit_code
        except (click.Abort, KeyboardInterrupt):
            click.echo("texsynth: error: interrupted; written: nothing", err=True)
            code = EXIT_INTERRUPTED
        except Exception as error:
            # Not foreseen, so a defect of ours or a GPU that failed: still one line, unless -v.
            _log.debug("the traceback:", exc_info=True)
            told = " ".join(str(error).split())
            click.echo(f"texsynth: error: {type(error).__name__}: {told}", err=True)
            code = EXIT_FAILURE
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
@click.argument("image_path", metavar="IMAGE", type=_PATH)
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
    type=_PATH,
    help="PNG file to write, or a folder.  [default: <name>_texture.png in the current folder]",
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
    type=click.Path(readable=False),
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
        init_path = None if init == "noise" else Path(init)
        target = target_path(image_path, init_path, out)
    except TexsynthError as error:
        raise _failure(error, error) from error
    job = Job(config, image_path, init_path, target, snapshots, quiet)
    try:
        stopped_by = job.run()
    except KeyboardInterrupt as error:
        raise _failure("interrupted", error, job.written or ["nothing"]) from error
    except TexsynthError as error:
        raise _failure(error, error, job.written) from error
    except MemoryError as error:
        message = "not enough memory for this size; try a smaller --size or --output-size"
        raise _failure(message, error, job.written) from error
    if stopped_by is not None:
        sys.exit(128 + stopped_by)


def _failure(message, error, written=()):
    """Makes the exception that ends the command with one line and an exit code."""
    told = f"; written: {', '.join(map(str, written))}" if written else ""
    failure = click.ClickException(" ".join(f"{message}{told}".split()))
    if isinstance(error, KeyboardInterrupt):
        failure.exit_code = EXIT_INTERRUPTED
    else:
        failure.exit_code = EXIT_USAGE if isinstance(error, ConfigError) else EXIT_FAILURE
    return failure


def _set_up_logging(quiet, verbose):
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("texsynth: %(message)s"))
    _log.handlers = [handler]
    _log.propagate = False
    _log.setLevel(logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO)
