"""The objective of a GPU: the Gram loss and its gradient as one graph, recorded and replayed.

A launch takes the host longer than most of an evaluation's kernels take the device: recorded, all
of them are one launch. What is recorded holds its arrays by their addresses.
"""

import math

import cupy
import numpy as np

from texsynth import cuda
from texsynth.losses import (
    ContrastGramLoss,
    GramLoss,
    PaperGramLoss,
    RangePenalty,
    ScaledGramLoss,
    is_listened_to,
    report,
)
from texsynth.network.cuda.passes import Passes
from texsynth.network.vgg import check_wrap
from texsynth.objective.blocks import kept, regions
from texsynth.objective.whole import Undivided

_THREADS = 256
_BLOCKS = 64  # for the Gram matrix of a layer
_LAYER = np.dtype(  # as gram_errors.cu has it
    [
        *((name, "u8") for name in ("sums", "target", "scales", "gradient")),
        ("channels", "i4"),
        *((name, "f4") for name in ("share", "weight", "scaled")),
    ],
    align=True,
)


def can_capture(losses):
    """Returns whether a sum is one Gram loss, and at most the scaled one and the penalty.

    Args:
        losses: Losses to sum, as those of :mod:`texsynth.losses`.
    """
    kinds = [type(loss) for loss in losses]
    grams = [kind for kind in kinds if kind in (GramLoss, PaperGramLoss, ContrastGramLoss)]
    others = [kind for kind in kinds if kind in (ScaledGramLoss, RangePenalty)]
    return len(grams) == 1 and len(set(others)) == len(others) == len(kinds) - 1


class CapturedObjective(Undivided):
    """A callable that optimizers minimise: what :class:`texsynth.objective.Objective` computes.

    Args:
        features (texsynth.network.cuda.features.CudaFeatures): The network.
        losses: Losses to sum, see :func:`can_capture`.
        exemplar (cupy.ndarray): ``(1, 3, H, W)`` float32, RGB, 0..255.
        trim: As for :class:`texsynth.objective.Objective`.
        margin: As there.
        wrap: As there.
        targets: As there.

    Attributes:
        evaluations (int): How often loss and gradient have been computed.
    """

    def __init__(
        self,
        features,
        losses,
        exemplar,
        trim=(0, 0),
        margin=(0, 0),
        wrap=(False, False),
        targets=None,
    ):
        self.network = features.network
        by_kind = {type(loss): loss for loss in losses}
        self.scaled = by_kind.pop(ScaledGramLoss, None)
        self.penalty = by_kind.pop(RangePenalty, None)
        (self.gram,) = by_kind.values()
        self.margin, self.wrap = margin, wrap
        self.kernel = cuda.load(__package__, "gram_errors")
        if targets is None:
            matrices = self._matrices_of(exemplar, trim)
        else:
            found = (each for each in targets if each is not None)  # the penalty has none
            matrices = {
                name: cupy.ascontiguousarray(x.array[0])
                for target in found
                for name, x in target.items()
            }
        self.targets = {
            name: (x, float((x.astype(np.float64) ** 2).sum())) for name, x in matrices.items()
        }
        self.scales = {}
        if self.scaled is not None:
            named = self.scaled.weights
            self.scales = {name: self.scaled.scales(matrices[name][None])[0] for name in named}
        self._recorded = None
        self.evaluations = 0

    def __call__(self, image):
        """Has loss and gradient computed; does not wait for them.

        Args:
            image (chainer.Variable): ``(1, 3, H, W)`` float32, RGB, CuPy, C-contiguous. Its
                gradient is an array of its own, written over when the same array is evaluated
                again.

        Returns:
            cupy.ndarray: The loss, of no dimensions.

        Raises:
            texsynth.errors.ConfigError: See :func:`texsynth.network.vgg.check_wrap`.
        """
        if self._recorded is None or not self._recorded.is_of(image.array):
            check_wrap(image.shape, self.wrap, self.network.layers)
            self._recorded = None  # makes room for the next
            self._recorded = _Recorded(self, image.array)
        self.evaluations += 1
        image.grad = self._recorded.gradient
        loss = self._recorded.replay()
        if is_listened_to():
            self._recorded.report()
        return loss

    def rest(self):
        """Lets go of what only evaluations need; the next one makes it again."""
        self._recorded = None

    def _matrices_of(self, exemplar, trim):
        """The Gram matrix of each layer."""
        size = exemplar.shape[2:]
        read = regions(self.network.layers, size, trim)
        # Before the buffers: in a part of what they leave, a matrix would keep all of it.
        targets = {name: cupy.empty((c, c), np.float32) for name, c in self.network.channels()}
        passes = Passes(self.network, size, (False, False), read)
        passes.forward(cupy.ascontiguousarray(exemplar))
        for name, activations in passes.activations.items():
            self.network.products.gram(activations, targets[name])
            targets[name] /= math.prod(activations.shape[1:])
        del passes, activations
        cupy.get_default_memory_pool().free_all_blocks()  # what the exemplar took fits no canvas
        return targets


