"""The files that a texture is written to."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from texsynth.errors import ConfigError, TexsynthError


@dataclass(frozen=True)
class Outputs:
    """Paths of all that is written of one texture.

    Attributes:
        texture (pathlib.Path): The texture itself.
        tile (str): The settings' ``tile``; if there is one, it is shown two by two, too.
        keeps_record (bool): Whether a record is written.
    """

    texture: Path
    tile: str | None = None
    keeps_record: bool = False

    @property
    def pictures(self):
        """The pictures: texture, comparison and, of one that tiles, two by two of it."""
        names = ["comparison", *(["tiled"] if self.tile else [])]
        return [self.texture, *(self._beside(f"{name}.png") for name in names)]

    @property
    def record(self):
        """The record, whether it is written or not."""
        return self._beside("record.json")

    @property
    def paths(self):
        """All of them."""
        return [*self.pictures, *([self.record] if self.keeps_record else [])]

    def snapshot(self, level, step):
        """Returns the path of a snapshot.

        Args:
            level (int): The level, from 1.
            step (int): The step within it, from 1.
        """
        name = f"{self.texture.stem}_level{level}_step{step:05d}.png"
        return self.texture.with_name(name)

    def _beside(self, name):
        return self.texture.with_name(f"{self.texture.stem.removesuffix('_texture')}_{name}")


def outputs_for(image_path, init_path, out, tile=None, keeps_record=False):
    """Returns where one texture goes, once it is sure that its pictures can be written.

    Args:
        image_path (pathlib.Path): The exemplar.
        init_path (pathlib.Path): The image to start from, or ``None``.
        out (pathlib.Path): What the user asked for, a file or a folder, or ``None``.
        tile (str): The settings' ``tile``.
        keeps_record (bool): Whether a record is written.

    Returns:
        Outputs: The paths.

    Raises:
        texsynth.errors.ConfigError: It is no PNG, or would overwrite what is read.
        texsynth.errors.TexsynthError: It cannot be written.
    """
    target = out or Path(f"{image_path.stem}_texture.png")
    try:
        if target.is_dir():
            target /= f"{image_path.stem}_texture.png"
        if target.suffix.lower() != ".png":
            raise ConfigError(f"--out must be a .png file, not {target}")
        if not target.parent.is_dir():
            raise ConfigError(f"--out: there is no folder {target.parent}")
        outputs = Outputs(target, tile, keeps_record)
        for path in outputs.pictures:
            if path.is_dir():
                raise ConfigError(f"--out: {path} is a folder")
            for source in (image_path, init_path):
                if source and path.exists() and source.exists() and path.samefile(source):
                    raise ConfigError(f"--out: {path} would overwrite {source}, which is read")
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise TexsynthError(f"cannot write {target}: {error.strerror}") from error
    return outputs
