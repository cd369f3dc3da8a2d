"""Where a texture comes from: what its PNG tells, and whether a PNG tells the same.

Pillow is imported when a file is read: the command's ``--help`` need not wait for it.
"""

import dataclasses
import functools
import json
import warnings

from texsynth.config import Config
from texsynth.version import __version__

INTERRUPTED = "interrupted"
"""The reason for stopping of a texture that is not finished."""


class Picture:
    """A file that is read when its pixels are first asked for.

    Args:
        path (pathlib.Path): The file.
        input_range: What is black and what white in it, of the settings; or ``None``.

    Attributes:
        path (pathlib.Path): The file.
    """

    def __init__(self, path, input_range=None):
        self.path = path
        self._input_range = input_range

    @functools.cached_property
    def pixels(self):
        """``(H, W, 3)`` uint8, RGB; raises as :func:`texsynth.images.read`."""
        from texsynth import images

        return images.read(self.path, self._input_range)

    @functools.cached_property
    def checksum(self):
        """What :func:`texsynth.images.checksum` returns for the pixels."""
        from texsynth import images

        return images.checksum(self.pixels)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a texture is made from.

    Attributes:
        config (texsynth.Config): The settings.
        exemplar (Picture): The exemplar.
        init (Picture): The image to start from; ``None`` starts as the settings say.
    """

    config: Config
    exemplar: Picture
    init: Picture | None = None


def origin(recipe):
    """Returns what a texture is made from, as the text of its file.

    Args:
        recipe (Recipe): Settings and pictures.

    Returns:
        dict: Keywords and texts; the same for the same texture, and for no other.
    """
    exemplar, init = recipe.exemplar, recipe.init
    used = {"image": exemplar.path.name}
    text = {"exemplar_sha256": exemplar.checksum}
    if init is not None:
        used["init"] = init.path.name
        text["init_sha256"] = init.checksum
    used |= recipe.config.as_dict()
    # File names are bytes: what is no UTF-8 in them cannot be kept in a PNG.
    settings = json.dumps(used, ensure_ascii=False).encode("utf-8", "replace").decode()
    text = {f"texsynth:{key}": value for key, value in {"settings": settings, **text}.items()}
    return {"Software": f"texsynth {__version__}", **text}


def account(result):
    """Returns how a texture came about, as the text of its file.

    Args:
        result (texsynth.Result): The texture.
    """
    history = [[float(f"{loss:.6g}") for loss in level] for level in result.history]
    values = {
        "errors": result.errors,
        "scheme": dataclasses.asdict(result.scheme),
        "history": history,
        "evaluations": result.evaluations,
        # but no seconds: the same seed, the same bytes
    }
    reason = result.reason if result.is_finished else INTERRUPTED
    text = {"engine": result.engine, "reason": reason}
    text |= {key: json.dumps(value) for key, value in values.items()}
    return {f"texsynth:{key}": value for key, value in text.items()}


def is_finished(path, expected):
    """Returns whether a file is a whole PNG of a texture that was finished.

    Args:
        path (pathlib.Path): The file, which need not be there.
        expected (dict): What :func:`origin` returns for the texture.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # Of many pixels: as large a texture may have been asked for.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=["PNG"]) as file:
                file.verify()  # the checksums of all chunks
            with Image.open(path, formats=["PNG"]) as file:
                text = dict(file.text)  # which reads the pixels
    # Pillow raises all of these on damaged files.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
        return False
    reason = text.get("texsynth:reason", INTERRUPTED)
    return reason != INTERRUPTED and expected.items() <= text.items()
