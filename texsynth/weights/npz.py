"""Reads an ``.npz`` with Chainer's names."""

import zipfile

from texsynth.errors import WeightsError
from texsynth.files import npy
from texsynth.weights import checks


def read(path, network):
    """Reads the arrays of a VGG's convolutions, kernels as ``(O, C, 3, 3)``.

    Args:
        path (pathlib.Path): The file.
        network (str): What it should hold, see :func:`texsynth.weights.checks.layer_of`.

    Returns:
        dict: ``{name in the file: array}``, ``"mean"`` among them if it is there.

    Raises:
        texsynth.errors.WeightsError: It does not hold the network.
        Exception: Whatever NumPy raises on damaged files.
    """
    # ZipFile says of other files that they are no zip *file*, as if they were damaged ones.
    if not zipfile.is_zipfile(path):
        raise ValueError("not a zip archive")
    with zipfile.ZipFile(path) as archive:
        members = {}
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            # Chainer's own file also has 500 MB of fully connected layers: never read.
            if name == "mean" or checks.layer_of(name, network):
                if name in members:
                    raise WeightsError(f"contains {name} twice")
                members[name] = info
        headers = {name: _npy_header(name, archive, info) for name, info in members.items()}
        checks.layers_in(headers, network)
        return {name: _npy_array(name, archive, info) for name, info in members.items()}


def _npy_header(name, archive, info):
    try:
        return checks.Header(*npy.header(archive, info))
    except ValueError as error:
        raise WeightsError(f"{name} cannot be read: {error}") from error


def _npy_array(name, archive, info):
    try:
        return npy.array(archive, info)
    except ValueError as error:
        raise WeightsError(f"{name} cannot be read: {error}") from error
