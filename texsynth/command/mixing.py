"""``texsynth mix``: one texture between those of several images, or a row from one to the other."""

import dataclasses
import functools
import hashlib
import logging
import os
import signal
from pathlib import Path

import click

from texsynth import config as settings
from texsynth.command.cli import TileAlone, taken_over
from texsynth.command.interruption import Interruption
from texsynth.command.job import Job
from texsynth.command.keeping import Keeping
from texsynth.command.order import Order, Sources
from texsynth.command.outputs import make_folder, outputs_for
from texsynth.command.provenance import Picture, Recipe
from texsynth.command.row import Row
from texsynth.command.shared import (
    HELP_OPTIONS,
    NO_MEMORY,
    PATH,
    downloads_forbidden,
    failure,
    from_text,
    set_up_logging,
)
from texsynth.command.watch import Telling
from texsynth.config import Config
from texsynth.errors import ConfigError, TexsynthError
from texsynth.terms import MIXINGS

_log = logging.getLogger("texsynth")


@click.command("texsynth mix", cls=TileAlone, context_settings=HELP_OPTIONS)
@click.argument("image_paths", metavar="IMAGE IMAGE...", type=PATH, nargs=-1)
@click.option(
    "--weights",
    "shares",
    metavar="W,W,...",
    callback=from_text(settings.parse_shares),
    help="How much of each IMAGE, such as 0.7,0.3.  [default: all alike]",
)
@click.option(
    "--steps",
    metavar="N",
    type=click.IntRange(2, 100),
    help="Make a row of N textures from the first IMAGE to the second, both ends included:"
    " <name>_step<K>_texture.png, and <name>_row.png with all of them.",
)
@click.option(
    "--mixing",
    default=MIXINGS[0],
    show_default=True,
    type=click.Choice(MIXINGS),
    help="How statistics are mixed: transport takes means and covariances along the way of least"
    " transport between Gaussians, average takes averages of Gram matrices.",
)
@click.option(
    "--network-weights",
    "weights",
    type=click.Path(readable=False),
    help="Weights of the network: .npz, .h5, .caffemodel, .onnx or .pth.  [default: found or"
    " downloaded]",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(readable=False),
    help="PNG file to write to, or folder; with --steps a folder. A folder with / at its end is"
    " made.  [default: <name>_<name>_texture.png in the current folder]",
)
@click.option(
    "--init",
    metavar="noise|phase|IMAGE",
    help="Where to start: uniform noise, random phases, or an image.  [default: set by the preset]",
)
def main(image_paths, offline, quiet, verbose, **options):
    """Make a texture that lies between those of several images.

    Writes <name>_<name>_texture.png, and <name>_<name>_comparison.png with the texture and the
    images side by side. All other options are those of texsynth itself, whose --help tells what
    they mean; the network's --weights are --network-weights here.
    """
    set_up_logging(quiet, verbose)
    try:
        with downloads_forbidden(offline):
            return _carry_out(_asked(image_paths, options), quiet)
    except TexsynthError as error:
        raise failure(error, error) from error


main.params += taken_over(
    *("gpu", "engine", "precision", "preset", "network", "size", "input_range", "output_size"),
    *("iterations", "optimizer", "learning_rate", "losses", "layers", "pooling", "levels"),
    *("margin", "detail", "tile", "match_colours", "memory", "seed", "offline", "comparison"),
    *("overwrites", "quiet", "verbose"),
)


@dataclasses.dataclass(frozen=True)
class Mix:
    """One mixture that is to be made.

    Attributes:
        order (texsynth.command.order.Order): The settings, the images, and where it is written.
        shares: How much of each image, see :func:`texsynth.config.check_shares`.
        way (str): How they are mixed, see :mod:`texsynth.losses.mixing`.
    """

    order: Order
    shares: tuple[float, ...]
    way: str


class Pictures:
    """The images of a mixture, in place of a texture's one.

    Args:
        pictures: Each a :class:`texsynth.command.provenance.Picture`.
        shares: How much of each.
        way (str): How they are mixed.

    Attributes:
        pictures (tuple): The same.
        name (str): What the texture's file calls them.
    """

    def __init__(self, pictures, shares, way):
        self.pictures = tuple(pictures)
        told = zip(pictures, shares, strict=True)
        self.name = f"{way}: {', '.join(f'{each.name} {share:.6g}' for each, share in told)}"
        self._decided = shares, way

    @functools.cached_property
    def checksum(self):
        """SHA-256 of pixels, shares and the way, 64 hex digits."""
        sums = [each.checksum for each in self.pictures]
        return hashlib.sha256(repr((sums, *self._decided)).encode()).hexdigest()


