"""The files that a texture is written to."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from texsynth import files
from texsynth.command.keeping import Keeping
from texsynth.command.stack_outputs import StackOutputs
from texsynth.errors import ConfigError, TexsynthError
from texsynth.files.depths import QUALITY

_ENDINGS = "_texture", "_repaired"


@dataclass(frozen=True)
class Outputs:
    """Paths of all that is written of one texture.

    Attributes:
        texture (pathlib.Path): The texture itself.
        tile (str): The settings' ``tile``; if there is one, it is shown two by two, too.
        keeping (texsynth.command.keeping.Keeping): What is kept beside the pictures.
        sources: Paths of pictures that no snapshot may be written over.
    """

    texture: Path
    tile: str | None
    keeping: Keeping
    sources: tuple[Path, ...]

    what, result = "image", "texture"  # what it is of, and what that makes
    documents = ()

    @property
    def pictures(self):
        """The pictures: texture, comparison and, of one that tiles, two by two of it."""
        wanted = {"comparison": self.keeping.comparison, "tiled": self.tile}
        names = [name for name, is_wanted in wanted.items() if is_wanted]
        return [self.texture, *(self._beside(f"{name}.png") for name in names)]

    def depth(self, recipe):
        """Returns how deep the texture is written.

        Args:
            recipe (texsynth.command.recipe.Recipe): What it is made from.

        Raises:
            texsynth.errors.TexsynthError: That cannot be read.
        """
        from texsynth.images import encoding

        kind, _ = encoding.chosen(self.texture)
        if self.keeping.depth is not None:
            return self.keeping.depth
        return "16" if "16" in kind.types and recipe.is_deep else next(iter(kind.types))

    @property
    def quality(self):
        """The quality of the texture's file; ``None`` if it is no JPEG."""
        from texsynth.images import encoding

        if encoding.chosen(self.texture)[0].name != "JPEG":
            return None
        return self.keeping.quality or QUALITY

    @property
    def record(self):
        """The record, whether it is written or not."""
        return self._beside("record.json")

    @property
    def films(self):
        """The film, if one is made; a list, like the pictures."""
        film = self.keeping.film
        return [] if film is None else [film.path or self._beside(f"film{film.ending}")]

    @property
    def paths(self):
        """All of them."""
        record = [self.record] if self.keeping.record else []
        return [*self.pictures, *self.films, *record]

    def snapshot(self, level, step):
        """Returns the path of a snapshot.

        Args:
            level (int): The level, from 1.
            step (int): The step within it, from 1.
        """
        name = f"{self.texture.stem}_level{level}_step{step:05d}.png"
        return self.texture.with_name(name)

    def aside(self, number):
        """Returns other places, for a texture that was stopped.

        Args:
            number (int): Which of them, from 1.
        """
        which = "stopped" if number == 1 else f"stopped{number}"
        stem = self.texture.stem
        usual = next((ending for ending in _ENDINGS if stem.endswith(ending)), "")
        texture = self._beside(f"{which}{usual}{self.texture.suffix}")
        keeping = self.keeping
        if keeping.film is not None:
            keeping = replace(keeping, film=keeping.film.renamed(which))
        return replace(self, texture=texture, keeping=keeping)

    def _beside(self, name):
        stem = self.texture.stem
        for ending in _ENDINGS:
            stem = stem.removesuffix(ending)
        return self.texture.with_name(f"{stem}_{name}")


def outputs_for(order):
    """Returns where one texture goes, or one stack, once it is sure that it can be written.

    Args:
        order (texsynth.command.order.Order): What is to be made: one texture.

    Returns:
        Outputs: The paths; or a :class:`texsynth.command.stack_outputs.StackOutputs`.

    Raises:
        texsynth.errors.ConfigError: One cannot be of the format that is asked for, or would
            overwrite what is read or written.
        texsynth.errors.TexsynthError: One cannot be written.
    """
    outputs = planned_outputs(order)
    folder = outputs.texture.parent
    try:
        if order.makes_folder or order.keeping.written is not None:
            make_folder(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise TexsynthError(f"cannot write {outputs.texture}: {error.strerror}") from error
    _check_beside(outputs, order.files_read)
    return outputs


def planned_outputs(order):
    """Returns where one texture would go, as far as that can be told without writing anything.

    Args:
        order (texsynth.command.order.Order): What would be made: one texture, or one stack.

    Returns:
        Outputs: The paths; or a :class:`texsynth.command.stack_outputs.StackOutputs`.

    Raises:
        texsynth.errors.ConfigError: One is no PNG, is in no folder, or would overwrite what is
            read.
        texsynth.errors.TexsynthError: One cannot be looked at.
    """
    pictures = tuple(order.sources.pictures)
    if order.keeping.written is not None:
        folder = order.out
        if folder is None:
            raise ConfigError("--out is to say where the maps go: the checkpoint does not")
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"--out: {folder} is to be a folder, but there is a file")
        outputs = StackOutputs.of(*order.sources.subjects, folder, order.keeping, pictures)
        _check_pictures(outputs)
        return outputs
    texture, repaired = _ENDINGS
    ending = texture if order.sources.mending is None else repaired
    name = f"{order.sources.stem}{ending}.png"
    target = order.out or Path(name)
    try:
        if order.makes_folder or target.is_dir():
            target /= name
        check_format(target, order.keeping)
        if not order.makes_folder and not target.parent.is_dir():
            raise ConfigError(f"--out: there is no folder {target.parent}")
        outputs = Outputs(target, order.config.tile, order.keeping, pictures)
        _check_pictures(outputs)
    except OSError as error:
        raise TexsynthError(f"cannot write {target}: {error.strerror}") from error
    return outputs


