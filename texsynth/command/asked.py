"""What the command was asked for: anew, on from a checkpoint, or again from a record."""

import dataclasses
import os
from pathlib import Path

import click

from texsynth import config as settings
from texsynth.command import mending, notes, replaying
from texsynth.command.composed import Composed
from texsynth.command.composition import Composition
from texsynth.command.keeping import EVERY, Keeping
from texsynth.command.mending import Mending
from texsynth.command.order import Order, Sources
from texsynth.command.outputs import is_below_here
from texsynth.command.stack import StackOfMaps
from texsynth.config import Config
from texsynth.errors import ConfigError

_SETTINGS = {field.name for field in dataclasses.fields(Config)}
_FREE = {"weights"}  # settings that change no texture
_MENDING = ("mask", "source", "band", "grow")


class OfAStackError(ConfigError):
    """A checkpoint, or a record, is of a stack of maps, which another command makes."""


@dataclasses.dataclass(frozen=True)
class Asked:
    """The command line.

    Attributes:
        image_paths: Paths of the exemplars.
        options (dict): All other arguments by name, as given or by default.
        given: Names of those that were given.
        mending (texsynth.command.mending.Mending): What of an image is to be made anew; ``None``
            makes textures.
        compositions: What is to be made of several images, in the place of textures of each.
        row_stem (str): See :class:`texsynth.command.order.Sources`.
    """

    image_paths: tuple
    options: dict
    given: set
    mending: Mending | None = None
    compositions: tuple[Composition, ...] = ()
    row_stem: str | None = None

    def order(self):
        """Returns the :class:`texsynth.command.order.Order` that it comes to.

        Raises:
            click.UsageError: There is no exemplar.
            texsynth.errors.ConfigError: Options do not go together.
            texsynth.errors.TexsynthError: Checkpoint or record cannot be read.
        """
        self._check()
        if self.options["replay_path"]:
            return self._again()
        return self._further() if self.options["resume_path"] else self._anew()

    def _check(self):
        """Makes sure that the options go together."""
        asked = self.options
        if asked["init"] == "":
            raise ConfigError("--init must be noise, phase, or the path of an image, not empty")
        self._check_target()
        is_told = asked["resume_path"] or asked["replay_path"]
        if not (self._exemplars or self.compositions or is_told):
            what = "IMAGE..." if self.mending is None else "PHOTO"
            raise click.UsageError(f"Missing argument '{what}'.")
        for name in ("checkpoint", "resume", "replay"):
            subjects = self.compositions or self.image_paths
            is_several = len(subjects) > 1 or asked["variations"] is not None
            if asked[f"{name}_path"] and is_several:
                what = "texture" if asked.get("written") is None else "stack"
                raise ConfigError(f"--{name} is for one {what}, not for several")
        is_saved = asked["checkpoint_path"] or asked["resume_path"]
        if asked["every"] is not None and not is_saved:
            raise ConfigError("--every needs --checkpoint or --resume")
        if asked["film"] is None and (asked["frames"], asked["loops"]) != (None, None):
            raise ConfigError("--frames and --loop need --film")
        if asked["checkpoint_path"] and asked["iterations"] == 0:
            raise ConfigError("--checkpoint has nothing to save of no steps (-n 0)")
        if asked["replay_path"]:
            if is_saved:
                raise ConfigError("--replay cannot be combined with --checkpoint or --resume")
            if self._exemplars or self.compositions or self._changed() - _FREE:
                raise ConfigError("--replay takes IMAGE and settings only from the record")

    def _check_target(self):
        """Makes sure that nothing is asked for that statistics have no part in."""
        if self.options["target_path"] is None:
            return
        if self.image_paths:
            raise ConfigError("--target stands in the place of IMAGE; give one of them")
        if "comparison" in self.given and self.options["comparison"]:
            raise ConfigError(
                "--comparison needs the exemplar itself, not its statistics (--target)"
            )
        for name in ("size", "flatten"):
            if name in self.given:
                raise ConfigError(
                    f"--{name} has no part in --target: it is chosen when statistics are measured"
                )

    @property
    def _exemplars(self):
        """Paths of the exemplars, or of the statistics in their place."""
        target = self.options["target_path"]
        return self.image_paths if target is None else (target,)

    def _changed(self):
        """Names of the settings that were given; ``--init`` is one."""
        return self.given & (_SETTINGS | {"init", *_MENDING})

    def _settings(self, names):
        return {name: self.options[name] for name in _SETTINGS & names}

    @property
    def _start(self):
        """What is given as ``--init``: a kind of start, and a path; or ``None``, both or one."""
        init = self.options["init"]
        start = init if init in settings.STARTS else None
        return start, None if init is None or start else Path(init)

    @property
    def _film(self):
        """The :class:`texsynth.command.filming.Filming`, with what was given of it; or ``None``."""
        told = {name: self.options[name] for name in ("frames", "loops")}
        told = {name: value for name, value in told.items() if value is not None}
        film = self.options["film"]
        return film and dataclasses.replace(film, **told)

    def _keeping(self, is_target, resumed=None, **earlier):
        """What is kept: as asked for, or as the command kept it that is gone on from."""
        asked, snapshots = self.options, earlier.get("snapshots")
        if asked["distributed"]:
            snapshots = None  # what is resumed may have been alone
        return Keeping(
            asked["comparison"]
            and earlier.get("comparison", True)
            and not is_target,  # with nothing to compare
            asked["overwrites"],
            asked["snapshots"] or snapshots,
            asked["keeps_record"] or earlier.get("record", False),
            asked["checkpoint_path"] or asked["resume_path"],
            asked["every"] or EVERY,
            resumed,
            asked["depth"] or earlier.get("depth"),
            asked["quality"] or earlier.get("quality"),
            self._film,
            self._written(earlier.get("normal")),
        )

    def _written(self, earlier):
        """How maps are written, with the green of normals as it was; ``None`` of a texture."""
        written = self.options.get("written")
        if written is None or written.convention is not None:
            return written
        return dataclasses.replace(written, convention=earlier or "gl")

    def _anew(self):
        start, init_path = self._start
        config = Config(start=start, **self._settings(self.options.keys()))
        if self.mending is not None:
            mending.check(self.mending, config, self.given)
        is_target = self.options["target_path"] is not None
        sources = Sources(
            self._exemplars,
            init_path,
            self.options["variations"],
            is_target=is_target,
            mending=self.mending,
            compositions=self.compositions,
            row_stem=self.row_stem,
        )
        for each in self.compositions:
            config = each.sized(config)
        return self._ordered(config, sources, self._keeping(is_target))

    def _again(self):
        told = replaying.read(self.options["replay_path"])
        recipe = told.recipe
        config = dataclasses.replace(recipe.config, **self._settings(self._changed()))
        init_path = None if recipe.init is None else recipe.init.path
        exemplar = recipe.exemplar
        is_target, is_composed = exemplar.is_target, isinstance(exemplar, Composed)
        sources = Sources(
            () if is_composed else (exemplar.path,),
            init_path,
            record=told,
            is_target=is_target,
            mending=recipe.mending,
            compositions=(exemplar.composition,) if is_composed else (),
        )
        return self._ordered(config, sources, self._keeping(is_target, **told.written))

    def _further(self):
        from texsynth.synthesis.resuming import Checkpoints  # imports Chainer, which takes a second

        asked, (start, init_path) = self.options, self._start
        path = asked["resume_path"]
        resumed = Checkpoints(
            asked["checkpoint_path"] or path, asked["every"] or EVERY, resume=path
        )
        earlier = notes.read(resumed, path)
        compositions = self._composed_further(earlier)
        if not (self._exemplars or compositions) and earlier.image_path is None:
            raise ConfigError(f"{path} does not name its IMAGE; pass IMAGE too")
        changed = self._settings(self._changed())
        if asked["init"] is not None:
            changed["start"] = start
        config = dataclasses.replace(earlier.config, **changed)
        is_target = earlier.is_target if not self._exemplars else asked["target_path"] is not None
        sources = Sources(
            () if compositions else self._exemplars or (earlier.image_path,),
            init_path or earlier.init_path,
            is_target=is_target,
            mending=self._mended_further(earlier.mending),
            compositions=compositions,
        )
        keeping = self._keeping(is_target, resumed, **earlier.kept)
        if earlier.out is not None and not asked["out"] and not is_below_here(earlier.out):
            raise ConfigError(
                f"--resume: {path} says to write to {earlier.out}, outside the current folder; "
                "say where by --out"
            )
        return self._ordered(config, sources, keeping, earlier.out)

    def _composed_further(self, earlier):
        """What is made of several images: what was given, or what a checkpoint says."""
        if self.compositions and earlier.mending is not None:
            raise ConfigError("--resume: the checkpoint is of a repair, not of several images")
        if self.compositions or self._exemplars or earlier.composition is None:
            return self.compositions
        return (earlier.composition,)

    def _mended_further(self, earlier):
        """What a checkpoint says is made anew, with what was given instead."""
        if earlier is None and self.mending is not None:
            raise ConfigError("--resume: the checkpoint is of a texture, not of a repair")
        changed = {name: getattr(self.mending, name) for name in self.given & {*_MENDING}}
        return earlier and dataclasses.replace(earlier, **changed)

    def _ordered(self, config, sources, keeping, out=None):
        asked = self.options
        _check_kind(sources.subjects, asked)
        if sources.mending is not None:
            mended = dataclasses.replace(sources.mending, input_range=config.input_range)
            sources = dataclasses.replace(sources, mending=mended)
        told = asked["out"]
        makes_folder = bool(told) and told.endswith(("/", os.sep))
        out = Path(told) if told else out
        order = Order(config, sources, out, makes_folder, keeping, asked["distributed"])
        if order.is_shared and order.is_one and keeping.snapshots:
            raise ConfigError("--snapshots cannot be used when processes share a texture")
        if order.is_shared and order.is_one and keeping.film:
            raise ConfigError("--film cannot be used when processes share a texture")
        if not order.is_one and keeping.film and keeping.film.path:
            raise ConfigError(
                f"--film: {keeping.film.path} would be of several textures; a format in its place,"
                f" such as {keeping.film.ending[1:]}, makes one of each"
            )
        return order


def _check_kind(subjects, asked):
    """Makes sure that a checkpoint, or a record, is of what the command makes."""
    is_stack = any(isinstance(subject, StackOfMaps) for subject in subjects)
    if is_stack is (asked.get("written") is not None):
        return
    if is_stack:
        raise OfAStackError("it is of a stack of maps")
    option = "replay" if asked["replay_path"] else "resume"
    raise ConfigError(f"--{option}: {asked[f'{option}_path']} is of no stack of maps")
