"""The loss on corresponding patches: each should be like one that the exemplar has."""

from typing import Any

from texsynth.compat import chainer
from texsynth.losses.loss import LayerLoss
from texsynth.statistics import correspondence
from texsynth.typing import Array

MOST_PATCHES = 1700  # of an exemplar's layer: the search takes longer than the network with more


class CorrespondenceLoss(LayerLoss):
    """Mean square of how much too far each 3x3 patch of activations is from the exemplar's nearest.

    It keeps together what belongs together: a stone keeps its outline, a tile its ornament, where
    Gram matrices only know which features occur how often. Li and Wand 2016, *Combining Markov
    random fields and convolutional neural networks for image synthesis*, equation 2. Differs from
    them: patches are compared as they are, for a texture has no other contrast than its exemplar;
    and only what their distance is above a tolerance counts, which comes from how near the
    exemplar's own patches are to one another (:mod:`texsynth.statistics.correspondence`). To the
    last, all that is near some patch would become a copy of it.
    The occurrence penalty of Zhou et al. 2023 (*Neural texture synthesis with guided
    correspondence*) is not needed beside Gram matrices, which know how often; with it the distance
    jumps, and L-BFGS comes to worse textures.

    It takes part at coarse levels, in those layers in which the exemplar has at most 1700 patches.

    Args:
        weights: Weight of each layer by name; a layer of weight 0 is left out.
    """

    default_layers: tuple[str, ...] = ("pool1", "pool2", "pool3")
    is_coarse = True
    takes_masks = True

    def statistic(
        self, activations: chainer.Variable | Array, *mask: Array
    ) -> correspondence.Patches | None:
        """Returns the exemplar's patches, or ``None`` if there are none or too many.

        With a mask, those of which each position counts by a half or more.
        """
        rows, columns = (side - correspondence.SIDE + 1 for side in activations.shape[2:])
        if min(rows, columns) < 1 or rows * columns > MOST_PATCHES:
            return None
        return correspondence.patches(chainer.as_array(activations), *mask)

    def compare(
        self, activations: chainer.Variable | Array, target: Any, *mask: Array
    ) -> chainer.Variable:
        """Returns the mean square, 0 where the exemplar or the candidate has no patches.

        With a mask, a patch counts by the mean of its positions.
        """
        if target is None or min(activations.shape[2:]) < correspondence.SIDE:
            x = chainer.as_array(activations)
            return chainer.Variable(chainer.backend.get_array_module(x).zeros((), x.dtype))
        return correspondence.distance(activations, target, *mask)
