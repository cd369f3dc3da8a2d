"""A row of textures as one picture."""

import functools
import hashlib
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

from texsynth import files
from texsynth.command import overwriting, provenance
from texsynth.command.composed import exemplar_of
from texsynth.command.outputs import Outputs
from texsynth.command.recipe import Picture, Recipe
from texsynth.errors import ConfigError
from texsynth.version import __version__

_KEYWORD = "texsynth:row_sha256"


@dataclass(frozen=True)
class Row:
    """The picture, and the textures in it.

    Attributes:
        path (pathlib.Path): Where it is written.
        recipes: The textures from left to right, each a
            :class:`texsynth.command.recipe.Recipe`.
        outputs: Where each is asked to be, a :class:`texsynth.command.outputs.Outputs`.
    """

    path: Path
    recipes: tuple[Recipe, ...]
    outputs: tuple[Outputs, ...]

    def check(self):
        """Makes sure that nothing is there that would be lost, of the row and of its textures.

        Raises:
            texsynth.errors.ConfigError: A file is there that is an input, or is not the same.
            texsynth.errors.TexsynthError: An exemplar cannot be read.
        """
        for outputs, recipe in zip(self.outputs, self.recipes, strict=True):
            overwriting.check(outputs, recipe, is_again=False)
        for source in self.outputs[0].sources:
            if files.is_same_file(self.path, source):
                raise ConfigError(f"--out: {self.path} would overwrite {source}, which is an input")
        if self.outputs[0].keeping.overwrites or not self.path.exists():
            return
        if provenance.text_of(self.path).get(_KEYWORD) != self._checksum:
            raise ConfigError(
                f"{self.path} already exists and is not the same row; -o writes elsewhere,"
                " --overwrite replaces it"
            )

    def save(self):
        """Writes it, from the files of the textures."""
        from texsynth import images

        textures = [images.read(each.texture) for each in self.outputs]
        text = {"Software": f"texsynth {__version__}", _KEYWORD: self._checksum}
        images.save_png(self.path, functools.reduce(images.side_by_side, textures), text)

    @property
    def _checksum(self):
        """SHA-256 of what the textures are made from."""
        origins = [provenance.origin(recipe) for recipe in self.recipes]
        return hashlib.sha256(json.dumps(origins).encode()).hexdigest()


def rows_of(order, tasks, gallery):
    """Returns a row of all subjects for each seed, once it is sure that it replaces nothing else.

    Args:
        order (texsynth.command.order.Order): What is to be made.
        tasks: All of its textures, each a :class:`texsynth.command.tasks.Task`.
        gallery (texsynth.command.composition.Gallery): Where their pictures are read.

    Returns:
        list of Row: In the order of the seeds.

    Raises:
        texsynth.errors.TexsynthError: As :meth:`Row.check`.
    """
    sources, config = order.sources, order.config
    init = None if sources.init_path is None else Picture(sources.init_path, config.input_range)
    found = []
    # Stable: the subjects keep their order.
    for seed, these in itertools.groupby(sorted(tasks, key=_seed_of), key=_seed_of):
        these = list(these)
        recipes = tuple(
            Recipe(task.config, exemplar_of(sources, task.subject, None, gallery), init)
            for task in these
        )
        told = "" if sources.variations is None else f"_seed{seed}"
        path = these[0].outputs.texture.with_name(f"{sources.row_stem}{told}_row.png")
        found.append(Row(path, recipes, tuple(task.outputs for task in these)))
    for row in found:
        row.check()
    return found


def _seed_of(task):
    return task.config.seed
