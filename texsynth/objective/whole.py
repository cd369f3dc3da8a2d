"""The objective: from an image to the loss, with d loss / d image left in ``image.grad``."""

import numpy as np

from texsynth.compat import chainer
from texsynth.losses import IMAGE, check_takes_masks, report
from texsynth.losses.loss import Counted
from texsynth.objective.interior import interior, interior_of_masks
from texsynth.objective.masks import NO_MASKS
from texsynth.objective.team import ALONE


def loss_value(loss):
    """Returns a loss as an objective does: a float, or what a GPU has under way.

    Args:
        loss (chainer.Variable): Of no dimensions.
    """
    return float(loss.array) if isinstance(loss.array, np.ndarray | np.generic) else loss.array


class Undivided:
    """What an objective says of an image that one process has all of.

    Attributes:
        team (texsynth.objective.team.Team): The processes among which the image is divided.
        block (int): Side in pixels of the blocks in which it is taken; ``None`` takes it whole.
    """

    team = ALONE
    block = None

    def rest(self):
        """Lets go of what only evaluations need; the next one makes it again."""

    def own(self, canvas):
        """Returns this process's part of an image, a copy.

        Args:
            canvas (numpy.ndarray): ``(N, 3, H, W)``.
        """
        return np.array(canvas)

    def gathered(self, part):
        """Returns the whole image of which this is the process's part, on the host.

        Args:
            part (array): ``(N, 3, H, W)``, on any device.
        """
        return chainer.get_device("@numpy").send(part)


class Objective(Undivided):
    """A callable that optimizers minimise.

    Args:
        features: From image to activations, as :class:`texsynth.network.vgg.VGGFeatures`.
        losses: Losses to sum, as those of :mod:`texsynth.losses`.
        exemplar (array): ``(N, 3, H, W)`` float32, RGB, 0..255, on the device of ``features``.
        trim: ``(rows, columns)`` in pixels at each edge of the exemplar whose activations are left
            out of the targets: zero padding marks them, and photographs have captions and frames
            there.
        margin: ``(rows, columns)`` in pixels at each edge of the image whose activations are left
            out of the loss: those pixels are there so that the others see no border.
        wrap: ``(rows, columns)``: along which axes the image is taken as one that tiles; the
            exemplar never is.
        masks (texsynth.objective.masks.Masks): How much each position counts, on the device of
            ``features``.
        targets (list): What each loss is to be measured against, if that is known; then there need
            be no exemplar.

    Attributes:
        evaluations (int): How often loss and gradient have been computed.
        targets (list): What each loss made of the exemplar.
    """

    def __init__(
        self,
        features,
        losses,
        exemplar,
        trim=(0, 0),
        margin=(0, 0),
        wrap=(False, False),
        masks=NO_MASKS,
        targets=None,
    ):
        self._features = features
        self._losses = tuple(losses)
        self._margin, self._wrap, self._mask = margin, wrap, masks.image
        self._shape, self._among = None, {}
        if masks != NO_MASKS:
            check_takes_masks(self._losses)
        self.targets = (
            self._targets_of(exemplar, trim, masks.exemplar) if targets is None else targets
        )
        self.evaluations = 0

    def __call__(self, image):
        """Computes the loss and leaves its gradient in ``image.grad``.

        Args:
            image (chainer.Variable): ``(N, 3, H, W)`` float32, RGB.

        Returns:
            float: The loss; on a GPU an array of no dimensions, which is not waited for.
        """
        image.cleargrad()
        activations = self._activations(image, self._margin, self._wrap)
        if image.shape != self._shape:
            self._shape, self._among = image.shape, _among(self._mask, image.shape, self._margin)
        pairs = zip(self._losses, self.targets, strict=True)
        values = [loss.measure(activations, target, **self._among) for loss, target in pairs]
        total = sum(values[1:], start=values[0])
        report(total, self._losses, values)
        total.backward()
        self.evaluations += 1
        return loss_value(total)

    def _targets_of(self, exemplar, trim, mask):
        with chainer.no_backprop_mode():
            activations = self._activations(chainer.Variable(exemplar), trim, (False, False))
            among = _among(mask, exemplar.shape, trim)
            return [loss.target(activations, **among) for loss in self._losses]

    def _activations(self, image, edge, wrap):
        activations = {IMAGE: image, **self._features(image, wrap)}
        return interior(activations, image.shape, edge, getattr(self._features, "rooms", None))


def _among(masks, image_shape, edge):
    """What losses are told of how much positions count: nothing, where all count alike."""
    if masks is None:
        return {}
    return {"masks": Counted(interior_of_masks(masks, image_shape, edge))}
