"""``texsynth material``: new maps of a surface, made together from the maps of one."""

import dataclasses
import functools
import json
import logging
import os
import signal

import click

from texsynth import files
from texsynth.command.cli import taken_over
from texsynth.command.device import device_options
from texsynth.command.environment import by_environment
from texsynth.command.exports import Exports, export_options, name_of
from texsynth.command.interruption import Interruption
from texsynth.command.keeping import EVERY
from texsynth.command.outputs import make_folder
from texsynth.command.progress import Display
from texsynth.command.shared import (
    HELP_OPTIONS,
    NO_MEMORY,
    PATH,
    downloads_forbidden,
    failure,
    set_up_logging,
)
from texsynth.command.tiling import TileAlone
from texsynth.command.watch import Telling, Watch
from texsynth.config import Config
from texsynth.errors import ConfigError, TexsynthError
from texsynth.version import __version__

_log = logging.getLogger("texsynth")


@click.command("texsynth material", cls=TileAlone, context_settings=HELP_OPTIONS)
@click.argument("where", metavar="FOLDER|PATTERN", type=click.Path(readable=False))
@click.option(
    "-o",
    "--out",
    required=True,
    type=PATH,
    help="Folder to write the maps to; it is made if it is not there.",
)
@click.option(
    "--normal",
    "convention",
    default="gl",
    show_default=True,
    type=click.Choice(["gl", "dx"]),
    help="Which way the green of normal maps points: gl (OpenGL) up, dx (DirectX) down. It holds"
    " for what is written, and for what is read where the file's name does not say it.",
)
@click.option(
    "--depth",
    type=click.Choice(["8", "16"]),
    help="Bits of a channel of what is written.  [default: 8 for colours, 16 for other maps]",
)
@click.option(
    "--size",
    default=0,
    show_default=True,
    help="Resize the maps first, so that their longer side has this many pixels; 0 keeps their"
    " size.",
)
@export_options
@device_options
def main(where, out, offline, quiet, verbose, **options):
    """Make new maps of a surface from the maps in FOLDER, all together.

    What lies on one another in the given maps does so in the new ones: a crack of the colour is a
    crack of the height. Files are known by the ends of their names (_albedo, _normal, _roughness,
    _metallic, _height, _ao, _opacity, and other usual ones). A PATTERN such as "maps/wall_*" names
    some files of a folder. Writes albedo.png, normal_gl.png and so on into the folder of --out.
    """
    set_up_logging(quiet, verbose)
    try:
        with downloads_forbidden(offline):
            return _Work(where, out, quiet, options).carried_out()
    except TexsynthError as error:
        raise failure(error, error) from error


main.params += taken_over(
    *("settings", "shows_settings", "engine", "precision", "preset", "network", "output_size"),
    *("iterations", "quick", "optimizer"),
    *("learning_rate", "losses", "layers", "components", "pooling", "levels", "margin", "detail"),
    *("flatten", "tile", "match_colours", "memory", "seed", "variations", "weights", "offline"),
    *("overwrites", "checkpoint_path", "every", "resume_path", "quiet", "verbose"),
    told={
        "preset": "Settings for a kind of texture, as for texsynth itself; auto chooses by the map"
        " that repeats most.",
        "flatten": "Take slow drifts out of the maps first: what varies more slowly than a Gaussian"
        " of SCALE pixels, at their --size. Colours are divided by it, from others it is"
        " subtracted.",
        "tile": "Make maps that tile without a seam: x across, y down, xy (or no value) both ways.",
        "detail": "Make each level of patches of the given maps, the same ones in all maps, and"
        " start it with their fine detail.  [default: set by the preset: only gatys and paper do"
        " without]",
        "match_colours": "Match the distribution of each map's values at the end.  [default: set by"
        " the preset: only paper does]",
        "variations": "Make N stacks, with --seed and the seeds after it: seed<S>_albedo.png and"
        " so on.",
        "resume_path": "Continue from a checkpoint, with the same maps and options; a larger -n"
        " runs further.",
        "overwrites": "Replace files that are there already.",
    },
)
by_environment(main, "material")


