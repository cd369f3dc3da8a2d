"""Reads an ``.npz`` with Chainer's names."""

import io
import zipfile

import numpy as np

from texsynth.errors import WeightsError
from texsynth.weights import checks

_LONGEST_NPY_HEADER = 1 << 16  # bytes; NumPy's own are shorter than 10000
_NPY_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


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
    with archive.open(info) as member:
        # No further than it can reach: the length that a header claims may be anything.
        start = io.BytesIO(member.read(_LONGEST_NPY_HEADER))
    try:
        version = np.lib.format.read_magic(start)
        shape, _, dtype = _NPY_HEADERS[version](start)
    except Exception as error:
        # Among them MemoryError, of an expression that is nested too deep for Python's parser.
        raise WeightsError(f"{name} cannot be read: it is not an array") from error
    return checks.Header(shape, dtype)


def _npy_array(name, archive, info):
    try:
        with archive.open(info) as member:
            return np.lib.format.read_array(member, allow_pickle=False)
    except ValueError as error:
        raise WeightsError(f"{name} cannot be read: {error}") from error
