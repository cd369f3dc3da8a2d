"""How good a texture is, measured on the image that was saved."""

from texsynth import architecture, gram, image
from texsynth.compat import chainer
from texsynth.config import DEFAULT_LAYERS
from texsynth.vgg import VGG16Features

HELD_OUT = "pool5"
"""Measured, and by default not optimised: deeper structure than the loss asks for."""


def gram_errors(pixels, exemplar, vgg_weights, config, target_device):
    """Returns the relative Gram error of an 8-bit image at each layer.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        exemplar: ``(1, 3, H, W)`` float32.
        vgg_weights (texsynth.weights.VGGWeights): The network's weights.
        config (texsynth.Config): Gives layers and pooling.
        target_device (chainer.backend.Device): Where to compute.

    Returns:
        dict: ``{layer: ||G - T|| / ||T||}`` for the layers of the loss, the default layers and
        ``pool5``, without those for which an image is too small.
    """
    side = min(*pixels.shape[:2], *exemplar.shape[2:])
    wanted = {*config.layers, *DEFAULT_LAYERS, HELD_OUT}
    names = [n for n in architecture.VGG16 if n in wanted and architecture.VGG16[n].stride <= side]
    features = VGG16Features(vgg_weights, names, config.pooling)
    features.to_device(target_device)
    grams = []
    with chainer.no_backprop_mode():
        for batch in (image.to_batch(pixels), exemplar):
            activations = features(chainer.Variable(target_device.send(batch)))
            grams.append({name: gram.gram_matrix(activations[name]).array for name in names})
    candidate, target = grams
    return {name: gram.relative_error(candidate[name], target[name]) for name in names}
