"""Relative Gram error: how far a texture is from what Gatys et al. (2015) optimise."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from texsynth import images
from texsynth.compat import chainer
from texsynth.config import DEFAULT_LAYERS, Config
from texsynth.losses import GramLoss, mixing
from texsynth.metrics.activations import Network
from texsynth.objective import masks
from texsynth.objective.block_objective import BlockObjective
from texsynth.objective.masks import NO_MASKS, Masks
from texsynth.statistics import gram
from texsynth.typing import Array, Batch, Pixels
from texsynth.weights import VGGWeights

HELD_OUT = "pool5"
"""Measured, and by default not optimised: deeper structure than the loss asks for."""


MasksOf: TypeAlias = Callable[[tuple[str, ...]], Masks]
"""From names of layers to how much each of their positions counts."""


def gram_errors(
    pixels: Pixels,
    exemplar: Batch,
    vgg_weights: VGGWeights,
    config: Config,
    target_device: chainer.backend.Device,
    by: str = "plain",
    block: int = 512,
    masks_of: MasksOf | None = None,
) -> dict[str, float]:
    """Returns the relative Gram error of an 8-bit image at each layer.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        exemplar: ``(1, 3, H, W)`` float32.
        vgg_weights (texsynth.weights.VGGWeights): The network's weights.
        config (texsynth.Config): Gives layers and pooling.
        target_device (chainer.backend.Device): Where to compute.
        by (str): Engine that computes, see :class:`texsynth.metrics.activations.Network`.
        block (int): Side in pixels of the blocks in which they are measured; what was made on
            bounded memory is measured on it too.
        masks_of: Returns how much each position of layers counts; ``None`` counts all alike.

    Returns:
        dict: ``{layer: ||G - T|| / ||T||}`` for the layers of the loss, the default layers and
        ``pool5``, without those for which an image is too small.
    """
    mixture = [exemplar], [1.0], False
    return mixed_gram_errors(
        pixels, *mixture, vgg_weights, config, target_device, by, block, masks_of
    )


def mixed_gram_errors(
    pixels: Pixels,
    exemplars: Sequence[Batch],
    shares: Sequence[float],
    transports: bool,
    vgg_weights: VGGWeights,
    config: Config,
    target_device: chainer.backend.Device,
    by: str = "plain",
    block: int = 512,
    masks_of: MasksOf | None = None,
) -> dict[str, float]:
    """Returns the relative Gram error of an 8-bit image of a mixture at each layer.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        exemplars: ``(1, 3, H, W)`` float32 each.
        shares: One above 0 for each; they sum to 1.
        transports: As for :func:`texsynth.losses.mixing.mixed`.
        vgg_weights (texsynth.weights.VGGWeights): The network's weights.
        config (texsynth.Config): Gives layers and pooling.
        target_device (chainer.backend.Device): Where to compute.
        by (str): As for :func:`gram_errors`.
        block (int): As there.
        masks_of: As there; the masks of an exemplar are those of each.

    Returns:
        dict: As there.
    """
    wanted = {*(config.layers or {}), *DEFAULT_LAYERS, HELD_OUT}
    network = Network(vgg_weights, wanted, config.pooling, target_device, by)
    smallest = min(side for each in exemplars for side in each.shape[2:])
    names = network.layers(min(*pixels.shape[:2], smallest))
    counted = NO_MASKS if masks_of is None else masks_of(names)
    names = masks.enough(counted, names)
    features, loss = network.features(names), GramLoss(dict.fromkeys(names, 1.0))
    candidate, *moments = (
        BlockObjective(
            features,
            measured,
            target_device.send(batch),
            block=block,
            masks=Masks(mask and {name: target_device.send(mask[name]) for name in mask}),
        ).targets[0]
        for measured, batch, mask in (
            ([loss], images.to_batch(pixels), counted.image),
            *((mixing.measured([loss]), exemplar, counted.exemplar) for exemplar in exemplars),
        )
    )
    target = mixing.mixed(loss, moments, shares, transports)
    return {name: gram.relative_error(candidate[name].array, target[name].array) for name in names}


def gram_errors_of_target(
    pixels: Pixels,
    grams: Mapping[str, Array],
    vgg_weights: VGGWeights,
    config: Config,
    target_device: chainer.backend.Device,
    by: str = "plain",
    block: int = 512,
) -> dict[str, float]:
    """Returns the relative Gram error of an 8-bit image at the layers whose matrices are known.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        grams: ``{layer: (C, C) array}``, NumPy.
        vgg_weights (texsynth.weights.VGGWeights): The network's weights.
        config (texsynth.Config): Gives the pooling.
        target_device (chainer.backend.Device): Where to compute.
        by (str): As for :func:`gram_errors`.
        block (int): As there.

    Returns:
        dict: As there, for the known layers.
    """
    network = Network(vgg_weights, grams, config.pooling, target_device, by)
    names = network.layers(min(pixels.shape[:2]))
    features, losses = network.features(names), [GramLoss(dict.fromkeys(names, 1.0))]
    batch = target_device.send(images.to_batch(pixels))
    candidate = BlockObjective(features, losses, batch, block=block).targets[0]
    return {
        name: gram.relative_error(candidate[name].array, target_device.send(grams[name])[None])
        for name in names
    }


def gram_matrices(activations: Mapping[str, Array]) -> dict[str, Array]:
    """Returns ``{layer: (1, C, C)}`` of ``{layer: (1, C, H, W)}``, on the same device.

    Args:
        activations: Arrays by layer name.
    """
    return {name: gram.gram_matrix(array).array for name, array in activations.items()}


def relative_errors(
    candidate: Mapping[str, Array], target: Mapping[str, Array]
) -> dict[str, float]:
    """Returns ``{layer: ||G - T|| / ||T||}`` (Frobenius norms; Gatys et al. 2015, equations 1, 3).

    Args:
        candidate: ``{layer: G}``, each ``(1, C, C)``.
        target: ``{layer: T}``, each ``(1, C, C)``; may have more layers.
    """
    return {name: gram.relative_error(G, target[name]) for name, G in candidate.items()}
