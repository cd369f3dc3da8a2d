"""Reads a Caffe model."""

from texsynth.weights import checks


def read(path, network):
    """Reads the arrays of a VGG's convolutions, kernels as ``(O, C, 3, 3)``.

    Args:
        path (pathlib.Path): The file.
        network (str): What it should hold, see :func:`texsynth.weights.checks.layer_of`.

    Returns:
        dict: ``{name in the file: array}``.

    Raises:
        texsynth.errors.WeightsError: It has more than 2 GB.
        Exception: Whatever protobuf raises on damaged files.
    """
    from texsynth.weights import caffe_schema

    checks.check_message(path)
    arrays = caffe_schema.read_convolutions(path.read_bytes())
    return {name: array for name, array in arrays.items() if checks.layer_of(name, network)}
