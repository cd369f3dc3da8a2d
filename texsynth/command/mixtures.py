"""Compositions that lie between textures: of certain shares, or varying over the image."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

from texsynth.command.composition import Composition, path_of
from texsynth.terms import MIXINGS
from texsynth.values import check_shares


@dataclasses.dataclass(frozen=True)
class Mix(Composition):
    """A mixture with certain shares.

    Attributes:
        images: Paths of the exemplars.
        shares: How much of each; they sum to 1.
        mixing: How statistics are mixed.
    """

    KIND: ClassVar[str] = "mix"
    images: tuple[Path, ...]
    shares: tuple[float, ...]
    mixing: str

    @property
    def image_paths(self):
        """See :class:`Composition`."""
        return self.images

    def described(self, place):
        """See :class:`Composition`."""
        images = [place(path) for path in self.images]
        return {"images": images, "shares": list(self.shares), "mixing": self.mixing}

    @classmethod
    def recalled(cls, stem, values):
        """See :class:`Composition`."""
        images = tuple(path_of(each) for each in values["images"])
        if len(images) < 2:
            raise ValueError("a mix of fewer than two images")
        check_shares(values["shares"], len(images))
        # As they are: divided by their sum once more, they would differ in their last bits.
        shares = tuple(float(share) for share in values["shares"])
        return cls(stem, images, shares, _way(values["mixing"]))

    def label(self, gallery):
        """See :class:`Composition`."""
        told = zip(self.images, self.shares, strict=True)
        return f"{self.mixing}: {', '.join(f'{path.name} {share:.6g}' for path, share in told)}"

    def study(self, workshop, gallery):
        """See :class:`Composition`."""
        from texsynth.synthesis.mixture import Mixture

        pixels = [gallery[path].deep for path in self.images]
        return Mixture(workshop, pixels, self.shares, self.mixing)


@dataclasses.dataclass(frozen=True)
class Gradient(Composition):
    """A mixture that goes from one texture to another over the image.

    Attributes:
        images: Paths of the two exemplars.
        axis: ``"x"`` or ``"y"``; ``None`` goes by a map.
        map_path: Path of the map, black where the first is to be; or ``None``.
        mixing: How statistics are mixed.
    """

    KIND: ClassVar[str] = "gradient"
    images: tuple[Path, ...]
    axis: str | None
    map_path: Path | None
    mixing: str

    @property
    def image_paths(self):
        """See :class:`Composition`."""
        return self.images

    @property
    def maps(self):
        """See :class:`Composition`."""
        return () if self.map_path is None else (self.map_path,)

    def described(self, place):
        """See :class:`Composition`."""
        images = [place(path) for path in self.images]
        by = None if self.map_path is None else place(self.map_path)
        return {"images": images, "axis": self.axis, "map": by, "mixing": self.mixing}

    @classmethod
    def recalled(cls, stem, values):
        """See :class:`Composition`."""
        first, second = (path_of(each) for each in values["images"])
        axis, by = values["axis"], values["map"]
        if axis not in (None, "x", "y") or (axis is None) is (by is None):
            raise ValueError("a gradient along neither an axis nor a map")
        by = None if by is None else path_of(by)
        return cls(stem, (first, second), axis, by, _way(values["mixing"]))

    def label(self, gallery):
        """See :class:`Composition`."""
        along = self.axis or self.map_path.name
        first, second = (path.name for path in self.images)
        return f"{self.mixing}: {first} to {second} along {along}"

    def study(self, workshop, gallery):
        """See :class:`Composition`."""
        from texsynth.synthesis.gradients import gradient

        field = self.axis or gallery[self.map_path].deep.mean(axis=2) / 255
        pixels = (gallery[path].deep for path in self.images)
        return gradient(workshop, *pixels, field, self.mixing)


def _way(value: Any) -> str:
    """How statistics are mixed, as a file says it."""
    if value not in MIXINGS:
        raise ValueError("statistics are mixed in another way")
    return str(value)
