"""The objective block by block: the same loss and gradient, in the memory of one block.

The losses are functions of sums over positions. A first pass adds the sums of all blocks up; the
loss of the sums then says how much each counts; and a second pass computes each block's activations
again, with the way back to the pixels. That is exact, at the price of computing activations twice,
and those where windows overlap more often.
"""

import logging

from texsynth.compat import chainer
from texsynth.losses import IMAGE, check_additive, check_takes_masks, report
from texsynth.losses.loss import Partial
from texsynth.network import architecture
from texsynth.objective import blocks
from texsynth.objective.block_choice import SMALLEST_CORE
from texsynth.objective.masks import NO_MASKS
from texsynth.objective.whole import Undivided, loss_value

_log = logging.getLogger(__name__)

_BAND_BYTES = 16 << 20  # of activations whose statistics are taken at once


class BlockObjective(Undivided):
    """A callable that optimizers minimise, in place of :class:`texsynth.objective.whole.Objective`.

    Args:
        features: From image to activations, with the network's ``table``, as
            :class:`texsynth.network.vgg.VGGFeatures`.
        losses: Losses to sum, additive ones, as :class:`texsynth.losses.loss.AdditiveLoss`.
        exemplar (array): ``(N, 3, H, W)`` float32, RGB, 0..255, on the device of ``features``.
        trim: ``(rows, columns)`` in pixels at each edge of the exemplar whose activations are left
            out of the targets.
        margin: ``(rows, columns)`` in pixels at each edge of the image whose activations are left
            out of the loss.
        block (int): Side of a block's core in pixels, see :func:`texsynth.objective.blocks.plan`;
            the exemplar is taken in such blocks too.
        wrap: ``(rows, columns)``: along which axes the image is taken as one that tiles; the
            exemplar never is.
        keep (str): Name of a convolution: what the first pass computes from there on is kept for
            the second, if ``features`` can
            (:meth:`texsynth.network.winograd.features.WinogradFeatures.keep`). ``None`` keeps
            nothing.
        masks (texsynth.objective.masks.Masks): How much each position counts, on the device of
            ``features``.
        targets (list): As for :class:`texsynth.objective.whole.Objective`.

    Attributes:
        evaluations (int): How often loss and gradient have been computed.
        targets (list): What each loss made of the exemplar.
        block (int): Side of a block's core; it is halved where memory does not do.

    Raises:
        texsynth.errors.ConfigError: A loss needs the whole image at once.
    """

    def __init__(
        self,
        features,
        losses,
        exemplar,
        trim=(0, 0),
        margin=(0, 0),
        block=512,
        wrap=(False, False),
        keep=None,
        masks=NO_MASKS,
        targets=None,
    ):
        self._features = features
        self._losses = tuple(losses)
        check_additive(self._losses)
        if masks != NO_MASKS:
            check_takes_masks(self._losses)
        self._mask = masks.image
        self._names = sorted({name for loss in self._losses for name in loss.layers})
        self._layers = [name for name in self._names if name != IMAGE]
        self.block, self._margin, self._wrap = block, margin, wrap
        self._keep = keep
        self._rooms, self._kept = {}, {}
        self.evaluations = 0
        self.targets = (
            self._targets_of(exemplar, trim, masks.exemplar) if targets is None else targets
        )

    def _targets_of(self, exemplar, trim, masks):
        """What each loss makes of the exemplar, which is taken in blocks too."""
        totals, size, table = [{} for _ in self._losses], exemplar.shape[2:], self._features.table
        with chainer.no_backprop_mode():
            for each in blocks.plan(size, self._layers, self.block, table=table):
                view = View(exemplar, each, size, trim, masks=masks)
                self._add(totals, view, self._activations(view))
            return [loss.summary(total) for loss, total in zip(self._losses, totals, strict=True)]

    def rest(self):
        """Lets go of the memory that is used again from one evaluation to the next."""
        self._rooms.clear()
        self._kept.clear()

    def __call__(self, image):
        """Computes the loss and leaves its gradient in ``image.grad``.

        Args:
            image (chainer.Variable): ``(N, 3, H, W)`` float32, RGB.

        Returns:
            float: The loss; on a GPU an array of no dimensions, which is not waited for.
        """
        while True:
            try:
                return self._evaluate(image)
            except MemoryError:  # of NumPy, and of CuPy too
                if self.block <= SMALLEST_CORE:
                    raise
                self.block //= 2
                self.rest()
                _log.warning("out of memory; halving the blocks to %d px", self.block)

    def _evaluate(self, image):
        image.cleargrad()
        pixels, views = self._views(image.array)
        *others, last = views
        totals = [{} for _ in self._losses]
        with chainer.no_backprop_mode():
            for number, view in enumerate(others):
                self._add(totals, view, self._activations(view))
                if self._keep is not None:
                    self._kept[number] = self._features.keep(self._keep, self._kept.get(number))
        activations = self._activations(last)  # with the way back: the second pass begins here
        self._add(totals, last, activations)
        totals = self._totals(totals)
        loss = self._finish(totals)
        gradient = chainer.backend.get_array_module(pixels).zeros_like(pixels)
        self._backward(totals, last, activations, gradient)
        for number, view in enumerate(others):
            del activations  # or those of two blocks would be there
            activations = self._activations(view, self._kept.get(number))
            self._backward(totals, view, activations, gradient)
        image.grad = self._collected(gradient)
        self.evaluations += 1
        return loss

    def _views(self, image):
        """The pixels that are looked at, and the blocks that look at them."""
        size, table = image.shape[2:], self._features.table
        planned = blocks.plan(size, self._layers, self.block, self._wrap, table)
        return image, [View(image, each, size, self._margin, masks=self._mask) for each in planned]

    def _totals(self, totals):
        """The sums over the whole image, from those over the blocks."""
        return totals

    def _collected(self, gradient):
        """The gradient of the image, from that of the pixels that were looked at."""
        return gradient

    def _activations(self, view, kept=None):
        """All that the losses look at, ``{name: chainer.Variable}``, in the window of a block."""
        window = chainer.Variable(view.cut())
        known = {} if kept is None else {"kept": kept}
        return {IMAGE: window, **self._features(window, wrap=view.block.wrap, **known)}

    def _add(self, totals, view, activations):
        """Adds to each loss's ``{layer: Partial}`` the sums over the core of a block."""
        for name, place in view.bands(activations, self._names):
            part = {name: chainer.Variable(activations[name].array[place])}
            with chainer.no_backprop_mode():
                for loss, total in zip(self._losses, totals, strict=True):
                    for layer, partial in loss.partial(part, *view.masks(name, place)).items():
                        total[layer] = _added(total.get(layer), partial)

    def _finish(self, totals):
        """Returns the loss of the sums, and leaves its derivatives in their ``grad``."""
        triples = zip(self._losses, totals, self.targets, strict=True)
        values = [loss.finish(total, target) for loss, total, target in triples]
        loss = sum(values)
        report(loss, self._losses, values)
        loss.backward()
        return loss_value(loss)

    def _backward(self, totals, view, activations, gradient):
        """Adds to the gradient of the image what comes by way of one block."""
        given = {name: self._room(name, activations[name].array) for name in self._names}
        for name in self._names:
            for outside in view.outside(name):
                given[name][outside] = 0
        for name, place in view.bands(activations, self._names):
            part = activations[name].array[place]
            # The derivative by a sum over some positions is that by the sum over all.
            mask = [masks[name] for masks in view.masks(name, place)]
            first, *others = (
                loss.sums_gradient(part, [x.grad for x in total[name].sums], *mask)
                for loss, total in zip(self._losses, totals, strict=True)
                if name in total
            )
            given[name][place] = sum(others, start=first)
        inputs = [activations[name] for name in given]
        _Given(tuple(given.values())).apply(inputs)[0].backward()
        view.add_to(gradient, activations[IMAGE].grad)

    def _room(self, name, like):
        """Room for a gradient, used again: the first touch of fresh memory is slow."""
        room = self._rooms.get(name)
        if room is None or room.shape != like.shape or room.dtype != like.dtype:
            # In the layout of the activations, which engines mind.
            room = chainer.backend.get_array_module(like).zeros_like(like)
            self._rooms[name] = room
        return room


