"""Statistics of exemplars as arrays, from which alone a texture can be made: saved and loaded.

A file is an ``.npz`` that ``numpy.load`` reads without pickles: ``<layer>/gram``, ``<layer>/mean``
and ``<layer>/covariance`` for each layer and for ``image``, the pixels; ``network``, ``pooling``,
``weights_sha256``, ``sizes``, ``grey``, ``version``, and ``kind`` and ``format`` of the file.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from texsynth.errors import StatisticsError
from texsynth.files import npy, written_whole
from texsynth.network import architecture
from texsynth.typing import StrPath
from texsynth.version import __version__

FORMAT = 1
"""Version of the file's format; a reader refuses what is newer than itself."""

IMAGE = "image"
_KIND = "texsynth statistics"
_TEXTS = ("kind", "network", "pooling", "weights_sha256", "version")
_ALL_BESIDE = (*_TEXTS, "format", "sizes", "grey")
_MOST_CHARACTERS, _MOST_EXEMPLARS = 200, 100_000
_LARGEST_SIDE = 65536  # pixels, as in texsynth.config
_ASYMMETRY = 1e-3  # of the largest value: what is more is no rounding
_NOT_WHOLE = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError,
    MemoryError, OverflowError,
)  # fmt: skip


class Moments(NamedTuple):
    """What is known of a layer's channels, as means over its positions.

    Attributes:
        gram: ``(C, C)`` float32, of the products of channels.
        mean: ``(C,)`` float32, of the channels.
        covariance: ``(C, C)`` float32, of the products about the mean.
    """

    gram: npt.NDArray[np.float32]
    mean: npt.NDArray[np.float32]
    covariance: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Statistics:
    """Statistics of one exemplar, or the average of several: what a texture is made from.

    Attributes:
        layers: ``{layer: Moments}`` of activations, convolutions after their ReLU.
        image: :class:`Moments` of the pixels, RGB, 0..255.
        sizes: ``(width, height)`` in pixels of each exemplar; the first is that of the texture, if
            no other is asked for.
        network: Whose activations, a name of :data:`texsynth.network.architecture.NETWORKS`.
        pooling: ``"average"`` or ``"max"``.
        weights_sha256: Checksum of the network's weights.
        is_grey: Whether no exemplar has colours; then the texture has none either.
        version: Of texsynth, that measured them.

    Raises:
        texsynth.errors.StatisticsError: A value is not finite, or a shape or a name not right.
    """

    layers: Mapping[str, Moments]
    image: Moments
    sizes: tuple[tuple[int, int], ...]
    network: str
    pooling: str
    weights_sha256: str
    is_grey: bool = False
    version: str = __version__

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", tuple((int(w), int(h)) for w, h in self.sizes))
        if self.network not in architecture.NETWORKS:
            raise StatisticsError(f"they are of a network {self.network!r}, which is unknown")
        if self.pooling not in ("average", "max"):
            raise StatisticsError(f"they are of a pooling {self.pooling!r}, which is unknown")
        if not self.sizes or min(map(min, self.sizes)) < 1:
            raise StatisticsError("they have no sizes of exemplars")
        if max(map(max, self.sizes)) > _LARGEST_SIDE:
            raise StatisticsError(f"sizes of exemplars must be at most {_LARGEST_SIDE} px")
        if not self.layers:
            raise StatisticsError("they have no layers")
        for name, moments in [*self.layers.items(), (IMAGE, self.image)]:
            _check_moments(name, moments, _channels(name, self.network))

    @classmethod
    def average(cls, several: Sequence["Statistics"]) -> Self:
        """Returns the mean of several statistics, array by array; each counts alike.

        Args:
            several: At least one, of the same network, weights, pooling and layers.

        Raises:
            texsynth.errors.StatisticsError: There are none, or they differ in these.
        """
        if not several:
            raise StatisticsError("there are no statistics to average")
        first = several[0]
        for name in ("network", "pooling", "weights_sha256"):
            if len({getattr(each, name) for each in several}) > 1:
                raise StatisticsError(f"statistics of more than one {name} cannot be averaged")
        if any(each.layers.keys() != first.layers.keys() for each in several):
            raise StatisticsError("statistics of different layers cannot be averaged")
        layers = {name: _mean([each.layers[name] for each in several]) for name in first.layers}
        return cls(
            layers,
            _mean([each.image for each in several]),
            tuple(size for each in several for size in each.sizes),
            first.network,
            first.pooling,
            first.weights_sha256,
            all(each.is_grey for each in several),
        )

    @classmethod
    def load(cls, path: StrPath) -> Self:
        """Reads statistics that :meth:`save` wrote, or that were edited since.

        Args:
            path: Path of the ``.npz``.

        Raises:
            texsynth.errors.StatisticsError: It cannot be read, or is none.
        """
        path = Path(path)
        try:
            if not path.exists():
                raise StatisticsError(f"no such file: {path}")
            if not path.is_file():  # to open a pipe may take for ever
                raise StatisticsError(f"{path} is not a file")
            path.open("rb").close()  # or who may not read it would be told that it is none
            fields = _read(path)
            names = {name.rpartition("/")[0]: None for name in fields if "/" in name}
            layers = {name: _moments(fields, name) for name in names}
            image = layers.pop(IMAGE)
            return cls(
                layers,
                image,
                fields["sizes"],
                str(fields["network"]),
                str(fields["pooling"]),
                str(fields["weights_sha256"]),
                bool(fields["grey"]),
                str(fields["version"]),
            )
        except OSError as error:
            raise StatisticsError(f"cannot read {path}: {error.strerror or error}") from error
        except StatisticsError as error:
            told = str(error)
            raise (error if str(path) in told else StatisticsError(f"{path}: {told}")) from None
        except _NOT_WHOLE as error:
            raise StatisticsError(f"{path} is not a whole file of statistics ({error})") from error

    def save(self, path: StrPath) -> None:
        """Writes the statistics, whole or not at all, over what is there.

        Args:
            path: Path of the file, which ends in ``.npz``; its folder must exist.

        Raises:
            texsynth.errors.StatisticsError: It has another ending, or cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".npz":
            raise StatisticsError(f"statistics are saved as .npz, which {path} does not end in")
        arrays: dict[str, Any] = {"kind": _KIND, "format": FORMAT}
        arrays |= {name: getattr(self, name) for name in _TEXTS[1:]}
        arrays |= {"sizes": np.array(self.sizes), "grey": self.is_grey}
        for layer, moments in [(IMAGE, self.image), *self.layers.items()]:
            arrays |= {f"{layer}/{kind}": getattr(moments, kind) for kind in Moments._fields}
        try:
            with written_whole(path) as file:
                np.savez(file, **arrays)
        except OSError as error:
            raise StatisticsError(f"cannot write {path}: {error.strerror or error}") from error

    def checksum(self) -> str:
        """Returns the SHA-256 of all that decides on a texture, 64 hex digits."""
        told = (self.network, self.pooling, self.weights_sha256, self.sizes[0], self.is_grey)
        digest = hashlib.sha256(repr(told).encode())
        for layer, moments in sorted({IMAGE: self.image, **self.layers}.items()):
            for kind, array in zip(Moments._fields, moments, strict=True):
                digest.update(f"{layer}/{kind}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array, "<f4").tobytes())
        return digest.hexdigest()


def _mean(several: Sequence[Moments]) -> Moments:
    kinds = (np.stack(kind).astype(np.float64) for kind in zip(*several, strict=True))
    return Moments(*((kind.sum(axis=0) / len(several)).astype(np.float32) for kind in kinds))


def _channels(name: str, network: str) -> int:
    """The channels of a layer, or of the image.

    Raises:
        StatisticsError: The network does not have it.
    """
    if name == IMAGE:
        return 3
    if name not in architecture.NETWORKS[network]:
        raise StatisticsError(f"they have a layer {name!r}, which network {network} does not have")
    return architecture.channels(name)


def _check_moments(name: str, moments: Moments, channels: int) -> None:
    shapes = ((channels, channels), (channels,), (channels, channels))
    for kind, array, shape in zip(Moments._fields, moments, shapes, strict=True):
        if array.shape != shape:
            raise StatisticsError(f"{name}/{kind} must have shape {shape}, not {array.shape}")
        if not np.isfinite(array).all():
            raise StatisticsError(f"{name}/{kind} contains values that are not finite")
    for kind in ("gram", "covariance"):
        matrix = getattr(moments, kind)
        if abs(matrix - matrix.T).max() > _ASYMMETRY * abs(matrix).max():
            raise StatisticsError(f"{name}/{kind} is not symmetric")


def _read(path: Path) -> dict[str, Any]:
    """The arrays of a file, once it is sure that they are of statistics; plain values of scalars.

    Raises:
        StatisticsError: They are not.
        Exception: What zipfile and NumPy raise on damaged files.
    """
    if not zipfile.is_zipfile(path):
        raise StatisticsError("not a file of statistics (not a zip archive)")
    with zipfile.ZipFile(path) as archive:
        members: dict[str, zipfile.ZipInfo] = {}
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if name in members:
                raise StatisticsError(f"contains {name} twice")
            members[name] = info
        if missing := [name for name in (*_ALL_BESIDE, f"{IMAGE}/gram") if name not in members]:
            raise StatisticsError(f"not a file of statistics: {missing[0]} is missing")
        for name, info in members.items():
            _check_header(name, npy.header(archive, info))
        fields: dict[str, Any] = {
            name: npy.array(archive, members[name])[()] for name in _ALL_BESIDE
        }
        if str(fields["kind"]) != _KIND:
            raise StatisticsError("not a file of statistics")
        if fields["format"] != FORMAT:
            raise StatisticsError(f"has format {fields['format']}, not {FORMAT}")
        return fields | {
            name: npy.array(archive, info) for name, info in members.items() if name not in fields
        }


def _check_header(name: str, header: npy.Header) -> None:
    """Makes sure that an array is small and of numbers, or a text, before it is read."""
    shape, dtype = header
    if name in _TEXTS:
        is_right = shape == () and dtype.kind == "U" and dtype.itemsize <= 4 * _MOST_CHARACTERS
        wanted = "a text"
    elif name == "sizes":
        is_right = len(shape) == 2 and shape[1] == 2 and 0 < shape[0] <= _MOST_EXEMPLARS
        is_right, wanted = is_right and dtype.kind in "iu", "whole numbers of shape (n, 2)"
    elif name in _ALL_BESIDE:
        is_right, wanted = shape == () and dtype.kind in "biu", "a number"
    else:
        layer, _, kind = name.rpartition("/")
        if kind not in Moments._fields or not (layer == IMAGE or layer in architecture.VGG19):
            raise StatisticsError(f"has an array {name!r}, which statistics do not have")
        channels = 3 if layer == IMAGE else architecture.channels(layer)
        expected = (channels,) if kind == "mean" else (channels, channels)
        if shape != expected:
            raise StatisticsError(f"{name} must have shape {expected}, not {shape}")
        is_right, wanted = dtype.kind == "f", "floating-point numbers"
    if not is_right:
        raise StatisticsError(f"{name} must be {wanted}, not {dtype} of shape {shape}")


def _moments(fields: Mapping[str, Any], layer: str) -> Moments:
    arrays = []
    for kind in Moments._fields:
        name = f"{layer}/{kind}"
        if name not in fields:
            raise StatisticsError(f"{name} is missing")
        with np.errstate(over="ignore"):  # too large for float32 becomes infinite, and is told so
            arrays.append(np.asarray(fields[name]).astype(np.float32))
    return Moments(*arrays)
