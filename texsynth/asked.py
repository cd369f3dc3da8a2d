"""What the command was asked to make: anew, on from a checkpoint, or again from a record."""

import dataclasses
from pathlib import Path

import click

from texsynth import config as settings
from texsynth import environment, files, record
from texsynth.config import Config
from texsynth.errors import CheckpointError, ConfigError, RecordError
from texsynth.job import outputs_of, record_of
from texsynth.printable import one_line
from texsynth.provenance import checksum

EVERY = 20
"""Steps between checkpoints by default."""

_FREE = {"weights"}  # settings that change no job


class Asked:
    """The arguments of the command that say what to make and what to keep of it.

    Args:
        image_paths: Paths of the exemplars.
        init (str): ``"noise"``, ``"phase"``, the path of an image, or ``None``.
        options (dict): Settings by name, as given or by default.
        given: Names of the options that were given.
        checkpoint_path (pathlib.Path): Where to save checkpoints, or ``None``.
        every (int): Steps between them, or ``None``.
        resume_path (pathlib.Path): Checkpoint to go on from, or ``None``.
        keeps_record (bool): Whether to write a record.
        replay_path (pathlib.Path): Record to make again, or ``None``.
        variations (int): Textures of each exemplar, or ``None``.

    Attributes:
        keeps_record (bool): The same.

    Raises:
        click.UsageError: There is no exemplar.
        texsynth.errors.ConfigError: Options do not go together.
    """

    def __init__(
        self,
        image_paths,
        init,
        options,
        given,
        checkpoint_path,
        every,
        resume_path,
        keeps_record,
        replay_path,
        variations,
    ):
        self._image_paths, self._init = image_paths, init
        self._options, self._given = options, set(given)
        self._checkpoint_path, self._every = checkpoint_path, every
        self._resume_path, self._replay_path = resume_path, replay_path
        self.keeps_record = keeps_record
        self._resumed = self._record = None
        self._also_read = []  # besides pictures
        if not (image_paths or resume_path or replay_path):
            raise click.UsageError("Missing argument 'IMAGE...'.")
        for_one = {
            "--checkpoint": checkpoint_path,
            "--resume": resume_path,
            "--record": keeps_record,
            "--replay": replay_path,
        }
        for name, value in for_one.items():
            if value and (len(image_paths) > 1 or variations is not None):
                raise ConfigError(f"{name} is for one texture, not for several")
        if every is not None and not (checkpoint_path or resume_path):
            raise ConfigError("--every needs --checkpoint, or --resume")
        if replay_path:
            if checkpoint_path or resume_path:
                raise ConfigError("--replay does not go with --checkpoint and --resume")
            changed = (self._given & {*options, "init"}) - _FREE
            if image_paths or changed:
                raise ConfigError("--replay takes IMAGE and settings from the record alone")

    def job(self):
        """Returns settings, exemplars, and the image to start from, or ``None``.

        Raises:
            texsynth.errors.TexsynthError: Checkpoint or record cannot be read.
        """
        config, image_paths, init_path = self._job()
        self._also_read = [Path(path) for path in (config.weights, self._replay_path) if path]
        return config, image_paths, init_path

    def _job(self):
        if self._replay_path:
            self._record = record.read(self._replay_path)
            config = dataclasses.replace(self._record.config, **self._free_settings())
            return config, (self._record.image_path,), self._record.init_path
        start = self._init if self._init in settings.STARTS else None
        init_path = None if self._init is None or start else Path(self._init)
        if not self._resume_path:
            return Config(start=start, **self._options), self._image_paths, init_path
        return self._resumed_job(start, init_path)

    def _free_settings(self):
        return {name: self._options[name] for name in _FREE & self._given}

    def _resumed_job(self, start, init_path):
        from texsynth.resuming import Checkpoints  # imports Chainer, which takes a second

        self._resumed = Checkpoints(
            self._checkpoint_path or self._resume_path,
            self._every or EVERY,
            resume=self._resume_path,
        )
        notes = self._resumed.notes
        with self._resumed.reading():
            noted = {name: notes[name] for name in ("image", "init", "weights")}
            for value in noted.values():
                if not isinstance(value, str | None) or "\0" in (value or ""):
                    raise TypeError(f"of a path {value!r}")
            image_path = Path(noted["image"])
            try:
                earlier = Config.from_dict({**self._resumed.settings, "weights": noted["weights"]})
            except ConfigError as error:
                raise CheckpointError(f"{self._resume_path}: {error}") from error
        changed = {name: self._options[name] for name in self._options.keys() & self._given}
        if self._init is not None:
            changed["start"] = start
        if init_path is None and noted["init"] is not None:
            init_path = Path(noted["init"])
        return (
            dataclasses.replace(earlier, **changed),
            self._image_paths or (image_path,),
            init_path,
        )

    def checkpoints(self, config, image_path, init_path):
        """Returns the :class:`texsynth.Checkpoints`, or ``None`` if none are wanted.

        Args:
            config (texsynth.Config): The settings.
            image_path (pathlib.Path): The exemplar.
            init_path (pathlib.Path): The image to start from, or ``None``.
        """
        if not (self._checkpoint_path or self._resume_path):
            return None
        notes = {
            "image": str(image_path.absolute()),
            "init": None if init_path is None else str(init_path.absolute()),
            "weights": None if config.weights is None else str(Path(config.weights).absolute()),
        }
        if self._resumed is not None:
            self._resumed.keep(notes)
            return self._resumed
        from texsynth.resuming import Checkpoints

        return Checkpoints(self._checkpoint_path, self._every or EVERY, notes=notes)

    def check_targets(self, inputs, target, tile):
        """Makes sure that checkpoint and record can be written, and over nothing else.

        Args:
            inputs: Paths of the pictures that are read.
            target (pathlib.Path): The texture to write.
            tile (str): The settings' ``tile``.

        Raises:
            texsynth.errors.TexsynthError: One cannot.
        """
        from texsynth.checkpoint import previous_of  # imports NumPy, which takes a moment

        inputs = [*inputs, *self._also_read]
        saved = self._checkpoint_path or self._resume_path
        saved = [saved, previous_of(saved)] if saved else []
        for path in saved:
            files.check_target("--checkpoint", path, inputs)
            if any(_is_same_place(path, other) for other in outputs_of(target, tile)):
                raise ConfigError(f"--checkpoint: {path} is what the texture is written to")
        if self.keeps_record:
            path = record_of(target)
            files.check_target("--record", path, inputs)
            if any(_is_same_place(path, other) for other in saved):
                raise ConfigError(f"--record: {path} is the checkpoint")

    def check_pictures(self, exemplar, init):
        """Makes sure that pictures are those of the record, if there is one.

        Args:
            exemplar (texsynth.provenance.Picture): The exemplar.
            init (texsynth.provenance.Picture): The image to start from, or ``None``.

        Raises:
            texsynth.errors.TexsynthError: One cannot be read, or has changed.
        """
        if self._record is not None:
            self._record.check(exemplar, init)

    def check_result(self, result):
        """Makes sure that the texture is that of the record, if there is one.

        Args:
            result (texsynth.Result): The texture.

        Raises:
            texsynth.errors.RecordError: It is another one.
        """
        if self._record is None or checksum(result.image) == self._record.checksums["texture"]:
            return
        changed = environment.differences(self._record.environment, result.environment)
        if result.weights_sha256 != self._record.checksums["weights"]:
            changed.append("other weights")
        why = one_line("; ".join(changed), 400) or "nothing that is recorded has changed"
        raise RecordError(f"the texture is not that of {self._record.path} ({why})")


def _is_same_place(path, other):
    """Whether two paths, in folders that are there, are of one name in one folder."""
    return path.name == other.name and files.is_same_file(path.parent, other.parent)