def _asked(image_paths, options):
    """Returns the mixtures that are asked for, each a :class:`Mix`, and the path of the row."""
    shares, steps, way = (options.pop(name) for name in ("shares", "steps", "mixing"))
    _check(image_paths, shares, steps, options["init"])
    start = options["init"] if options["init"] in settings.STARTS else None
    names = {field.name for field in dataclasses.fields(Config)} & options.keys()
    config = Config(start=start, **{name: options[name] for name in names})
    init_path = None if start or options["init"] is None else Path(options["init"])
    out, told = Path(options["out"]) if options["out"] else None, options["out"] or ""
    keeping = Keeping(options["comparison"], options["overwrites"])
    sources = Sources(image_paths, init_path)
    order = Order(config, sources, out, told.endswith("/"), keeping, False)
    if steps is None:
        shares = settings.check_shares(shares or [1.0] * len(image_paths), len(image_paths))
        return [Mix(order, shares, way)], None
    folder = _folder(out or Path(), order.makes_folder)
    mixes = []
    for number in range(steps):
        share = number / (steps - 1)
        path = folder / f"{sources.stem}_step{number + 1}_texture.png"
        one = dataclasses.replace(order, out=path, makes_folder=False)
        mixes.append(Mix(one, (1 - share, share), way))
    return mixes, folder / f"{sources.stem}_row.png"


def _check(image_paths, shares, steps, init):
    """Makes sure that the options go together."""
    if len(image_paths) < 2:
        raise click.UsageError(f"a mix needs at least two images, not {len(image_paths)}")
    if init == "":
        raise ConfigError("--init must be noise, phase, or the path of an image, not empty")
    if steps is not None and shares is not None:
        raise ConfigError("--steps cannot be combined with --weights: a row has all of them")
    if steps is not None and len(image_paths) != 2:
        raise ConfigError(f"--steps goes from one image to another, not {len(image_paths)} images")


def _folder(out, is_made):
    """Returns the folder of a row, once it is there."""
    if is_made:
        make_folder(out)
    if not out.is_dir():
        raise ConfigError(f"--out must be a folder for a row, with / at its end to make it: {out}")
    return out


def _carry_out(asked, quiet):
    """Makes the mixtures, but for those of a row that are there already; returns the exit code."""
    mixes, row_path = asked
    work = _Work(mixes, row_path, quiet)
    try:
        with work.interruption:
            work.make_all()
    except KeyboardInterrupt as error:
        ended = failure("interrupted", error, work.written or ["nothing"])
        ended.exit_code = 128 + getattr(error, "number", signal.SIGINT)
        raise ended from error
    except MemoryError as error:
        raise failure(NO_MEMORY, error, work.written) from error
    except TexsynthError as error:
        raise failure(error, error, work.written) from error
    number = work.interruption.number
    return 0 if number is None else 128 + number


class _Work:
    """The mixtures of a command, and the row that they make, if they do."""

    def __init__(self, mixes, row_path, quiet):
        config, sources = mixes[0].order.config, mixes[0].order.sources
        self.interruption, self._quiet, self._mixes = Interruption(), quiet, mixes
        self._pictures = [Picture(path, config.input_range) for path in sources.image_paths]
        init_path = sources.init_path
        self._init = None if init_path is None else Picture(init_path, config.input_range)
        outputs = tuple(outputs_for(each.order) for each in mixes)
        telling = Telling(quiet, self.interruption)
        self._jobs = tuple(
            Job(self._recipe(each), where, telling)
            for each, where in zip(mixes, outputs, strict=True)
        )
        self._row = None if row_path is None else Row(row_path, self._jobs, outputs)

    @property
    def written(self):
        """Paths of the files that are there, whole."""
        return [path for job in self._jobs for path in job.written]

    def make_all(self):
        """Makes what is not there, and the row at the end, unless a signal comes."""
        wanted = [True] * len(self._jobs)
        if self._row is not None:
            self._row.check()
            wanted = [not job.is_done() for job in self._jobs]
        for job, is_wanted in zip(self._jobs, wanted, strict=True):
            if is_wanted:
                job.check_overwriting()
        for number, (job, is_wanted) in enumerate(zip(self._jobs, wanted, strict=True)):
            if not is_wanted:
                _log.info("%s already exists", job.outputs.texture)
                continue
            if self._row is not None:
                _log.info("step %d of %d", number + 1, len(self._jobs))
            self._make(self._mixes[number], job)
            if self.interruption.number is not None:
                return
            self.interruption.in_order = False  # nothing to save until the next is under way
        if self._row is not None:
            self._row.save()
            if not self._quiet:
                click.echo(os.fsencode(self._row.path))

    def _make(self, mix, job):
        from texsynth.synthesis.loop import make_variation  # imports Chainer, which takes a second
        from texsynth.synthesis.mixture import Mixture

        exemplars = [picture.pixels for picture in self._pictures]
        study = Mixture(self._workshop, exemplars, mix.shares, mix.way)
        result = job.synthesize(functools.partial(make_variation, study, mix.order.config.seed))
        job.save(result)
        job.report(result)

    @functools.cached_property
    def _workshop(self):
        from texsynth.synthesis.workshop import Workshop

        return Workshop(self._mixes[0].order.config)

    def _recipe(self, mix):
        images = Pictures(self._pictures, mix.shares, mix.way)
        return Recipe(mix.order.config, images, self._init)