class _Work:
    """The stacks of a command."""

    def __init__(self, where, out, quiet, options):
        names = {field.name for field in dataclasses.fields(Config)} & options.keys()
        self._config = Config(**{name: options[name] for name in names})
        self._where, self._out, self._quiet, self._options = where, out, quiet, options
        self._interruption, self.written = Interruption(), []
        asked = (options[name] for name in ("exports", "packings_path", "previews"))
        self._exports, self._name = Exports.asked(*asked), name_of(where)
        _check(options)

    def carried_out(self):
        """Makes what is asked for; returns the exit code.

        Raises:
            click.ClickException: It failed when something may have been written, or was
                interrupted.
            texsynth.errors.TexsynthError: It cannot be made as it was asked for.
        """
        try:
            with self._interruption:
                self._make_all()
        except KeyboardInterrupt as error:
            ended = failure("interrupted", error, self.written or ["nothing"])
            ended.exit_code = 128 + getattr(error, "number", signal.SIGINT)
            raise ended from error
        except MemoryError as error:
            raise failure(NO_MEMORY, error, self.written) from error
        except TexsynthError as error:
            raise failure(error, error, self.written) from error
        number = self._interruption.number
        return 0 if number is None else 128 + number

    def _make_all(self):
        from texsynth.materials import finding, reading

        found = finding.find(finding.listed(self._where))
        for line in found.told():
            _log.info("%s", line)
        stack = reading.read(found, self._options["convention"])
        several = self._options["variations"]
        seeds = range(self._config.seed, self._config.seed + (several or 1))
        outputs = {
            seed: self._outputs(stack, "" if several is None else f"seed{seed}_") for seed in seeds
        }
        paths = [path for each in outputs.values() for path in each.values()]
        for seed in seeds:
            paths += self._exports.paths(self._out, self._called(seed), stack)
        make_folder(self._out)
        self._check_outputs(found, paths)
        from texsynth.synthesis.stacked import StackStudy  # imports Chainer, which takes a second
        from texsynth.synthesis.workshop import Workshop

        study = StackStudy(Workshop(self._config), stack)
        for seed, paths in outputs.items():
            self._save(self._made(study, seed), study, seed, paths)
            if self._interruption.number is not None:
                return
            self._interruption.in_order = False  # nothing to save until the next is under way

    def _called(self, seed):
        """What the exports of a seed call the material."""
        several = self._options["variations"] is not None
        return f"{self._name}_seed{seed}" if several else self._name

    def _outputs(self, stack, prefix):
        from texsynth.materials import writing

        return writing.paths(stack, self._out, self._options["convention"], prefix)

    def _check_outputs(self, found, paths):
        """Makes sure that nothing is written over that is read, or there already."""
        read = {taken.path for taken in found.maps.values()}
        for path in paths:
            for source in read:
                if files.is_same_file(path, source):
                    raise ConfigError(f"--out: {path} would overwrite {source}, which is an input")
            if path.exists() and not self._options["overwrites"]:
                raise ConfigError(
                    f"{path} already exists; -o writes elsewhere, --overwrite replaces it"
                )
        if (saved := self._options["checkpoint_path"]) is not None:
            files.check_target("--checkpoint", saved, [*read, *paths])

    def _made(self, study, seed):
        """One stack, a :class:`texsynth.synthesis.stacked.StackResult`."""
        from texsynth.synthesis.stacked import make_stack

        def begin():
            sizes = ["x".join(map(str, size)) for size in _sizes(study)]
            told = len(study.planes.places), *sizes, study.channels, len(study.triplets)
            _log.info("%d maps of %s to %s px: %d planes, %d networks", *told)

        telling = Telling(self._quiet, self._interruption)
        with Watch(telling, begin, [Display(self._quiet)]) as watch:
            made = functools.partial(make_stack, study, seed, checkpoints=self._checkpoints())
            return made(callback=watch.after_step, stop=watch.is_to_stop)

    def _checkpoints(self):
        saved, resumed = (self._options[f"{name}_path"] for name in ("checkpoint", "resume"))
        if saved is None and resumed is None:
            return None
        from texsynth.synthesis.resuming import Checkpoints

        return Checkpoints(saved or resumed, self._options["every"] or EVERY, resume=resumed)

    def _save(self, result, study, seed, paths):
        """Writes the maps of one stack, and tells of it."""
        from texsynth.materials import writing

        text = {
            "Software": f"texsynth {__version__}",
            "texsynth:settings": json.dumps(self._config.as_dict() | {"seed": seed}),
            "texsynth:exemplar_sha256": study.checksum(),
            "texsynth:errors": json.dumps(result.errors),
            "texsynth:reason": result.reason,
        }
        asked = self._options["convention"], self._options["depth"], text
        for name, path in paths.items():
            writing.write({name: result.maps[name]}, {name: path}, *asked)
            self.written.append(path)
        exported = []
        for path in self._exports.write(result.maps, self._out, self._called(seed), text):
            exported.append(path)
            self.written.append(path)
        if not self._quiet:
            _tell(result)
            for path in (*paths.values(), *exported):
                click.echo(os.fsencode(path))


def _check(options):
    """Makes sure that the options go together."""
    saved = [name for name in ("checkpoint", "resume") if options[f"{name}_path"] is not None]
    if saved and options["variations"] is not None:
        raise ConfigError(f"--{saved[0]} is for one stack, not for several")
    if options["every"] is not None and not saved:
        raise ConfigError("--every needs --checkpoint or --resume")


def _sizes(study):
    """``(width, height)`` of the exemplar, and of what is made."""
    return study.plan[-1].exemplar_size, study.plan[-1].output_size


def _tell(result):
    """Tells on standard error how it went."""
    from texsynth.metrics import alignment

    seconds = f"{result.evaluations} evaluations in {result.seconds:.1f} s"
    click.echo(f"{seconds}; {result.reason}", err=True)
    try:
        kept = alignment.alignment_kept(alignment.alignment(result.exemplar, result.maps))
    except TexsynthError:  # too small for it
        return
    if kept is not None:
        click.echo(f"alignment of the maps, of the exemplar's own: {kept:.2f}", err=True)