class _Recorded:
    """An evaluation of one image, in place, as a graph.

    Args:
        objective (CapturedObjective): Targets and settings.
        image (cupy.ndarray): ``(1, 3, H, W)`` float32.
    """

    def __init__(self, objective, image):
        self._objective, self._image = objective, image
        size = image.shape[2:]
        margin = objective.margin
        read = regions(objective.network.layers, size, margin)
        self._passes = Passes(objective.network, size, objective.wrap, read)
        activations = self._passes.activations
        self._sums, self._slopes = (
            {name: cupy.empty_like(target) for name, (target, _) in objective.targets.items()}
            for _ in range(2)
        )
        self._gradients = {name: cupy.empty_like(x) for name, x in activations.items()}
        self._layers = {name: self._layer(name) for name in activations}
        self._parts = cupy.empty((2, len(activations), _BLOCKS), np.float32)
        # What belongs to the statistics runs beside the rest, as far as the device has room.
        self._beside = cupy.cuda.Stream(non_blocking=True)
        self._ready = {}
        self._excess = cupy.empty(self._passes.blocks, np.float32)
        self._inside = tuple(kept(side, 1, cut) for side, cut in zip(size, margin, strict=True))
        weight = 0 if objective.penalty is None else objective.penalty.weight
        self._penalty_weight = weight / (3 * math.prod(_lengths(self._inside)))
        self.gradient = cupy.empty_like(image)
        self._loss = cupy.empty((), np.float32)
        self._graph = self._capture()

    def is_of(self, image):
        """Whether this is an evaluation of that array."""
        return image.data.ptr == self._image.data.ptr and image.shape == self._image.shape

    def replay(self):
        """Evaluates; returns the loss, an array of no dimensions."""
        self._graph.launch()
        return self._loss

    def report(self):
        """Reports loss and terms of the last evaluation, which the next writes over."""
        objective, (gram, scaled) = self._objective, self._parts.sum(axis=(1, 2))
        losses, values = [objective.gram], [gram]
        if objective.scaled is not None:
            losses.append(objective.scaled)
            values.append(scaled)
        if objective.penalty is not None:
            losses.append(objective.penalty)
            values.append(self._excess.sum() * self._penalty_weight)
        report(self._loss.copy(), losses, values)

    def _capture(self):
        self._evaluate()  # loads what cannot be loaded while a graph is recorded
        return cuda.record(self._evaluate)

    def _evaluate(self):
        objective = self._objective
        self._ready.clear()
        self._passes.forward(self._image, self._start_statistics)
        weight, penalty = self._penalty_weight, None
        if objective.penalty is not None:
            penalty = self._inside, weight
        image, gradient = self._image, self.gradient
        self._passes.backward(self._gradient_of, image, gradient, penalty, self._excess)
        parts, excess = self._parts, self._excess
        counts = np.int32(parts.size), np.int32(excess.size)
        objective.kernel("add_losses")(
            (1,),
            (_THREADS,),
            (parts, counts[0], excess, counts[1], np.float32(weight), self._loss),
        )

    def _start_statistics(self, name):
        """Has a layer's error and its gradient computed, of activations that are under way."""
        objective, activations = self._objective, self._passes.activations[name]
        cupy.cuda.get_current_stream().record(before := cupy.cuda.Event(disable_timing=True))
        self._beside.wait_event(before)
        with self._beside:
            objective.network.beside.gram(activations, self._sums[name])
            parts = self._parts[:, list(self._layers).index(name)]
            given = self._layers[name], parts[0], parts[1]
            objective.kernel("gram_error")((_BLOCKS,), (_THREADS,), given)
            channels, positions = activations.shape[0], math.prod(activations.shape[1:])
            sizes = channels, positions, channels
            out = self._gradients[name]
            objective.network.beside.multiply(self._slopes[name], activations, out, sizes)
            self._ready[name] = self._beside.record()

    def _gradient_of(self, name):
        """The gradient for what is read of a layer, once it is there."""
        if name not in self._gradients:
            return None
        cupy.cuda.get_current_stream().wait_event(self._ready[name])
        return self._gradients[name]

    def _layer(self, name):
        target, norm = self._objective.targets[name]
        share = 1 / math.prod(self._passes.activations[name].shape[1:])
        gram, scaled = self._objective.gram, self._objective.scaled
        weight = gram.weights.get(name, 0) * gram.scale(len(target), norm)
        beside = 0 if scaled is None else scaled.weights.get(name, 0) / len(target)
        scales = self._objective.scales.get(name)
        sums, slopes = self._sums[name].data.ptr, self._slopes[name].data.ptr
        pointers = sums, target.data.ptr, 0 if scales is None else scales.data.ptr, slopes
        return cuda.structure(_LAYER, *pointers, len(target), share, weight, beside)


def _lengths(slices):
    return [each.stop - each.start for each in slices]
