"""The objective of several processes: each owns some rows of the image, and makes their blocks."""

import numpy as np

from texsynth.compat import chainer
from texsynth.losses.loss import Partial
from texsynth.network import architecture
from texsynth.objective import blocks
from texsynth.objective.block_objective import BlockObjective, View
from texsynth.objective.strips import Strips


def can_share(size, layers, team, table=architecture.VGG16):
    """Returns whether an image is worth sharing out: strips no smaller than what they borrow.

    Args:
        size: ``(height, width)`` of the image in pixels.
        layers: Names of the layers of the losses.
        team (texsynth.objective.team.Team): The processes.
        table: The network's layers by name.
    """
    return team.size > 1 and size[0] // team.size >= 2 * blocks.reach(layers, table)


class StripObjective(BlockObjective):
    """A callable that optimizers minimise, each process its own rows of one image.

    The sums of all blocks of all processes are all-reduced, so that the loss is that of the whole
    image; rows around a strip come from the neighbours, and what the strip says of them goes back.

    Args:
        size: ``(height, width)`` of the whole image in pixels, see :func:`can_share`.
        team (texsynth.objective.team.Team): The processes.
        block (int): Side of a block's core in pixels, at most.
        wrap: As for :class:`texsynth.objective.block_objective.BlockObjective`.
        settings: Its other arguments.
        others: Likewise, by name.

    Attributes:
        strips (texsynth.objective.strips.Strips): Which rows are whose.
    """

    def __init__(self, *settings, size, team, block, wrap=(False, False), **others):
        super().__init__(*settings, block=block, wrap=wrap, **others)
        self.team, self._size = team, size
        stride = architecture.smallest_side(self._layers) if self._layers else 1
        share = -(-size[0] // (team.size * stride)) * stride
        planned = blocks.plan(size, self._layers, min(block, share), wrap, self._features.table)
        spans = sorted({each.rows for each in planned}, key=lambda span: span.core)
        shares = [
            spans[rank * len(spans) // team.size : (rank + 1) * len(spans) // team.size]
            for rank in range(team.size)
        ]
        bounds = [own[0].core[0] for own in shares] + [size[0]]
        windows = [
            (min(span.start for span in own), max(span.start + span.length for span in own))
            for own in shares
        ]
        self.strips = Strips(team, size[0], bounds, windows)
        self._first_row = windows[team.rank][0]
        self._own = [each for each in planned if each.rows in shares[team.rank]]

    def __call__(self, image):
        """Computes the loss of the whole image and leaves its gradient in ``image.grad``.

        Args:
            image (chainer.Variable): ``(N, 3, own rows, W)`` float32, RGB: this process's strip.

        Returns:
            float: The loss, the same in all processes.
        """
        return self._evaluate(image)  # out of memory is the end: others would wait for a retry

    def own(self, canvas):
        """Returns this process's rows of an image, a copy.

        Args:
            canvas (numpy.ndarray): ``(N, 3, H, W)``.
        """
        return np.array(canvas[:, :, self.strips.own])

    def gathered(self, part):
        """Returns the whole image, on the host of every process, each of which must ask.

        Args:
            part (array): ``(N, 3, own rows, W)``, on any device.
        """
        return self.strips.gather(part)

    def _views(self, image):
        pixels = self.strips.window(image)
        return pixels, [
            View(pixels, each, self._size, self._margin, self._first_row, self._mask)
            for each in self._own
        ]

    def _add(self, totals, view, activations):
        """As for blocks; a strip within the margin has no position that counts, and adds zeros."""
        super()._add(totals, view, activations)
        for loss, total in zip(self._losses, totals, strict=True):
            missing = [name for name in loss.layers if name not in total]
            with chainer.no_backprop_mode():
                one = loss.partial({name: activations[name][..., :1, :1] for name in missing})
            for layer, partial in one.items():
                total[layer] = Partial(
                    tuple(chainer.Variable(x.xp.zeros_like(x.array)) for x in partial.sums), 0
                )

    def _totals(self, totals):
        return [
            {
                layer: Partial(
                    tuple(chainer.Variable(self.team.sum(x.array)) for x in partial.sums),
                    self.team.count(partial.count),
                )
                for layer, partial in sorted(total.items())
            }
            for total in totals
        ]

    def _collected(self, gradient):
        return self.strips.collect(gradient)
