"""Reads an ONNX model and the data beside it."""

import math

from texsynth.errors import WeightsError
from texsynth.weights import checks


def read(path, network):
    """Reads the arrays of a VGG's convolutions, kernels as ``(O, C, 3, 3)``.

    Args:
        path (pathlib.Path): The file.
        network (str): What it should hold, see :func:`texsynth.weights.checks.layer_of`.

    Returns:
        dict: ``{name in the file: array}``.

    Raises:
        texsynth.errors.WeightsError: It does not hold the network, or more than 2 GB.
        Exception: Whatever onnx raises on damaged files.
    """
    import onnx

    checks.check_message(path)
    graph = onnx.load(path, load_external_data=False).graph
    tensors = {t.name: t for t in graph.initializer if checks.layer_of(t.name, network)}
    headers = {
        name: checks.Header(tuple(t.dims), onnx.helper.tensor_dtype_to_np_dtype(t.data_type))
        for name, t in tensors.items()
    }
    checks.layers_in(headers, network)
    for name, tensor in tensors.items():
        if onnx.external_data_helper.uses_external_data(tensor):
            header = headers[name]
            _bound_external_data(tensor, math.prod(header.shape) * header.dtype.itemsize)
            # It refuses what is not in the same folder, or no regular file.
            onnx.external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))
    return {name: onnx.numpy_helper.to_array(tensor) for name, tensor in tensors.items()}


def _bound_external_data(tensor, size):
    """Makes sure that no more is read than the tensor takes: without a length it is all there is.

    Args:
        tensor (onnx.TensorProto): With external data.
        size (int): What it takes, in bytes.
    """
    lengths = [entry.value for entry in tensor.external_data if entry.key == "length"]
    if not lengths:
        entry = tensor.external_data.add()
        entry.key, entry.value = "length", str(size)
    elif lengths != [str(size)]:
        raise WeightsError(
            f"{tensor.name} must have {size} bytes of external data, not {lengths[0]}"
        )