class _Given(chainer.FunctionNode):
    """A function whose gradients are known already."""

    def __init__(self, gradients):
        super().__init__()
        self._gradients = gradients

    def forward(self, inputs):
        xp = chainer.backend.get_array_module(*inputs)
        return (xp.zeros((), dtype=inputs[0].dtype),)

    def backward(self, indexes, grad_outputs):
        return tuple(chainer.as_variable(self._gradients[index]) for index in indexes)


class View:
    """An image as one block sees it."""

    def __init__(self, pixels, block, size, edge, first_row=None, masks=None):
        self._pixels, self._size, self._edge, self._masks = pixels, size, edge, masks
        self._first_row = first_row  # of the image, if the pixels are some of its rows
        self.block = block

    def cut(self):
        """Returns the pixels of the window, a copy."""
        xp = chainer.backend.get_array_module(self._pixels)
        shape = (*self._pixels.shape[:2], *self.block.shape)
        window = xp.empty(shape, dtype=self._pixels.dtype)
        for here, there in self._pieces():
            window[here] = self._pixels[there]
        return window

    def add_to(self, gradient, window):
        """Adds what is in the window to where it lies in the image."""
        for here, there in self._pieces():
            gradient[there] += window[here]

    def _pieces(self):
        for rows in self._row_pieces():
            for columns in self.block.columns.pieces(self._size[1]):
                here, there = zip(rows, columns, strict=True)
                yield (..., *here), (..., *there)

    def _row_pieces(self):
        span = self.block.rows
        if self._first_row is None:
            return span.pieces(self._size[0])
        begin = span.start - self._first_row
        return [(slice(0, span.length), slice(begin, begin + span.length))]

    def bands(self, activations, names):
        """Yields the positions of the core that count, ``(name, index)``, a few rows at a time."""
        for name in names:
            rows, columns = self.core(name)
            if columns.start == columns.stop:
                continue
            row_bytes = activations[name].array[:, :, 0, columns].nbytes
            step = max(1, _BAND_BYTES // row_bytes)
            for top in range(rows.start, rows.stop, step):
                yield name, (..., slice(top, min(top + step, rows.stop)), columns)

    def masks(self, name, place):
        """Returns how much positions of the core count, ``[{name: mask}]``; ``[]`` if all alike.

        Args:
            name (str): A layer.
            place: An index that :meth:`bands` yielded for it.
        """
        if self._masks is None:
            return []
        stride = architecture.stride(name)
        offsets = (span.start // stride for span in self.block)
        rows, columns = (
            slice(each.start + offset, each.stop + offset)
            for each, offset in zip(place[1:], offsets, strict=True)
        )
        return [{name: self._masks[name][..., rows, columns]}]

    def outside(self, name):
        """Yields all other positions of a layer, as indices."""
        rows, columns = self.core(name)
        yield (..., slice(0, rows.start), slice(None))
        yield (..., slice(rows.stop, None), slice(None))
        yield (..., slice(0, columns.start))
        yield (..., slice(columns.stop, None))

    def core(self, name):
        """Returns the rows and columns of a layer that count, both slices with both ends."""
        stride = architecture.stride(name)
        return tuple(
            span.positions(stride, blocks.kept(side, stride, cut))
            for span, side, cut in zip(self.block, self._size, self._edge, strict=True)
        )


def _added(total, partial):
    """A layer's sums so far, which are no part of any graph, and some more."""
    if total is None:
        return Partial(tuple(chainer.Variable(x.array) for x in partial.sums), partial.count)
    for whole, x in zip(total.sums, partial.sums, strict=True):
        whole.array += x.array
    return Partial(total.sums, total.count + partial.count)
