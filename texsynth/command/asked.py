"""What the command was asked to make: anew, on from a checkpoint, or again from a record."""

import dataclasses
from pathlib import Path

import click

from texsynth import config as settings
from texsynth import files
from texsynth.command import record
from texsynth.command.provenance import checksum
from texsynth.config import Config
from texsynth.errors import CheckpointError, ConfigError, RecordError
from texsynth.files.printable import one_line
from texsynth.synthesis import environment

EVERY = 20
"""Steps between checkpoints by default."""

_FREE = {"weights"}  # settings that change no job


@dataclasses.dataclass
class Asked:
    """The arguments of the command that say what to make and what to keep of it.

    Attributes:
        image_paths: Paths of the exemplars.
        init (str): ``"noise"``, ``"phase"``, the path of an image, or ``None``.
        variations (int): Textures of each exemplar, or ``None``.
        options (dict): Settings by name, as given or by default.
        given: Names of the options that were given.
        out (pathlib.Path): The file or folder to write to, or ``None``; after :meth:`job`, that of
            what is resumed, if none was given. So are the next two.
        snapshots (int): Steps between snapshots, or ``None``.
        keeps_record (bool): Whether to write a record.
        checkpoint_path (pathlib.Path): Where to save checkpoints, or ``None``.
        every (int): Steps between them, or ``None``.
        resume_path (pathlib.Path): Checkpoint to go on from, or ``None``.
        replay_path (pathlib.Path): Record to make again, or ``None``.

    Raises:
        click.UsageError: There is no exemplar.
        texsynth.errors.ConfigError: Options do not go together.
    """

    image_paths: tuple
    init: str | None
    variations: int | None
    options: dict
    given: set
    out: Path | None = None
    snapshots: int | None = None
    keeps_record: bool = False
    checkpoint_path: Path | None = None
    every: int | None = None
    resume_path: Path | None = None
    replay_path: Path | None = None

    def __post_init__(self):
        self._resumed = self._record = None
        self._also_read = []  # besides pictures
        if not (self.image_paths or self.resume_path or self.replay_path):
            raise click.UsageError("Missing argument 'IMAGE...'.")
        for_one = {
            "--checkpoint": self.checkpoint_path,
            "--resume": self.resume_path,
            "--replay": self.replay_path,
        }
        for name, value in for_one.items():
            if value and (len(self.image_paths) > 1 or self.variations is not None):
                raise ConfigError(f"{name} is for one texture, not for several")
        if self.every is not None and not (self.checkpoint_path or self.resume_path):
            raise ConfigError("--every needs --checkpoint, or --resume")
        if self.replay_path:
            if self.checkpoint_path or self.resume_path:
                raise ConfigError("--replay does not go with --checkpoint and --resume")
            changed = (self.given & {*self.options, "init"}) - _FREE
            if self.image_paths or changed:
                raise ConfigError("--replay takes IMAGE and settings from the record alone")

    def job(self):
        """Returns settings, exemplars, and the image to start from, or ``None``.

        Raises:
            texsynth.errors.TexsynthError: Checkpoint or record cannot be read.
        """
        config, image_paths, init_path = self._job()
        self._also_read = [Path(path) for path in (config.weights, self.replay_path) if path]
        return config, image_paths, init_path

    def _job(self):
        if self.replay_path:
            self._record = record.read(self.replay_path)
            config = dataclasses.replace(self._record.config, **self._free_settings())
            return config, (self._record.image_path,), self._record.init_path
        start = self.init if self.init in settings.STARTS else None
        init_path = None if self.init is None or start else Path(self.init)
        if not self.resume_path:
            return Config(start=start, **self.options), self.image_paths, init_path
        return self._resumed_job(start, init_path)

    def _free_settings(self):
        return {name: self.options[name] for name in _FREE & self.given}

    def _resumed_job(self, start, init_path):
        from texsynth.synthesis.resuming import Checkpoints  # imports Chainer, which takes a second

        self._resumed = Checkpoints(
            self.checkpoint_path or self.resume_path,
            self.every or EVERY,
            resume=self.resume_path,
        )
        notes = self._resumed.notes
        with self._resumed.reading():
            # A checkpoint that was not made by the command has none.
            paths = {name: _path(notes.get(name)) for name in ("image", "init", "weights", "out")}
            snapshots, keeps_record = notes.get("snapshots"), notes.get("record", False)
            if type(snapshots) not in (int, type(None)) or type(keeps_record) is not bool:
                raise TypeError(f"of the notes {snapshots!r} and {keeps_record!r}")
            try:
                weights = None if paths["weights"] is None else str(paths["weights"])
                earlier = Config.from_dict({**self._resumed.settings, "weights": weights})
            except ConfigError as error:
                raise CheckpointError(f"{self.resume_path}: {error}") from error
        if not self.image_paths and paths["image"] is None:
            raise ConfigError(f"{self.resume_path} does not tell its IMAGE, which must be given")
        self.out = self.out or paths["out"]
        self.snapshots = self.snapshots or snapshots
        self.keeps_record = self.keeps_record or keeps_record
        changed = {name: self.options[name] for name in self.options.keys() & self.given}
        if self.init is not None:
            changed["start"] = start
        return (
            dataclasses.replace(earlier, **changed),
            self.image_paths or (paths["image"],),
            init_path or paths["init"],
        )

    def checkpoints(self, config, image_path, init_path):
        """Returns the :class:`texsynth.Checkpoints`, or ``None`` if none are wanted.

        Args:
            config (texsynth.Config): The settings.
            image_path (pathlib.Path): The exemplar.
            init_path (pathlib.Path): The image to start from, or ``None``.
        """
        if not (self.checkpoint_path or self.resume_path):
            return None
        paths = {"image": image_path, "init": init_path, "weights": config.weights, "out": self.out}
        notes = {
            # It may be resumed from another folder.
            **{name: path and str(Path(path).absolute()) for name, path in paths.items()},
            "snapshots": self.snapshots,
            "record": self.keeps_record,
        }
        if self._resumed is not None:
            self._resumed.keep(notes)
            return self._resumed
        from texsynth.synthesis.resuming import Checkpoints

        return Checkpoints(self.checkpoint_path, self.every or EVERY, notes=notes)

    def check_targets(self, inputs, outputs):
        """Makes sure that checkpoint and record can be written, and over nothing else.

        Args:
            inputs: Paths of the pictures that are read.
            outputs (texsynth.command.outputs.Outputs): The files to write.

        Raises:
            texsynth.errors.TexsynthError: One cannot.
        """
        from texsynth.files.checkpoint import previous_of  # imports NumPy, which takes a moment

        inputs = [*inputs, *self._also_read]
        saved = self.checkpoint_path or self.resume_path
        saved = [saved, previous_of(saved)] if saved else []
        for path in saved:
            files.check_target("--checkpoint", path, inputs)
            if any(_is_same_place(path, other) for other in outputs.pictures):
                raise ConfigError(f"--checkpoint: {path} is what the texture is written to")
        if outputs.keeps_record:
            files.check_target("--record", outputs.record, inputs)
            if any(_is_same_place(outputs.record, other) for other in saved):
                raise ConfigError(f"--record: {outputs.record} is the checkpoint")

    def check_pictures(self, exemplar, init):
        """Makes sure that pictures are those of the record, if there is one.

        Args:
            exemplar (texsynth.command.provenance.Picture): The exemplar.
            init (texsynth.command.provenance.Picture): The image to start from, or ``None``.

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


def _path(noted):
    """The path of a note, or ``None``."""
    if not isinstance(noted, str | None) or "\0" in (noted or ""):
        raise TypeError(f"of a path {noted!r}")
    return None if noted is None else Path(noted)


def _is_same_place(path, other):
    """Whether two paths, in folders that are there, are of one name in one folder."""
    return path.name == other.name and files.is_same_file(path.parent, other.parent)