def check_format(target, keeping):
    """Makes sure that a texture can be written as it is asked for.

    Args:
        target (pathlib.Path): Its file.
        keeping (texsynth.command.keeping.Keeping): How it is written.

    Raises:
        texsynth.errors.ConfigError: The format lacks the depth, or the quality, or is none.
        texsynth.errors.ImageError: Its package is not there.
    """
    from texsynth.images import encoding, exr

    if target.suffix.lower() not in encoding.FORMATS:
        endings = " ".join(encoding.FORMATS)
        raise ConfigError(
            f"--out must be a file ending in {endings}, or a folder with / at its end, not {target}"
        )
    kind, _ = encoding.chosen(target, keeping.depth)
    if kind.name == "OpenEXR":
        exr.package(target)
    if keeping.quality is not None and kind.name != "JPEG":
        raise ConfigError(f"--quality is that of a JPEG, and {target} is none")


def is_file_name(path):
    """Returns whether a path ends as that of a texture, and not of a folder.

    Args:
        path (pathlib.Path): The path.
    """
    from texsynth.images import encoding

    return path.suffix.lower() in encoding.FORMATS


def make_folder(folder):
    """Makes a folder to write to, and those on the way to it, where they are not there.

    Args:
        folder (pathlib.Path): The folder.

    Raises:
        texsynth.errors.ConfigError: A file is in its place.
        texsynth.errors.TexsynthError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ConfigError(f"--out: {folder} is to be a folder, but there is a file") from None
    except OSError as error:
        raise TexsynthError(f"cannot make the folder {folder}: {error.strerror}") from error


def is_below_here(out):
    """Returns whether a file or folder to write to is in the current folder.

    Args:
        out (pathlib.Path): The file, which need not be there, or the folder.
    """
    try:
        # A link that is a file is replaced, and not followed; not so those on the way to it.
        folder = out if out.is_dir() else out.parent
        return folder.resolve().is_relative_to(Path().resolve())
    except (OSError, RuntimeError):  # links in a circle, or folders that cannot be looked into
        return False


def _check_pictures(outputs):
    """Makes sure that the pictures would be written over nothing that is read."""
    for path in outputs.pictures:
        if path.is_dir():
            raise ConfigError(f"--out: {path} is a folder")
        for source in outputs.sources:
            if path.exists() and source.exists() and path.samefile(source):
                raise ConfigError(f"--out: {path} would overwrite {source}, which is an input")


def _check_beside(outputs, files_read):
    """Makes sure that checkpoint, film and record can be written, and over nothing else."""
    saved = outputs.keeping.saved
    for path in saved:
        files.check_target("--checkpoint", path, files_read)
        if any(_is_same_place(path, other) for other in outputs.pictures):
            raise ConfigError(f"--checkpoint: {path} is also the file for the texture")
    for path in outputs.films:
        files.check_target("--film", path, files_read)
        if any(_is_same_place(path, other) for other in [*outputs.pictures, *saved]):
            raise ConfigError(f"--film: {path} is also another file that is written")
    if outputs.keeping.record:
        files.check_target("--record", outputs.record, files_read)
        if any(_is_same_place(outputs.record, other) for other in saved):
            raise ConfigError(f"--record: {outputs.record} is also the file for the checkpoint")


def _is_same_place(path, other):
    """Whether two paths, in folders that are there, are of one name in one folder."""
    return path.name == other.name and files.is_same_file(path.parent, other.parent)
