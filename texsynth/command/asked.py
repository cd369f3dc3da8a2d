"""What the command was asked for: anew, on from a checkpoint, or again from a record."""

import dataclasses
import os
from pathlib import Path

import click

from texsynth import config as settings
from texsynth.command import mending, notes, replaying
from texsynth.command.keeping import EVERY, Keeping
from texsynth.command.mending import Mending
from texsynth.command.order import Order, Sources
from texsynth.command.outputs import is_below_here
from texsynth.config import Config
from texsynth.errors import ConfigError

_SETTINGS = {field.name for field in dataclasses.fields(Config)}
_FREE = {"weights"}  # settings that change no texture
_MENDING = ("mask", "source", "band", "grow")


@dataclasses.dataclass(frozen=True)
class Asked:
    """The command line.

    Attributes:
        image_paths: Paths of the exemplars.
        options (dict): All other arguments by name, as given or by default.
        given: Names of those that were given.
        mending (texsynth.command.mending.Mending): What of an image is to be made anew; ``None``
            makes textures.
    """

    image_paths: tuple
    options: dict
    given: set
    mending: Mending | None = None

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
        if not (self._exemplars or asked["resume_path"] or asked["replay_path"]):
            what = "IMAGE..." if self.mending is None else "PHOTO"
            raise click.UsageError(f"Missing argument '{what}'.")
        for name in ("checkpoint", "resume", "replay"):
            is_several = len(self.image_paths) > 1 or asked["variations"] is not None
            if asked[f"{name}_path"] and is_several:
                raise ConfigError(f"--{name} is for one texture, not for several")
        is_saved = asked["checkpoint_path"] or asked["resume_path"]
        if asked["every"] is not None and not is_saved:
            raise ConfigError("--every needs --checkpoint or --resume")
        if asked["checkpoint_path"] and asked["iterations"] == 0:
            raise ConfigError("--checkpoint has nothing to save of no steps (-n 0)")
        if asked["replay_path"]:
            if is_saved:
                raise ConfigError("--replay cannot be combined with --checkpoint or --resume")
            if self._exemplars or self._changed() - _FREE:
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
        if "size" in self.given:
            raise ConfigError(
                "--size has no part in --target: it is chosen when statistics are measured"
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
        )

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
        )
        return self._ordered(config, sources, self._keeping(is_target))

    def _again(self):
        told = replaying.read(self.options["replay_path"])
        recipe = told.recipe
        config = dataclasses.replace(recipe.config, **self._settings(self._changed()))
        init_path = None if recipe.init is None else recipe.init.path
        is_target = recipe.exemplar.is_target
        sources = Sources(
            (recipe.exemplar.path,),
            init_path,
            record=told,
            is_target=is_target,
            mending=recipe.mending,
        )
        return self._ordered(config, sources, self._keeping(is_target))

    def _further(self):
        from texsynth.synthesis.resuming import Checkpoints  # imports Chainer, which takes a second

        asked, (start, init_path) = self.options, self._start
        path = asked["resume_path"]
        resumed = Checkpoints(
            asked["checkpoint_path"] or path, asked["every"] or EVERY, resume=path
        )
        earlier = notes.read(resumed, path)
        if not self._exemplars and earlier.image_path is None:
            raise ConfigError(f"{path} does not name its IMAGE; pass IMAGE too")
        changed = self._settings(self._changed())
        if asked["init"] is not None:
            changed["start"] = start
        config = dataclasses.replace(earlier.config, **changed)
        is_target = earlier.is_target if not self._exemplars else asked["target_path"] is not None
        sources = Sources(
            self._exemplars or (earlier.image_path,),
            init_path or earlier.init_path,
            is_target=is_target,
            mending=self._mended_further(earlier.mending),
        )
        keeping = self._keeping(is_target, resumed, **earlier.kept)
        if earlier.out is not None and not asked["out"] and not is_below_here(earlier.out):
            raise ConfigError(
                f"--resume: {path} says to write to {earlier.out}, outside the current folder; "
                "say where by --out"
            )
        return self._ordered(config, sources, keeping, earlier.out)

    def _mended_further(self, earlier):
        """What a checkpoint says is made anew, with what was given instead."""
        if earlier is None and self.mending is not None:
            raise ConfigError("--resume: the checkpoint is of a texture, not of a repair")
        changed = {name: getattr(self.mending, name) for name in self.given & {*_MENDING}}
        return earlier and dataclasses.replace(earlier, **changed)

    def _ordered(self, config, sources, keeping, out=None):
        asked = self.options
        told = asked["out"]
        makes_folder = bool(told) and told.endswith(("/", os.sep))
        out = Path(told) if told else out
        order = Order(config, sources, out, makes_folder, keeping, asked["distributed"])
        if order.is_shared and order.is_one and keeping.snapshots:
            raise ConfigError("--snapshots cannot be used when processes share a texture")
        return order
