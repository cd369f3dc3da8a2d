"""Values to the bytes of an image file, in the format that its name ends in."""

import io
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, PngImagePlugin

from texsynth.errors import ConfigError
from texsynth.files.depths import DEPTHS
from texsynth.images import exr, png16
from texsynth.typing import StrPath

_log = logging.getLogger(__name__)

_MOST_EXIF = 65000  # bytes of text: a segment of a JPEG has 65535 in all


class Written(NamedTuple):
    """What is written beside the values.

    Attributes:
        text: ``{keyword: text}``.
        profile: The colour profile; ``None`` of values that are no colours.
        quality: Of a JPEG, 1 to 100.
        path: What to call the file in messages.
    """

    text: Mapping[str, str]
    profile: bytes | None
    quality: int
    path: StrPath


class Format(NamedTuple):
    """A kind of file that is written.

    Attributes:
        name: What it is called.
        types: Those that values can have, by depth, the usual one first.
        channels: The numbers of channels that it can have.
        encode: Writes values of one of the types into a file.
    """

    name: str
    types: Mapping[str, type[np.generic]]
    channels: tuple[int, ...]
    encode: Callable[[IO[bytes], npt.NDArray[Any], Written], None]


def _png(file: IO[bytes], values: npt.NDArray[Any], written: Written) -> None:
    info = PngImagePlugin.PngInfo()
    if written.profile is not None:
        info.add(b"sRGB", b"\0")  # perceptual
    for keyword, told in written.text.items():
        info.add_itxt(keyword, told)
    if values.dtype == np.uint16:
        png16.encode(file, values, [(chunk[0], chunk[1]) for chunk in info.chunks])
    else:
        _image(values).save(file, format="PNG", pnginfo=info)


def _tiff(file: IO[bytes], values: npt.NDArray[Any], written: Written) -> None:
    import tifffile  # takes a tenth of a second

    channels = values.shape[2]
    made = io.BytesIO()  # a part of a file is begun anew, which a disk need not see
    tifffile.imwrite(
        made,
        values if channels > 1 else values[..., 0],
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        compression="zlib",
        predictor=values.dtype.kind == "u",  # of floating-point numbers that takes another package
        description=as_one(written.text),
        software=written.text.get("Software", False),
        iccprofile=written.profile,
        metadata=None,
    )
    file.write(made.getbuffer())


def _webp(file: IO[bytes], values: npt.NDArray[Any], written: Written) -> None:
    image = _image(values)
    image = image.convert({"L": "RGB", "LA": "RGBA"}.get(image.mode, image.mode))  # it has no grey
    image.save(file, format="WEBP", lossless=True, exact=True, **_tagged(written))


def _jpeg(file: IO[bytes], values: npt.NDArray[Any], written: Written) -> None:
    _image(values).save(
        file, format="JPEG", quality=written.quality, subsampling=0, **_tagged(written, _MOST_EXIF)
    )


def _exr(file: IO[bytes], values: npt.NDArray[Any], written: Written) -> None:
    exr.encode(file, values, written.text, written.path)


_Types: TypeAlias = Mapping[str, type[np.generic]]
_BYTES: _Types = {"8": np.uint8}
_INTEGERS: _Types = {**_BYTES, "16": np.uint16}

FORMATS = {
    ".png": Format("PNG", _INTEGERS, (1, 2, 3, 4), _png),
    ".tif": Format("TIFF", {**_INTEGERS, "float": np.float32}, (1, 2, 3, 4), _tiff),
    ".tiff": Format("TIFF", {**_INTEGERS, "float": np.float32}, (1, 2, 3, 4), _tiff),
    ".webp": Format("WebP", _BYTES, (1, 2, 3, 4), _webp),
    ".jpg": Format("JPEG", _BYTES, (1, 3), _jpeg),
    ".jpeg": Format("JPEG", _BYTES, (1, 3), _jpeg),
    ".exr": Format("OpenEXR", {"16": np.float16, "float": np.float32}, (1, 2, 3, 4), _exr),
}
"""By the ending of a file's name, in small letters."""


def chosen(path: StrPath, depth: str | None = None) -> tuple[Format, np.dtype[Any]]:
    """Returns the format that a file's name asks for, and the type of its values.

    Args:
        path: The file.
        depth (str): One of :data:`DEPTHS`; ``None`` is what the format usually has.

    Raises:
        texsynth.errors.ConfigError: The name has another ending, or the format lacks the depth.
    """
    kind = FORMATS.get(Path(path).suffix.lower())
    if kind is None:
        raise ConfigError(f"{path} must end in one of {', '.join(FORMATS)}")
    depth = next(iter(kind.types)) if depth is None else depth
    if depth not in DEPTHS:
        raise ConfigError(f"depth must be one of {', '.join(DEPTHS)}, not {depth}")
    if depth not in kind.types:
        able = [ending for ending, other in FORMATS.items() if depth in other.types]
        raise ConfigError(
            f"{path}: {kind.name} has no depth {depth}, only {' or '.join(kind.types)}; "
            f"{', '.join(able)} have it"
        )
    return kind, np.dtype(kind.types[depth])


def as_one(text: Mapping[str, str]) -> str:
    """Returns keywords and texts as one text, JSON in ASCII, where there is room for one only."""
    return json.dumps(dict(text)) if text else ""


def _image(values: npt.NDArray[Any]) -> Image.Image:
    return Image.fromarray(values if values.shape[2] > 1 else values[..., 0])


def _tagged(written: Written, most: int | None = None) -> dict[str, Any]:
    """What Pillow is to write beside the pixels, with no more text than that many bytes."""
    text = dict(written.text)
    while most is not None and len(as_one(text)) > most:
        longest = max(text, key=lambda name: len(text[name]))
        del text[longest]
        _log.warning("%s: %s is left out, for it is too long for a JPEG", written.path, longest)
    exif = Image.Exif()
    if text:
        exif[ExifTags.Base.ImageDescription] = as_one(text)
        exif[ExifTags.Base.Software] = text.get("Software", "")
    return {"exif": exif, "icc_profile": written.profile}
