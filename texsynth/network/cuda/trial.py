"""A trial of the engine before it is chosen: does it compute what plain code does?"""

from types import SimpleNamespace

import numpy as np

from texsynth.compat import chainer
from texsynth.network import architecture
from texsynth.network.cuda.features import CudaFeatures
from texsynth.network.vgg import VGGFeatures

_LAYERS = ("conv1_1", "pool1", "pool2")
_SIDE = 16  # pixels
_LARGEST_ERROR = {"fp32": 1e-3, "tf32": 5e-2}  # of the gradient's norm


def run(device, precision):
    """Compares the gradient of a small image, through random kernels, with the CPU's.

    Args:
        device (chainer.backend.Device): A GPU.
        precision (str): ``"fp32"`` or ``"tf32"``.

    Raises:
        Exception: Whatever a driver, a compiler or a library raises; or a ``RuntimeError`` when the
            gradient is another one.
    """
    weights = _random_weights()
    image = np.random.default_rng(1).uniform(0, 255, (1, 3, _SIDE, _SIDE)).astype(np.float32)
    expected = _gradient(VGGFeatures(weights, _LAYERS), image)
    with chainer.using_device(device):
        found = _gradient(CudaFeatures(weights, _LAYERS, precision=precision), device.send(image))
    found = chainer.get_device("@numpy").send(found)
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    if not error <= _LARGEST_ERROR[precision]:
        raise RuntimeError(f"its gradient is off by {error:.1e} of its length")


def _random_weights():
    random = np.random.default_rng(0)
    tensors = {}
    for layer in architecture.convolutions(architecture.VGG16)[:4]:
        spread = np.sqrt(2 / (9 * layer.in_channels))
        W = random.normal(0, spread, (layer.out_channels, layer.in_channels, 3, 3))
        b = random.normal(0, 1, layer.out_channels)
        tensors[layer.name] = W.astype(np.float32), b.astype(np.float32)
    return SimpleNamespace(
        table=architecture.VGG16, tensors=tensors, mean=np.array([104, 117, 124], np.float32)
    )


def _gradient(features, image):
    candidate = chainer.Parameter(image)
    activations = features(candidate).values()
    sum(chainer.functions.mean(x**2) for x in activations).backward()
    return candidate.grad
