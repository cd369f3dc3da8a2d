"""The composition that is painted by a map: which texture is to be where."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from texsynth.command.composition import Composition, path_of
from texsynth.command.recipe import Picture
from texsynth.errors import ConfigError

_LARGEST_CHANGE = 0.02  # of the ratio of sides, between a guide and its image


@dataclasses.dataclass(frozen=True)
class Painting(Composition):
    """What is painted by a map.

    Attributes:
        image: Path of an image of which parts are taken, or ``None``.
        guide: Path of the map of its parts, or ``None``.
        target_guide: Path of the map of what is made.
        regions: Pairs of a colour, ``(red, green, blue)``, and the path of the image whose texture
            is taken for it; sorted, for their order decides on no more than last bits.
    """

    KIND: ClassVar[str] = "regions"
    image: Path | None
    guide: Path | None
    target_guide: Path
    regions: tuple[tuple[tuple[int, int, int], Path], ...] = ()

    @property
    def image_paths(self):
        """See :class:`Composition`."""
        of_guide = () if self.image is None else (self.image,)
        return (*of_guide, *(path for _, path in self.regions))

    @property
    def maps(self):
        """See :class:`Composition`."""
        return tuple(path for path in (self.guide, self.target_guide) if path)

    def described(self, place):
        """See :class:`Composition`."""
        regions = [[list(colour), place(path)] for colour, path in self.regions]
        image, guide = (path and place(path) for path in (self.image, self.guide))
        found = {"image": image, "guide": guide, "target_guide": place(self.target_guide)}
        return {**found, "regions": regions}

    @classmethod
    def recalled(cls, stem, values):
        """See :class:`Composition`."""
        image, guide = (
            None if values[name] is None else path_of(values[name]) for name in ("image", "guide")
        )
        regions = sorted((_colour(colour), path_of(path)) for colour, path in values["regions"])
        if (image is None) is not (guide is None) or not (image or regions):
            raise ValueError("a painting without textures")
        return cls(stem, image, guide, path_of(values["target_guide"]), tuple(regions))

    def label(self, gallery):
        """See :class:`Composition`."""
        return f"{', '.join(path.name for path in self.image_paths)} by {self.target_guide.name}"

    def sized(self, config):
        """See :class:`Composition`: it has the size of the map."""
        if config.output_size is not None:
            return config
        height, width = Picture(self.target_guide, config.input_range).pixels.shape[:2]
        return dataclasses.replace(config, output_size=(width, height))

    def textures(self, gallery):
        """Returns the textures by colour, ``{colour: (picture, mask)}``.

        A mask, ``(H, W)`` float32, says which part of a picture has the texture; ``None`` is all.

        Args:
            gallery (texsynth.command.composition.Gallery): Where its pictures are read.

        Raises:
            texsynth.errors.TexsynthError: A picture cannot be read, the guide is none of its image,
                or a colour has two textures.
        """
        from texsynth.images import labels

        found = {} if self.guide is None else self._of_guide(gallery)
        for colour, path in self.regions:
            if colour in found:
                raise ConfigError(f"--region: {labels.name_of(colour)} is in {self.guide} too")
            found[colour] = gallery[path], None
        return found

    def wanted(self, gallery):
        """Returns what is to be where, :class:`texsynth.images.labels.Labels` of the textures.

        Args:
            gallery (texsynth.command.composition.Gallery): Where its pictures are read.

        Raises:
            texsynth.errors.TexsynthError: As :meth:`textures`; or a colour has no texture.
        """
        from texsynth.images import labels

        name = str(self.target_guide)
        asked = labels.read_labels(gallery[self.target_guide].pixels, name)
        places = [str(self.guide)] * bool(self.guide) + ["--region"] * bool(self.regions)
        return labels.matched(asked, tuple(self.textures(gallery)), name, " and ".join(places))

    def check(self, gallery):
        """See :class:`Composition`."""
        super().check(gallery)
        self.wanted(gallery)

    def study(self, workshop, gallery):
        """See :class:`Composition`."""
        from texsynth.images.labels import name_of
        from texsynth.synthesis.masked import Source
        from texsynth.synthesis.regions import painted

        wanted, sources = self.wanted(gallery), {}
        for number, (colour, (picture, mask)) in enumerate(self.textures(gallery).items()):
            name = f"the part {name_of(colour)} of {picture.path}"
            sources[number] = Source(picture.deep, mask, name)
        return painted(workshop, sources, wanted.numbers)

    def _of_guide(self, gallery):
        """The textures of the image that has a guide."""
        from texsynth.images.labels import read_labels

        picture, guide = gallery[self.image], gallery[self.guide]
        (height, width), (rows, columns) = picture.pixels.shape[:2], guide.pixels.shape[:2]
        if abs(width / height * rows / columns - 1) > _LARGEST_CHANGE:
            raise ConfigError(
                f"{self.guide} is {columns}x{rows}, and {picture.path} {width}x{height}: a guide"
                " has the shape of its image"
            )
        found = read_labels(guide.pixels, str(self.guide))
        return {
            colour: (picture, (found.numbers == number).astype("f4"))
            for number, colour in enumerate(found.colours)
        }


def _colour(values):
    """A colour as a file says it."""
    red, green, blue = values
    if not all(type(value) is int and 0 <= value <= 255 for value in values):
        raise ValueError("a region of no colour")
    return red, green, blue
