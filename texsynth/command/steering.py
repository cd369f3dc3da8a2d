"""The composition whose texture turns, or changes its scale, from place to place by a map."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from texsynth.command.composition import Composition, path_of
from texsynth.command.recipe import Picture
from texsynth.errors import ConfigError, ImageError

TURN, SCALE = "turn", "scale-map"
"""What a map says: by how much to turn, or how large."""

_LARGEST_CHANGE = 0.02  # of the ratio of sides, between a map and the output
_MOST_COLOUR = 8  # grey levels between the channels of what is grey: JPEG's rounding is less


@dataclasses.dataclass(frozen=True)
class Steering(Composition):
    """A texture that follows a map.

    Attributes:
        image: Path of the exemplar.
        map_path: Path of the map.
        meaning: What its grey means: :data:`TURN` or :data:`SCALE`.
    """

    KIND: ClassVar[str] = "steering"
    image: Path
    map_path: Path
    meaning: str

    @property
    def image_paths(self):
        """See :class:`Composition`."""
        return (self.image,)

    @property
    def maps(self):
        """See :class:`Composition`."""
        return (self.map_path,)

    def described(self, place):
        """See :class:`Composition`."""
        return {"image": place(self.image), "map": place(self.map_path), "meaning": self.meaning}

    @classmethod
    def recalled(cls, stem, values):
        """See :class:`Composition`."""
        meaning = values["meaning"]
        if meaning not in (TURN, SCALE):
            raise ValueError("a map that means something else")
        return cls(stem, path_of(values["image"]), path_of(values["map"]), str(meaning))

    def label(self, gallery):
        """See :class:`Composition`."""
        return f"{self.image.name} {self.meaning} {self.map_path.name}"

    def sized(self, config):
        """See :class:`Composition`: it has the size of the map, or another of the same shape."""
        rows, columns = Picture(self.map_path, config.input_range).pixels.shape[:2]
        if config.output_size is None:
            return dataclasses.replace(config, output_size=(columns, rows))
        width, height = config.output_size
        if abs(width / height * rows / columns - 1) > _LARGEST_CHANGE:
            raise ConfigError(
                f"{self.map_path} is {columns}x{rows}, and the output {width}x{height}: a map has"
                " the shape of the output"
            )
        return config

    def check(self, gallery):
        """See :class:`Composition`."""
        super().check(gallery)
        self._grey(gallery)

    def study(self, workshop, gallery):
        """See :class:`Composition`."""
        from texsynth.synthesis import steering

        exemplar, grey = gallery[self.image].deep, self._grey(gallery)
        if self.meaning == TURN:
            return steering.Steered(workshop, exemplar, angles=steering.angles_of(grey))
        return steering.Steered(workshop, exemplar, scales=steering.scales_of(grey))

    def _grey(self, gallery):
        """The grey levels of the map, ``(H, W)``, 0..255."""
        return grey_of(gallery[self.map_path].pixels, self.map_path)


def grey_of(pixels, path):
    """Returns the grey levels of a map, ``(H, W)`` float64, 0..255.

    Args:
        pixels (numpy.ndarray): ``(H, W, 3)`` uint8.
        path (pathlib.Path): What messages call it.

    Raises:
        texsynth.errors.ImageError: It has colours.
    """
    if int((pixels.max(axis=2) - pixels.min(axis=2)).max()) > _MOST_COLOUR:
        raise ImageError(f"{path} has colours, and a map of angles or scales is grey")
    return pixels.mean(axis=2)
