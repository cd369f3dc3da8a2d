"""What of a photograph the command is to make anew, and what is read for that."""

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from texsynth.errors import ConfigError

ALPHA = "alpha"
"""In place of a mask: where the photograph itself is transparent."""


@dataclass(frozen=True)
class Mending:
    """What is to be made anew, and of what.

    Attributes:
        mask: Path of the mask, or ``"alpha"``; ``None`` if there is none.
        source (pathlib.Path): The picture whose texture is taken; ``None`` takes the photograph's.
        band (int): Pixels across the band, where the photograph is to tile.
        grow: What :func:`texsynth.synthesis.holes.parse_sides` returns; or ``None``.
        input_range: What is black and what white in mask and source, of the settings; or ``None``.
    """

    mask: Path | str | None = None
    source: Path | None = None
    band: int = 32
    grow: int | dict | None = None
    input_range: tuple[float, float] | None = None

    @classmethod
    def of(cls, values, input_range=None):
        """Returns the one whose :meth:`as_dict` these values are, also by way of JSON.

        Args:
            values (dict): The values.
            input_range: As of the class; it is not among them.

        Raises:
            TypeError: They are of other types.
            KeyError: One is missing.
        """
        mask, source = values["mask"], values["source"]
        if any(not isinstance(path, str | None) or "\0" in (path or "") for path in (mask, source)):
            raise TypeError("of a path")
        mask = mask if mask in (None, ALPHA) else Path(mask)
        return cls(mask, source and Path(source), values["band"], values["grow"], input_range)

    def as_dict(self):
        """Returns plain values by name, with whole paths: it may be read in another folder."""
        mask = self.mask if self.mask in (None, ALPHA) else str(Path(self.mask).absolute())
        source = self.source and str(self.source.absolute())
        return {"mask": mask, "source": source, "band": self.band, "grow": self.grow}

    @property
    def paths(self):
        """Paths of the pictures that are read beside the photograph."""
        return [Path(path) for path in (self.mask, self.source) if path not in (None, ALPHA)]

    @functools.cached_property
    def mask_pixels(self):
        """``(H, W, 3)`` uint8, white where it is made anew; ``None`` without a file of a mask.

        Raises:
            texsynth.errors.ImageError: It cannot be read; or is transparent somewhere, of which
                nobody knows whether it is to stay.
        """
        from texsynth import images

        if self.mask in (None, ALPHA):
            return None
        return images.read_opaque(self.mask, self.input_range)

    @functools.cached_property
    def source_pixels(self):
        """What :func:`texsynth.images.read_deep` returns, or ``None``."""
        from texsynth import images

        return None if self.source is None else images.read_deep(self.source, self.input_range)

    def told(self):
        """Returns what decides on the result beside the photograph and the settings, a text."""
        sums = {
            name: None if pixels is None else hashlib.sha256(pixels.tobytes()).hexdigest()
            for name, pixels in (("mask", self.mask_pixels), ("source", self.source_pixels))
        }
        is_alpha = self.mask == ALPHA
        asked = {"alpha": is_alpha, "band": self.band, "grow": self.grow}
        return json.dumps({**sums, **asked}, sort_keys=True)

    def carried_out(self, picture, config, **asked):
        """Makes it; returns the :class:`texsynth.Result`.

        Args:
            picture (texsynth.command.recipe.Picture): The photograph.
            config (texsynth.Config): The settings.
            asked: What else :func:`texsynth.repair` takes.

        Raises:
            texsynth.errors.TexsynthError: It cannot be made.
        """
        from texsynth.synthesis.repairing import repair  # imports Chainer, which takes a second

        return repair(*self._photo_and_mask(picture), config, **self._given, **asked)

    def study(self, picture, config, fills):
        """Returns what :func:`texsynth.synthesis.repairing.study_of` does.

        Args:
            picture (texsynth.command.recipe.Picture): The photograph.
            config (texsynth.Config): The settings.
            fills (bool): Whether there is no image to start from.

        Raises:
            texsynth.errors.TexsynthError: It cannot be made.
        """
        from texsynth.synthesis.repairing import study_of

        return study_of(*self._photo_and_mask(picture), config, fills=fills, **self._given)

    @property
    def _given(self):
        return {"source": self.source_pixels, "band": self.band, "grow": self.grow}

    def edge_score(self, picture, config, pixels):
        """Returns :func:`texsynth.metrics.edge_score` of what was made.

        Args:
            picture (texsynth.command.recipe.Picture): The photograph.
            config (texsynth.Config): The settings.
            pixels (numpy.ndarray): ``(H, W, 3)`` uint8, what was made.
        """
        from texsynth import metrics

        return metrics.edge_score(pixels, self.damaged(picture, config).mask[0, 0])

    def damaged(self, picture, config):
        """Returns the :class:`texsynth.synthesis.holes.Damaged`: what of it is made anew.

        Args:
            picture (texsynth.command.recipe.Picture): The photograph.
            config (texsynth.Config): The settings.

        Raises:
            texsynth.errors.TexsynthError: The mask is none of it, or there is nothing to make.
        """
        from texsynth.synthesis.holes import Damaged

        return Damaged.of(*self._photo_and_mask(picture), config, self.band, self.grow)

    def _photo_and_mask(self, picture):
        if self.mask != ALPHA:
            return picture.deep, self.mask_pixels
        from texsynth import images

        photo, alpha = images.read_deep_apart(picture.path, self.input_range)
        if alpha is None or alpha.min() == 255:
            raise ConfigError(f"--mask alpha: {picture.path} has no transparent pixel")
        return photo, 255 - alpha


def check(mending, config, given):
    """Makes sure that something is asked for, and nothing that has no part in it.

    Args:
        mending (Mending): What is asked for.
        config (texsynth.Config): The settings.
        given: Names of the options that were given.

    Raises:
        texsynth.errors.ConfigError: Nothing is, or something has.
    """
    if "band" in given and config.tile is None:
        raise ConfigError("--band needs --tile")
    if mending.mask is None and mending.grow is None and config.tile is None:
        raise ConfigError("repair needs --mask, --tile or --grow, to know what is made anew")
