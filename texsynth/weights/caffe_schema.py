"""Reads convolutions from a Caffe model, with the few fields of Caffe's schema that they need.

Field numbers are those of ``caffe.proto``: ``NetParameter``, ``V1LayerParameter`` (the old layers
that Oxford's file has), ``LayerParameter``, ``BlobProto`` and ``BlobShape``. Chainer brings a
compiled schema of its own, which today's protobuf refuses to load.
"""

import itertools

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FIELD = descriptor_pb2.FieldDescriptorProto
_MESSAGES = {
    "BlobShape": [("dim", 1, "int64*")],
    "BlobProto": [
        ("num", 1, "int32"),
        ("channels", 2, "int32"),
        ("height", 3, "int32"),
        ("width", 4, "int32"),
        ("data", 5, "float*"),
        ("shape", 7, "BlobShape"),
    ],
    "LayerParameter": [("name", 1, "string"), ("blobs", 7, "BlobProto*")],
    "V1LayerParameter": [("name", 4, "string"), ("blobs", 6, "BlobProto*")],
    "NetParameter": [("layers", 2, "V1LayerParameter*"), ("layer", 100, "LayerParameter*")],
}
_SCALARS = {
    "int32": _FIELD.TYPE_INT32,
    "int64": _FIELD.TYPE_INT64,
    "float": _FIELD.TYPE_FLOAT,
    "string": _FIELD.TYPE_STRING,
}


def read_convolutions(data):
    """Returns the kernels and biases of all layers whose name begins with ``conv``.

    A field that Caffe packs is read either way: protobuf's parsers accept both.

    Args:
        data (bytes): The ``.caffemodel`` file.

    Returns:
        dict: ``{"conv1_1/W": (O, C, 3, 3), "conv1_1/b": (O,), ...}`` float32.

    Raises:
        google.protobuf.message.DecodeError: The bytes are no protobuf message.
        ValueError: A blob's shape does not fit its data, or a layer is there twice.
    """
    net = _net_parameter()()
    net.ParseFromString(data)
    arrays = {}
    for layer in itertools.chain(net.layer, net.layers):
        if layer.name.startswith("conv") and len(layer.blobs) == 2:
            if f"{layer.name}/W" in arrays:
                raise ValueError(f"contains {layer.name} twice")
            W, b = (_to_array(blob) for blob in layer.blobs)
            # Old files give a bias the shape (1, 1, 1, O).
            arrays[f"{layer.name}/W"], arrays[f"{layer.name}/b"] = W, b.ravel()
    return arrays


def _to_array(blob):
    shape = tuple(blob.shape.dim) or (blob.num, blob.channels, blob.height, blob.width)
    return np.array(blob.data, dtype=np.float32).reshape(shape)


def _net_parameter():
    """Builds the class of ``NetParameter`` from the table above."""
    file = descriptor_pb2.FileDescriptorProto(name="texsynth_caffe.proto", package="texsynth_caffe")
    for message_name, fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for name, number, kind in fields:
            base = kind.rstrip("*")
            label = _FIELD.LABEL_REPEATED if kind.endswith("*") else _FIELD.LABEL_OPTIONAL
            field = message.field.add(name=name, number=number, label=label)
            if base in _SCALARS:
                field.type = _SCALARS[base]
            else:
                field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".texsynth_caffe.{base}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    descriptor = pool.FindMessageTypeByName("texsynth_caffe.NetParameter")
    return message_factory.GetMessageClass(descriptor)
