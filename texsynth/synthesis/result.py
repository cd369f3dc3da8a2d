"""What a synthesis made: the texture, and how it came about."""

import dataclasses
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from texsynth import images
from texsynth.files.depths import QUALITY
from texsynth.synthesis import presets
from texsynth.typing import Pixels, StrPath
from texsynth.version import __version__

STOPPED = "the callback asked to stop"
"""The reason for stopping when ``callback`` or ``stop`` returned ``True``."""

INTERRUPTED = "interrupted"
"""The same, as the text of a PNG has it."""

NO_STEPS = "no steps were asked for"
"""The reason for stopping where a texture is what it starts from."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcome:
    """How something came about that a synthesis made.

    Attributes:
        errors: Relative Gram errors, ``||G - T|| / ||T||``, by names.
        history: Loss after each step, one list for each level.
        evaluations: Computations of loss and gradient.
        reason: Why it stopped.
        engine: What evaluated the network, ``"plain"``, ``"winograd"`` or ``"cuda"``.
        scheme: What the preset and the settings came to.
        seconds: Time of the levels, without loading and measuring; in the first run on a machine
            with the compiling of the engine.
        environment: What it was made with, see :func:`texsynth.synthesis.environment.describe`.
        weights_sha256: Checksum of the network's weights.
    """

    errors: Mapping[str, Any]
    history: list[list[float]]
    evaluations: int
    reason: str
    engine: str
    scheme: presets.Scheme
    seconds: float
    environment: dict[str, Any]
    weights_sha256: str

    @property
    def is_finished(self) -> bool:
        """Whether it came to its end, and was not stopped by the callback."""
        return self.reason != STOPPED

    def account(self) -> dict[str, str]:
        """Returns how it came about, as keywords and texts for a PNG; the same for the same run."""
        history = [[float(f"{loss:.6g}") for loss in level] for level in self.history]
        values = {
            "errors": self.errors,
            "scheme": dataclasses.asdict(self.scheme),
            "history": history,
            "evaluations": self.evaluations,
            # but no seconds: the same seed, the same bytes
        }
        reason = self.reason if self.is_finished else INTERRUPTED
        text = {
            "engine": self.engine,
            "precision": self.environment.get("precision", "fp32"),
            "reason": reason,
        }
        text |= {key: json.dumps(value) for key, value in values.items()}
        return {f"texsynth:{key}": value for key, value in text.items()}


@dataclass(frozen=True, eq=False, repr=False)
class Result(Outcome):
    """What a synthesis made. Two are equal if all but their ``seconds`` are.

    A notebook shows it as its image. Beside what is listed here it has what an :class:`Outcome`
    has: ``history``, ``reason`` and others.

    Attributes:
        image: ``(H, W, 3)`` uint8, RGB.
        values: The same unrounded, ``(H, W, 3)`` floating-point numbers, 0..255.
        exemplar: ``(H, W, 3)`` uint8, RGB: the exemplar at the size it was used at; ``None`` if it
            was made from statistics.
        errors: ``{layer: ||G - T|| / ||T||}`` of ``image`` (the 8-bit one), for the layers of the
            loss, the default layers, and ``pool5``, as far as the image is large enough; of what
            was made from statistics, for the layers that they have.
    """

    image: Pixels
    values: npt.NDArray[np.floating[Any]]
    exemplar: Pixels | None
    errors: dict[str, float]

    __hash__ = None  # type: ignore[assignment]  # its arrays may be changed

    def save(self, path: StrPath, depth: str | None = None, quality: int = QUALITY) -> None:
        """Writes the image, whole or not at all, over what is there.

        Its text has :meth:`account`, which ``python -m texsynth.evaluate`` reads.

        Args:
            path: Path of the file, which ends in ``.png``, ``.tif``, ``.tiff``, ``.webp``,
                ``.jpg``, ``.jpeg`` or ``.exr``; its folder must exist.
            depth: ``"8"``, ``"16"`` or ``"float"``, as far as the format has it; ``None`` is 8, or
                the 16 of an OpenEXR, which are floating-point numbers.
            quality: Of a JPEG, 1 to 100.

        Raises:
            texsynth.errors.TexsynthError: It has another ending, or cannot be written.
        """
        software = {"Software": f"texsynth {__version__}"}
        images.save(path, self.values, {**software, **self.account()}, depth, quality)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Result):
            return NotImplemented
        names = [field.name for field in dataclasses.fields(self) if field.name != "seconds"]
        pairs = ((getattr(self, name), getattr(other, name)) for name in names)
        return all(
            np.array_equal(own, its)
            if isinstance(own, np.ndarray) and isinstance(its, np.ndarray)
            else type(own) is type(its) and own == its
            for own, its in pairs
        )

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return (
            f"<texsynth.Result: {width}x{height}, preset {self.scheme.name}, "
            f"{self.evaluations} evaluations in {self.seconds:.1f} s; {self.reason}>"
        )

    def _repr_png_(self) -> bytes:
        """Returns the image as a PNG, by which notebooks show it."""
        buffer = io.BytesIO()
        Image.fromarray(self.image).save(buffer, format="PNG")
        return buffer.getvalue()
