"""What is to be made: one value, be it anew, on from a checkpoint, or again from a record."""

from dataclasses import dataclass
from pathlib import Path

from texsynth.command.keeping import Keeping
from texsynth.command.mending import Mending
from texsynth.command.record import Record
from texsynth.config import Config


@dataclass(frozen=True)
class Sources:
    """What textures are made from.

    Attributes:
        image_paths: Paths of the exemplars.
        init_path (pathlib.Path): The image to start from, or ``None``.
        variations (int): Textures of each exemplar, or ``None`` for one, without its seed in its
            name.
        record (texsynth.command.record.Record): What the texture is to be the same as, or ``None``.
        is_target (bool): Whether the exemplars are known by saved statistics alone, whose paths
            stand in the place of theirs.
        mending (texsynth.command.mending.Mending): What of the one image is to be made anew;
            ``None`` makes new textures.
        maps: Paths of images that say what goes where.
        name (str): What the names of files begin with; ``None`` takes those of the exemplars.
    """

    image_paths: tuple[Path, ...]
    init_path: Path | None = None
    variations: int | None = None
    record: Record | None = None
    is_target: bool = False
    mending: Mending | None = None
    maps: tuple[Path, ...] = ()
    name: str | None = None

    @property
    def stem(self):
        """What the names of files begin with."""
        return self.name or "_".join(path.stem for path in self.image_paths)

    @property
    def pictures(self):
        """Paths of all pictures that are read, and of statistics or a record in their place."""
        init = [] if self.init_path is None else [self.init_path]
        mending = self.mending.paths if self.mending else []
        again = [] if self.record is None else [self.record.path]  # may be a picture
        return [*self.image_paths, *init, *self.maps, *mending, *again]


@dataclass(frozen=True)
class Order:
    """What is to be made, from what, where, and what is kept of it.

    Attributes:
        config (texsynth.Config): The settings.
        sources (Sources): What it is made from.
        out (pathlib.Path): The file or folder to write to, or ``None``.
        makes_folder (bool): Whether ``out`` is a folder that is made if it is not there.
        keeping (texsynth.command.keeping.Keeping): What is kept beside the pictures.
        is_shared (bool): Whether the processes that mpiexec started share the work.
    """

    config: Config
    sources: Sources
    out: Path | None
    makes_folder: bool
    keeping: Keeping
    is_shared: bool

    @property
    def is_one(self):
        """Whether it is one texture, not several."""
        return len(self.sources.image_paths) == 1 and self.sources.variations is None

    @property
    def is_again(self):
        """Whether it goes on from a checkpoint, or is made again from a record."""
        return self.keeping.resumed is not None or self.sources.record is not None

    @property
    def files_read(self):
        """Paths of all that is read and told of: pictures, weights, a record."""
        weights = [Path(self.config.weights)] if self.config.weights else []
        return [*self.sources.pictures, *weights]
