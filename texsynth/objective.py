"""The objective: from an image to the loss, with d loss / d image left in ``image.grad``."""

from texsynth.compat import chainer
from texsynth.losses import IMAGE


class Objective:
    """A callable that optimizers minimise.

    Args:
        features: From image to activations, as :class:`texsynth.vgg.VGG16Features`.
        losses: Losses to sum, as those of :mod:`texsynth.losses`.
        exemplar (array): ``(N, 3, H, W)`` float32, RGB, 0..255, on the device of ``features``.

    Attributes:
        evaluations (int): How often loss and gradient have been computed.
    """

    def __init__(self, features, losses, exemplar):
        self._features = features
        self._losses = tuple(losses)
        with chainer.no_backprop_mode():
            activations = self._activations(chainer.Variable(exemplar))
            self._targets = [loss.target(activations) for loss in self._losses]
        self.evaluations = 0

    def __call__(self, image):
        """Computes the loss and leaves its gradient in ``image.grad``.

        Args:
            image (chainer.Variable): ``(N, 3, H, W)`` float32, RGB.

        Returns:
            float: The loss.
        """
        image.cleargrad()
        activations = self._activations(image)
        total = 0
        for loss, target in zip(self._losses, self._targets, strict=True):
            total += loss.measure(activations, target)
        total.backward()
        self.evaluations += 1
        return float(total.array)

    def _activations(self, image):
        return {IMAGE: image, **self._features(image)}
