"""What is to be made: one value, be it anew, on from a checkpoint, or again from a record."""

from dataclasses import dataclass
from pathlib import Path

from texsynth.command.composition import Composition
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
        compositions: What is made of several pictures, in the place of textures of exemplars; each
            a :class:`texsynth.command.composition.Composition`.
        row_stem (str): What the name of a picture begins with that shows all of them in a row;
            ``None`` makes none.
    """

    image_paths: tuple[Path, ...]
    init_path: Path | None = None
    variations: int | None = None
    record: Record | None = None
    is_target: bool = False
    mending: Mending | None = None
    compositions: tuple[Composition, ...] = ()
    row_stem: str | None = None

    @property
    def subjects(self):
        """What there are textures of: compositions, or the exemplars' paths; each has a stem."""
        return self.compositions or self.image_paths

    @property
    def stem(self):
        """What the names of files begin with, if it is one texture."""
        return self.subjects[0].stem

    @property
    def exemplars(self):
        """Paths of the pictures whose textures are taken."""
        return [*self.image_paths, *(path for each in self.compositions for path in each.paths)]

    @property
    def pictures(self):
        """Paths of all pictures that are read, and of statistics or a record in their place."""
        init = [] if self.init_path is None else [self.init_path]
        mending = self.mending.paths if self.mending else []
        again = [] if self.record is None else [self.record.path]  # may be a picture
        return list(dict.fromkeys([*self.exemplars, *init, *mending, *again]))


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
        return len(self.sources.subjects) == 1 and self.sources.variations is None

    @property
    def is_again(self):
        """Whether it goes on from a checkpoint, or is made again from a record."""
        return self.keeping.resumed is not None or self.sources.record is not None

    @property
    def files_read(self):
        """Paths of all that is read and told of: pictures, weights, a record."""
        weights = [Path(self.config.weights)] if self.config.weights else []
        return [*self.sources.pictures, *weights]
